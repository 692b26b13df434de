//! `bench compare [SCENARIO]`: both modes, one after the other on the same plan, in one report.

use std::path::Path;
use std::process::ExitCode;

use crossover_evidence::compare::{self, Comparison};
use crossover_evidence::result::RunResult;
use crossover_evidence::series::Series;
use crossover_report::ComparePage;
use tokio::sync::watch;

use super::running::{code_of, shown, with_left_behind};
use crate::args::Mode;
use crate::failure::{INTERRUPTED, bad_input, worst};
use crate::place::COMPARE_FILE;
use crate::run::{self, Options, Progress, RunDirectory, judge};
use crate::scenario::{self, Scenario};

/// The modes, in the order in which they run.
const MODES: [Mode; 2] = [Mode::Polling, Mode::EventDriven];

/// Runs both modes and writes the report over them.
///
/// # Errors
/// As [`run::run`].
pub async fn run(
    scenario: &Scenario,
    options: &Options,
    directory: &Path,
    interrupted: watch::Receiver<bool>,
    progress: &Progress,
) -> anyhow::Result<ExitCode> {
    let whole = RunDirectory::create_plain(directory)?;
    whole.mark_latest();
    whole.write_scenario(scenario)?;
    let mut comparison = Comparison {
        schema_version: compare::SCHEMA_VERSION,
        id: whole.name(),
        scenario: scenario.name.clone(),
        title: scenario.document.title.clone(),
        seed: scenario.document.seed,
        command: options.command.clone(),
        git_commit: None,
        started_at: String::new(),
        polling: Mode::Polling.name().to_owned(),
        event_driven: Mode::EventDriven.name().to_owned(),
        claims: Vec::new(),
    };
    // Whatever becomes of the runs, `report` knows what they belong to.
    whole.write_json(COMPARE_FILE, &comparison)?;
    let (mut results, mut left_behind) = (Vec::new(), Vec::new());
    for mode in MODES {
        if *interrupted.borrow() {
            break;
        }
        progress.note(&format!("{}:", mode.name()));
        let run_options = Options {
            mode,
            command: options.command.replacen("compare", mode.name(), 1),
            ..options.clone()
        };
        let path = whole.file(mode.name());
        let finished = run::run(scenario, &run_options, &path, interrupted.clone(), progress).await?;
        left_behind.extend(finished.left_behind);
        results.push(finished.result);
    }
    progress.done();
    let [polling, event_driven] = results.as_slice() else {
        eprintln!(
            "interrupted before both modes had run; what ran is in {}",
            shown(whole.path())
        );
        return Ok(ExitCode::from(with_left_behind(INTERRUPTED, &left_behind)));
    };
    comparison.git_commit.clone_from(&polling.run.git_commit);
    comparison.started_at.clone_from(&polling.run.started_at);
    write(&whole, scenario, comparison, polling, event_driven)?;
    let worst = worst([polling, event_driven].map(code_of));
    Ok(ExitCode::from(with_left_behind(
        worst.unwrap_or(INTERRUPTED),
        &left_behind,
    )))
}

/// Does the directory hold a comparison?
pub fn is_comparison(path: &Path) -> bool {
    path.join(COMPARE_FILE).is_file()
}

/// Writes the reports of both runs, and the one over them, again from what they recorded.
///
/// # Errors
/// If the directory is damaged.
pub fn report_again(path: &Path) -> anyhow::Result<()> {
    let whole = RunDirectory::open(path);
    let mut comparison: Comparison = whole.read_json(COMPARE_FILE)?;
    let scenario = scenario::reload(&whole.file("scenario.toml"), &comparison.scenario)?;
    let judged = |name: &str| -> anyhow::Result<Option<RunResult>> {
        let run = RunDirectory::open(&whole.file(name));
        let is_there = run.file("run.json").is_file();
        is_there.then(|| judge(&run)).transpose()
    };
    let (polling, event_driven) = (judged(&comparison.polling)?, judged(&comparison.event_driven)?);
    let (Some(polling), Some(event_driven)) = (polling, event_driven) else {
        return Err(bad_input(format!(
            "{} was broken off before both modes had begun: there is nothing to compare; the reports of what ran are in its directories",
            path.display()
        )));
    };
    // A comparison that was broken off has not noted them.
    comparison.git_commit.clone_from(&polling.run.git_commit);
    comparison.started_at.clone_from(&polling.run.started_at);
    write(&whole, &scenario, comparison, &polling, &event_driven)
}

fn write(
    whole: &RunDirectory,
    scenario: &Scenario,
    mut comparison: Comparison,
    polling: &RunResult,
    event_driven: &RunResult,
) -> anyhow::Result<()> {
    let polling_series: Series = whole.read_json(&format!("{}/series.json", comparison.polling))?;
    let event_series: Series = whole.read_json(&format!("{}/series.json", comparison.event_driven))?;
    comparison.claims = compare::claims(polling, event_driven, &polling_series, &event_series);
    let page = ComparePage {
        comparison: &comparison,
        polling,
        event_driven,
        polling_series: &polling_series,
        event_series: &event_series,
        plan: &scenario.plan.describe(),
        scenario_toml: &scenario.text,
    };
    whole.write_json(COMPARE_FILE, &comparison)?;
    whole.write("report.html", crossover_report::compare_html(&page).as_bytes())?;
    whole.write("report.md", crossover_report::compare_markdown(&page).as_bytes())?;
    println!("{}", crossover_report::compare_terminal(&page));
    println!("{}", shown(&whole.file("report.html")));
    Ok(())
}
