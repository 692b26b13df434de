//! `setup`: fetches now what a run would fetch. What this machine lacks the tools for is told, and is no failure: a polling
//! run needs PostgreSQL alone.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use crossover_testbed::Supervisor;
use crossover_testbed::doctor::{Finding, State, examine_kafka, examine_toxiproxy};
use crossover_testbed::kafka::{KAFKA_VERSION, fetch_libs};
use crossover_testbed::postgres::{Source, find, find_or_fetch};
use crossover_testbed::toxiproxy::{TOXIPROXY_VERSION, fetch_toxiproxy};

/// Runs the command.
///
/// # Errors
/// If something can't be fetched although the tools for it are there.
pub async fn run() -> anyhow::Result<ExitCode> {
    postgres().await?;
    let logs = tempfile::tempdir().context("can't make a directory for logs")?;
    // Maven and Go are its children: Ctrl-C ends them, and half a fetch is removed.
    let supervisor = Supervisor::start(logs.path()).await?;
    let fetched = kafka_and_toxiproxy(&supervisor).await;
    supervisor.shutdown().await?;
    fetched.map(|()| ExitCode::SUCCESS)
}

async fn postgres() -> anyhow::Result<()> {
    let source = Source::from_env();
    if let Some(found) = find(&source)? {
        println!(
            "PostgreSQL {}: already there, in {}",
            found.version,
            found.bin.display()
        );
        return Ok(());
    }
    println!("PostgreSQL: fetching it (15 MB)");
    let begun = Instant::now();
    let fetched = find_or_fetch(&source).await?;
    // The directory of programs lies in that of the version.
    let place = fetched.bin.parent().unwrap_or(&fetched.bin);
    done(&format!("PostgreSQL {}", fetched.version), place, begun.elapsed());
    Ok(())
}

async fn kafka_and_toxiproxy(supervisor: &Supervisor) -> anyhow::Result<()> {
    let run = format!("setup-{}", std::process::id());
    let kafka = format!("Apache Kafka {KAFKA_VERSION}");
    if is_wanted(&kafka, &examine_kafka()) {
        println!("{kafka}: fetching it by Maven (54 MB)");
        let begun = Instant::now();
        let libs = fetch_libs(supervisor, &run).await?;
        done(&kafka, &libs, begun.elapsed());
    }
    let toxiproxy = format!("Toxiproxy {TOXIPROXY_VERSION}");
    if is_wanted(&toxiproxy, &examine_toxiproxy()) {
        println!("{toxiproxy}: building it by Go (half a minute)");
        let begun = Instant::now();
        let program = fetch_toxiproxy(supervisor, &run).await?;
        done(&toxiproxy, program.parent().unwrap_or(&program), begun.elapsed());
    }
    Ok(())
}

/// Whether it is to be fetched; says so if not.
fn is_wanted(name: &str, finding: &Finding) -> bool {
    let purpose = finding.part.purpose().unwrap_or_default();
    match finding.state {
        State::WillFetch => return true,
        State::Ready => println!("{}: already there, {}", finding.part, finding.found),
        State::Missing => {
            println!("{name}: not fetched, it is {purpose}: {}", finding.found);
            if let Some(remedy) = &finding.remedy {
                println!("  → {remedy}");
            }
        }
    }
    false
}

fn done(name: &str, place: &Path, took: Duration) {
    let megabytes = size_bytes(place) as f64 / 1e6;
    println!(
        "{name}: {megabytes:.0} MB in {:.1} s, in {}",
        took.as_secs_f64(),
        place.display()
    );
}

/// Of all files below; what can't be read counts as nothing.
fn size_bytes(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
