//! Servers whose programs come from an image: a container is run where a process would be.
//!
//! ```text
//!   images: named? here? stand-in? ─▶ (pulled) ─▶ request: the process's spec as a create request ─▶ run: started, its output
//!     copied to the process's log, its end reported as an exit ─▶ removed        cleanup: all of a run, whatever ended it
//! ```
//!
//! **Whose file system, network, processes.** The servers' code is that of the local testbed, so a container gets what a
//! process has: the directory of its server at the same path as on the host, the host's network (nothing listens beyond
//! 127.0.0.1, ports stay the same through restarts, and no address translation is in the measured path), and the host's process
//! ids (usage is sampled, and PostgreSQL's `postmaster.pid` is read, by the same code). Shared memory is its own, and goes with
//! it. That needs a Docker Engine on this very machine, with rights of root: [`engine`] refuses others.
//!
//! **Who removes them.** Children of the engine are not the supervisor's to kill. A program that removes every container with
//! the run's label is registered at the supervisor before the first is made ([`cleanup`]): it runs at the end, whatever ended
//! the run, before directories go. Dropping anything here removes nothing.
//!
//! How each death ends:
//!
//! | who dies | what follows |
//! |---|---|
//! | the main process of a container | the engine kills the rest of it; an exit is reported; the container is removed |
//! | the harness, by whatever | the supervisor runs the cleanup |
//! | the supervisor | containers stay behind: `crossover clean` finds them by the dead supervisor that their label names |
//! | the engine | its containers die with it, unless it keeps them (*live restore*); then `crossover clean`, when it is back |
//!
//! Output is copied to the process's log for as long as the harness lives; of a kept system, `docker logs` has the rest.
//!
//! testcontainers makes and starts containers. It has no signals but *stop*, and drops remove: what it lacks is asked of the
//! engine by the client that it brings (`bollard`), and its handles are never dropped.
//!
//! Must not know what runs in a container.

mod accounts;
mod announced;
mod ask;
pub mod cleanup;
mod engine;
mod failure;
pub mod images;
mod pull;
mod request;
mod run;
mod signals;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use testcontainers::bollard::Docker;

use crate::error::{Result, TestbedError};
use crate::owned::base_directory;
use crate::supervisor::{Exit, StopRule};
pub(crate) use ask::value_of;
pub(crate) use engine::require_usable;
use images::{Image, Images, Part};
use run::Table;

/// What a run wants of containers.
pub struct ContainersOptions {
    /// Part of the containers' names, and their label: unique among live runs.
    pub run_id: String,
    /// Which images, where they are not the usual ones.
    pub images: Images,
    /// Directory in which our own small files are made.
    pub base: PathBuf,
    /// Is told what a user should know: what is pulled and how far, what is used in place of what.
    pub note: Box<dyn Fn(&str) + Send + Sync>,
}

impl ContainersOptions {
    /// The usual images, unless CROSSOVER_IMAGE_… says otherwise; CROSSOVER_DATA_DIR is heeded; notes go to the log.
    #[must_use]
    pub fn new(run_id: &str) -> Self {
        Self {
            run_id: run_id.to_owned(),
            images: Images::from_env(),
            base: base_directory(),
            note: Box::new(|text| tracing::info!("{text}")),
        }
    }
}

/// A container engine, and the containers that a run has on it. Clones share it; dropping it removes nothing.
#[derive(Clone)]
pub struct Containers {
    inner: Arc<Inner>,
}

struct Inner {
    options: ContainersOptions,
    docker: Docker,
    /// Of our own: output must be copied and ends be seen whatever becomes of the runtime that asked.
    runtime: Option<tokio::runtime::Runtime>,
    table: Mutex<Table>,
    found: tokio::sync::Mutex<images::Found>,
    /// Who removes them, and where the accounts file is; set when a supervisor takes them on.
    home: std::sync::OnceLock<Home>,
}

/// What a run gives its containers.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    /// The supervisor's process id.
    pub supervisor_pid: u32,
    /// A directory for generated files.
    pub directory: PathBuf,
}

/// What becomes of a container, in the order in which it happens.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Started { name: String, pid: u32, stop: StopRule },
    Ended(Exit),
}

impl Containers {
    /// Finds the engine, and refuses one that will not do. Starts nothing.
    ///
    /// # Errors
    /// `Unavailable`, with the remedy, if none answers, it is not on this machine, or it has no rights of root.
    pub async fn connect(options: ContainersOptions) -> Result<Self> {
        let docker = engine::connect().await?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("containers")
            .enable_all()
            .build()
            .map_err(|error| TestbedError::Other(format!("can't start a thread for containers: {error}")))?;
        Ok(Self {
            inner: Arc::new(Inner {
                options,
                docker,
                runtime: Some(runtime),
                table: Mutex::default(),
                found: tokio::sync::Mutex::default(),
                home: std::sync::OnceLock::new(),
            }),
        })
    }

    /// The run whose containers these are.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.inner.options.run_id
    }

    /// The image of a part, found by the rules of [`images`], and pulled if that is what they say.
    ///
    /// # Errors
    /// `Unavailable`, with the remedies, if it can't be had.
    pub async fn image(&self, part: Part) -> Result<Image> {
        let mut found = self.inner.found.lock().await;
        found.get(part, &self.inner.docker, &self.inner.options).await
    }

    /// Says something that a user should know.
    pub(crate) fn note(&self, text: &str) {
        (self.inner.options.note)(text);
    }

    /// Where the directory of our own files is made.
    pub(crate) fn base(&self) -> &std::path::Path {
        &self.inner.options.base
    }

    /// Gives them a home; only the first counts.
    pub(crate) fn settle(&self, home: Home) {
        let _ = self.inner.home.set(home);
    }

    /// Runs work on the engine's own runtime, so that it goes on if the caller is cancelled.
    async fn work<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let Some(runtime) = &self.inner.runtime else {
            return Err(TestbedError::Other(
                "bug: containers are used after their end".to_owned(),
            ));
        };
        let done = runtime.spawn(work).await;
        done.map_err(|error| TestbedError::Other(format!("work on a container broke off: {error}")))?
    }
}

impl std::fmt::Debug for Containers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Containers")
            .field("run", &self.run_id())
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    /// A runtime that is dropped in another's thread panics; what it does is of use to nobody any more.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
