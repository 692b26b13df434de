//! `regress [BASE]`: is this build slower than an earlier one? Both are built and run in turn on this machine, pair by pair; one
//! metric decides, by the rules of [`crossover_evidence::regress`].
//!
//! Pairs are on disk as they come, so that `--resume` runs those that are missing.

mod args;
mod builds;
mod commits;
mod pairs;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crossover_evidence::capacity::servers;
use crossover_evidence::load::LoadError;
use crossover_evidence::regress::{ModePairs, Regression, SCHEMA_VERSION, Settings, Side, judge, pairs_allowed};
use crossover_evidence::result::RunResult;
use crossover_testbed::{RunLock, Supervisor};
use tokio::sync::watch;

use self::builds::Workshop;
use self::pairs::{Bench, Paired};
use super::running::{output_directory, shown, stamped, watch_interrupt, with_left_behind};
use crate::failure::{FAILED, INTERRUPTED, INVALID, REGRESSION, bad_input};
use crate::place::{self, REGRESS_FILE};
use crate::run::{Progress, RunDirectory, now};
use crate::scenario::{self, Scenario, read_toml};

pub use self::args::RegressArgs;

/// What is begun or gone on with.
struct Begun {
    whole: RunDirectory,
    regression: Regression,
}

/// Runs the command.
///
/// # Errors
/// Bad input, a build that fails, no testbed, or a bug.
pub async fn run(args: RegressArgs) -> anyhow::Result<ExitCode> {
    let root = place::root()?;
    let mut begun = match &args.resume {
        Some(path) => resumed(path)?,
        None => begun(&root, &args)?,
    };
    let _lock = RunLock::acquire(&begun.regression.id)?;
    let interrupted = watch_interrupt()?;
    let progress = Progress::new();
    let regression = &begun.regression;
    for (side, build) in [(Side::Base, &regression.base), (Side::Head, &regression.head)] {
        progress.note(&format!("{}: {} ({})", side.name(), build.name, build.chosen));
    }
    let supervisor = Supervisor::start(&begun.whole.file("logs")).await?;
    let outcome = all(&root, &mut begun, &supervisor, &interrupted, &progress).await;
    let removed = supervisor.shutdown().await;
    progress.done();
    let left_behind: Vec<String> = removed
        .err()
        .map(|error| format!("not all could be removed at the end: {error}"))
        .into_iter()
        .collect();
    if let Err(error) = outcome {
        left_behind.iter().for_each(|line| eprintln!("{line}"));
        eprintln!("broken off; go on with: {}", resume_command(&begun.whole));
        return Err(error);
    }
    let mut code = conclude(&begun.whole, &begun.regression)?;
    if !begun.regression.is_complete() {
        eprintln!("broken off; go on with: {}", resume_command(&begun.whole));
        code = INTERRUPTED;
    }
    Ok(ExitCode::from(with_left_behind(code, &left_behind)))
}

fn resume_command(whole: &RunDirectory) -> String {
    format!("./just regress --resume {}", shown(whole.path()))
}

/// Builds both, and runs the pairs that are missing.
async fn all(
    root: &Path,
    begun: &mut Begun,
    supervisor: &Supervisor,
    interrupted: &watch::Receiver<bool>,
    progress: &Progress,
) -> anyhow::Result<()> {
    let workshop = Workshop {
        supervisor,
        root,
        progress,
        interrupted: interrupted.clone(),
    };
    let Some(base) = workshop.program(Side::Base, &begun.regression.base).await? else {
        return Ok(());
    };
    let Some(head) = workshop.program(Side::Head, &begun.regression.head).await? else {
        return Ok(());
    };
    let scenario = begun.whole.file(&kept_scenario(&begun.regression.scenario));
    let bench = Bench {
        whole: &begun.whole,
        scenario: &scenario,
        base,
        head,
        progress,
        interrupted: interrupted.clone(),
    };
    let (wanted, tries) = (begun.regression.settings.pairs, begun.regression.settings.tries);
    for index in 0..begun.regression.modes.len() {
        let (mode, done) = (
            begun.regression.modes[index].mode.clone(),
            begun.regression.modes[index].pairs.len(),
        );
        let done = u32::try_from(done).unwrap_or(u32::MAX);
        // The first run of a program reads it from disk, and that of a machine finds nothing in its caches.
        if done < wanted && bench.pair(&mode, 0, 1).await?.is_none() {
            return Ok(());
        }
        for number in done + 1..=wanted {
            let Some(paired) = bench.pair(&mode, number, tries).await? else {
                return Ok(());
            };
            note(&mut begun.regression, index, paired);
            begun.whole.write_json(REGRESS_FILE, &begun.regression)?;
            let mode = &begun.regression.modes[index];
            progress.note(&crossover_report::regress_progress(mode, wanted));
        }
    }
    Ok(())
}

