//! A fresh database cluster in a directory of ours.
//!
//! ```text
//!   <base>/crossover-<run>-<name>/     ours, marked, removed by the supervisor at the end
//!     data/                            the cluster: mode 0700, owned by the server's user
//!     postgresql/                      a copy of the programs, only where that user can't reach the original
//! ```
//!
//! The directory is registered for removal before anything is put into it: a death at any point leaves nothing.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Uid, chown};

use super::find::Installation;
use super::settings;
use super::url::Secret;
use super::user::{ServerUser, can_execute};
use crate::error::{Result, TestbedError};
use crate::logs::tail;
use crate::owned::OwnedDirectory;
use crate::supervisor::{ProcessSpec, Signal, Supervisor, UserIds};

/// Name of the superuser.
pub(super) const SUPERUSER: &str = "crossover";

/// It takes a second or two; a minute on a disk that is very slow or very busy.
const INITDB_WITHIN: Duration = Duration::from_secs(120);

/// Letters and digits: needs no escaping anywhere. 62^32 is more than 190 bits.
const PASSWORD_LENGTH: usize = 32;

/// Where the cluster is and how to run programs on it.
#[derive(Debug)]
pub(super) struct Cluster {
    pub directory: OwnedDirectory,
    pub bin: PathBuf,
    /// The image that they are in, if any.
    pub image: Option<String>,
    pub user: Option<UserIds>,
    pub password: Secret,
    /// How long it took to copy the programs, where that was needed.
    pub copied: Option<Duration>,
}

impl Cluster {
    /// Makes the directory and runs `initdb`, as the supervisor's child `<name>-initdb`.
    pub(super) async fn create(
        supervisor: &Supervisor,
        installation: &Installation,
        user: &ServerUser,
        directory: OwnedDirectory,
        name: &str,
    ) -> Result<Self> {
        let registered = supervisor.remove_at_end(directory.path()).await;
        registered.inspect_err(|_| drop(fs::remove_dir_all(directory.path())))?;
        let (bin, copied) = reachable_programs(installation, user, directory.path()).await?;
        let cluster = Self {
            directory,
            bin,
            image: installation.image.clone(),
            user: user.drop_to,
            password: password(),
            copied,
        };
        cluster.make_data_directory()?;
        cluster.initdb(supervisor, name).await?;
        Ok(cluster)
    }

    /// The cluster's data directory.
    pub(super) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A program of this PostgreSQL, run as its user, with nothing of our environment: `PG…` variables would mislead it.
    pub(super) fn program(&self, program: &str, name: String, log: &Path) -> ProcessSpec {
        ProcessSpec::new(name, self.bin.join(program), log)
            .clear_env()
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .user(self.user)
            .image(self.image.clone())
            .directory(self.directory.path())
    }

    /// Appends settings to the configuration file.
    pub(super) fn configure(&self, settings: &BTreeMap<String, String>) -> Result<()> {
        let path = self.data().join("postgresql.conf");
        let appended = OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(settings::to_conf(settings).as_bytes()));
        appended.map_err(|error| TestbedError::io("write", &path, &error))
    }

    fn make_data_directory(&self) -> Result<()> {
        let data = self.data();
        let made = fs::DirBuilder::new().mode(0o700).create(&data);
        made.map_err(|error| TestbedError::io("make", &data, &error))?;
        self.give_to_user(&data)
    }

    async fn initdb(&self, supervisor: &Supervisor, name: &str) -> Result<()> {
        let password_file = self.directory.path().join("password");
        self.write_password(&password_file)?;
        let log = supervisor.log_dir().join(format!("{name}-initdb.log"));
        let (data, password_path) = (self.data(), password_file.clone());
        let process = format!("{name}-initdb");
        let spec = self
            .program("initdb", process.clone(), &log)
            .args([
                format!("--pgdata={}", data.display()),
                format!("--pwfile={}", password_path.display()),
                format!("--username={SUPERUSER}"),
            ])
            // Order by bytes on every machine: no comparison of text depends on the system's locales.
            .args([
                "--auth=scram-sha-256",
                "--locale=C",
                "--encoding=UTF8",
                "--data-checksums",
            ])
            .stop(Signal::Kill, Duration::from_secs(1));
        supervisor.spawn(spec).await?;
        let exit = supervisor.wait_exit(&process, INITDB_WITHIN).await?;
        let _ = fs::remove_file(&password_file);
        if exit.is_success() {
            return Ok(());
        }
        Err(TestbedError::Other(format!(
            "initdb failed: {exit}; its log {} ends: {}",
            log.display(),
            tail(&log)
        )))
    }

    fn write_password(&self, path: &Path) -> Result<()> {
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let written = written.and_then(|mut file| file.write_all(self.password.0.as_bytes()));
        written.map_err(|error| TestbedError::io("write", path, &error))?;
        self.give_to_user(path)
    }

    fn give_to_user(&self, path: &Path) -> Result<()> {
        let Some(user) = self.user else { return Ok(()) };
        chown(path, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))
            .map_err(|error| TestbedError::io("change the owner of", path, &error.into()))
    }
}

/// The programs where they are, or a copy beside the data: what was fetched by root is below its home directory, which
/// nobody else may enter.
async fn reachable_programs(
    found: &Installation,
    user: &ServerUser,
    beside: &Path,
) -> Result<(PathBuf, Option<Duration>)> {
    let Some(ids) = user
        .drop_to
        .filter(|&ids| found.image.is_none() && !can_execute(&found.bin.join("postgres"), ids))
    else {
        return Ok((found.bin.clone(), None));
    };
    let root = found.bin.parent().unwrap_or(&found.bin).to_path_buf();
    let copy = beside.join("postgresql");
    let (start, bin) = (Instant::now(), copy.join("bin"));
    tracing::info!(
        "user {} (id {}) can't reach {}: copying it",
        user.name,
        ids.uid,
        root.display()
    );
    let copying = tokio::task::spawn_blocking(move || {
        copy_tree(&root, &copy).map_err(|error| TestbedError::io("copy", &root, &error))
    });
    copying
        .await
        .map_err(|error| TestbedError::Other(format!("copying PostgreSQL broke off: {error}")))??;
    Ok((bin, Some(start.elapsed())))
}

/// Copies a tree such that everybody can read it and run what is a program, whatever our umask is or was.
fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            let is_program = entry.metadata()?.permissions().mode() & 0o100 != 0;
            fs::set_permissions(&target, Permissions::from_mode(if is_program { 0o755 } else { 0o644 }))?;
        }
    }
    Ok(())
}

fn password() -> Secret {
    use rand::distr::{Alphanumeric, SampleString};
    Secret(Alphanumeric.sample_string(&mut rand::rng(), PASSWORD_LENGTH))
}
