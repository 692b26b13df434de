//! `capacity MODE [SCENARIO]`: the highest arrival rate that holds, found by runs at several rates; once, or for several
//! variants, numbers of replicas, or times.

mod args;
mod campaign;
mod steps;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crossover_evidence::capacity::Capacity;
use crossover_evidence::claims::{c05, c06};
use crossover_report::{CapacityPage, Searched};
use crossover_testbed::RunLock;

use self::args::CapacityMode;
use self::campaign::Campaign;
use self::steps::Bench;
use super::running::{options, output_directory, overrides, resumed, shown, watch_interrupt, with_left_behind};
use crate::args::Mode;
use crate::failure::{FAILED, INTERRUPTED, INVALID, bad_input};
use crate::place::{self, CAPACITY_CLAIMS_FILE as CLAIMS_FILE, CAPACITY_FILE};
use crate::run::{self, Progress, RunDirectory};
use crate::scenario::{self, Scenario};

pub use self::args::CapacityArgs;

/// Runs the command.
///
/// # Errors
/// Bad input, no testbed, or a bug.
pub async fn run(args: CapacityArgs) -> anyhow::Result<ExitCode> {
    if args.run.keep {
        return Err(bad_input(
            "--keep: the servers of one step would disturb the next; bench one rate",
        ));
    }
    if args.run.no_history {
        return Err(bad_input(
            "--no-history: the backlog of a step is read from its history",
        ));
    }
    let (whole, campaign) = match &args.resume {
        Some(path) => {
            let whole = resumed(path, &args.run, CAPACITY_FILE)?;
            let campaign = read_campaign(&whole)?;
            (whole, campaign)
        }
        None => begun(&args)?,
    };
    let _lock = RunLock::acquire(&whole.path().file_name().unwrap_or_default().to_string_lossy())?;
    let interrupted = watch_interrupt()?;
    let progress = Progress::new();
    let bench = Bench {
        campaign: &campaign,
        scenario_with: &|overrides: &[String]| kept_scenario(&whole, &campaign, overrides),
        // The mode is each search's own.
        options: &options(&args.run, Mode::Polling, ""),
        progress: &progress,
    };
    run::check_external(&kept_scenario(&whole, &campaign, &[])?.document, &args.run.external)?;
    let mut left_behind = Vec::new();
    for search in &campaign.searches {
        let directory = directory_of(&whole, &search.directory)?;
        left_behind.extend(steps::search(&bench, search, &directory, interrupted.clone()).await?);
        if *interrupted.borrow() {
            break;
        }
    }
    progress.done();
    let code = conclude(&whole, &campaign)?;
    let unfinished = *interrupted.borrow();
    if unfinished {
        eprintln!(
            "broken off; go on with: ./just capacity --resume {}",
            shown(whole.path())
        );
    }
    let code = if unfinished { INTERRUPTED } else { code };
    Ok(ExitCode::from(with_left_behind(code, &left_behind)))
}

/// Does the directory hold one or more searches?
pub fn is_search(path: &Path) -> bool {
    path.join(CAPACITY_FILE).is_file()
}

/// Writes the report of a campaign again from what its searches have found.
///
/// # Errors
/// If the directory is damaged.
pub fn report_again(path: &Path) -> anyhow::Result<()> {
    let whole = RunDirectory::open(path);
    let campaign = read_campaign(&whole)?;
    conclude(&whole, &campaign)?;
    Ok(())
}

/// A new campaign, with its scenario and its plan on disk.
fn begun(args: &CapacityArgs) -> anyhow::Result<(RunDirectory, Campaign)> {
    let mode = args.mode.unwrap_or(CapacityMode::All);
    let named = args.scenario.as_deref().unwrap_or("capacity");
    let path = place::scenario(place::BENCH, named)?;
    let scenario = scenario::load(&path, &overrides(&args.run))?;
    let word = clap::ValueEnum::to_possible_value(&mode);
    let word = word.as_ref().map_or("", |value| value.get_name());
    let options = options(&args.run, Mode::Polling, &format!("./just capacity {word} {named}"));
    let campaign = Campaign::of(args, mode, &scenario.name, &scenario.document, options.command)?;
    let output = output_directory(&args.run.output)?;
    let whole = RunDirectory::create_plain(&output.join(campaign.directory_name()))?;
    whole.mark_latest();
    whole.write_scenario(&scenario)?;
    whole.write_json(CAPACITY_FILE, &campaign)?;
    Ok((whole, campaign))
}

fn read_campaign(whole: &RunDirectory) -> anyhow::Result<Campaign> {
    whole.read_json(CAPACITY_FILE)
}

fn kept_scenario(whole: &RunDirectory, campaign: &Campaign, overrides: &[String]) -> anyhow::Result<Scenario> {
    scenario::reload_with(&whole.file("scenario.toml"), &campaign.scenario, overrides)
}

fn directory_of(whole: &RunDirectory, name: &str) -> anyhow::Result<RunDirectory> {
    let path: PathBuf = whole.file(name);
    if path.is_dir() {
        return Ok(RunDirectory::open(&path));
    }
    RunDirectory::create_plain(&path)
}

/// Writes and prints the report; picks the exit code.
fn conclude(whole: &RunDirectory, campaign: &Campaign) -> anyhow::Result<u8> {
    let mut searches: Vec<Searched> = Vec::new();
    for search in &campaign.searches {
        let directory = RunDirectory::open(&whole.file(&search.directory));
        searches.extend(steps::read(&directory)?.map(|capacity| Searched {
            capacity,
            path: search.directory.clone(),
        }));
    }
    if searches.is_empty() {
        eprintln!("no step came to its end: there is nothing to report");
        return Ok(INTERRUPTED);
    }
    let found: Vec<&Capacity> = searches.iter().map(|search| &search.capacity).collect();
    let claims: Vec<_> = [c05::judge(&found), c06::judge(&found)].concat();
    let newest = found.iter().map(|capacity| &capacity.started_at).max();
    whole.write_json(
        CLAIMS_FILE,
        &serde_json::json!({ "started_at": newest, "claims": claims }),
    )?;
    let scenario = kept_scenario(whole, campaign, &[])?;
    let page = CapacityPage {
        title: scenario.document.title.trim(),
        scenario: &campaign.scenario,
        command: &campaign.command,
        searches: &searches,
        claims: &claims,
    };
    whole.write("report.html", crossover_report::capacity_html(&page).as_bytes())?;
    whole.write("report.md", crossover_report::capacity_markdown(&page).as_bytes())?;
    println!("{}", crossover_report::capacity_terminal(&page));
    println!("{}", shown(&whole.file("report.html")));
    Ok(code_of(&found))
}

fn code_of(found: &[&Capacity]) -> u8 {
    let failed = found
        .iter()
        .flat_map(|capacity| &capacity.steps)
        .any(|step| !step.failed_checks.is_empty());
    match found {
        _ if found.iter().any(|capacity| !capacity.invalid_reasons.is_empty()) => INVALID,
        _ if failed => FAILED,
        _ => 0,
    }
}
