//! A sweep: one run per combination of values, one report over all of them. The keys are the scenario's own (`[[sweep]]`), or
//! the command line's ([`command`]).

mod args;
mod command;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use crossover_evidence::capacity::servers;
use crossover_evidence::claims::c04;
use crossover_evidence::result::{Claim, RunResult};
use crossover_report::{SweepPage, SweepPoint};
use tokio::sync::watch;

use super::running::{code_of, finished, shown, with_left_behind};
use crate::failure::{INTERRUPTED, INVALID, bad_input, severity, worst};
use crate::place::SWEEP_FILE;
use crate::run::{self, Options, Progress, RunDirectory, judge};
use crate::scenario::{self, Point, Scenario};

pub use self::args::SweepArgs;
pub use self::command::command;

/// The points of a sweep, each with its scenario; empty if it is none. All are read and checked before any is run. A key
/// that the user overrides is not swept.
///
/// # Errors
/// If a value does not fit its key.
pub fn points(path: &Path, scenario: &Scenario, overrides: &[String]) -> anyhow::Result<Vec<(Point, Scenario)>> {
    let with = |point: Point| {
        let all: Vec<String> = overrides.iter().chain(&point.overrides).cloned().collect();
        let mut scenario = scenario::load(path, &all).map_err(|error| bad_input(format!("sweep: {error:#}")))?;
        scenario.text = scenario::without_sweep(&scenario.text)?;
        Ok((point, scenario))
    };
    let mut document = scenario.document.clone();
    let fixed: Vec<&str> = overrides
        .iter()
        .filter_map(|each| Some(each.split_once('=')?.0.trim()))
        .collect();
    document.sweep.retain(|sweep| !fixed.contains(&sweep.key.as_str()));
    document.points().into_iter().map(with).collect()
}

/// Does the directory hold a sweep?
pub fn is_sweep(path: &Path) -> bool {
    path.join(SWEEP_FILE).is_file()
}

/// Writes the reports of a sweep's points, and the one over them, again from what they recorded.
///
/// # Errors
/// If the directory is damaged.
pub fn report_again(path: &Path) -> anyhow::Result<()> {
    let directory = RunDirectory::open(path);
    let plan: SweepPlan = directory.read_json(SWEEP_FILE)?;
    let scenario = scenario::reload(&directory.file("scenario.toml"), &plan.scenario)?;
    let mut done = Vec::new();
    for (number, values) in (1..).zip(&plan.points) {
        let run = RunDirectory::open(&directory.file(&name_of(number)));
        // A sweep that was broken off has fewer runs than points.
        if run.file("run.json").is_file() {
            let scenario = scenario::reload(&run.file("scenario.toml"), &plan.scenario)?;
            let result = judge(&run)?;
            // What was broken off says nothing.
            if !result.run.interrupted {
                done.push((swept(number, values, result), scenario));
            }
        }
    }
    report(&scenario, &done, &plan, &directory)?;
    Ok(())
}

/// Runs all points, in order, in a directory of their own, and writes the report over them.
///
/// # Errors
/// As [`run::run`].
pub async fn run(
    scenario: &Scenario,
    points: &[(Point, Scenario)],
    options: &Options,
    directory: &Path,
    interrupted: watch::Receiver<bool>,
    progress: &Progress,
) -> anyhow::Result<ExitCode> {
    let sweep = RunDirectory::create_plain(directory)?;
    sweep.mark_latest();
    sweep.write_scenario(scenario)?;
    let plan = SweepPlan {
        scenario: scenario.name.clone(),
        mode: options.mode.name().to_owned(),
        command: options.command.clone(),
        keys: points.first().map(|(point, _)| point.keys()).unwrap_or_default(),
        points: points.iter().map(|(point, _)| point.values.clone()).collect(),
    };
    sweep.write_json(SWEEP_FILE, &plan)?;
    run_points(scenario, points, options, (&sweep, &plan), interrupted, progress).await
}