/// Keeps a pair, and what is to be said of it.
fn note(regression: &mut Regression, index: usize, paired: Paired) {
    let mut doubts = paired.doubts;
    if let Some((base, head)) = paired.results {
        for (side, result) in [(Side::Base, &base), (Side::Head, &head)] {
            doubts.extend(side_doubts(side, result));
            let known = regression.testbed.as_ref();
            if let Some(what) = known.and_then(|known| servers::difference(known, &result.testbed)) {
                doubts.push(format!("not all runs had the same {what}"));
            }
        }
        // Of a run with a broker: it names both servers.
        if regression
            .testbed
            .as_ref()
            .is_none_or(|testbed| testbed.broker.is_none())
        {
            regression.testbed = Some(base.testbed);
        }
    }
    for doubt in doubts {
        if !regression.invalid_reasons.contains(&doubt) {
            regression.invalid_reasons.push(doubt);
        }
    }
    regression.failed.extend(paired.failed);
    let mode = &mut regression.modes[index];
    mode.pairs.push(paired.pair);
    mode.findings = judge(&regression.settings, &mode.pairs);
}

fn side_doubts(side: Side, result: &RunResult) -> Vec<String> {
    let reasons = result.run.invalid_reasons.iter();
    reasons.map(|reason| format!("{}: {reason}", side.name())).collect()
}

fn begun(root: &Path, args: &RegressArgs) -> anyhow::Result<Begun> {
    let settings = settings(root, args)?;
    let path = place::scenario(place::BENCH, &settings.scenario)?;
    let scenario = scenario::load(&path, &[])?;
    refuse_what_is_no_one_run(&scenario, &path)?;
    let (base, head) = commits::chosen(root, args)?;
    let output = output_directory(&args.output)?;
    let whole = RunDirectory::create_free(&output, &stamped(&format!("regress-{}", scenario.name)))?;
    std::fs::create_dir(whole.file("logs"))?;
    whole.mark_latest();
    whole.write(&kept_scenario(&scenario.name), scenario.text.as_bytes())?;
    let mode = |mode: &String| ModePairs {
        mode: mode.clone(),
        pairs: Vec::new(),
        findings: Vec::new(),
    };
    let regression = Regression {
        schema_version: SCHEMA_VERSION,
        id: whole.name(),
        scenario: scenario.name.clone(),
        title: scenario.document.title.trim().to_owned(),
        command: command(args),
        started_at: now(),
        base,
        head,
        modes: settings.modes.iter().map(mode).collect(),
        settings,
        testbed: None,
        failed: Vec::new(),
        invalid_reasons: Vec::new(),
    };
    whole.write_json(REGRESS_FILE, &regression)?;
    Ok(Begun { whole, regression })
}

/// Pairs are run from a copy: who edits the file meanwhile changes nothing. A run is named after it.
fn kept_scenario(name: &str) -> String {
    format!("{name}.toml")
}

fn refuse_what_is_no_one_run(scenario: &Scenario, path: &Path) -> anyhow::Result<()> {
    let document = &scenario.document;
    let traced = document.load.iter().filter_map(|phase| phase.file.as_ref());
    let found = match document {
        _ if !document.sweep.is_empty() => "a sweep; allowed is one run",
        _ if document.control => "control = true; allowed is one run",
        _ if traced.into_iter().any(|file| file.is_relative()) => {
            "a trace by a relative path; allowed is an absolute one, as pairs are run from a copy of the scenario"
        }
        _ => return Ok(()),
    };
    Err(bad_input(format!("{}: found {found}", path.display())))
}

