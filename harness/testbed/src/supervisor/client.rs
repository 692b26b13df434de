//! The harness's side of the supervisor.
//!
//! Requests are written by whoever asks, whole lines under a lock, so a cancelled future can't tear one; a thread of
//! its own reads events, so exits are noticed whatever the runtime does. Dropping the last handle closes the pipe,
//! and that ends everything.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::timeout;

use super::protocol::{Event, Exit, ProcessSpec, Reach, Request, RequestBody, Signal};
use super::state::{Shared, read_in_background};
use super::stopped::is_seen_stopped;
use crate::containers::{Change, Containers, Home, cleanup};
use crate::error::{Result, TestbedError};
use crate::owned::{OwnedDirectory, require_base};

/// A fork and exec takes milliseconds; on a host under full load, with its disk busy, seconds were never seen.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// The supervisor's own bounds add up to 32 s with commands, and the removal of directories.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(60);

/// After SIGKILL only the kernel's work is left.
const DEATH_WITHIN: Duration = Duration::from_secs(5);

/// A handle on the supervisor process. Clones share it; when the last is dropped, everything ends.
#[derive(Debug, Clone)]
pub struct Supervisor {
    inner: Arc<Inner>,
    containers: Option<Containers>,
}

#[derive(Debug)]
struct Inner {
    requests: Mutex<ChildStdin>,
    next_id: AtomicU64,
    shared: Arc<Shared>,
    program: PathBuf,
    log_dir: PathBuf,
    pid: u32,
}

impl Supervisor {
    /// Starts this very program again with the argument `supervise`; its complaints go to `supervisor.log` in `log_dir`.
    ///
    /// # Errors
    /// `Other` if it can't be started or does not answer.
    pub async fn start(log_dir: &Path) -> Result<Self> {
        let program = std::env::current_exe()
            .map_err(|error| TestbedError::Other(format!("can't find the path of this program: {error}")))?;
        Self::start_with(&program, &["supervise"], log_dir).await
    }

