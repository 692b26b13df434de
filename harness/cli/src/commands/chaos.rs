//! `chaos NAME [MODE]`: one scenario that breaks things; `chaos smoke` and `chaos all`: several, one after the other, with one
//! table at the end.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use crossover_evidence::result::RunResult;
use crossover_testbed::RunLock;
use tokio::sync::watch;

use super::running::{
    code_of, conclude, options, output_directory, overrides, problems, refuse_kept_control, run_name, shown,
    watch_interrupt, with_left_behind,
};
use super::sweep;
use crate::args::{ChaosArgs, Mode};
use crate::failure::{INTERRUPTED, INVALID, bad_input, worst};
use crate::place;
use crate::run::{self, Progress};
use crate::scenario::{self, Document, Fault, Point, Scenario};

/// What `chaos smoke` runs: the short ones that break each kind of part once.
const SMOKE: [&str; 6] = [
    "broker-outage",
    "relay-kill",
    "worker-kill",
    "worker-stall",
    "postgres-restart",
    "slow-network",
];

/// Which scenarios the command was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    One,
    Smoke,
    All,
}

impl Choice {
    fn of(args: &ChaosArgs) -> Self {
        match args.scenario.as_str() {
            "smoke" => Self::Smoke,
            "all" => Self::All,
            _ => Self::One,
        }
    }

    fn names(self, args: &ChaosArgs) -> anyhow::Result<Vec<String>> {
        Ok(match self {
            Self::One => vec![args.scenario.clone()],
            Self::Smoke => SMOKE.map(str::to_owned).to_vec(),
            Self::All => place::scenarios(place::CHAOS)?,
        })
    }

    /// The mode that was asked for, or those that the scenario has a fault for.
    fn modes(self, asked: Option<Mode>, document: &Document) -> anyhow::Result<Vec<Mode>> {
        let modes = match (asked, self) {
            (Some(mode), Self::One) if !has_fault(document, mode) => {
                return Err(bad_input(format!(
                    "{}: none of its faults has anything to hit in {} mode; run it in event-driven mode",
                    document.title.trim(),
                    mode.name()
                )));
            }
            (Some(mode), _) => vec![mode],
            (None, Self::One | Self::Smoke) => return Ok(vec![Mode::EventDriven]),
            (None, Self::All) => vec![Mode::EventDriven, Mode::Polling],
        };
        Ok(modes.into_iter().filter(|mode| has_fault(document, *mode)).collect())
    }
}

fn has_fault(document: &Document, mode: Mode) -> bool {
    let there = |fault: &Fault| {
        let action = fault.action(&document.topology);
        mode == Mode::EventDriven || action.is_ok_and(|action| action.is_in_every_mode())
    };
    document.faults.is_empty() || document.faults.iter().any(there)
}

/// A scenario in a mode; of a sweep, one of its points.
struct Item {
    scenario: Scenario,
    mode: Mode,
    point: Option<Point>,
}

impl Item {
    /// Name of its directory and its row, among others of the same scenario.
    fn name(&self) -> String {
        let values = self.point.iter().flat_map(|point| &point.values);
        std::iter::once(&self.scenario.name)
            .chain(values)
            .cloned()
            .collect::<Vec<_>>()
            .join("-")
    }
}

/// Runs the command.
///
/// # Errors
/// Bad input, no testbed, or a bug.
pub async fn run(args: ChaosArgs) -> anyhow::Result<ExitCode> {
    let overrides = overrides(&args.run);
    let choice = Choice::of(&args);
    let names = choice.names(&args)?;
    if args.run.keep && choice != Choice::One {
        let why = "the servers of one scenario would disturb the next; run one, by its name";
        return Err(bad_input(format!("--keep: {why}")));
    }
    // All are read and checked before any is run.
    let mut items = Vec::new();
    for name in &names {
        let path = place::scenario(place::CHAOS, name)?;
        let scenario = scenario::load(&path, &overrides)?;
        run::check_external(&scenario.document, &args.run.external)?;
        let points = sweep::points(&path, &scenario, &overrides)?;
        if args.run.keep && !points.is_empty() {
            let why = "the servers of one point would disturb the next; --set the keys of its sweep";
            return Err(bad_input(format!("--keep: {} is a sweep: {why}", path.display())));
        }
        refuse_kept_control(&args.run, &scenario, &path)?;
        let modes = choice.modes(args.mode, &scenario.document)?;
        if modes.contains(&Mode::EventDriven) {
            run::broker_kind(&scenario.document, &args.run.containers)?;
        }
        for mode in modes {
            let points = if is_swept_in(mode, &points) { &points[..] } else { &[] };
            if choice == Choice::One && !points.is_empty() {
                return swept(&args, &scenario, points, mode).await;
            }
            let item = |scenario: &Scenario, point| Item {
                scenario: scenario.clone(),
                mode,
                point,
            };
            items.extend(
                points
                    .iter()
                    .map(|(point, scenario)| item(scenario, Some(point.clone()))),
            );
            items.extend(points.is_empty().then(|| item(&scenario, None)));
        }
    }
    let output = output_directory(&args.run.output)?;
    let _lock = RunLock::acquire(&format!("chaos {}", args.scenario))?;
    let interrupted = watch_interrupt()?;
    let progress = Progress::new();
    if choice != Choice::One {
        let parent = output.join(run_name("chaos", &args.scenario));
        return all(&args, &items, &parent, interrupted, &progress).await;
    }
    let item = items.first().context("a scenario has a mode")?;
    let directory = output.join(run_name(&item.scenario.name, item.mode.name()));
    // As the user named it: it may be a path.
    let (_, code) = one(&args, item, &args.scenario, &directory, interrupted, &progress).await?;
    Ok(ExitCode::from(code))
}

