//! The server process.
//!
//! Must not decide what is proxied.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::client::ToxiproxyClient;
use super::program::{TOXIPROXY_VERSION, fetch_toxiproxy};
use crate::containers::images::Part;
use crate::error::{Result, TestbedError};
use crate::logs;
use crate::ports::{free_port, require_free};
use crate::supervisor::{ProcessSpec, Signal, Supervisor};

/// A start takes 20 ms.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// Where its makers' image has it, and ours.
const IN_IMAGE: &str = "/toxiproxy";

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What to start.
#[derive(Debug, Clone)]
pub struct ToxiproxyOptions {
    /// The run, where it must be fetched.
    pub run_id: String,
    /// Name of the process and of its log.
    pub name: String,
    /// Port of its API on 127.0.0.1; a free one if absent.
    pub port: Option<u16>,
}

impl ToxiproxyOptions {
    /// A server named `toxiproxy` on a free port.
    #[must_use]
    pub fn new(run_id: &str) -> Self {
        Self {
            run_id: run_id.to_owned(),
            name: "toxiproxy".to_owned(),
            port: None,
        }
    }
}

/// A Toxiproxy of our own. Dropping it changes nothing: the supervisor owns the process, and it has no files.
#[derive(Debug)]
pub struct LocalToxiproxy {
    supervisor: Supervisor,
    name: String,
    client: ToxiproxyClient,
    log: PathBuf,
    image: Option<String>,
    fetched_in: Duration,
    ready_in: Duration,
}

impl LocalToxiproxy {
    /// Starts it, without proxies; it answers when this returns.
    ///
    /// # Errors
    /// `BadInput` for a port that is taken; `Unavailable` if the program can't be built; `Other` with the end of the log if
    /// it fails.
    pub async fn start(supervisor: &Supervisor, options: &ToxiproxyOptions) -> Result<Self> {
        options.port.map_or(Ok(()), require_free)?;
        let fetching = Instant::now();
        let (program, image) = match supervisor.containers() {
            Some(containers) => (IN_IMAGE.into(), Some(containers.image(Part::Toxiproxy).await?.name)),
            None => (fetch_toxiproxy(supervisor, &options.run_id).await?, None),
        };
        let fetched_in = fetching.elapsed();

        let port = options.port.map_or_else(free_port, Ok)?;
        let log = supervisor.log_dir().join(format!("{}.log", options.name));
        let starting = Instant::now();
        let spec = ProcessSpec::new(&options.name, program, &log)
            .image(image.clone())
            .clear_env()
            // It logs each connection otherwise.
            .env("LOG_LEVEL", "warn")
            .args(["-host", "127.0.0.1", "-port", &port.to_string()])
            .stop(Signal::Kill, Duration::from_secs(1));
        supervisor.spawn(spec).await?;
        let mut server = Self {
            supervisor: supervisor.clone(),
            name: options.name.clone(),
            client: ToxiproxyClient::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            log,
            image,
            fetched_in,
            ready_in: Duration::ZERO,
        };
        server.ready().await?;
        server.ready_in = starting.elapsed();
        Ok(server)
    }

    /// A client of it.
    #[must_use]
    pub fn client(&self) -> &ToxiproxyClient {
        &self.client
    }

    /// Process id, if it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.supervisor.pid_of(&self.name)
    }

    /// Name of its process at the supervisor.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How long it took to find the program, or to build it.
    #[must_use]
    pub fn fetched_in(&self) -> Duration {
        self.fetched_in
    }

    /// How long it took from the launch to the first answer.
    #[must_use]
    pub fn ready_in(&self) -> Duration {
        self.ready_in
    }

    async fn ready(&self) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            match self.client.version().await {
                // A user's own image may hold another.
                Ok(version) if version == TOXIPROXY_VERSION || self.image.is_some() => return Ok(()),
                Ok(version) => {
                    return Err(TestbedError::Other(format!(
                        "a Toxiproxy {version} answers instead of ours, {TOXIPROXY_VERSION}"
                    )));
                }
                Err(_) if self.supervisor.is_alive(&self.name) && Instant::now() < deadline => {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(error) => {
                    let (log, end) = (self.log.display(), logs::tail(&self.log));
                    return Err(TestbedError::Other(format!(
                        "Toxiproxy did not start: {error}; its log {log} ends: {end}"
                    )));
                }
            }
        }
    }
}
