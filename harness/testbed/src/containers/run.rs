//! One container from its start to its removal.
//!
//! ```text
//!   (the last of this name is removed) ─▶ start ─▶ Started ─┬─ output ─▶ the process's log
//!                                                           └─ wait ─▶ Ended ─▶ removed, with its volumes
//! ```
//!
//! A name is free for the next start as soon as its exit was reported: that start waits for the removal, which takes a tenth
//! of a second, so that a crash is not reported later than it came.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::mem::ManuallyDrop;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use crossover_proto::clock::MonotonicNs;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as EngineError;
use testcontainers::bollard::models::ContainerState;
use testcontainers::bollard::query_parameters::{
    LogsOptionsBuilder, RemoveContainerOptionsBuilder, WaitContainerOptions,
};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, TestcontainersError};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_stream::StreamExt;

use super::accounts::{self, ours};
use super::announced::Announced;
use super::failure::{is_absent, is_answer, of_engine, of_testcontainers};
use super::request::{self, Owner};
use super::{Change, Containers};
use crate::error::{Result, TestbedError};
use crate::supervisor::{Exit, ProcessSpec, start_ticks};

/// The engine hands out what was printed before the end at once.
const OUTPUT_WITHIN: Duration = Duration::from_secs(2);

/// A removal takes a tenth of a second; the bound is for an engine that is busy with another's images.
const REMOVED_WITHIN: Duration = Duration::from_secs(20);

/// How soon an engine that broke off an answer is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// What an engine reports of a process that SIGKILL ended. Other numbers above 128 may be an exit code of the program's own
/// choice: a JVM that was asked to stop ends with 143.
const KILLED: i64 = 128 + 9;

/// Whoever wants to hear of changes.
pub(crate) type Tell = Arc<dyn Fn(Change) + Send + Sync>;

/// Containers by the names of their processes; the latest of each.
#[derive(Default)]
pub(super) struct Table {
    known: HashMap<String, Known>,
}

struct Known {
    id: String,
    has_ended: bool,
    is_removed: watch::Receiver<bool>,
}

/// A container that was started.
struct Running {
    name: String,
    pid: u32,
    /// Never dropped: that would remove it, and with `--keep` it must stay. Its own removal complains when ours came first.
    container: ManuallyDrop<ContainerAsync<GenericImage>>,
}

impl Containers {
    /// Starts a container; answers the process id of its main process on this host (0 if it has ended already). `tell` hears
    /// of its start and, from another thread, of its end.
    pub(crate) async fn run(&self, spec: ProcessSpec, tell: Tell) -> Result<u32> {
        let this = self.clone();
        self.work(async move { this.start(spec, tell).await }).await
    }

    /// The id of the container of a process that runs.
    pub(super) fn id_of(&self, name: &str) -> Option<String> {
        let table = self.table();
        table
            .known
            .get(name)
            .filter(|known| !known.has_ended)
            .map(|known| known.id.clone())
    }

    async fn start(&self, spec: ProcessSpec, tell: Tell) -> Result<u32> {
        self.wait_until_removed(&spec.name).await?;
        let log = OpenOptions::new().create(true).append(true).open(&spec.log);
        let log = log.map_err(|error| TestbedError::io("open the log", &spec.log, &error))?;
        let (docker, name) = (&self.inner.docker, spec.name.clone());
        let container = self.start_container(&spec).await?;
        let pid = match state_of(docker, container.id()).await {
            Ok(state) => state.pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
            Err(error) => return Err(of_engine(&format!("look at {name}"), &error)),
        };
        let (removed, is_removed) = watch::channel(false);
        let known = Known {
            id: container.id().to_owned(),
            has_ended: false,
            is_removed,
        };
        self.table().known.insert(name.clone(), known);
        tell(Change::Started {
            name: name.clone(),
            pid,
            stop: spec.stop,
        });
        let running = Running { name, pid, container };
        tokio::spawn(self.clone().follow(running, log, tell, removed));
        Ok(pid)
    }

    async fn start_container(&self, spec: &ProcessSpec) -> Result<ManuallyDrop<ContainerAsync<GenericImage>>> {
        let bug = || TestbedError::Other("bug: containers are started before a supervisor took them on".to_owned());
        let home = self.inner.home.get().ok_or_else(bug)?;
        let owner = Owner {
            run_id: self.run_id().to_owned(),
            supervisor_pid: home.supervisor_pid,
            supervisor_start: start_ticks(home.supervisor_pid).unwrap_or(0),
        };
        let accounts = accounts::write(&home.directory, spec.user.unwrap_or_else(ours))?;
        let request = request::of(spec, &owner, &accounts)?;
        let (container, image) = (
            owner.container_name(&spec.name),
            spec.image.as_deref().unwrap_or_default(),
        );
        let announced = Announced::make(&home.directory, &container, image)?;
        match request.start().await {
            Ok(container) => {
                announced.withdraw();
                Ok(ManuallyDrop::new(container))
            }
            Err(error) => {
                self.remove_unstarted(&container, &error).await;
                if is_answer(&error) {
                    announced.withdraw();
                }
                Err(of_testcontainers(
                    &format!("start {} from image {image}", spec.name),
                    &error,
                ))
            }
        }
    }

