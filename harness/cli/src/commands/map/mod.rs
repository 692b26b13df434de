//! `map [SCENARIO]`: polling, tuned polling and event-driven over rate × replicas; a run a point, all of them kept.

mod args;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crossover_evidence::capacity::{Variant, holds, servers};
use crossover_evidence::map::{CrossoverMap, Point, SCHEMA_VERSION};
use crossover_report::MapPage;
use crossover_testbed::RunLock;
use tokio::sync::watch;

use super::running::{
    finished, options, output_directory, overrides, resumed, run_name, shown, watch_interrupt, with_left_behind,
};
use super::variants;
use crate::args::Mode;
use crate::failure::{FAILED, INTERRUPTED, INVALID, bad_input};
use crate::place::{self, MAP_FILE};
use crate::run::{self, Options, Progress, RunDirectory, build_doubt};
use crate::scenario::{self, Rates, Scenario};

pub use self::args::MapArgs;

/// Runs the command.
///
/// # Errors
/// Bad input, no testbed, or a bug.
pub async fn run(args: MapArgs) -> anyhow::Result<ExitCode> {
    if args.run.keep || args.run.no_history {
        let why = "each point is a run of its own, judged by its history; bench one point";
        return Err(bad_input(format!("--keep, --no-history: {why}")));
    }
    let (whole, mut map) = match &args.resume {
        Some(path) => {
            let whole = resumed(path, &args.run, MAP_FILE)?;
            let map = read(&whole)?;
            (whole, map)
        }
        None => begun(&args)?,
    };
    let base = kept_scenario(&whole, &map, &[])?;
    run::check_external(&base.document, &args.run.external)?;
    let rates = Rates::of(&base.document).map_err(bad_input)?;
    let _lock = RunLock::acquire(&map.id)?;
    let interrupted = watch_interrupt()?;
    let progress = Progress::new();
    let options = options(&args.run, Mode::Polling, "");
    let mut left_behind = Vec::new();
    for (variant, replicas, rate) in grid(&map) {
        if *interrupted.borrow() {
            break;
        }
        if map.point(variant, replicas, rate).is_some() {
            continue;
        }
        let mut changes = variants::overrides(variant, Some(replicas), &base.document);
        changes.extend(rates.overrides(rate));
        let scenario = kept_scenario(&whole, &map, &changes)?;
        let bench = Bench {
            options: &options,
            progress: &progress,
        };
        let ran = bench
            .point(
                &whole,
                &mut map,
                &scenario,
                (variant, replicas, rate),
                interrupted.clone(),
            )
            .await?;
        left_behind.extend(ran);
    }
    progress.done();
    let unfinished = !map.is_complete(&variants::ALL);
    let code = conclude(&whole, &map)?;
    if unfinished {
        eprintln!("broken off; go on with: ./just map --resume {}", shown(whole.path()));
    }
    let code = if unfinished { INTERRUPTED } else { code };
    Ok(ExitCode::from(with_left_behind(code, &left_behind)))
}

/// How points are run.
struct Bench<'a> {
    options: &'a Options,
    progress: &'a Progress,
}

impl Bench<'_> {
    /// Runs one point and keeps what came of it; what was left behind.
    async fn point(
        &self,
        whole: &RunDirectory,
        map: &mut CrossoverMap,
        scenario: &Scenario,
        (variant, replicas, rate): (Variant, u32, f64),
        interrupted: watch::Receiver<bool>,
    ) -> anyhow::Result<Vec<String>> {
        let name = format!("{}-replicas-{replicas}-rate-{rate}", variant.name());
        let (number, all) = (map.points.len() + 1, grid(map).count());
        self.progress.note(&format!("point {number} of {all}: {name}"));
        let path = whole.file(&name);
        let (result, left_behind) = match finished(&path)? {
            Some(result) => (result, Vec::new()),
            None => {
                let options = Options {
                    mode: variants::mode_of(variant),
                    command: format!("{} # {name}", map.command),
                    ..self.options.clone()
                };
                let ran = run::run(scenario, &options, &path, interrupted, self.progress).await?;
                (ran.result, ran.left_behind)
            }
        };
        if result.run.interrupted {
            return Ok(left_behind);
        }
        let step = holds::judge(rate, &result, &build_doubt(), &name);
        self.progress.note(&step.why.join("; "));
        map.points.push(Point {
            variant,
            replicas,
            step,
        });
        map.started_at.get_or_insert_with(|| result.run.started_at.clone());
        let mut doubt = |is: bool, reason: &str| {
            if is && !map.invalid_reasons.iter().any(|known| known == reason) {
                map.invalid_reasons.push(reason.to_owned());
            }
        };
        let commit = result.run.git_commit.clone();
        doubt(
            map.git_commit.is_some() && map.git_commit != commit,
            "not all points ran the same build",
        );
        let before = map.testbed.as_ref();
        doubt(
            before.is_some_and(|before| servers::difference(before, &result.testbed).is_some()),
            "not all points had the same servers and machine",
        );
        map.git_commit = map.git_commit.take().or(commit);
        // Of a run with a broker: it names both servers.
        if map.testbed.as_ref().is_none_or(|testbed| testbed.broker.is_none()) {
            map.testbed = Some(result.testbed);
        }
        whole.write_json(MAP_FILE, map)?;
        Ok(left_behind)
    }
}

