//! What the harness knows of its supervisor: processes, exits, and requests that wait for an answer.
//!
//! Fed by one reader thread in the order in which the supervisor wrote, so a process is known before its exit is.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, oneshot, watch};

use super::protocol::{Event, Exit, StopRule};
use crate::error::{Result, TestbedError};

/// Far more exits than a run has processes: a receiver that lags this far has stopped receiving.
const EXITS_HELD: usize = 1024;

/// A process by its name; the latest of that name.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub pid: u32,
    pub stop: StopRule,
    pub exit: Option<Exit>,
    order: u64,
}

pub(super) type Answer = Result<Option<u32>, String>;

#[derive(Debug, Default)]
struct State {
    processes: HashMap<String, Known>,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    spawned: u64,
    is_gone: bool,
}

/// Shared by the client's handles and the reader thread.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    version: watch::Sender<u64>,
    exits: broadcast::Sender<Exit>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            version: watch::Sender::new(0),
            exits: broadcast::Sender::new(EXITS_HELD),
        }
    }

    /// Registers a request before it is sent; the receiver fails if the supervisor is gone.
    pub(super) fn expect_answer(&self, id: u64) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        if !state.is_gone {
            state.waiting.insert(id, sender);
        }
        receiver
    }

    pub(super) fn take(&self, event: Event) {
        match event {
            Event::Spawned { id, name, pid, stop } => {
                let mut state = self.lock();
                state.spawned += 1;
                let order = state.spawned;
                state.processes.insert(
                    name,
                    Known {
                        pid,
                        stop,
                        exit: None,
                        order,
                    },
                );
                drop(state);
                self.answer(id, Ok(Some(pid)));
            }
            Event::Done { id } => self.answer(id, Ok(None)),
            Event::Error { id, message } => self.answer(id, Err(message)),
            Event::Exited(exit) => {
                if let Some(known) = self.lock().processes.get_mut(&exit.name) {
                    known.exit = Some(exit.clone());
                }
                let _ = self.exits.send(exit);
            }
        }
        self.version.send_modify(|version| *version += 1);
    }

    /// The supervisor ended: nothing that waits will be answered.
    pub(super) fn take_end(&self) {
        let mut state = self.lock();
        state.is_gone = true;
        state.waiting.clear();
        drop(state);
        self.version.send_modify(|version| *version += 1);
    }

    pub(super) fn is_gone(&self) -> bool {
        self.lock().is_gone
    }

    pub(super) fn known(&self, name: &str) -> Option<Known> {
        self.lock().processes.get(name).cloned()
    }

    /// Names and process ids of all that run, in order of start.
    pub(super) fn running(&self) -> Vec<(String, u32)> {
        let state = self.lock();
        let running = state.processes.iter().filter(|(_, known)| known.exit.is_none());
        let mut running: Vec<_> = running
            .map(|(name, known)| (known.order, name.clone(), known.pid))
            .collect();
        running.sort_unstable();
        running.into_iter().map(|(_, name, pid)| (name, pid)).collect()
    }

    /// Wakes whenever anything above may have changed.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    pub(super) fn exits(&self) -> broadcast::Receiver<Exit> {
        self.exits.subscribe()
    }

    fn answer(&self, id: u64, answer: Answer) {
        let waiting = self.lock().waiting.remove(&id);
        if let Some(waiting) = waiting {
            // A caller that was cancelled does not wait any more.
            let _ = waiting.send(answer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds this lock, so a poisoned state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads events until the supervisor ends, then reaps it.
pub(super) fn read_in_background(mut child: Child, stdout: ChildStdout, shared: Arc<Shared>) -> Result<()> {
    let read = move || {
        for line in BufReader::new(stdout).lines().map_while(std::io::Result::ok) {
            match serde_json::from_str(&line) {
                Ok(event) => shared.take(event),
                Err(error) => tracing::warn!("unreadable event from the supervisor: {error}"),
            }
        }
        let _ = child.wait();
        shared.take_end();
    };
    let spawned = std::thread::Builder::new()
        .name("supervisor-events".to_owned())
        .spawn(read);
    spawned
        .map(drop)
        .map_err(|error| TestbedError::Other(format!("can't start a thread: {error}")))
}
