//! Removal: of all containers of a run, by the program that the supervisor runs at its end; and of those whose supervisor is
//! dead, by `crossover clean`.
//!
//! Only containers with our labels are ever removed.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use testcontainers::bollard::Docker;
use testcontainers::bollard::models::ContainerSummary;
use testcontainers::bollard::query_parameters::ListContainersOptionsBuilder;
use tokio::task::JoinSet;

use super::engine;
use super::failure::of_engine;
use super::request::{RUN_LABEL, SUPERVISOR_LABEL, SUPERVISOR_START_LABEL};
use super::run::remove;
use crate::error::{Result, TestbedError};
use crate::supervisor::{ProcessSpec, start_ticks};

/// Name of the subcommand that calls [`remove_run`], with `--run` and the run's id.
pub const SUBCOMMAND: &str = "container-cleanup";

/// Less than the supervisor gives its commands.
const REMOVED_WITHIN: Duration = Duration::from_secs(15);

/// A harness that was killed may have sent a request that the engine is still at work on: the container comes after the list.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How the supervisor is to start it: `program` is our own executable.
pub(crate) fn spec(program: &Path, log: &Path, run_id: &str) -> ProcessSpec {
    ProcessSpec::new(SUBCOMMAND, program, log).args([SUBCOMMAND, "--run", run_id])
}

/// Removes all containers of a run, running or not. That there are none is fine.
///
/// # Errors
/// `Unavailable` if no engine answers; `Other` if one can't be removed.
pub async fn remove_run(run_id: &str) -> Result<()> {
    let docker = engine::connect().await?;
    let (deadline, mut has_seen_none) = (Instant::now() + REMOVED_WITHIN, false);
    loop {
        let left = list(&docker, &format!("{RUN_LABEL}={run_id}")).await?;
        if left.is_empty() {
            if has_seen_none {
                return Ok(());
            }
            has_seen_none = true;
            tokio::time::sleep(LOOK_AGAIN).await;
            continue;
        }
        has_seen_none = false;
        let failed = remove_all(&docker, &left).await;
        if Instant::now() > deadline {
            let names: Vec<String> = left.iter().map(name_of).collect();
            return Err(TestbedError::Other(format!(
                "containers {names:?} could not be removed within {REMOVED_WITHIN:?}{}; try again with crossover clean",
                failed.map(|error| format!(": {error}")).unwrap_or_default()
            )));
        }
    }
}

/// Removes the containers of runs whose supervisor is dead; answers their names. Without an engine there are none to see.
///
/// # Errors
/// `Other` if one can't be removed.
pub async fn remove_leftovers() -> Result<Vec<String>> {
    let docker = match engine::connect().await {
        Ok(docker) => docker,
        Err(error) => {
            tracing::debug!(%error, "no containers to look for");
            return Ok(Vec::new());
        }
    };
    let all = list(&docker, RUN_LABEL).await?;
    let abandoned: Vec<ContainerSummary> = all.into_iter().filter(|one| !has_supervisor(one)).collect();
    match remove_all(&docker, &abandoned).await {
        Some(error) => Err(error),
        None => Ok(abandoned.iter().map(name_of).collect()),
    }
}

async fn list(docker: &Docker, label: &str) -> Result<Vec<ContainerSummary>> {
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let listed = docker.list_containers(Some(options)).await;
    listed.map_err(|error| of_engine("list containers", &error))
}

/// All at once: time is short, and one that hangs must not use up the others'. Answers a failure.
async fn remove_all(docker: &Docker, containers: &[ContainerSummary]) -> Option<TestbedError> {
    let mut removals = JoinSet::new();
    for container in containers {
        let (docker, name) = (docker.clone(), name_of(container));
        let id = container.id.clone().unwrap_or_else(|| name.clone());
        removals.spawn(async move {
            let removed = remove(&docker, &id).await;
            removed.map_err(|error| of_engine(&format!("remove container {name}"), &error))
        });
    }
    removals.join_all().await.into_iter().find_map(Result::err)
}

/// As the engine shows it, without the slash in front.
fn name_of(container: &ContainerSummary) -> String {
    let name = container.names.as_ref().and_then(|names| names.first());
    let name = name.or(container.id.as_ref()).map_or("", String::as_str);
    name.trim_start_matches('/').to_owned()
}

/// Whether the supervisor that a container's labels name still runs.
fn has_supervisor(container: &ContainerSummary) -> bool {
    let label = |name: &str| container.labels.as_ref()?.get(name)?.parse::<u64>().ok();
    let (Some(pid), start) = (label(SUPERVISOR_LABEL), label(SUPERVISOR_START_LABEL)) else {
        return false;
    };
    let alive = u32::try_from(pid).ok().and_then(start_ticks);
    alive.is_some() && alive == start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(labels: &[(&str, String)]) -> ContainerSummary {
        ContainerSummary {
            labels: Some(
                labels
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.clone()))
                    .collect(),
            ),
            ..ContainerSummary::default()
        }
    }

    #[test]
    fn a_container_is_left_over_when_its_supervisor_is_dead_or_another_has_its_number() {
        let us = std::process::id();
        let start = start_ticks(us).unwrap();
        let with = |pid: u32, start: u64| {
            labelled(&[
                (SUPERVISOR_LABEL, pid.to_string()),
                (SUPERVISOR_START_LABEL, start.to_string()),
            ])
        };
        assert!(has_supervisor(&with(us, start)));
        assert!(!has_supervisor(&with(us, start + 1)));
        assert!(!has_supervisor(&with(u32::MAX / 2, start)));
        assert!(!has_supervisor(&labelled(&[])));
    }
}