/// All points: from the smallest up, the variants of one place beside each other, so that they meet the same machine.
fn grid(map: &CrossoverMap) -> impl Iterator<Item = (Variant, u32, f64)> + use<> {
    let (replicas, rates) = (map.replicas.clone(), map.rates_per_s.clone());
    replicas.into_iter().flat_map(move |replicas| {
        let rates = rates.clone();
        rates
            .into_iter()
            .flat_map(move |rate| variants::ALL.map(|variant| (variant, replicas, rate)))
    })
}

fn begun(args: &MapArgs) -> anyhow::Result<(RunDirectory, CrossoverMap)> {
    let named = args.scenario.as_deref().unwrap_or("capacity");
    let path = place::scenario(place::BENCH, named)?;
    let scenario = scenario::load(&path, &overrides(&args.run))?;
    Rates::of(&scenario.document).map_err(|why| bad_input(format!("{named}: {why}")))?;
    if let Some(found) = args.rates.iter().find(|rate| !(1.0..=1_000_000.0).contains(*rate)) {
        return Err(bad_input(format!(
            "--rates: found {found}; allowed are 1 to 1000000 jobs per second"
        )));
    }
    if let Some(found) = args.replicas.iter().find(|count| !(1..=64).contains(*count)) {
        return Err(bad_input(format!("--replicas: found {found}; allowed are 1 to 64")));
    }
    let (mut rates, mut replicas) = (args.rates.clone(), args.replicas.clone());
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    replicas.sort_unstable();
    replicas.dedup();
    let command = format!(
        "./just map {named} --rates {} --replicas {}",
        listed(&rates),
        listed(&replicas)
    );
    let output = output_directory(&args.run.output)?;
    let name: PathBuf = run_name("map", &scenario.name);
    let whole = RunDirectory::create_plain(&output.join(&name))?;
    whole.mark_latest();
    whole.write_scenario(&scenario)?;
    let map = CrossoverMap {
        schema_version: SCHEMA_VERSION,
        id: name.display().to_string(),
        scenario: scenario.name.clone(),
        command: options(&args.run, Mode::Polling, &command).command,
        git_commit: None,
        started_at: None,
        testbed: None,
        rates_per_s: rates,
        replicas,
        points: Vec::new(),
        invalid_reasons: build_doubt(),
    };
    whole.write_json(MAP_FILE, &map)?;
    Ok((whole, map))
}

fn listed<T: std::fmt::Display>(values: &[T]) -> String {
    let values: Vec<String> = values.iter().map(T::to_string).collect();
    values.join(",")
}

fn kept_scenario(whole: &RunDirectory, map: &CrossoverMap, overrides: &[String]) -> anyhow::Result<Scenario> {
    scenario::reload_with(&whole.file("scenario.toml"), &map.scenario, overrides)
}

fn read(whole: &RunDirectory) -> anyhow::Result<CrossoverMap> {
    whole.read_json(MAP_FILE)
}

/// Does the directory hold a map?
pub fn is_map(path: &Path) -> bool {
    path.join(MAP_FILE).is_file()
}

/// Writes the report of a map again.
///
/// # Errors
/// If the directory is damaged.
pub fn report_again(path: &Path) -> anyhow::Result<()> {
    let whole = RunDirectory::open(path);
    let map = read(&whole)?;
    conclude(&whole, &map)?;
    Ok(())
}

/// Writes and prints the report; picks the exit code.
fn conclude(whole: &RunDirectory, map: &CrossoverMap) -> anyhow::Result<u8> {
    if map.points.is_empty() {
        eprintln!("no point came to its end: there is nothing to report");
        return Ok(INTERRUPTED);
    }
    let scenario = kept_scenario(whole, map, &[])?;
    let page = MapPage {
        title: scenario.document.title.trim(),
        map,
    };
    whole.write("report.html", crossover_report::map_html(&page).as_bytes())?;
    whole.write("report.md", crossover_report::map_markdown(&page).as_bytes())?;
    println!("{}", crossover_report::map_terminal(&page));
    println!("{}", shown(&whole.file("report.html")));
    let failed = map.points.iter().any(|point| !point.step.failed_checks.is_empty());
    Ok(match map {
        _ if !map.invalid_reasons.is_empty() => INVALID,
        _ if failed => FAILED,
        _ => 0,
    })
}
