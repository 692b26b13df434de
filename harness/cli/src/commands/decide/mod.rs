//! `decide`: a team's profile and finished runs → the verdict, from disk alone. Nothing is started.

mod gather;
mod select;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crossover_evidence::decide::{Decision, Identity, Profile, RateKey, Thresholds, decide};
use crossover_evidence::load::LoadError;
use serde::de::DeserializeOwned;

use self::select::Selection;
use super::running::{shown, stamped};
use crate::args::DecideArgs;
use crate::failure::bad_input;
use crate::place;
use crate::run::{RunDirectory, git_commit, now};
use crate::scenario::{self, Rates, read_toml};

/// Runs the command. An inconclusive verdict is an answer, too: it names what to run next.
///
/// # Errors
/// Bad input: a profile, thresholds or runs that can't be used, or runs of several machines.
pub fn run(args: &DecideArgs) -> anyhow::Result<ExitCode> {
    let profile = read(args.profile.as_deref(), "profile", Profile::validate)?;
    let thresholds = read(args.thresholds.as_deref(), "thresholds", Thresholds::validate)?;
    let root = place::root()?;
    let selection = if args.runs.is_empty() {
        select::newest(gather::all(&root.join(&args.output)), args.scenario.as_deref())
    } else {
        let named = args.runs.iter().map(|run| gather::named(&place::run(run)?));
        let items: Vec<_> = named
            .collect::<anyhow::Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect();
        select::exactly(items)?
    };
    let Selection {
        evidence,
        machine,
        scenario,
        used,
        left_out,
    } = selection;
    let output = root.join(&args.output);
    let directory = RunDirectory::create_free(&output, &stamped("decision"))?;
    let identity = Identity {
        id: directory.name(),
        command: command(args),
        git_commit: git_commit(),
        decided_at: now(),
        machine,
        rate_keys: rate_keys(&scenario),
        scenario,
        used,
        left_out,
    };
    let decision = decide(identity, &evidence, &profile, &thresholds);
    write(&directory, &decision)?;
    Ok(ExitCode::SUCCESS)
}

/// What sets the rate of a scenario of ours; empty if there is none to search for.
fn rate_keys(name: &str) -> Vec<RateKey> {
    let scenario = place::scenario(place::BENCH, name).and_then(|path| scenario::load(&path, &[]));
    let rates = scenario.ok().and_then(|scenario| Rates::of(&scenario.document).ok());
    let key = |(path, per_job)| RateKey { path, per_job };
    rates.iter().flat_map(Rates::keys).map(key).collect()
}

fn write(directory: &RunDirectory, decision: &Decision) -> anyhow::Result<()> {
    directory.write_json("decision.json", decision)?;
    directory.write("report.html", crossover_report::decision_html(decision).as_bytes())?;
    directory.write("report.md", crossover_report::decision_markdown(decision).as_bytes())?;
    println!("{}", crossover_report::decision_terminal(decision));
    println!("{}", shown(&directory.file("report.html")));
    Ok(())
}

/// A TOML file of the user's; without one, what there is by default.
fn read<T: DeserializeOwned + Default>(
    path: Option<&Path>,
    what: &str,
    validate: impl Fn(&T) -> Result<(), LoadError>,
) -> anyhow::Result<T> {
    let Some(path) = path else { return Ok(T::default()) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| bad_input(format!("can't read the {what} {}: {error}", path.display())))?;
    read_toml(&text, path, validate)
}

/// As a person would type it.
fn command(args: &DecideArgs) -> String {
    let path = |path: &PathBuf| path.display().to_string();
    let flags = [
        ("--profile", args.profile.as_ref().map(path)),
        ("--thresholds", args.thresholds.as_ref().map(path)),
        ("--scenario", args.scenario.clone()),
    ];
    let flags = flags
        .into_iter()
        .filter_map(|(flag, value)| Some(format!(" {flag} {}", value?)));
    let runs = args.runs.iter().map(|run| format!(" {}", run.display()));
    format!("./just decide{}", flags.chain(runs).collect::<String>())
}
