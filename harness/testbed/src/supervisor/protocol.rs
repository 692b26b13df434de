//! What harness and supervisor say to each other: one JSON object a line, in both directions.
//!
//! Owns the shapes only. Secrets travel in `env`, which no `Debug` of ours prints.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossover_proto::clock::MonotonicNs;
use serde::{Deserialize, Serialize};

/// A signal that the harness has a use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// SIGKILL: a crash.
    Kill,
    /// SIGSTOP: a freeze; sockets stay open.
    Stop,
    /// SIGCONT: the end of a freeze.
    Cont,
    /// SIGTERM: an orderly stop (PostgreSQL: *smart*, it waits for clients).
    Term,
    /// SIGQUIT (PostgreSQL: *immediate*, a crash that it recovers from).
    Quit,
    /// SIGINT (PostgreSQL: *fast*, an orderly stop that drops clients).
    Int,
}

impl Signal {
    pub(crate) fn to_nix(self) -> nix::sys::signal::Signal {
        use nix::sys::signal::Signal as Nix;
        match self {
            Self::Kill => Nix::SIGKILL,
            Self::Stop => Nix::SIGSTOP,
            Self::Cont => Nix::SIGCONT,
            Self::Term => Nix::SIGTERM,
            Self::Quit => Nix::SIGQUIT,
            Self::Int => Nix::SIGINT,
        }
    }
}

/// How far a signal reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// The process alone.
    Process,
    /// The process and all its descendants, whatever their session: a whole PostgreSQL, whose backends lead sessions
    /// of their own.
    Tree,
}

/// How a process is asked to end before it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRule {
    /// The signal that asks.
    pub signal: Signal,
    /// How long to wait before SIGKILL.
    pub within: Duration,
}

impl Default for StopRule {
    /// SIGTERM and one second: enough for a process that only has sockets to close.
    fn default() -> Self {
        Self {
            signal: Signal::Term,
            within: Duration::from_secs(1),
        }
    }
}

/// The user that a process runs as; only root can ask for another than its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserIds {
    /// User id.
    pub uid: u32,
    /// Group id; supplementary groups are dropped.
    pub gid: u32,
}

/// A process to start. Standard input is empty; standard output and error are appended to `log`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessSpec {
    /// Unique among the processes that run; free again after an exit.
    pub name: String,
    /// The executable.
    pub program: PathBuf,
    /// Arguments. Every user of the machine can read them: no secrets.
    pub args: Vec<String>,
    /// Environment, on top of the harness's own if `inherit_env`. Secrets go here.
    pub env: BTreeMap<String, String>,
    /// Whether the environment of the harness is passed on.
    pub inherit_env: bool,
    /// Variables of the harness that are not passed on.
    pub without_env: Vec<String>,
    /// Run as this user instead of our own.
    pub user: Option<UserIds>,
    /// Working directory; the harness's own if absent.
    pub directory: Option<PathBuf>,
    /// File that receives both output streams.
    pub log: PathBuf,
    /// How it is stopped.
    pub stop: StopRule,
    /// Take the program from this image and run it in a container, for which the supervisor's client must have an engine
    /// ([`super::Supervisor::with_containers`]). `program` is then a path in the image or a name on its PATH; `directory` is
    /// there at the same path as here, and nothing else is; `inherit_env` and `without_env` mean nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

impl ProcessSpec {
    /// `program` under `name`, with no arguments, our own environment and user, stopped by the default [`StopRule`].
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            inherit_env: true,
            without_env: Vec::new(),
            user: None,
            directory: None,
            log: log.into(),
            stop: StopRule::default(),
            image: None,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item: Into<String>>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds one variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Does not pass these variables of our environment on.
    #[must_use]
    pub fn without_env<I: IntoIterator<Item: Into<String>>>(mut self, names: I) -> Self {
        self.without_env.extend(names.into_iter().map(Into::into));
        self
    }

    /// Passes nothing of our environment on.
    #[must_use]
    pub fn clear_env(mut self) -> Self {
        self.inherit_env = false;
        self
    }

    /// Runs it as another user.
    #[must_use]
    pub fn user(mut self, user: Option<UserIds>) -> Self {
        self.user = user;
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn directory(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_path_buf());
        self
    }

    /// Takes the program from an image, if one is given.
    #[must_use]
    pub fn image(mut self, image: Option<String>) -> Self {
        self.image = image;
        self
    }

    /// Sets how it is stopped.
    #[must_use]
    pub fn stop(mut self, signal: Signal, within: Duration) -> Self {
        self.stop = StopRule { signal, within };
        self
    }
}

impl fmt::Debug for ProcessSpec {
    /// Names of variables, never their values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessSpec")
            .field("name", &self.name)
            .field("program", &self.program)
            .field("args", &self.args)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("user", &self.user)
            .field("directory", &self.directory)
            .field("log", &self.log)
            .field("stop", &self.stop)
            .field("image", &self.image)
            .finish_non_exhaustive()
    }
}

/// The end of a process, as the supervisor saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The name it was spawned under.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// Exit code, if it exited.
    pub code: Option<i32>,
    /// Number of the signal, if one killed it.
    pub signal: Option<i32>,
    /// When it was reaped (ns, CLOCK_MONOTONIC).
    pub at_monotonic_ns: u64,
}

impl Exit {
    /// When it was reaped, on the clock of the run.
    #[must_use]
    pub fn at(&self) -> MonotonicNs {
        MonotonicNs(self.at_monotonic_ns)
    }

    /// Whether it exited by itself with code 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "{} (pid {}) exited with code {code}", self.name, self.pid),
            (None, Some(signal)) => write!(f, "{} (pid {}) was killed by signal {signal}", self.name, self.pid),
            (None, None) => write!(f, "{} (pid {}) ended", self.name, self.pid),
        }
    }
}

/// A numbered request; its answer carries the number.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub id: u64,
    pub body: RequestBody,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RequestBody {
    /// Answered at once: the other side is a supervisor, and ready.
    Hello,
    Spawn(ProcessSpec),
    Signal {
        name: String,
        signal: Signal,
        reach: Reach,
    },
    RemoveDirectoryAtEnd {
        path: PathBuf,
    },
    RunAtEnd(ProcessSpec),
    Keep {
        file: PathBuf,
        /// Names and process ids of the run's containers, which the supervisor knows nothing of.
        containers: Vec<(String, u32)>,
    },
    Shutdown,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    Spawned {
        id: u64,
        name: String,
        pid: u32,
        stop: StopRule,
    },
    Done {
        id: u64,
    },
    Error {
        id: u64,
        message: String,
    },
    Exited(Exit),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_process_hides_the_values_of_its_environment() {
        let spec = ProcessSpec::new("a", "/bin/true", "/dev/null").env("PASSWORD", "hunter2");
        let text = format!("{spec:?}");
        assert!(text.contains("PASSWORD") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_request_survives_the_pipe() {
        let spec = ProcessSpec::new("a", "/bin/sleep", "/dev/null")
            .args(["1"])
            .stop(Signal::Quit, Duration::ZERO);
        let line = serde_json::to_string(&Request {
            id: 7,
            body: RequestBody::Spawn(spec),
        })
        .unwrap();
        assert!(!line.contains('\n'));
        let back: Request = serde_json::from_str(&line).unwrap();
        let RequestBody::Spawn(spec) = back.body else {
            panic!("not a spawn")
        };
        assert_eq!((spec.name.as_str(), spec.stop.signal), ("a", Signal::Quit));
    }
}
