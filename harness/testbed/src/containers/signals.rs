//! Signals to containers, as to processes.
//!
//! A signal to the process alone goes to the main process. To the whole tree: a kill is a kill of the container, which takes all
//! its processes; stop and continue are the engine's pause, which stops all of them at once, whatever they fork meanwhile; others
//! go to the main process, for the rest is not ours to signal without the engine.

use testcontainers::bollard::errors::Error as EngineError;
use testcontainers::bollard::query_parameters::KillContainerOptionsBuilder;

use super::Containers;
use super::failure::{is_conflict, of_engine};
use super::run::state_of;
use crate::error::{Result, TestbedError};
use crate::supervisor::{Reach, Signal};

impl Containers {
    /// Whether a container runs under this name.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.id_of(name).is_some()
    }

    /// Sends a signal to a container that runs.
    pub(crate) async fn signal(&self, name: &str, signal: Signal, reach: Reach) -> Result<()> {
        let id = self.running(name)?;
        let docker = self.inner.docker.clone();
        let act = format!("send {signal:?} to {name}");
        self.work(async move {
            let sent = match (reach, signal) {
                (Reach::Tree, Signal::Stop) => unless_so(docker.pause_container(&id).await),
                (Reach::Tree, Signal::Cont) => unless_so(docker.unpause_container(&id).await),
                _ => {
                    let options = KillContainerOptionsBuilder::new().signal(name_of(signal)).build();
                    docker.kill_container(&id, Some(options)).await
                }
            };
            sent.map_err(|error| of_engine(&act, &error))
        })
        .await
    }

    /// Pauses a container; whether the engine says that it stands still.
    pub(crate) async fn freeze(&self, name: &str) -> Result<bool> {
        self.signal(name, Signal::Stop, Reach::Tree).await?;
        let id = self.running(name)?;
        let docker = self.inner.docker.clone();
        let act = format!("look at {name}");
        self.work(async move {
            let state = state_of(&docker, &id).await.map_err(|error| of_engine(&act, &error))?;
            Ok(state.paused == Some(true))
        })
        .await
    }

    fn running(&self, name: &str) -> Result<String> {
        self.id_of(name)
            .ok_or_else(|| TestbedError::Other(format!("no process named {name} runs")))
    }
}

/// As with signals, pausing what is paused and continuing what runs is fine.
fn unless_so(result: Result<(), EngineError>) -> Result<(), EngineError> {
    match result {
        Err(error) if is_conflict(&error) || says_so(&error) => Ok(()),
        other => other,
    }
}

/// Older engines answer with code 500.
fn says_so(error: &EngineError) -> bool {
    let text = error.to_string();
    text.contains("is already paused") || text.contains("is not paused")
}

fn name_of(signal: Signal) -> &'static str {
    signal.to_nix().as_str()
}
