//! `sweep SCENARIO MODE KEY=V1,V2 …`: the keys of the command line in place of the scenario's own, each point as often as is
//! asked for; and going on with a sweep that was broken off.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use crossover_testbed::RunLock;

use super::{SweepArgs, SweepPlan, points, run_points};
use crate::args::Mode;
use crate::commands::running::{self, options, output_directory, overrides, run_name, watch_interrupt};
use crate::failure::bad_input;
use crate::place::{self, SWEEP_FILE};
use crate::run::{self, Progress, RunDirectory};
use crate::scenario::{self, Point, Scenario, SweepKey};

/// A sweep that is on disk, and what is to be run.
struct Begun {
    directory: RunDirectory,
    plan: SweepPlan,
    scenario: Scenario,
    points: Vec<(Point, Scenario)>,
    mode: Mode,
}

/// Runs the command.
///
/// # Errors
/// Bad input, no testbed, or a bug.
pub async fn command(args: SweepArgs) -> anyhow::Result<ExitCode> {
    if args.run.keep {
        let why = "the servers of one point would disturb the next; bench one point";
        return Err(bad_input(format!("--keep: {why}")));
    }
    let begun = match &args.resume {
        Some(path) => resumed(path, &args)?,
        None => begun(&args)?,
    };
    run::check_external(&begun.scenario.document, &args.run.external)?;
    let name = begun.directory.path().file_name().unwrap_or_default();
    let _lock = RunLock::acquire(&name.to_string_lossy())?;
    let interrupted = watch_interrupt()?;
    let progress = Progress::new();
    progress.note(begun.scenario.document.title.trim());
    // The command with its flags is kept in the plan.
    let mut options = options(&args.run, begun.mode, "");
    options.command = bench_command(&begun);
    let whole = (&begun.directory, &begun.plan);
    run_points(&begun.scenario, &begun.points, &options, whole, interrupted, &progress).await
}

/// What repeats one point, but for its values.
fn bench_command(begun: &Begun) -> String {
    format!("./just bench {} {}", begun.mode.name(), begun.scenario.name)
}

fn begun(args: &SweepArgs) -> anyhow::Result<Begun> {
    let (Some(named), Some(mode)) = (&args.scenario, args.mode) else {
        return Err(bad_input("sweep: give a scenario, a mode and a key with its values"));
    };
    let path = place::scenario(place::BENCH, named)?;
    let overrides = overrides(&args.run);
    let mut scenario = scenario::load(&path, &overrides)?;
    scenario.document.sweep = args.keys.iter().map(|key| parsed(key)).collect::<anyhow::Result<_>>()?;
    scenario.text = scenario::without_sweep(&scenario.text)?;
    let once = points(&path, &scenario, &overrides)?;
    if once.is_empty() {
        return Err(bad_input("sweep: every swept key is fixed by --set; leave one out"));
    }
    // Turn by turn, so that what changes on the machine meanwhile meets every point.
    let points: Vec<(Point, Scenario)> = (0..args.repeat).flat_map(|_| once.iter().cloned()).collect();
    let repeat = match args.repeat {
        1 => String::new(),
        times => format!(" --repeat {times}"),
    };
    let keys = args.keys.join(" ");
    let command = format!("./just sweep {named} {} {keys}{repeat}", mode.name());
    let plan = SweepPlan {
        scenario: scenario.name.clone(),
        mode: mode.name().to_owned(),
        command: options(&args.run, mode, &command).command,
        keys: points.first().map(|(point, _)| point.keys()).unwrap_or_default(),
        points: points.iter().map(|(point, _)| point.values.clone()).collect(),
    };
    let output = output_directory(&args.run.output)?;
    let name: PathBuf = run_name(&format!("sweep-{}", scenario.name), mode.name());
    let directory = RunDirectory::create_plain(&output.join(name))?;
    directory.mark_latest();
    directory.write_scenario(&scenario)?;
    directory.write_json(SWEEP_FILE, &plan)?;
    Ok(Begun {
        directory,
        plan,
        scenario,
        points,
        mode,
    })
}

/// `KEY=V1,V2`, each value read as `--set` reads it.
fn parsed(key: &str) -> anyhow::Result<SweepKey> {
    let split = key
        .split_once('=')
        .filter(|(key, values)| !key.is_empty() && !values.is_empty());
    let (name, values) =
        split.ok_or_else(|| bad_input(format!("{key}: expected KEY=V1,V2, as in topology.replicas=1,2,4,8")))?;
    Ok(SweepKey {
        key: name.trim().to_owned(),
        values: values
            .split(',')
            .map(|value| scenario::value_of(value.trim()))
            .collect(),
    })
}

fn resumed(path: &Path, args: &SweepArgs) -> anyhow::Result<Begun> {
    let directory = running::resumed(path, &args.run, SWEEP_FILE)?;
    let plan: SweepPlan = directory.read_json(SWEEP_FILE)?;
    let mode =
        Mode::from_str(&plan.mode, false).map_err(|error| anyhow::anyhow!("{SWEEP_FILE} is damaged: {error}"))?;
    let kept = directory.file("scenario.toml");
    let scenario = scenario::reload(&kept, &plan.scenario)?;
    let with = |values: &Vec<String>| {
        let overrides = plan
            .keys
            .iter()
            .zip(values)
            .map(|(key, value)| format!("{key}={value}"));
        let point = Point {
            values: values.clone(),
            overrides: overrides.collect(),
        };
        let mut scenario = scenario::reload_with(&kept, &plan.scenario, &point.overrides)?;
        scenario.text = scenario::without_sweep(&scenario.text)?;
        Ok((point, scenario))
    };
    let points = plan.points.iter().map(with).collect::<anyhow::Result<_>>()?;
    Ok(Begun {
        directory,
        plan,
        scenario,
        points,
        mode,
    })
}