/// The file's, with what the flags change.
fn settings(root: &Path, args: &RegressArgs) -> anyhow::Result<Settings> {
    // As a path of the user's, or that of the project.
    let path = match args.settings.is_file() {
        true => args.settings.clone(),
        false => root.join(&args.settings),
    };
    let text = std::fs::read_to_string(&path)
        .map_err(|error| bad_input(format!("can't read the settings {}: {error}", path.display())))?;
    let mut settings: Settings = read_toml(&text, &path, Settings::validate)?;
    if let Some(pairs) = args.pairs {
        pairs_allowed(pairs).map_err(|problem| bad_input(format!("--pairs: {problem}")))?;
        settings.pairs = pairs;
    }
    if !args.mode.is_empty() {
        settings.modes = args.mode.iter().map(|mode| mode.name().to_owned()).collect();
    }
    let flags = |error: LoadError| bad_input(format!("--mode: {}", error.problem));
    settings.validate().map_err(flags)?;
    Ok(settings)
}

/// As a person would type it.
fn command(args: &RegressArgs) -> String {
    let path = |path: &PathBuf| path.display().to_string();
    let mut command = "./just regress".to_owned();
    command.extend(args.base.iter().map(|base| format!(" {base}")));
    command.extend(args.pairs.map(|pairs| format!(" --pairs {pairs}")));
    command.extend(args.mode.iter().map(|mode| format!(" --mode {}", mode.name())));
    if args.settings != Path::new("regress.toml") {
        command.push_str(&format!(" --settings {}", args.settings.display()));
    }
    command.extend(
        args.base_program
            .iter()
            .map(|given| format!(" --base-program {}", path(given))),
    );
    command.extend(
        args.head_program
            .iter()
            .map(|given| format!(" --head-program {}", path(given))),
    );
    command
}

fn resumed(path: &Path) -> anyhow::Result<Begun> {
    let path = place::run(path)?;
    if !is_regression(&path) {
        let path = path.display();
        return Err(bad_input(format!(
            "--resume: {path} is of another command: it has no {REGRESS_FILE}"
        )));
    }
    let whole = RunDirectory::open(&std::fs::canonicalize(&path)?);
    let regression = read(&whole)?;
    Ok(Begun { whole, regression })
}

fn read(whole: &RunDirectory) -> anyhow::Result<Regression> {
    whole.read_json(REGRESS_FILE)
}

/// Does the directory hold a comparison of two builds?
pub fn is_regression(path: &Path) -> bool {
    path.join(REGRESS_FILE).is_file()
}

/// Judges the pairs again, and writes the report again.
///
/// # Errors
/// If the directory is damaged.
pub fn report_again(path: &Path) -> anyhow::Result<()> {
    let whole = RunDirectory::open(path);
    let mut regression = read(&whole)?;
    for mode in &mut regression.modes {
        mode.findings = judge(&regression.settings, &mode.pairs);
    }
    conclude(&whole, &regression)?;
    Ok(())
}

/// Writes and prints the report; picks the exit code.
fn conclude(whole: &RunDirectory, regression: &Regression) -> anyhow::Result<u8> {
    whole.write_json(REGRESS_FILE, regression)?;
    whole.write("report.html", crossover_report::regress_html(regression).as_bytes())?;
    whole.write("report.md", crossover_report::regress_markdown(regression).as_bytes())?;
    println!("{}", crossover_report::regress_terminal(regression));
    println!("{}", shown(&whole.file("report.html")));
    Ok(code(regression))
}

/// What was not measured well says nothing of speed, and a build that loses jobs is not judged by how fast it does.
fn code(regression: &Regression) -> u8 {
    match regression {
        _ if !regression.invalid_reasons.is_empty() => INVALID,
        _ if !regression.failed.is_empty() => FAILED,
        _ if regression.is_worse() => REGRESSION,
        _ => 0,
    }
}
