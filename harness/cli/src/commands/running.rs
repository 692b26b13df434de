//! What commands that run scenarios share: where runs go, how they end, the command that repeats one.

use std::path::{Path, PathBuf};

use anyhow::Context;
use crossover_evidence::result::{Check, Claim, ClaimVerdict, RunInfo, RunResult, Verdict};
use crossover_external::TestbedKind;
use crossover_testbed::kafka::BrokerKind;
use crossover_testbed::{TestbedError, disk};
use tokio::sync::watch;

use crate::args::{Mode, RunArgs};
use crate::failure::{FAILED, INTERRUPTED, INVALID, LEFT_BEHIND, bad_input};
use crate::place;
use crate::run::{Options, RunDirectory, RunMeta};
use crate::scenario::Scenario;

/// Room that a run may need for its history, samples and database copy (bytes).
const DISK_NEEDED_BYTES: u64 = 500_000_000;

/// What a run is asked for by its flags; `command` repeats it, but for them.
pub fn options(args: &RunArgs, mode: Mode, command: &str) -> Options {
    Options {
        mode,
        command: format!("{command}{}", flags(args)),
        keep: args.keep,
        postgres_port: args.postgres_port,
        history: !args.no_history,
        containers: args.containers.clone(),
        external: args.external.clone(),
    }
}

/// The changes of keys that the flags ask for.
pub fn overrides(args: &RunArgs) -> Vec<String> {
    let mut overrides = args.set.clone();
    overrides.extend(args.seed.map(|seed| format!("seed={seed}")));
    overrides
}

/// Makes the directory that runs go to, if there is room.
///
/// # Errors
/// Bad input if it can't be made, no testbed if the disk is full.
pub fn output_directory(output: &Path) -> anyhow::Result<PathBuf> {
    let output = place::root()?.join(output);
    std::fs::create_dir_all(&output).map_err(|error| {
        bad_input(format!(
            "can't make {}: {error}; choose another --output",
            output.display()
        ))
    })?;
    ensure_room(&output)?;
    Ok(output)
}

fn ensure_room(output: &Path) -> Result<(), TestbedError> {
    disk::ensure_free(output, DISK_NEEDED_BYTES).map_err(|error| match error {
        // It speaks of where the servers' data goes; this is where the run's own files go.
        TestbedError::Unavailable { what, .. } => {
            TestbedError::unavailable(what, "free some space, or give an --output on a larger disk")
        }
        other => other,
    })
}

/// The result of the run in this directory if it came to its end; what a broken-off one left there is removed, so that it can
/// be run again.
///
/// # Errors
/// If the directory can't be read or removed.
pub fn finished(path: &Path) -> anyhow::Result<Option<RunResult>> {
    if !path.exists() {
        return Ok(None);
    }
    let directory = RunDirectory::open(path);
    let meta = RunMeta::read(&directory);
    if meta.is_ok_and(|meta| meta.finished && !meta.interrupted) && directory.file("result.json").is_file() {
        return directory.read_json("result.json").map(Some);
    }
    // Made by a run of ours, or it would have no such file.
    if directory.file("run.json").is_file() {
        std::fs::remove_dir_all(path).with_context(|| format!("can't remove {}", path.display()))?;
    }
    Ok(None)
}

/// The directory of what is gone on with: it holds `file`, and the flags change nothing of its scenario.
///
/// # Errors
/// Bad input.
pub fn resumed(path: &Path, args: &RunArgs, file: &str) -> anyhow::Result<RunDirectory> {
    if args.seed.is_some() || !args.set.is_empty() {
        let why = "the scenario is the one that was begun with; --seed and --set are not allowed";
        return Err(bad_input(format!("--resume: {why}")));
    }
    let path = place::run(path)?;
    if !path.join(file).is_file() {
        let path = path.display();
        return Err(bad_input(format!(
            "--resume: {path} is of another command: it has no {file}"
        )));
    }
    Ok(RunDirectory::open(&std::fs::canonicalize(path)?))
}

/// Prints the table and the path of the report; picks the exit code.
pub fn conclude(directory: &RunDirectory, result: &RunResult) -> u8 {
    println!("{}", crossover_report::run_terminal(result));
    println!("{}", shown(&directory.file("report.html")));
    code_of(result)
}

/// Says last what was left behind, where it is not overlooked; the exit code then is no success.
pub fn with_left_behind(code: u8, left_behind: &[String]) -> u8 {
    for line in left_behind {
        eprintln!("{line}");
    }
    match left_behind {
        [] => code,
        _ => code.max(LEFT_BEHIND),
    }
}

/// The exit code that a result stands for.
pub fn code_of(result: &RunResult) -> u8 {
    code(&result.run, &result.checks, &result.claims)
}

/// What was not measured well has nothing to say about hypotheses, so `INVALID` goes before `FAILED`.
fn code(run: &RunInfo, checks: &[Check], claims: &[Claim]) -> u8 {
    match run {
        run if run.interrupted => INTERRUPTED,
        run if !run.valid => INVALID,
        _ if problems(checks, claims).next().is_some() => FAILED,
        _ => 0,
    }
}

