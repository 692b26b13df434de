//! `images`: builds the stand-in images that are not there yet. Broken off, it leaves nothing half-made.

use std::process::ExitCode;

use anyhow::Context;
use crossover_testbed::Supervisor;
use crossover_testbed::images::{self, StandIn, Wanted};

use super::running::watch_interrupt;
use crate::args::ImagesArgs;
use crate::failure::INTERRUPTED;

/// Runs the command.
///
/// # Errors
/// If there is no Docker engine, a program that builds is missing, or a build fails.
pub async fn run(args: ImagesArgs) -> anyhow::Result<ExitCode> {
    let stand_ins = if args.which.is_empty() {
        StandIn::ALL.to_vec()
    } else {
        args.which
    };
    let wanted = Wanted {
        stand_ins: &stand_ins,
        rebuild: args.rebuild,
    };
    let run = format!("images-{}", std::process::id());
    let mut interrupted = watch_interrupt()?;
    let logs = tempfile::tempdir().context("can't make a directory for logs")?;
    let supervisor = Supervisor::start(logs.path()).await?;
    let built = tokio::select! {
        built = images::build(&supervisor, &run, wanted, &|line| println!("{line}")) => Some(built),
        _ = interrupted.changed() => None,
    };
    let ended = supervisor.shutdown().await;
    // Why a build failed says more than why its end did.
    if let Some(built) = built {
        built?;
        ended?;
        return Ok(ExitCode::SUCCESS);
    }
    ended?;
    eprintln!("interrupted: images that were done are there, the rest is gone");
    Ok(ExitCode::from(INTERRUPTED))
}