    /// One that was made and could not be started stays, and nobody has its id. It may be another run's that has the name.
    async fn remove_unstarted(&self, container: &str, error: &TestcontainersError) {
        if !error.to_string().contains("is already in use by container") {
            let _ = remove(&self.inner.docker, container).await;
        }
    }

    async fn follow(self, running: Running, log: File, tell: Tell, removed: watch::Sender<bool>) {
        let Running { name, pid, container } = running;
        let (docker, id) = (self.inner.docker.clone(), container.id().to_owned());
        let copying = tokio::spawn(copy_output(docker.clone(), id.clone(), log));
        let code = wait(&docker, &id, pid).await;
        let exit = exit_of(name.clone(), pid, code, MonotonicNs::now());
        if timeout(OUTPUT_WITHIN, copying).await.is_err() {
            tracing::warn!(name, "the end of its output did not come within {OUTPUT_WITHIN:?}");
        }
        if let Some(known) = self.table().known.get_mut(&name) {
            known.has_ended = true;
        }
        tell(Change::Ended(exit));
        // It may be gone, or going, by the cleanup of the run.
        if let Err(error) = remove(&docker, &id).await {
            tracing::warn!(name, %error, "its container was not removed; the end of the run will try again");
        }
        let _ = removed.send(true);
    }

    async fn wait_until_removed(&self, name: &str) -> Result<()> {
        let Some(mut is_removed) = self.table().known.get(name).map(|known| known.is_removed.clone()) else {
            return Ok(());
        };
        match timeout(REMOVED_WITHIN, is_removed.wait_for(|&is| is)).await {
            // Whoever should remove it is gone: the engine will say whether the name is free.
            Ok(_) => Ok(()),
            Err(_) => Err(TestbedError::Other(format!(
                "the last container of {name} is not removed within {REMOVED_WITHIN:?}"
            ))),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No code panics while it holds this lock, so a poisoned table is whole.
        self.inner.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the engine says of a container.
pub(super) async fn state_of(docker: &Docker, id: &str) -> Result<ContainerState, EngineError> {
    Ok(docker.inspect_container(id, None).await?.state.unwrap_or_default())
}

/// Removes a container, running or not, with its volumes. One that is gone, or going, is fine.
pub(super) async fn remove(docker: &Docker, id: &str) -> Result<(), EngineError> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match docker.remove_container(id, Some(options)).await {
        Err(error) if !is_absent(&error) && !super::failure::is_conflict(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Waits for the end; its exit code, if anybody knows it.
async fn wait(docker: &Docker, id: &str, pid: u32) -> Option<i64> {
    loop {
        let answer = std::pin::pin!(docker.wait_container(id, None::<WaitContainerOptions>))
            .next()
            .await;
        match answer {
            Some(Ok(ended)) => return Some(ended.status_code),
            Some(Err(EngineError::DockerContainerWaitError { code, .. })) => return Some(code),
            // The engine broke off, or has no such container.
            Some(Err(_)) | None => {}
        }
        match state_of(docker, id).await {
            Ok(state) if state.running == Some(true) => {}
            Ok(state) => return state.exit_code,
            Err(error) if is_absent(&error) => return None,
            Err(_) if start_ticks(pid).is_none() => return None,
            Err(_) => {}
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

async fn copy_output(docker: Docker, id: String, mut log: File) {
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).build();
    let mut output = std::pin::pin!(docker.logs(&id, Some(options)));
    while let Some(piece) = output.next().await {
        let written = match piece {
            Ok(piece) => log.write_all(&piece.into_bytes()).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = written {
            tracing::warn!(id, error, "the output of a container is lost from here on");
            return;
        }
    }
}

fn exit_of(name: String, pid: u32, code: Option<i64>, at: MonotonicNs) -> Exit {
    let was_killed = code == Some(KILLED);
    Exit {
        name,
        pid,
        code: code.filter(|_| !was_killed).and_then(|code| i32::try_from(code).ok()),
        signal: was_killed.then_some(9),
        at_monotonic_ns: at.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sigkill_is_told_from_an_exit_code() {
        let of = |code| exit_of("a".to_owned(), 7, code, MonotonicNs(1));
        assert_eq!((of(Some(137)).code, of(Some(137)).signal), (None, Some(9)));
        assert_eq!((of(Some(143)).code, of(Some(143)).signal), (Some(143), None));
        assert!(of(Some(0)).is_success());
        assert_eq!(of(None).to_string(), "a (pid 7) ended");
    }
}
