//! The control run: the plan of a run once more, with nothing broken, in a directory inside its own. What faults did to jobs
//! that they did not touch is held against it.

use std::path::Path;

use crossover_evidence::neighbours::{self, Disturbed};
use crossover_evidence::result::RunResult;
use tokio::sync::watch;

use super::directory::RunDirectory;
use super::left::Left;
use super::meta::RunMeta;
use super::{Finished, Options, Progress, judge, run};
use crate::scenario::{self, Scenario};

/// Its directory.
const DIRECTORY: &str = "control";

/// Runs a scenario, then, if it asks for one and was not broken off, its control run; the run is judged again with it.
///
/// # Errors
/// As [`run`].
pub async fn run_with_control(
    scenario: &Scenario,
    options: &Options,
    path: &Path,
    interrupted: watch::Receiver<bool>,
    progress: &Progress,
) -> anyhow::Result<Finished> {
    let mut finished = run(scenario, options, path, interrupted.clone(), progress).await?;
    if !scenario.document.control || finished.result.run.interrupted || *interrupted.borrow() {
        return Ok(finished);
    }
    progress.note("once more with nothing broken:");
    let options = Options {
        keep: false,
        ..options.clone()
    };
    let control = run(
        &scenario.control()?,
        &options,
        &finished.directory.file(DIRECTORY),
        interrupted,
        progress,
    )
    .await?;
    finished.left_behind.extend(control.left_behind);
    finished.result = judge(&finished.directory)?;
    Ok(finished)
}

/// What a control run left.
pub(super) struct Control {
    pub(super) meta: RunMeta,
    pub(super) scenario: Scenario,
    pub(super) left: Left,
    /// Why it can't be used, if so.
    pub(super) doubt: Option<String>,
}

impl Control {
    /// Of this run; `None` if there is none, or it was broken off.
    ///
    /// # Errors
    /// If a file of it is damaged.
    pub(super) fn read(directory: &RunDirectory, of: &RunMeta) -> anyhow::Result<Option<Self>> {
        let control = RunDirectory::open(&directory.file(DIRECTORY));
        if !control.file("run.json").is_file() {
            return Ok(None);
        }
        let meta = RunMeta::read(&control)?;
        if !meta.finished || meta.interrupted {
            return Ok(None);
        }
        Ok(Some(Self {
            scenario: scenario::reload(&control.file("scenario.toml"), &meta.scenario)?,
            left: Left::read(&control, &meta)?,
            doubt: doubt(&control, of),
            meta,
        }))
    }
}

/// As its own result has it.
fn doubt(control: &RunDirectory, of: &RunMeta) -> Option<String> {
    let Ok(result) = control.read_json::<RunResult>("result.json") else {
        return Some("the control run was not judged, or by another version".to_owned());
    };
    let run = Disturbed {
        invalid_reasons: &of.invalid_reasons,
        git_commit: of.git_commit.as_deref(),
        testbed: of.testbed.as_ref(),
    };
    neighbours::doubt(run, &result)
}
