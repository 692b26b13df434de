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

use super::announced::Announced;
use super::engine;
use super::failure::of_engine;
use super::request::{RUN_LABEL, SUPERVISOR_LABEL, SUPERVISOR_START_LABEL};
use super::run::remove;
use crate::error::{Result, TestbedError};
use crate::supervisor::{ProcessSpec, start_ticks};

/// Name of the subcommand that calls [`remove_run`], with `--run` and the run's id, and `--directory` of our own files.
pub const SUBCOMMAND: &str = "container-cleanup";

/// Less than the supervisor gives its commands.
const REMOVED_WITHIN: Duration = Duration::from_secs(15);

/// How soon an engine that is still at work on a container is asked again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How the supervisor is to start it: `program` is our own executable.
pub(crate) fn spec(program: &Path, log: &Path, run_id: &str, directory: &Path) -> ProcessSpec {
    let spec = ProcessSpec::new(SUBCOMMAND, program, log).args([SUBCOMMAND, "--run", run_id]);
    spec.args(["--directory".to_owned(), directory.display().to_string()])
}

/// Removes all containers of a run, running, ended or being made; `directory` is that of the run's own files. That there are
/// none is fine.
///
/// # Errors
/// `Unavailable` if no engine answers; `Other` if one can't be removed.
pub async fn remove_run(run_id: &str, directory: &Path) -> Result<()> {
    let docker = engine::connect().await?;
    let deadline = Instant::now() + REMOVED_WITHIN;
    let mut being_made = Announced::all(directory);
    loop {
        // Before the list: what we take a name with is to be on it.
        being_made = not_ours_yet(&docker, run_id, being_made).await;
        let left = list(&docker, &format!("{RUN_LABEL}={run_id}")).await?;
        if left.is_empty() && being_made.is_empty() {
            return Ok(());
        }
        let failed = remove_all(&docker, &left).await;
        if left.is_empty() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        if Instant::now() > deadline {
            let unseen = being_made.iter().map(|announced| announced.container.clone());
            let names: Vec<String> = left.iter().map(name_of).chain(unseen).collect();
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

/// Takes the names of containers that may still come; answers those that can't be had yet.
async fn not_ours_yet(docker: &Docker, run_id: &str, announced: Vec<Announced>) -> Vec<Announced> {
    let mut left = Vec::new();
    for one in announced {
        if !one.take_name(docker, run_id).await {
            left.push(one);
        }
    }
    left
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
