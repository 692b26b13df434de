//! `report RUN`: writes a run's report again from what it recorded.

use std::process::ExitCode;

use super::running::conclude;
use super::{assess, capacity, compare, map, sweep};
use crate::args::ReportArgs;
use crate::place;
use crate::run::{RunDirectory, judge};

/// Runs the command. The exit code speaks of the report, not of the run that it reports on.
///
/// # Errors
/// If there is no such run.
pub fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let path = place::run(&args.run)?;
    if sweep::is_sweep(&path) {
        sweep::report_again(&path)?;
        return Ok(ExitCode::SUCCESS);
    }
    if compare::is_comparison(&path) {
        compare::report_again(&path)?;
        return Ok(ExitCode::SUCCESS);
    }
    if capacity::is_search(&path) {
        capacity::report_again(&path)?;
        return Ok(ExitCode::SUCCESS);
    }
    if assess::is_assessment(&path) {
        assess::report_again(&path)?;
        return Ok(ExitCode::SUCCESS);
    }
    if map::is_map(&path) {
        map::report_again(&path)?;
        return Ok(ExitCode::SUCCESS);
    }
    let directory = RunDirectory::open(&path);
    let result = judge(&directory)?;
    conclude(&directory, &result);
    Ok(ExitCode::SUCCESS)
}
