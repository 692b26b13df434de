//! `assess`: a look at the job table of a live system, which is not ours.
//!
//! ```text
//! flags ─▶ session, read-only ─▶ may we see? ─▶ which table ─▶ looks, a statement each ─▶ assess.json, report.html, report.md
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`args`] | the flags |
//! | [`session`] | how we connect, and what the server must let us see |
//! | [`table`] | which table is the job table |
//! | [`looks`] | the loop of looks |
//! | [`sql`] | each look's statement |
//!
//! *Invariant*: nothing is written. Every session begins with `default_transaction_read_only = on`, and is refused if the
//! server did not take that. No right on the table is needed; what we can't see is said, never taken for health.

mod args;
mod looks;
mod session;
mod sql;
mod table;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use crossover_evidence::assess::{self, LOOKS_MIN, LiveEvidence, LiveSample, Sampled, Thresholds};
use crossover_external::UrlSource;
use crossover_report::AssessPage;
use crossover_testbed::ConnectionUrl;

use super::running::{output_directory, run_name, shown, watch_interrupt};
use crate::failure::{INTERRUPTED, bad_input};
use crate::place::ASSESS_FILE;
use crate::run::{Progress, RunDirectory, git_commit};
pub use args::AssessArgs;
use looks::Watched;

const SOURCE: UrlSource = UrlSource {
    flag: "--database-url",
    file_flag: "--database-file",
    variable: "CROSSOVER_DATABASE_URL",
};

/// More than twenty looks a second would be a load of its own.
const INTERVAL_MIN: Duration = Duration::from_millis(50);
/// Looks that are farther apart would take an hour for an answer.
const INTERVAL_MAX: Duration = Duration::from_secs(60);
/// All looks are kept in memory to the end.
const DURATION_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Runs the command.
///
/// # Errors
/// Bad input, a server that can't be had, or one that does not let us see what we ask for.
pub async fn run(args: &AssessArgs) -> anyhow::Result<ExitCode> {
    validate(args)?;
    let url = database(args)?;
    let output = output_directory(&args.output)?;
    let mut session = session::open(&url).await?;
    let found = table::find(&mut session.connection, args.table.as_deref()).await?;
    let progress = Progress::new();
    if found.guessed {
        progress.note(&format!(
            "job table: {} (by its name; --table names another)",
            found.name
        ));
    }
    let directory = RunDirectory::create_plain(&output.join(run_name("assess", &found.file_name())))?;
    let interrupted = watch_interrupt()?;
    let sampled = Sampled {
        id: name_of(&directory),
        command: command(args, &found.name),
        git_commit: git_commit(),
        started_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        intended_s: args.duration.as_secs_f64(),
        duration_s: 0.0,
        interval_ms: u64::try_from(args.interval.as_millis()).unwrap_or(u64::MAX),
        interrupted: false,
    };
    let server = session.facts(&url, &found).await?;
    let watched = looks::watch(session, &found, args, &directory, interrupted, &progress).await?;
    progress.done();
    let sampled = Sampled {
        duration_s: watched.duration.as_secs_f64(),
        interrupted: watched.interrupted,
        ..sampled
    };
    let Watched {
        samples, statements, ..
    } = watched;
    let statements = statements.as_ref().map(|(before, after)| (&before[..], &after[..]));
    let evidence = assess::summarise(sampled, server, &samples, statements, Thresholds::default());
    directory.write_json(ASSESS_FILE, &evidence)?;
    directory.mark_latest();
    write(&directory, &evidence, &samples)?;
    Ok(ExitCode::from(if evidence.sampled.interrupted {
        INTERRUPTED
    } else {
        0
    }))
}

/// Does the directory hold an assessment?
pub fn is_assessment(path: &Path) -> bool {
    path.join(ASSESS_FILE).is_file()
}

/// Writes the reports of an assessment again from what it recorded.
///
/// # Errors
/// If the directory is damaged.
pub fn report_again(path: &Path) -> anyhow::Result<()> {
    let directory = RunDirectory::open(path);
    let evidence: LiveEvidence = directory.read_json(ASSESS_FILE)?;
    let lines = std::fs::read_to_string(directory.file(looks::SAMPLES)).context("can't read the looks")?;
    let samples: Result<Vec<LiveSample>, _> = lines.lines().map(serde_json::from_str).collect();
    write(&directory, &evidence, &samples.context("the looks are damaged")?)
}

fn write(directory: &RunDirectory, evidence: &LiveEvidence, samples: &[LiveSample]) -> anyhow::Result<()> {
    let page = AssessPage {
        evidence,
        series: &assess::series(samples),
    };
    directory.write("report.html", crossover_report::assess_html(&page).as_bytes())?;
    directory.write("report.md", crossover_report::assess_markdown(evidence).as_bytes())?;
    println!("{}", crossover_report::assess_terminal(evidence));
    println!("{}", shown(&directory.file("report.html")));
    Ok(())
}

fn validate(args: &AssessArgs) -> anyhow::Result<()> {
    let shown = |duration| humantime::format_duration(duration).to_string();
    if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&args.interval) {
        return Err(bad_input(format!(
            "--interval: found {}; allowed is {} to {}",
            shown(args.interval),
            shown(INTERVAL_MIN),
            shown(INTERVAL_MAX)
        )));
    }
    let least = args.interval * LOOKS_MIN;
    if !(least..=DURATION_MAX).contains(&args.duration) {
        return Err(bad_input(format!(
            "--duration: found {}; allowed is {} ({LOOKS_MIN} looks, one each {}) to {}",
            shown(args.duration),
            shown(least),
            shown(args.interval),
            shown(DURATION_MAX)
        )));
    }
    Ok(())
}

fn database(args: &AssessArgs) -> anyhow::Result<ConnectionUrl> {
    let variable = std::env::var(SOURCE.variable).ok();
    let found = SOURCE.find(args.database_url.as_deref(), args.database_file.as_deref(), variable)?;
    found.ok_or_else(|| {
        bad_input(format!(
            "no database is given; set {} to its URL, or pass {} or {}",
            SOURCE.variable, SOURCE.flag, SOURCE.file_flag
        ))
    })
}

/// As a person would type it; a URL from the variable stays there.
fn command(args: &AssessArgs, table: &str) -> String {
    let mut command = "./just assess".to_owned();
    if let Some(url) = &args.database_url {
        command.push_str(&format!(" {} {url}", SOURCE.flag));
    }
    if let Some(file) = &args.database_file {
        command.push_str(&format!(" {} {}", SOURCE.file_flag, file.display()));
    }
    let (duration, interval) = (args.duration, args.interval);
    command.push_str(&format!(
        " --table {table} --duration {} --interval {}",
        humantime::format_duration(duration).to_string().replace(' ', ""),
        humantime::format_duration(interval)
    ));
    command
}

fn name_of(directory: &RunDirectory) -> String {
    let name = directory.path().file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