    /// As [`Supervisor::start`], from a `program` whose main function calls [`super::supervise`].
    ///
    /// # Errors
    /// As [`Supervisor::start`].
    pub async fn start_with(program: &Path, args: &[&str], log_dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(log_dir).map_err(|error| TestbedError::io("make", log_dir, &error))?;
        let log = log_dir.join("supervisor.log");
        let stderr = OpenOptions::new().create(true).append(true).open(&log);
        let stderr = stderr.map_err(|error| TestbedError::io("open", &log, &error))?;
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|error| TestbedError::io("start the supervisor from", program, &error))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(TestbedError::Other("the supervisor has no pipes".to_owned()));
        };
        let pid = child.id();
        let shared = Arc::new(Shared::new());
        read_in_background(child, stdout, Arc::clone(&shared))?;
        let (requests, next_id) = (Mutex::new(stdin), AtomicU64::new(1));
        let inner = Inner {
            requests,
            next_id,
            shared,
            program: program.to_path_buf(),
            log_dir: log_dir.to_path_buf(),
            pid,
        };
        let supervisor = Self {
            inner: Arc::new(inner),
            containers: None,
        };
        supervisor.ask(RequestBody::Hello, ANSWER_WITHIN).await?;
        Ok(supervisor)
    }

    /// Gives the run an engine: from now on this handle and its clones run a [`ProcessSpec`] with an image in a container, under the
    /// same names, and servers take their programs from images. The containers are removed at the end, whatever ends the run.
    ///
    /// # Errors
    /// `BadInput` if there is a directory of the same run already, or none to make it in; `Other` if the supervisor is gone.
    pub async fn with_containers(mut self, containers: Containers) -> Result<Self> {
        require_base(containers.base())?;
        let directory = OwnedDirectory::create(containers.base(), containers.run_id(), "containers")?;
        let registered = self.remove_at_end(directory.path()).await;
        registered.inspect_err(|_| drop(std::fs::remove_dir_all(directory.path())))?;
        // Before the first is made: a death at any point leaves none.
        // Its log lies where nobody removes it meanwhile, and a failure is quoted by whoever reports it.
        let log = directory.path().join(format!("{}.log", cleanup::SUBCOMMAND));
        let (program, run_id) = (&self.inner.program, containers.run_id());
        self.run_at_end(cleanup::spec(program, &log, run_id, directory.path()))
            .await?;
        containers.settle(Home {
            supervisor_pid: self.inner.pid,
            directory: directory.path().to_path_buf(),
        });
        self.containers = Some(containers);
        Ok(self)
    }

    /// The engine of the run, if its servers are in containers.
    #[must_use]
    pub fn containers(&self) -> Option<&Containers> {
        self.containers.as_ref()
    }

    /// Where the logs of this run go; a [`ProcessSpec`] names its own file, usually here.
    #[must_use]
    pub fn log_dir(&self) -> &Path {
        &self.inner.log_dir
    }

    /// Process id of the supervisor itself.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.inner.pid
    }

    /// Starts a process; answers its id.
    ///
    /// # Errors
    /// `Other` if the program can't be executed, the log can't be opened, or the name is taken by a live process.
    pub async fn spawn(&self, spec: ProcessSpec) -> Result<u32> {
        let name = spec.name.clone();
        if let (Some(containers), Some(_)) = (&self.containers, &spec.image) {
            return self.run_container(containers, spec).await;
        }
        let pid = self.ask(RequestBody::Spawn(spec), ANSWER_WITHIN).await?;
        pid.ok_or_else(|| TestbedError::Other(format!("bug: the supervisor gave no pid for {name}")))
    }

    /// Sends a signal to the process alone.
    ///
    /// # Errors
    /// `Other` if no process of that name runs.
    pub async fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        self.send_signal(name, signal, Reach::Process).await
    }

    /// Sends a signal to the process and all its descendants.
    ///
    /// # Errors
    /// `Other` if no process of that name runs.
    pub async fn signal_tree(&self, name: &str, signal: Signal) -> Result<()> {
        self.send_signal(name, signal, Reach::Tree).await
    }

    /// Stops the process and all its descendants where they are (SIGSTOP): connections stay open, and nobody answers. Says
    /// whether the process was seen to stand still, which takes a moment after the signal.
    ///
    /// # Errors
    /// `Other` if no process of that name runs.
    pub async fn freeze(&self, name: &str) -> Result<bool> {
        if let Some(containers) = self.holder_of(name) {
            return containers.freeze(name).await;
        }
        self.signal_tree(name, Signal::Stop).await?;
        Ok(match self.pid_of(name) {
            Some(pid) => is_seen_stopped(pid).await,
            None => false,
        })
    }

    /// Whether a process of that name was started and has not exited. A frozen one is alive.
    #[must_use]
    pub fn is_alive(&self, name: &str) -> bool {
        !self.inner.shared.is_gone() && self.inner.shared.known(name).is_some_and(|known| known.exit.is_none())
    }

    /// Process id of that name, if it runs.
    #[must_use]
    pub fn pid_of(&self, name: &str) -> Option<u32> {
        self.inner
            .shared
            .known(name)
            .filter(|known| known.exit.is_none())
            .map(|known| known.pid)
    }

    /// Names and process ids of all that run, in order of start.
    #[must_use]
    pub fn pids(&self) -> Vec<(String, u32)> {
        self.inner.shared.running()
    }

    /// All exits from now on, wanted or not.
    #[must_use]
    pub fn exits(&self) -> broadcast::Receiver<Exit> {
        self.inner.shared.exits()
    }

    /// Waits for the exit of the latest process of that name; answers at once if it has exited.
    ///
    /// # Errors
    /// `Other` if there never was one, it does not exit within `within`, or the supervisor is gone.
    pub async fn wait_exit(&self, name: &str, within: Duration) -> Result<Exit> {
        let mut changes = self.inner.shared.changes();
        let exited = async {
            loop {
                changes.borrow_and_update();
                let known = self.inner.shared.known(name);
                let known = known.ok_or_else(|| TestbedError::Other(format!("no process named {name} was started")))?;
                if let Some(exit) = known.exit {
                    return Ok(exit);
                }
                if self.inner.shared.is_gone() || changes.changed().await.is_err() {
                    return Err(self.gone());
                }
            }
        };
        let late = |_| TestbedError::Other(format!("{name} did not exit within {within:?}"));
        timeout(within, exited).await.map_err(late)?
    }

    /// Stops a process by its own rule, frozen or not, and kills it with its descendants when that takes too long.
    ///
    /// # Errors
    /// `Other` if there never was one of that name, or not even SIGKILL ends it.
    pub async fn stop(&self, name: &str) -> Result<Exit> {
        let known = self.inner.shared.known(name);
        let known = known.ok_or_else(|| TestbedError::Other(format!("no process named {name} was started")))?;
        if let Some(exit) = known.exit {
            return Ok(exit);
        }
        // It may exit between any two of these, and then a signal finds no process: the wait has the answer.
        let _ = self.signal_tree(name, Signal::Cont).await;
        let _ = self.signal(name, known.stop.signal).await;
        if let Ok(exit) = self.wait_exit(name, known.stop.within).await {
            return Ok(exit);
        }
        tracing::warn!(name, "did not stop within {:?}; killing it", known.stop.within);
        let _ = self.signal_tree(name, Signal::Kill).await;
        self.wait_exit(name, DEATH_WITHIN).await
    }

    /// Has a directory removed at the end, with all it holds.
    ///
    /// # Errors
    /// `Other` unless it was made by [`crate::owned::OwnedDirectory::create`].
    pub async fn remove_at_end(&self, path: &Path) -> Result<()> {
        self.ask(
            RequestBody::RemoveDirectoryAtEnd {
                path: path.to_path_buf(),
            },
            ANSWER_WITHIN,
        )
        .await?;
        Ok(())
    }

    /// Has a program run at the end, when all processes are gone and before directories go. It has to be quick: all such
    /// programs together get 20 s. Its failure is the failure of [`Supervisor::shutdown`]; after the death of the harness,
    /// the supervisor's log has it.
    ///
    /// # Errors
    /// `Other` if the supervisor is gone.
    pub async fn run_at_end(&self, spec: ProcessSpec) -> Result<()> {
        self.ask(RequestBody::RunAtEnd(spec), ANSWER_WITHIN).await?;
        Ok(())
    }

    /// From now on, the end of the harness ends nothing: the supervisor stays with what it holds, described in the file
    /// whose path this answers. [`super::kept::end_kept`] ends it. A [`Supervisor::shutdown`] still ends all.
    ///
    /// # Errors
    /// `Other` if the file can't be written.
    pub async fn keep(&self) -> Result<PathBuf> {
        let log_dir = std::path::absolute(&self.inner.log_dir);
        let file = log_dir
            .map_err(|error| TestbedError::io("resolve", &self.inner.log_dir, &error))?
            .join("kept.json");
        let held = |(name, _): &(String, u32)| self.holder_of(name).is_some();
        let containers = self.pids().into_iter().filter(held).collect();
        let file_too = file.clone();
        self.ask(
            RequestBody::Keep {
                file: file_too,
                containers,
            },
            ANSWER_WITHIN,
        )
        .await?;
        Ok(file)
    }

    /// Ends everything in order, and waits until it is gone.
    ///
    /// # Errors
    /// `Other` if a directory could not be removed, a command failed, or the supervisor does not end.
    pub async fn shutdown(self) -> Result<()> {
        self.ask(RequestBody::Shutdown, SHUTDOWN_WITHIN).await?;
        let mut changes = self.inner.shared.changes();
        let ended = async { while !self.inner.shared.is_gone() && changes.changed().await.is_ok() {} };
        let late = |_| TestbedError::Other(format!("the supervisor (pid {}) does not end", self.inner.pid));
        timeout(DEATH_WITHIN, ended).await.map_err(late)
    }

    async fn run_container(&self, containers: &Containers, spec: ProcessSpec) -> Result<u32> {
        if self.is_alive(&spec.name) {
            return Err(TestbedError::Other(format!(
                "a process named {} runs already",
                spec.name
            )));
        }
        let shared = Arc::clone(&self.inner.shared);
        let tell = move |change| {
            shared.take(match change {
                // No request waits for it: numbers start at 1.
                Change::Started { name, pid, stop } => Event::Spawned { id: 0, name, pid, stop },
                Change::Ended(exit) => Event::Exited(exit),
            });
        };
        containers.run(spec, Arc::new(tell)).await
    }

    /// The engine, if the process of that name is in a container.
    fn holder_of(&self, name: &str) -> Option<&Containers> {
        self.containers.as_ref().filter(|containers| containers.holds(name))
    }

    async fn send_signal(&self, name: &str, signal: Signal, reach: Reach) -> Result<()> {
        if let Some(containers) = self.holder_of(name) {
            return containers.signal(name, signal, reach).await;
        }
        self.ask(
            RequestBody::Signal {
                name: name.to_owned(),
                signal,
                reach,
            },
            ANSWER_WITHIN,
        )
        .await?;
        Ok(())
    }

    async fn ask(&self, body: RequestBody, within: Duration) -> Result<Option<u32>> {
        let id = self.inner.next_id.fetch_add(1, Ordering::Relaxed);
        let answer = self.inner.shared.expect_answer(id);
        self.write(&Request { id, body })?;
        match timeout(within, answer).await {
            Ok(Ok(answer)) => answer.map_err(TestbedError::Other),
            Ok(Err(_)) => Err(self.gone()),
            Err(_) => Err(TestbedError::Other(format!(
                "the supervisor does not answer within {within:?}"
            ))),
        }
    }

    /// Blocks only if 64 KiB of requests are unread, and the supervisor reads all the time.
    fn write(&self, request: &Request) -> Result<()> {
        let line = serde_json::to_string(request);
        let mut line =
            line.map_err(|error| TestbedError::Other(format!("bug: a request has no JSON form: {error}")))?;
        line.push('\n');
        let mut requests = self.inner.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.write_all(line.as_bytes()).map_err(|_| self.gone())
    }

    fn gone(&self) -> TestbedError {
        let log = self.inner.log_dir.join("supervisor.log");
        TestbedError::Other(format!(
            "the supervisor (pid {}) is gone; {} may say why",
            self.inner.pid,
            log.display()
        ))
    }
}