/// What a run failed by: checks by their names, hypotheses by their words. A refuted claim of the seed is a result, no failure.
pub fn problems<'a>(checks: &'a [Check], claims: &'a [Claim]) -> impl Iterator<Item = &'a str> {
    let failed = checks.iter().filter(|check| check.verdict == Verdict::Fail);
    let refuted = |claim: &&Claim| claim.id == "hypothesis" && claim.verdict == ClaimVerdict::Refuted;
    let refuted = claims.iter().filter(refuted);
    failed
        .map(|check| check.name.as_str())
        .chain(refuted.map(|claim| claim.text.as_str()))
}

/// Relative to the current directory where that is shorter to read.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

/// `<name>-<utc>`.
pub fn stamped(name: &str) -> PathBuf {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    PathBuf::from(format!("{name}-{now}"))
}

/// `<scenario>-<mode>-<utc>`.
pub fn run_name(scenario: &str, mode: &str) -> PathBuf {
    stamped(&format!("{scenario}-{mode}"))
}

/// The flags of a command that repeats the run, as a person would type them.
fn flags(args: &RunArgs) -> String {
    let mut command = String::new();
    if let Some(seed) = args.seed {
        command.push_str(&format!(" --seed {seed}"));
    }
    for set in &args.set {
        command.push_str(&format!(" --set {set}"));
    }
    if args.no_history {
        command.push_str(" --no-history");
    }
    if args.external.testbed != TestbedKind::Auto {
        command.push_str(&format!(" --testbed {}", args.external.testbed.name()));
    }
    if let Some(broker) = args.containers.broker {
        command.push_str(&format!(" --broker {}", BrokerKind::from(broker).name()));
    }
    for (flag, image) in args.containers.named() {
        if let Some(image) = image {
            command.push_str(&format!(" {flag} {image}"));
        }
    }
    // Where they are, and never a password: that is in a file, or was given by a variable.
    let external = &args.external;
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let mut flags = vec![
        ("--external-database", external.external_database.clone()),
        ("--external-database-file", path(&external.external_database_file)),
    ];
    flags.extend(
        external
            .external_broker
            .iter()
            .map(|broker| ("--external-broker", Some(broker.clone()))),
    );
    if external.testbed == TestbedKind::External {
        // Of a run on servers of our own, it may be left over in its variable.
        flags.push(("--kafka-config", path(&external.kafka_config)));
    }
    for (flag, value) in flags.into_iter().filter_map(|(flag, value)| Some((flag, value?))) {
        command.push_str(&format!(" {flag} {value}"));
    }
    if external.allow_faults {
        command.push_str(" --allow-faults");
    }
    command
}

/// Becomes true at the first Ctrl-C or SIGTERM; a second one ends the process at once (the supervisor cleans up).
pub fn watch_interrupt() -> anyhow::Result<watch::Receiver<bool>> {
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

/// The servers of the run would disturb its control run.
///
/// # Errors
/// Bad input: both were asked for.
pub fn refuse_kept_control(args: &RunArgs, scenario: &Scenario, path: &Path) -> anyhow::Result<()> {
    if args.keep && scenario.document.control {
        let why = "what is kept would disturb the control run; --set control=false as well";
        return Err(bad_input(format!(
            "--keep: {} has control = true: {why}",
            path.display()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(valid: bool, interrupted: bool) -> RunInfo {
        RunInfo {
            id: "r".to_owned(),
            scenario: "s".to_owned(),
            title: "t".to_owned(),
            mode: "polling".to_owned(),
            seed: 1,
            command: String::new(),
            git_commit: None,
            started_at: String::new(),
            duration_s: 1.0,
            valid,
            invalid_reasons: Vec::new(),
            interrupted,
        }
    }

    fn check(verdict: Verdict) -> Check {
        Check {
            name: "nothing-lost".to_owned(),
            verdict,
            detail: String::new(),
            story: Vec::new(),
        }
    }

    fn claim(id: &str, verdict: ClaimVerdict) -> Claim {
        Claim {
            id: id.to_owned(),
            text: String::new(),
            verdict,
            evidence: String::new(),
        }
    }

    #[test]
    fn what_was_left_behind_is_no_success_and_hides_no_graver_code() {
        let left = ["not all could be removed at the end".to_owned()];
        assert_eq!(with_left_behind(0, &[]), 0);
        assert_eq!(with_left_behind(0, &left), LEFT_BEHIND);
        assert_eq!(with_left_behind(FAILED, &left), FAILED);
        assert_eq!(with_left_behind(INTERRUPTED, &left), INTERRUPTED);
    }

    #[test]
    fn a_failed_check_or_a_refuted_hypothesis_fails_a_valid_run_and_no_other() {
        let valid = run(true, false);
        let (good, bad) = ([check(Verdict::Pass), check(Verdict::Unknown)], [check(Verdict::Fail)]);
        let refuted = [claim("hypothesis", ClaimVerdict::Refuted)];
        assert_eq!(code(&valid, &good, &[claim("hypothesis", ClaimVerdict::NotSettled)]), 0);
        // A refuted claim of the seed is a result, not a failure.
        assert_eq!(code(&valid, &good, &[claim("C04", ClaimVerdict::Refuted)]), 0);
        assert_eq!(code(&valid, &good, &refuted), FAILED);
        assert_eq!(code(&valid, &bad, &[]), FAILED);
        assert_eq!(code(&run(false, false), &bad, &refuted), INVALID);
        assert_eq!(code(&run(false, true), &bad, &refuted), INTERRUPTED);
    }
}
