//! `doctor` and `setup`: what a run would use here, what is missing, and how to get it.

use std::io::Write;
use std::process::ExitCode;

use crossover_testbed::doctor::{State, examine};
use crossover_testbed::postgres::{Source, find_or_fetch};

/// Exit code of a testbed that is not available.
const UNAVAILABLE: u8 = 3;

/// Parts that a polling run can't do without; the others serve other modes and testbeds.
const NEEDED: [&str; 4] = ["PostgreSQL", "user of PostgreSQL", "disk for data", "C compiler"];

/// Runs `doctor`.
///
/// # Errors
/// If nobody reads what it says.
pub fn run() -> anyhow::Result<ExitCode> {
    let findings = examine();
    let width = findings.iter().map(|finding| finding.part.len()).max().unwrap_or(0);
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        let mark = match finding.state {
            State::Ready => "ready  ",
            State::WillFetch => "fetched",
            State::Missing => "missing",
        };
        writeln!(out, "{mark}  {:width$}  {}", finding.part, finding.found)?;
        if let Some(remedy) = &finding.remedy {
            writeln!(out, "         {:width$}  → {remedy}", "")?;
        }
    }
    let lacking = findings
        .iter()
        .any(|finding| finding.state == State::Missing && NEEDED.contains(&finding.part.as_str()));
    Ok(if lacking {
        ExitCode::from(UNAVAILABLE)
    } else {
        ExitCode::SUCCESS
    })
}

/// Runs `setup`: fetches what a run would fetch.
///
/// # Errors
/// If it can't be had.
pub async fn setup() -> anyhow::Result<ExitCode> {
    let installation = find_or_fetch(&Source::from_env()).await?;
    println!("PostgreSQL {} in {}", installation.version, installation.bin.display());
    Ok(ExitCode::SUCCESS)
}