/// Settings of the event-driven mode alone change nothing in the other: there, one run says all.
fn is_swept_in(mode: Mode, points: &[(Point, Scenario)]) -> bool {
    let mut keys = points.iter().flat_map(|(point, _)| point.keys());
    mode == Mode::EventDriven || keys.any(|key| !key.starts_with("event_driven."))
}

/// One run a point, and one report over them.
async fn swept(
    args: &ChaosArgs,
    scenario: &Scenario,
    points: &[(Point, Scenario)],
    mode: Mode,
) -> anyhow::Result<ExitCode> {
    let directory = output_directory(&args.run.output)?.join(run_name(&scenario.name, mode.name()));
    let _lock = RunLock::acquire(&format!("chaos {}", args.scenario))?;
    let progress = Progress::new();
    progress.note(scenario.document.title.trim());
    let command = format!("./just chaos {} {}", args.scenario, mode.name());
    let options = options(&args.run, mode, &command);
    sweep::run(scenario, points, &options, &directory, watch_interrupt()?, &progress).await
}

/// Runs one; answers its result and its exit code.
async fn one(
    args: &ChaosArgs,
    item: &Item,
    named: &str,
    directory: &Path,
    interrupted: watch::Receiver<bool>,
    progress: &Progress,
) -> anyhow::Result<(RunResult, u8)> {
    progress.note(item.scenario.document.title.trim());
    progress.note(item.scenario.plan.describe().trim_end());
    let of_point = item.point.as_ref().map(sweep::set_flags).unwrap_or_default();
    let command = format!("./just chaos {named} {}{of_point}", item.mode.name());
    let options = options(&args.run, item.mode, &command);
    let finished = run::run_with_control(&item.scenario, &options, directory, interrupted, progress).await?;
    progress.done();
    let code = conclude(&finished.directory, &finished.result);
    Ok((finished.result, with_left_behind(code, &finished.left_behind)))
}

/// Runs all, whatever becomes of each; the worst decides.
async fn all(
    args: &ChaosArgs,
    items: &[Item],
    parent: &Path,
    interrupted: watch::Receiver<bool>,
    progress: &Progress,
) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(parent).with_context(|| format!("can't make {}", parent.display()))?;
    let (mut rows, mut codes) = (Vec::new(), Vec::new());
    for (number, item) in (1..).zip(items) {
        if *interrupted.borrow() {
            codes = vec![INTERRUPTED];
            break;
        }
        let (name, mode) = (item.name(), item.mode.name());
        progress.note(&format!("{number} of {}: {name}, {mode}", items.len()));
        let directory = PathBuf::from(format!("{name}-{mode}"));
        let outcome = one(
            args,
            item,
            &item.scenario.name,
            &parent.join(&directory),
            interrupted.clone(),
            progress,
        )
        .await;
        // One that can't be run says so, and the others go on.
        let (row, code) = match outcome {
            Ok((result, code)) => (row(&result), code),
            Err(error) => {
                eprintln!("{name}, {mode}: {error:#}");
                (
                    format!("| could not be run: {error:#} | | | | |"),
                    crate::failure::code_of(&error),
                )
            }
        };
        rows.push(format!(
            "| [{name}]({0}/report.html) | {mode} {row}",
            directory.display()
        ));
        codes.push(code);
    }
    let file = parent.join("summary.md");
    let summary = format!(
        "# ./just chaos {}\n\n| scenario | mode | verdict | lost | double effects | duplicates: records, executions | recovery |\n|---|---|---|---|---|---|---|\n{}\n",
        args.scenario,
        rows.join("\n")
    );
    std::fs::write(&file, &summary).with_context(|| format!("can't write {}", file.display()))?;
    println!("{summary}");
    println!("{}", shown(&file));
    Ok(ExitCode::from(worst(codes).unwrap_or(0)))
}

/// What a run came to, as a line of a table.
fn row(result: &RunResult) -> String {
    let ledger = &result.ledger;
    let broken: Vec<&str> = problems(&result.checks, &result.claims).collect();
    let broken = (!broken.is_empty()).then(|| format!("broken: {}", broken.join("; ")));
    let verdict = match code_of(result) {
        0 => "held".to_owned(),
        INTERRUPTED => "interrupted".to_owned(),
        // What such a run has shown to be broken may still be so without the reason.
        INVALID => {
            let invalid = format!("invalid: {}", result.run.invalid_reasons.join("; "));
            Vec::from_iter([invalid].into_iter().chain(broken)).join("; ")
        }
        _ => broken.unwrap_or_else(|| "broken".to_owned()),
    };
    let recovery = result.faults.iter().filter_map(|fault| fault.recovery_s);
    let recovery = recovery.max_by(f64::total_cmp);
    let count = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    format!(
        "| {verdict} | {} | {} | {}, {} | {} |",
        count(ledger.lost),
        count(ledger.double_effects),
        count(ledger.duplicate_records),
        ledger.duplicate_executions,
        recovery.map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.1} s"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_of_the_event_driven_mode_is_one_run_in_polling_mode() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/chaos/rebalance-storm.toml");
        let points = |overrides: &[String]| {
            let scenario = scenario::load(&path, overrides).unwrap();
            sweep::points(&path, &scenario, overrides).unwrap()
        };
        assert_eq!(points(&[]).len(), 2);
        assert!(is_swept_in(Mode::EventDriven, &points(&[])));
        assert!(!is_swept_in(Mode::Polling, &points(&[])));
        let set = ["event_driven.group_protocol=consumer".to_owned()];
        assert!(points(&set).is_empty(), "what is set is not swept");
    }
}
