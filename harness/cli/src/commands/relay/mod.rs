//! `relay`: the relay alone, between an outbox that is filled beforehand and a broker that nobody reads from.
//!
//! ```text
//! PostgreSQL, Kafka ─▶ reference ─▶ backlog ─▶ reference ─▶ backlog ─▶ reference ─▶ idle × 3 ─▶ relay.json, report.md
//!                      (Kafka's own producer benchmark)                 (one row at a time)
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`bed`] | servers, databases, topics, the relay's process |
//! | [`backlog`] | rows per second from a filled outbox |
//! | [`topic`] | what came to a topic, held against the outbox |
//! | [`idle`] | commit → consumer, a row at a time |
//! | [`result`], [`report`] | the figures, and how they are told |

mod backlog;
mod bed;
mod idle;
mod report;
mod result;
mod topic;

use std::process::ExitCode;

use crossover_testbed::{RunLock, Supervisor};
use tokio::sync::watch;

use super::running::{output_directory, run_name, shown, watch_interrupt};
use crate::args::RelayArgs;
use crate::failure::{FAILED, INTERRUPTED, INVALID};
use crate::run::{Progress, RunDirectory, build_doubt, git_commit};
use bed::Bed;
use result::{Reference, RelayReport};

/// Backlogs that are measured unless told otherwise.
const ROWS: [u32; 2] = [200_000, 1_000_000];

/// Runs the command.
///
/// # Errors
/// Bad input, no testbed, or a relay that does not do its work.
pub async fn run(mut args: RelayArgs) -> anyhow::Result<ExitCode> {
    if args.rows.is_empty() {
        args.rows = ROWS.to_vec();
    }
    let output = output_directory(&args.output)?;
    let name = run_name("relay", "alone");
    let _lock = RunLock::acquire(&name.to_string_lossy())?;
    let directory = RunDirectory::create_plain(&output.join(&name))?;
    for folder in ["logs", "ready"] {
        std::fs::create_dir(directory.file(folder))?;
    }
    let interrupted = watch_interrupt()?;
    let progress = Progress::new();
    let mut report = RelayReport::new(&directory, &args, git_commit(), build_doubt());
    let supervisor = Supervisor::start(&directory.file("logs")).await?;
    let measured = measure(&args, &directory, &supervisor, interrupted, &progress, &mut report).await;
    let ended = supervisor.shutdown().await.map_err(anyhow::Error::from);
    progress.done();
    // What was measured before a failure is on disk all the same.
    directory.write_json("relay.json", &report)?;
    directory.write("report.md", report::markdown(&report).as_bytes())?;
    measured.and(ended)?;
    println!("{}", report::terminal(&report));
    println!("{}", shown(&directory.file("report.md")));
    Ok(ExitCode::from(code(&report)))
}

/// What was verified does not depend on the speed of the build, so it goes before validity.
fn code(report: &RelayReport) -> u8 {
    match report {
        report if report.interrupted => INTERRUPTED,
        report if !report.is_verified() => FAILED,
        report if !report.invalid_reasons.is_empty() => INVALID,
        _ => 0,
    }
}

async fn measure(
    args: &RelayArgs,
    directory: &RunDirectory,
    supervisor: &Supervisor,
    mut interrupted: watch::Receiver<bool>,
    progress: &Progress,
    report: &mut RelayReport,
) -> anyhow::Result<()> {
    let all = async {
        progress.stage("starting PostgreSQL and Kafka");
        let bed = Bed::start(directory, supervisor, args).await?;
        report.describe(&bed).await?;
        report.record_bytes_mean = backlog::record_bytes_mean(args);
        reference(&bed, args, progress, report).await?;
        for rows in &args.rows {
            progress.stage(&format!("a backlog of {rows} rows"));
            report.backlogs.push(backlog::measure(&bed, args, *rows).await?);
            reference(&bed, args, progress, report).await?;
        }
        if args.samples > 0 {
            for leg in idle::LEGS {
                progress.stage(&format!("one row at a time: {}", leg.name));
                report.idle.push(idle::measure(&bed, args, leg).await?);
            }
        }
        anyhow::Ok(())
    };
    let done = tokio::select! {
        done = all => Some(done),
        _ = interrupted.wait_for(|stop| *stop) => None,
    };
    match done {
        Some(done) => done,
        None => {
            report.interrupted = true;
            Ok(())
        }
    }
}

/// Kafka's own benchmark, on a topic of its own: between any two backlogs, so that each has one just before and one just
/// after it.
async fn reference(bed: &Bed, args: &RelayArgs, progress: &Progress, report: &mut RelayReport) -> anyhow::Result<()> {
    if args.reference_records == 0 {
        return Ok(());
    }
    progress.stage("Kafka's own producer benchmark");
    let place = report.references.len() + 1;
    let record_bytes = report.record_bytes_mean.round() as u64;
    let records_per_s = bed
        .bench_producer(&format!("reference-{place}"), args.reference_records, record_bytes)
        .await?;
    report.references.push(Reference {
        records: args.reference_records,
        record_bytes,
        records_per_s,
    });
    report.share_backlogs();
    Ok(())
}
