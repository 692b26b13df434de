//! `report RUN`: writes a run's report again from what it recorded.

use std::path::PathBuf;
use std::process::ExitCode;

use super::bench::conclude;
use super::sweep;
use crate::args::ReportArgs;
use crate::failure::bad_input;
use crate::place;
use crate::run::{RunDirectory, judge};

/// Runs the command. The exit code speaks of the report, not of the run that it reports on.
///
/// # Errors
/// If there is no such run.
pub fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let path = find(&args.run)?;
    if sweep::is_sweep(&path) {
        sweep::report_again(&path)?;
        return Ok(ExitCode::SUCCESS);
    }
    let directory = RunDirectory::open(&path);
    let result = judge(&directory)?;
    conclude(&directory, &result);
    Ok(ExitCode::SUCCESS)
}

fn find(run: &PathBuf) -> anyhow::Result<PathBuf> {
    let root = place::root()?;
    let candidates = [run.clone(), root.join(run), root.join("reports/runs").join(run)];
    let found = candidates.into_iter().find(|path| path.join("run.json").is_file() || sweep::is_sweep(path));
    found.ok_or_else(|| {
        let runs = std::fs::read_dir(root.join("reports/runs")).into_iter().flatten();
        let mut names: Vec<String> = runs
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        let listed = if names.is_empty() {
            "there are none yet".to_owned()
        } else {
            format!("there are: {}", names.join(", "))
        };
        bad_input(format!("no run {}; {listed}", run.display()))
    })
}