/// Runs the points that have no finished run yet, and writes the report over all.
async fn run_points(
    scenario: &Scenario,
    points: &[(Point, Scenario)],
    options: &Options,
    (sweep, plan): (&RunDirectory, &SweepPlan),
    interrupted: watch::Receiver<bool>,
    progress: &Progress,
) -> anyhow::Result<ExitCode> {
    let mut done: Vec<(SweepPoint, Scenario)> = Vec::new();
    let mut left_behind = Vec::new();
    for (index, (point, scenario)) in points.iter().enumerate() {
        if *interrupted.borrow() {
            break;
        }
        let path = sweep.file(&name_of(index + 1));
        if let Some(result) = finished(&path)? {
            done.push((swept(index + 1, &point.values, result), scenario.clone()));
            continue;
        }
        progress.note(&format!(
            "point {} of {}: {}",
            index + 1,
            points.len(),
            point.overrides.join(", ")
        ));
        let run_options = Options {
            command: format!("{}{}", options.command, set_flags(point)),
            ..options.clone()
        };
        let finished = run::run(scenario, &run_options, &path, interrupted.clone(), progress).await?;
        left_behind.extend(finished.left_behind);
        // It says nothing, and is run again by whoever goes on.
        if finished.result.run.interrupted {
            break;
        }
        done.push((swept(index + 1, &point.values, finished.result), scenario.clone()));
    }
    progress.done();
    if done.is_empty() {
        return Ok(ExitCode::from(with_left_behind(INTERRUPTED, &left_behind)));
    }
    let code = report(scenario, &done, plan, sweep)?;
    let cut_short = done.len() < points.len() && severity(code) <= severity(INTERRUPTED);
    let code = if cut_short { INTERRUPTED } else { code };
    Ok(ExitCode::from(with_left_behind(code, &left_behind)))
}

fn name_of(number: usize) -> String {
    format!("{number:02}")
}

fn swept(number: usize, values: &[String], result: RunResult) -> SweepPoint {
    SweepPoint {
        values: values.to_vec(),
        x: values.first().and_then(|value| self::number(value)),
        result,
        path: format!("{}/report.html", name_of(number)),
    }
}

fn report(
    scenario: &Scenario,
    done: &[(SweepPoint, Scenario)],
    plan: &SweepPlan,
    directory: &RunDirectory,
) -> anyhow::Result<u8> {
    let runs: Vec<&RunResult> = done.iter().map(|(point, _)| &point.result).collect();
    let invalid_reasons = servers::doubts(&runs);
    let missing = (done.len() < plan.points.len())
        .then(|| format!("{} of {} points have run to their end", done.len(), plan.points.len()));
    let doubt = invalid_reasons.first().or(missing.as_ref());
    let findings = findings(&scenario.document.claims, done, doubt.map(String::as_str));
    let points: Vec<SweepPoint> = done.iter().map(|(point, _)| point.clone()).collect();
    let started_at = points
        .first()
        .map(|point| point.result.run.started_at.clone())
        .context("no point was run")?;
    let page = SweepPage {
        title: &scenario.document.title,
        scenario: &scenario.name,
        mode: &plan.mode,
        started_at: &started_at,
        command: &plan.command,
        keys: &plan.keys,
        points: &points,
        findings: &findings,
    };
    directory.write_json(
        "sweep.json",
        &SweepFile {
            keys: &plan.keys,
            points: &summary(&points),
            findings: &findings,
            invalid_reasons: &invalid_reasons,
        },
    )?;
    directory.write("report.html", crossover_report::sweep_html(&page).as_bytes())?;
    directory.write("report.md", crossover_report::sweep_markdown(&page).as_bytes())?;
    println!("{}", crossover_report::sweep_terminal(&page));
    println!("{}", shown(&directory.file("report.html")));
    // The worst point speaks for the sweep; a refuted claim of the seed is a result, not a failure.
    for reason in &invalid_reasons {
        eprintln!("the points may not be held against each other: {reason}");
    }
    let codes = points.iter().map(|point| code_of(&point.result));
    let worst = worst(codes.chain((!invalid_reasons.is_empty()).then_some(INVALID)));
    Ok(worst.unwrap_or(INTERRUPTED))
}

