//! `bench MODE [SCENARIO]`: one run, or one per point of the scenario's sweep.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use crossover_evidence::result::{ClaimVerdict, RunResult, Verdict};
use crossover_testbed::{RunLock, disk};
use tokio::sync::watch;

use super::sweep;
use crate::args::BenchArgs;
use crate::failure::{FAILED, INTERRUPTED, INVALID};
use crate::place;
use crate::run::{self, Options, Progress, RunDirectory};
use crate::scenario;

/// Room that a run may need for its history, samples and database copy (bytes).
const DISK_NEEDED_BYTES: u64 = 500_000_000;

/// Runs the command.
///
/// # Errors
/// Bad input, no testbed, or a bug.
pub async fn run(args: BenchArgs) -> anyhow::Result<ExitCode> {
    let path = place::scenario(&args.scenario)?;
    let mut overrides = args.set.clone();
    overrides.extend(args.seed.map(|seed| format!("seed={seed}")));
    let scenario = scenario::load(&path, &overrides)?;
    let points = sweep::points(&path, &scenario, &overrides)?;

    let output = place::root()?.join(&args.output);
    std::fs::create_dir_all(&output).with_context(|| format!("can't make {}", output.display()))?;
    disk::ensure_free(&output, DISK_NEEDED_BYTES)?;
    let directory = output.join(run_name(&scenario.name, args.mode.name()));
    let _lock = RunLock::acquire(&directory.file_name().unwrap_or_default().to_string_lossy())?;

    let interrupted = watch_interrupt()?;
    let progress = Progress::new();
    progress.note(scenario.document.title.trim());
    let options = Options {
        mode: args.mode,
        command: command(&args),
        keep: args.keep,
        postgres_port: args.postgres_port,
        history: !args.no_history,
    };
    if !points.is_empty() {
        return sweep::run(&scenario, &points, &options, &directory, interrupted, &progress).await;
    }
    let (directory, result) = run::run(&scenario, &options, &directory, interrupted, &progress).await?;
    progress.done();
    Ok(conclude(&directory, &result))
}

/// Prints the table and the path of the report; picks the exit code.
pub fn conclude(directory: &RunDirectory, result: &RunResult) -> ExitCode {
    println!("{}", crossover_report::run_terminal(result));
    println!("{}", shown(&directory.file("report.html")));
    ExitCode::from(code_of(result))
}

/// The exit code that a result stands for.
pub fn code_of(result: &RunResult) -> u8 {
    let failed = result.checks.iter().any(|check| check.verdict == Verdict::Fail)
        || result
            .claims
            .iter()
            .any(|claim| claim.id == "hypothesis" && claim.verdict == ClaimVerdict::Refuted);
    match result {
        result if result.run.interrupted => INTERRUPTED,
        result if !result.run.valid => INVALID,
        _ if failed => FAILED,
        _ => 0,
    }
}

/// Relative to the current directory where that is shorter to read.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

/// `<scenario>-<mode>-<utc>`.
fn run_name(scenario: &str, mode: &str) -> PathBuf {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    PathBuf::from(format!("{scenario}-{mode}-{now}"))
}

/// The command that repeats the run, as a person would type it.
fn command(args: &BenchArgs) -> String {
    let mut command = format!("./just bench {} {}", args.mode.name(), args.scenario);
    if let Some(seed) = args.seed {
        command.push_str(&format!(" --seed {seed}"));
    }
    for set in &args.set {
        command.push_str(&format!(" --set {set}"));
    }
    if args.no_history {
        command.push_str(" --no-history");
    }
    command
}

/// Becomes true at the first Ctrl-C or SIGTERM; a second one ends the process at once (the supervisor cleans up).
fn watch_interrupt() -> anyhow::Result<watch::Receiver<bool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).context("can't watch for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("can't watch for SIGTERM")?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        for again in [false, true] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if again {
                std::process::exit(i32::from(INTERRUPTED));
            }
            let _ = sender.send(true);
        }
    });
    Ok(receiver)
}
