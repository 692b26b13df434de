//! One search: a run per step, each in a directory of its own, and `capacity.json` after each.

use std::path::Path;

use crossover_evidence::capacity::search::{Next, interval, length, next};
use crossover_evidence::capacity::{Capacity, Interval, SCHEMA_VERSION, Step, StepVerdict, holds, servers};
use crossover_evidence::plateau::Attribution;
use crossover_evidence::result::RunResult;
use tokio::sync::watch;

use super::campaign::{Campaign, Search};
use crate::run::{self, Options, Progress, RunDirectory, build_doubt};
use crate::scenario::{Rates, Scenario};

/// File of one search.
pub const FILE: &str = "capacity.json";

/// What a search needs beyond itself.
pub struct Bench<'a> {
    /// What all searches share.
    pub campaign: &'a Campaign,
    /// The scenario as it was kept in the campaign's directory, read with these overrides.
    pub scenario_with: &'a dyn Fn(&[String]) -> anyhow::Result<Scenario>,
    /// How each step is run.
    pub options: &'a Options,
    /// Where the stages are told.
    pub progress: &'a Progress,
}

/// What became of the servers of the steps that were run: lines for the user, if something stayed behind.
pub type LeftBehind = Vec<String>;

/// What a search has found so far; `None` before its first step.
///
/// # Errors
/// If the file is damaged.
pub fn read(directory: &RunDirectory) -> anyhow::Result<Option<Capacity>> {
    directory
        .file(FILE)
        .is_file()
        .then(|| directory.read_json(FILE))
        .transpose()
}

/// Runs steps until the search is over or interrupted.
///
/// # Errors
/// As [`run::run`].
pub async fn search(
    bench: &Bench<'_>,
    search: &Search,
    directory: &RunDirectory,
    interrupted: watch::Receiver<bool>,
) -> anyhow::Result<LeftBehind> {
    let base = (bench.scenario_with)(&[])?;
    let own = search.overrides(&base.document);
    let rates = Rates::of(&base.document).map_err(crate::failure::bad_input)?;
    let mut capacity = read(directory)?;
    let mut left_behind = Vec::new();
    loop {
        let steps = capacity.as_ref().map_or(&[][..], |capacity| &capacity.steps);
        let rate = match next(&bench.campaign.settings, steps) {
            Next::Try(rate) => rate,
            Next::Done(why) => {
                if let Some(capacity) = &mut capacity
                    && capacity.ended.is_none()
                {
                    capacity.ended = Some(why);
                    directory.write_json(FILE, capacity)?;
                }
                return Ok(left_behind);
            }
        };
        if *interrupted.borrow() {
            return Ok(left_behind);
        }
        let mut overrides = own.clone();
        overrides.extend(rates.overrides(rate));
        overrides.extend(rates.lengthened(length(steps, rate)));
        let scenario = (bench.scenario_with)(&overrides)?;
        let number = steps.len() + 1;
        bench
            .progress
            .note(&format!("{}, step {number}: {rate} jobs/s", label(search)));
        let name = free_name(directory);
        let options = Options {
            mode: search.mode(),
            command: format!("{} # step {number}, {rate} jobs/s", bench.campaign.command),
            ..bench.options.clone()
        };
        let path = directory.file(&name);
        let finished = run::run(&scenario, &options, &path, interrupted.clone(), bench.progress).await?;
        left_behind.extend(finished.left_behind);
        // It says nothing, and is tried again by whoever goes on.
        if finished.result.run.interrupted {
            return Ok(left_behind);
        }
        let step = holds::judge(rate, &finished.result, &build_doubt(), &name);
        bench.progress.note(&format!("{rate} jobs/s: {}", told(&step)));
        capacity = Some(with(capacity, step, &finished.result, bench, search, directory));
        directory.write_json(FILE, &capacity)?;
    }
}

/// `polling-tuned, 4 replicas`
fn label(search: &Search) -> String {
    match search.replicas {
        Some(count) => format!("{}, replicas: {count}", search.variant.name()),
        None => search.variant.name().to_owned(),
    }
}

fn told(step: &Step) -> String {
    let word = match step.verdict {
        StepVerdict::Held => "held",
        StepVerdict::DidNotHold => "did not hold",
        StepVerdict::Unknown => "unknown",
    };
    format!("{word}; {}", step.why.join("; "))
}

/// Directories are numbered; one of a step that was broken off keeps its number.
fn free_name(directory: &RunDirectory) -> String {
    let names = (1u32..).map(|number| format!("{number:02}"));
    let free = |name: &String| !directory.file(name).exists();
    names.into_iter().find(free).unwrap_or_default()
}

/// The search with one more step.
fn with(
    before: Option<Capacity>,
    step: Step,
    result: &RunResult,
    bench: &Bench<'_>,
    search: &Search,
    directory: &RunDirectory,
) -> Capacity {
    let mut capacity = before.unwrap_or_else(|| Capacity {
        schema_version: SCHEMA_VERSION,
        id: directory
            .path()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        scenario: bench.campaign.scenario.clone(),
        variant: search.variant,
        seed: result.run.seed,
        command: bench.campaign.command.clone(),
        git_commit: result.run.git_commit.clone(),
        started_at: result.run.started_at.clone(),
        testbed: result.testbed.clone(),
        topology: result.topology.clone(),
        search: bench.campaign.settings,
        steps: Vec::new(),
        holds: Interval::default(),
        ended: None,
        plateau: None,
        invalid_reasons: build_doubt(),
    });
    let reasons = [
        servers::difference(&capacity.testbed, &result.testbed)
            .map(|_| "not all steps had the same servers and machine"),
        (capacity.git_commit != result.run.git_commit).then_some("not all steps ran the same build"),
    ];
    for reason in reasons.into_iter().flatten() {
        if !capacity.invalid_reasons.iter().any(|known| known == reason) {
            capacity.invalid_reasons.push(reason.to_owned());
        }
    }
    capacity.steps.push(step);
    capacity.holds = interval(&capacity.steps);
    capacity.plateau = plateau(directory.path(), &capacity);
    capacity
}

/// As the run of the lowest rate that did not hold has it.
fn plateau(directory: &Path, capacity: &Capacity) -> Option<Attribution> {
    let step = capacity.first_failure()?;
    let text = std::fs::read_to_string(directory.join(&step.run).join("result.json")).ok()?;
    let result: RunResult = serde_json::from_str(&text).ok()?;
    result.plateau
}
