//! `chaos NAME [MODE]`: one scenario that breaks things; `chaos smoke` and `chaos all`: several, one after the other, with one
//! table at the end.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use crossover_evidence::result::{ClaimVerdict, RunResult, Verdict};
use crossover_testbed::RunLock;
use tokio::sync::watch;

use super::running::{
    code_of, conclude, flags, output_directory, overrides, run_name, shown, watch_interrupt, with_left_behind,
};
use crate::args::{ChaosArgs, Mode};
use crate::failure::{INTERRUPTED, bad_input, severity};
use crate::place;
use crate::run::{self, Options, Progress};
use crate::scenario::{self, Document, Scenario};

/// What `chaos smoke` runs: the short ones that break each kind of part once.
const SMOKE: [&str; 6] = [
    "broker-outage",
    "relay-kill",
    "worker-kill",
    "worker-stall",
    "postgres-restart",
    "slow-network",
];

/// A scenario in a mode.
struct Item {
    scenario: Scenario,
    mode: Mode,
}

/// Runs the command.
///
/// # Errors
/// Bad input, no testbed, or a bug.
pub async fn run(args: ChaosArgs) -> anyhow::Result<ExitCode> {
    let overrides = overrides(&args.run);
    let names = match args.scenario.as_str() {
        "smoke" => SMOKE.map(str::to_owned).to_vec(),
        "all" => place::scenarios(place::CHAOS)?,
        name => vec![name.to_owned()],
    };
    let is_one = !["smoke", "all"].contains(&args.scenario.as_str());
    if args.run.keep && !is_one {
        let why = "the servers of one scenario would disturb the next; run one, by its name";
        return Err(bad_input(format!("--keep: {why}")));
    }
    // All are read and checked before any is run.
    let mut items = Vec::new();
    for name in &names {
        let path = place::scenario(place::CHAOS, name)?;
        let scenario = scenario::load(&path, &overrides)?;
        run::check_external(&scenario.document, &args.run.external)?;
        refuse_sweep(&path, &scenario)?;
        items.extend(modes(&args, is_one, &scenario.document)?.into_iter().map(|mode| Item {
            scenario: scenario.clone(),
            mode,
        }));
    }
    let output = output_directory(&args.run)?;
    let several = (!is_one).then(|| output.join(run_name("chaos", &args.scenario)));
    let _lock = RunLock::acquire(&format!("chaos {}", args.scenario))?;
    let interrupted = watch_interrupt()?;
    let progress = Progress::new();
    let Some(parent) = several else {
        let item = items.first().context("a scenario has a mode")?;
        let directory = output.join(run_name(&item.scenario.name, item.mode.name()));
        let (_, code) = one(&args, item, &directory, interrupted, &progress).await?;
        return Ok(ExitCode::from(code));
    };
    all(&args, &items, &parent, interrupted, &progress).await
}

fn refuse_sweep(path: &Path, scenario: &Scenario) -> anyhow::Result<()> {
    match scenario.document.sweep.is_empty() {
        true => Ok(()),
        false => Err(bad_input(format!(
            "{}: sweep: chaos runs a scenario once; use ./just bench for a sweep",
            path.display()
        ))),
    }
}

/// The mode that was asked for, or those that the scenario has a fault for.
fn modes(args: &ChaosArgs, is_one: bool, document: &Document) -> anyhow::Result<Vec<Mode>> {
    let has_fault = |mode: Mode| {
        let there = |fault: &crate::scenario::Fault| {
            let action = fault.action(&document.topology);
            mode == Mode::EventDriven || action.is_ok_and(|action| action.is_in_every_mode())
        };
        document.faults.is_empty() || document.faults.iter().any(there)
    };
    Ok(match args.mode {
        Some(mode) if is_one && !has_fault(mode) => {
            return Err(bad_input(format!(
                "{}: none of its faults has anything to hit in {} mode; run it in event-driven mode",
                document.title.trim(),
                mode.name()
            )));
        }
        Some(mode) => [mode].into_iter().filter(|mode| has_fault(*mode)).collect(),
        None if is_one || args.scenario == "smoke" => vec![Mode::EventDriven],
        None => [Mode::EventDriven, Mode::Polling]
            .into_iter()
            .filter(|mode| has_fault(*mode))
            .collect(),
    })
}

/// As the user named it: it may be a path.
fn named<'a>(args: &'a ChaosArgs, name: &'a str) -> &'a str {
    match args.scenario.as_str() {
        "smoke" | "all" => name,
        typed => typed,
    }
}

/// Runs one; answers its result and its exit code.
async fn one(
    args: &ChaosArgs,
    item: &Item,
    directory: &Path,
    interrupted: watch::Receiver<bool>,
    progress: &Progress,
) -> anyhow::Result<(RunResult, u8)> {
    let (name, mode) = (&item.scenario.name, item.mode.name());
    progress.note(item.scenario.document.title.trim());
    progress.note(item.scenario.plan.describe().trim_end());
    let options = Options {
        mode: item.mode,
        command: format!("./just chaos {} {mode}{}", named(args, name), flags(&args.run)),
        keep: args.run.keep,
        postgres_port: args.run.postgres_port,
        history: !args.run.no_history,
        containers: args.run.containers.clone(),
        external: args.run.external.clone(),
    };
    let finished = run::run(&item.scenario, &options, directory, interrupted, progress).await?;
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
    let mut rows = Vec::new();
    let mut worst = 0;
    for (number, item) in (1..).zip(items) {
        if *interrupted.borrow() {
            worst = INTERRUPTED;
            break;
        }
        let (name, mode) = (&item.scenario.name, item.mode.name());
        progress.note(&format!("{number} of {}: {name}, {mode}", items.len()));
        let directory = PathBuf::from(format!("{name}-{mode}"));
        let outcome = one(args, item, &parent.join(&directory), interrupted.clone(), progress).await;
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
        worst = if severity(code) > severity(worst) { code } else { worst };
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
    Ok(ExitCode::from(worst))
}

/// What a run came to, as a line of a table.
fn row(result: &RunResult) -> String {
    let ledger = &result.ledger;
    let mut verdict = String::new();
    let failed = result.checks.iter().filter(|check| check.verdict == Verdict::Fail);
    let refuted = result
        .claims
        .iter()
        .filter(|claim| claim.id == "hypothesis" && claim.verdict == ClaimVerdict::Refuted);
    let problems: Vec<&str> = failed
        .map(|check| check.name.as_str())
        .chain(refuted.map(|claim| claim.text.as_str()))
        .collect();
    match code_of(result) {
        0 => verdict.push_str("held"),
        INTERRUPTED => verdict.push_str("interrupted"),
        _ if !result.run.valid => {
            let _ = write!(verdict, "invalid: {}", result.run.invalid_reasons.join("; "));
        }
        _ => {
            let _ = write!(verdict, "broken: {}", problems.join("; "));
        }
    }
    let recovery = result.faults.iter().filter_map(|fault| fault.recovery_s);
    let recovery = recovery.fold(None, |most: Option<f64>, each| {
        Some(most.map_or(each, |most| most.max(each)))
    });
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