/// `points.json`: what the sweep set out to do.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct SweepPlan {
    scenario: String,
    mode: String,
    command: String,
    keys: Vec<String>,
    points: Vec<Vec<String>>,
}

/// `sweep.json`: the values of each point and where its run lies.
#[derive(serde::Serialize)]
struct SweepFile<'a> {
    keys: &'a [String],
    points: &'a [serde_json::Value],
    findings: &'a [Claim],
    /// Why its points may not be held against each other; empty if they may.
    invalid_reasons: &'a [String],
}

fn summary(points: &[SweepPoint]) -> Vec<serde_json::Value> {
    let one = |point: &SweepPoint| {
        serde_json::json!({
            "values": point.values,
            "run": point.path.trim_end_matches("/report.html"),
            "valid": point.result.run.valid,
            "dispatch_ms": point.result.latency_ms.dispatch,
            "completed_per_s": point.result.throughput.completed_per_s,
        })
    };
    points.iter().map(one).collect()
}

/// What the sweep says of the claims that its scenario names, then of its hypotheses.
fn findings(claims: &[String], done: &[(SweepPoint, Scenario)], doubt: Option<&str>) -> Vec<Claim> {
    let mut findings = Vec::new();
    if claims.iter().any(|claim| claim == "C04") {
        let point = |(point, scenario): &'_ (SweepPoint, Scenario)| -> (f64, u32, RunResult) {
            let interval_ms = scenario.document.polling.interval.as_secs_f64() * 1_000.0;
            (interval_ms, scenario.document.topology.workers, point.result.clone())
        };
        let measured: Vec<(f64, u32, RunResult)> = done.iter().map(point).collect();
        let points: Vec<c04::Point<'_>> = measured
            .iter()
            .map(|(interval_ms, workers, result)| c04::Point {
                interval_ms: *interval_ms,
                workers: *workers,
                result,
            })
            .collect();
        findings.extend(c04::judge(&points, doubt));
    }
    findings.extend(hypotheses(done));
    findings
}

/// One finding per hypothesis: the gravest verdict of the points at which it applies, with their evidence.
fn hypotheses(done: &[(SweepPoint, Scenario)]) -> Vec<Claim> {
    let mut found: Vec<(Claim, Vec<String>)> = Vec::new();
    for (point, _) in done {
        let values = point.values.join(", ");
        for claim in &point.result.claims {
            let evidence = format!("at {values}: {}", claim.evidence);
            match found.iter_mut().find(|(known, _)| known.text == claim.text) {
                Some((known, told)) if known.verdict == claim.verdict => told.push(evidence),
                Some((known, told)) if claim.verdict.gravity() > known.verdict.gravity() => {
                    (known.verdict, *told) = (claim.verdict, vec![evidence]);
                }
                Some(_) => {}
                None => found.push((claim.clone(), vec![evidence])),
            }
        }
    }
    let told = |(claim, evidence): (Claim, Vec<String>)| Claim {
        evidence: evidence.join("; "),
        ..claim
    };
    found.into_iter().map(told).collect()
}

pub(super) fn set_flags(point: &Point) -> String {
    point
        .overrides
        .iter()
        .map(|each| format!(" --set {}", each.replace('"', "")))
        .collect()
}

/// A duration in ms, or a plain number.
fn number(value: &str) -> Option<f64> {
    match humantime::parse_duration(value) {
        Ok(duration) => Some(duration.as_secs_f64() * 1_000.0),
        Err(_) => value.parse().ok(),
    }
}
