//! The server process over a cluster: launch, halt, launch again.
//!
//! Must not connect as a client beyond a bare TCP connection, and must not decide when to break anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::cluster::{Cluster, SUPERUSER};
use super::find::{Installation, find_or_fetch};
use super::image;
use super::options::{PostgresOptions, StartTimes};
use super::ready::Launched;
use super::settings::{self, Machine};
use super::url::ConnectionUrl;
use super::user::server_user;
use crate::affinity;
use crate::error::{Result, TestbedError};
use crate::owned::OwnedDirectory;
use crate::ports::free_port;
use crate::supervisor::{Exit, Signal, Supervisor};
use crate::usage;

/// A *fast* stop writes a checkpoint first; up to the shared buffers, 1 GB, on a slow disk.
const HALT_WITHIN: Duration = Duration::from_secs(120);

/// Directories that hold loadable modules, from that of the programs: Debian and Red Hat, from source, Red Hat's own package.
const MODULE_PLACES: [&str; 3] = ["../lib", "../lib/postgresql", "../lib64/pgsql"];

/// A PostgreSQL of our own. Dropping it changes nothing: the supervisor owns process and directory.
#[derive(Debug)]
pub struct LocalPostgres {
    supervisor: Supervisor,
    cluster: Cluster,
    installation: Installation,
    name: String,
    port: u16,
    log: PathBuf,
    settings: BTreeMap<String, String>,
    processors: Option<u32>,
    start_times: StartTimes,
}

impl LocalPostgres {
    /// Makes a cluster and starts its server; it takes connections when this returns.
    ///
    /// # Errors
    /// `BadInput` for a port that is taken or a setting that is refused; `Unavailable` for a full disk, no PostgreSQL, or
    /// nobody to run it as; `Other` with the end of the log if `initdb` or the server fails.
    pub async fn start(supervisor: &Supervisor, options: &PostgresOptions) -> Result<Self> {
        let user = server_user()?;
        options.validate(&user)?;
        let finding = Instant::now();
        let in_image = match supervisor.containers() {
            Some(containers) => Some(image::find(supervisor, containers, &options.name).await?),
            None => None,
        };
        let has_in_image = in_image.as_ref().map(|found| found.has_pg_stat_statements);
        let installation = match in_image {
            Some(found) => found.installation,
            None => find_or_fetch(&options.source).await?,
        };
        let find = finding.elapsed();

        let making = Instant::now();
        let directory = OwnedDirectory::create(&options.base, &options.run_id, &options.name)?;
        let cluster = Cluster::create(supervisor, &installation, &user, directory, &options.name).await?;
        let copy = cluster.copied;
        let initdb = making.elapsed().saturating_sub(copy.unwrap_or_default());

        // Only now, so that the time in which another could take it is short.
        let port = options.port.map_or_else(free_port, Ok)?;
        let has_pg_stat_statements = has_in_image.unwrap_or_else(|| has_module(&cluster.bin, "pg_stat_statements"));
        let machine = Machine {
            memory_bytes: usage::memory_bytes()?,
            port,
            has_pg_stat_statements,
        };
        let settings = settings::effective(machine, &options.settings);
        cluster.configure(&settings)?;
        let start_times = StartTimes {
            find,
            copy,
            initdb,
            ready: Duration::ZERO,
        };
        let (supervisor, name) = (supervisor.clone(), options.name.clone());
        let log = supervisor.log_dir().join(format!("{name}.log"));
        let mut server = Self {
            supervisor,
            cluster,
            installation,
            name,
            port,
            log,
            settings,
            processors: options.processors,
            start_times,
        };
        server.start_times.ready = server.launch().await?;
        Ok(server)
    }

    /// Where to connect, as superuser, to the database `postgres`.
    #[must_use]
    pub fn url(&self) -> ConnectionUrl {
        ConnectionUrl::new(SUPERUSER, &self.cluster.password, self.port, "postgres")
    }

