//! `clean`: ends what a run with `--keep` left running, removes data that nobody holds any more, and runs and stand-in
//! images when asked.

use std::process::ExitCode;

use anyhow::Context;
use crossover_testbed::PostgresOptions;
use crossover_testbed::RunLock;
use crossover_testbed::containers::cleanup;
use crossover_testbed::images;
use crossover_testbed::owned::remove_leftovers;
use crossover_testbed::supervisor::kept::end_kept;

use super::{regress, sweep};
use crate::args::CleanArgs;
use crate::place;

/// Runs the command.
///
/// # Errors
/// If something that is ours can't be ended or removed.
pub async fn run(args: &CleanArgs) -> anyhow::Result<ExitCode> {
    let output = place::root()?.join(&args.output);
    // A run under way is no leftover.
    let _lock = if args.runs {
        Some(RunLock::acquire("clean")?)
    } else {
        None
    };
    let mut removed = 0;
    for entry in std::fs::read_dir(&output).into_iter().flatten() {
        let path = entry.context("can't list the runs")?.path();
        let kept = path.join("logs/kept.json");
        if kept.is_file() {
            end_kept(&kept).await?;
            println!("ended what {} left running", path.display());
        }
        // Only directories that are runs, or hold some: nothing else is touched.
        let is_run = path.join("run.json").is_file() || sweep::is_sweep(&path) || regress::is_regression(&path);
        if args.runs && is_run {
            std::fs::remove_dir_all(&path).with_context(|| format!("can't remove {}", path.display()))?;
            removed += 1;
        }
    }
    // What a supervisor that was itself killed could not remove; containers use the directories.
    for name in cleanup::remove_leftovers().await? {
        println!("removed container {name}");
    }
    for path in remove_leftovers(&PostgresOptions::new("").base)? {
        println!("removed {}", path.display());
    }
    if args.runs {
        println!("removed {removed} runs");
    }
    if args.images {
        for image in images::remove()? {
            println!("removed {image}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
