//! `bench MODE [SCENARIO]`: one run, one per point of the scenario's sweep, or one in each mode.

use std::process::ExitCode;

use crossover_testbed::RunLock;

use super::running::{
    conclude, options, output_directory, overrides, refuse_kept_control, run_name, watch_interrupt, with_left_behind,
};
use super::{compare, sweep};
use crate::args::{BenchArgs, BenchMode, Mode};
use crate::failure::bad_input;
use crate::place;
use crate::run::{self, Progress};
use crate::scenario;

/// Runs the command.
///
/// # Errors
/// Bad input, no testbed, or a bug.
pub async fn run(args: BenchArgs) -> anyhow::Result<ExitCode> {
    let path = place::scenario(place::BENCH, scenario_name(&args))?;
    let overrides = overrides(&args.run);
    let scenario = scenario::load(&path, &overrides)?;
    run::check_external(&scenario.document, &args.run.external)?;
    if args.mode != BenchMode::Polling {
        run::broker_kind(&scenario.document, &args.run.containers)?;
    }
    let points = sweep::points(&path, &scenario, &overrides)?;
    if args.mode == BenchMode::Compare && (args.run.keep || !points.is_empty()) {
        let why = match args.run.keep {
            true => "--keep: the servers of one mode would disturb the other; bench one mode".to_owned(),
            false => format!("{} is a sweep; bench one mode, or --set its keys", path.display()),
        };
        return Err(bad_input(format!("compare: {why}")));
    }
    if args.run.keep && !points.is_empty() {
        let why =
            "the servers of one point would disturb the next; without its sweep, run one point and --set its values";
        return Err(bad_input(format!("--keep: {} is a sweep: {why}", path.display())));
    }

    refuse_kept_control(&args.run, &scenario, &path)?;
    let output = output_directory(&args.run.output)?;
    let directory = output.join(run_name(&scenario.name, args.mode.name()));
    let _lock = RunLock::acquire(&directory.file_name().unwrap_or_default().to_string_lossy())?;

    let interrupted = watch_interrupt()?;
    let progress = Progress::new();
    progress.note(scenario.document.title.trim());
    if points.is_empty() {
        progress.note(scenario.plan.describe().trim_end());
    }
    let mode = match args.mode {
        BenchMode::Polling | BenchMode::Compare => Mode::Polling,
        BenchMode::EventDriven => Mode::EventDriven,
    };
    let command = format!("./just bench {} {}", args.mode.name(), scenario_name(&args));
    let options = options(&args.run, mode, &command);
    if args.mode == BenchMode::Compare {
        return compare::run(&scenario, &options, &directory, interrupted, &progress).await;
    }
    if !points.is_empty() {
        return sweep::run(&scenario, &points, &options, &directory, interrupted, &progress).await;
    }
    let finished = run::run_with_control(&scenario, &options, &directory, interrupted, &progress).await?;
    progress.done();
    let code = conclude(&finished.directory, &finished.result);
    Ok(ExitCode::from(with_left_behind(code, &finished.left_behind)))
}

/// As the user named it, or the mode's own.
fn scenario_name(args: &BenchArgs) -> &str {
    match (&args.scenario, args.mode) {
        (Some(name), _) => name,
        (None, BenchMode::Compare) => "compare",
        (None, _) => "default",
    }
}
