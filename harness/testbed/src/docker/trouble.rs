//! Why no Docker engine can be used here: each cause by its own name, with the command that ends it.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use crate::error::TestbedError;

/// Where a daemon may be that is not on the PATH of an ordinary user.
const USUAL_PLACES: [&str; 4] = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// What a machine has besides the socket.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// Directories in which programs are.
    pub programs: Vec<PathBuf>,
    /// Whether systemd runs it.
    pub has_systemd: bool,
}

impl Host {
    /// This machine.
    pub(crate) fn this() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let usual = USUAL_PLACES.iter().map(PathBuf::from);
        Self {
            programs: std::env::split_paths(&path).chain(usual).collect(),
            has_systemd: Path::new("/run/systemd/system").is_dir(),
        }
    }

    /// Where a program is.
    pub(crate) fn find(&self, program: &str) -> Option<PathBuf> {
        let places = self.programs.iter().map(|directory| directory.join(program));
        places.into_iter().find(|place| place.is_file())
    }
}

/// Why an engine can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// There is no daemon on the machine.
    NotInstalled,
    /// There is one, and nobody listens.
    NotRunning,
    /// It listens, and not to us.
    NoPermission,
    /// It took the question, and did not answer.
    Silent,
    /// Something else answers, or the address is no use.
    NoEngine,
}

/// A cause, with what was found and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub cause: Cause,
    pub found: String,
    pub remedy: String,
}

impl Trouble {
    /// Reads the failure of a connection or an exchange.
    pub(super) fn of(address: &str, error: &Error, host: &Host) -> Self {
        let is_local = address.starts_with("unix://");
        let (cause, found, remedy) = match error.kind() {
            ErrorKind::PermissionDenied => (
                Cause::NoPermission,
                format!("no permission on the Docker engine's socket, {address}"),
                "sudo usermod -aG docker \"$USER\", then log in again".to_owned(),
            ),
            ErrorKind::NotFound | ErrorKind::ConnectionRefused if is_local => match host.find("dockerd") {
                None => (
                    Cause::NotInstalled,
                    format!("no Docker engine is installed (no dockerd, no answer at {address})"),
                    "apt-get install docker.io (Debian, Ubuntu), or as docs.docker.com/engine/install has it"
                        .to_owned(),
                ),
                Some(daemon) => (
                    Cause::NotRunning,
                    format!(
                        "the Docker engine does not run: {} is there, no answer at {address}",
                        daemon.display()
                    ),
                    start(host),
                ),
            },
            ErrorKind::WouldBlock | ErrorKind::TimedOut => (
                Cause::Silent,
                format!("the Docker engine at {address} takes the question and does not answer"),
                restart(host),
            ),
            _ => return Self::no_engine(address, &error.to_string()),
        };
        Self { cause, found, remedy }
    }

    /// As an error of its own.
    pub(crate) fn into_error(self) -> TestbedError {
        TestbedError::unavailable(self.found, self.remedy)
    }

    /// What is at the address is no engine.
    pub(super) fn no_engine(address: &str, said: &str) -> Self {
        Self {
            cause: Cause::NoEngine,
            found: format!("no Docker engine at {address}: {said}"),
            remedy: "point DOCKER_HOST at an engine's socket, such as unix:///var/run/docker.sock, or unset it"
                .to_owned(),
        }
    }
}

fn start(host: &Host) -> String {
    let how = if host.has_systemd {
        "systemctl start docker"
    } else {
        "dockerd &"
    };
    format!("as root: {how}")
}

fn restart(host: &Host) -> String {
    let how = if host.has_systemd {
        "systemctl restart docker; journalctl -u docker says why"
    } else {
        "end dockerd and start it again; its output says why"
    };
    format!("as root: {how}")
}