    /// Process id of the postmaster, if it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.supervisor.pid_of(&self.name)
    }

    /// Name of its process at the supervisor.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Port on 127.0.0.1; it stays the same through all restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its programs and version.
    #[must_use]
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// The data directory.
    #[must_use]
    pub fn data_directory(&self) -> PathBuf {
        self.cluster.data()
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The settings that differ from PostgreSQL's defaults.
    #[must_use]
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// Whether the library is preloaded, so that `create extension pg_stat_statements` gives figures.
    #[must_use]
    pub fn has_pg_stat_statements(&self) -> bool {
        self.settings
            .get("shared_preload_libraries")
            .is_some_and(|libraries| libraries.contains("pg_stat_statements"))
    }

    /// How long the start took.
    #[must_use]
    pub fn start_times(&self) -> StartTimes {
        self.start_times
    }

    /// Ends the server: by [`Signal::Int`] (orderly), [`Signal::Quit`] (crash, recovered at the next start), or
    /// [`Signal::Kill`] (all its processes at once, as when a container dies).
    ///
    /// # Errors
    /// `Other` if it does not run, or does not end.
    pub async fn halt(&self, signal: Signal) -> Result<Exit> {
        match signal {
            Signal::Kill => self.supervisor.signal_tree(&self.name, signal).await?,
            _ => self.supervisor.signal(&self.name, signal).await?,
        }
        self.supervisor.wait_exit(&self.name, HALT_WITHIN).await
    }

    /// As [`LocalPostgres::halt`] by [`Signal::Kill`].
    ///
    /// # Errors
    /// As [`LocalPostgres::halt`].
    pub async fn kill(&self) -> Result<Exit> {
        self.halt(Signal::Kill).await
    }

    /// Starts the server again after a halt, on the same directory and port; answers the time until it takes connections,
    /// recovery included.
    ///
    /// # Errors
    /// `Other`, with the end of the log, if it does not start.
    pub async fn start_again(&self) -> Result<Duration> {
        self.launch().await
    }

    /// [`LocalPostgres::halt`] and [`LocalPostgres::start_again`]; answers the time from the launch until it takes connections.
    ///
    /// # Errors
    /// As both.
    pub async fn restart(&self, signal: Signal) -> Result<Duration> {
        self.halt(signal).await?;
        self.launch().await
    }

    /// Stops all its processes where they are; connections stay open and nobody answers.
    ///
    /// # Errors
    /// `Other` if it does not run.
    pub async fn freeze(&self) -> Result<()> {
        self.supervisor.freeze(&self.name).await.map(drop)
    }

    /// The end of [`LocalPostgres::freeze`].
    ///
    /// # Errors
    /// `Other` if it does not run.
    pub async fn thaw(&self) -> Result<()> {
        self.supervisor.signal_tree(&self.name, Signal::Cont).await
    }

    async fn launch(&self) -> Result<Duration> {
        let start = Instant::now();
        let data = self.cluster.data();
        let spec = self
            .cluster
            .program("postgres", self.name.clone(), &self.log)
            .args(["-D".to_owned(), data.display().to_string()])
            // At the end of a run the data goes anyway, so no checkpoint is worth waiting for; but unlike SIGKILL this
            // leaves no shared memory behind. It takes milliseconds, and a second or two when the disk is busy.
            .stop(Signal::Quit, Duration::from_secs(2));
        let pid = self.supervisor.spawn(spec).await?;
        let launched = Launched {
            supervisor: &self.supervisor,
            name: &self.name,
            pid,
            port: self.port,
            data: &data,
            log: &self.log,
        };
        launched.ready().await.map_err(|error| self.explain(error))?;
        if let Some(processors) = self.processors {
            affinity::restrict_tree(pid, processors)?;
        }
        Ok(start.elapsed())
    }

    fn explain(&self, error: TestbedError) -> TestbedError {
        match error {
            TestbedError::Other(message) if message.contains("Address already in use") => {
                TestbedError::BadInput(format!(
                    "port {} of 127.0.0.1 was taken by another program; {message}",
                    self.port
                ))
            }
            other => other,
        }
    }
}

fn has_module(bin: &Path, name: &str) -> bool {
    MODULE_PLACES
        .iter()
        .any(|place| bin.join(place).join(format!("{name}.so")).is_file())
}
