//! `report RUN`: writes a run's report again from what it recorded.

use std::path::Path;
use std::process::ExitCode;

use super::running::conclude;
use super::{assess, capacity, compare, map, regress, sweep};
use crate::args::ReportArgs;
use crate::place;
use crate::run::{RunDirectory, judge};

/// What is more than a run: how it is told, and how its reports are written again.
type Kind = (fn(&Path) -> bool, fn(&Path) -> anyhow::Result<()>);

const KINDS: [Kind; 6] = [
    (sweep::is_sweep, sweep::report_again),
    (compare::is_comparison, compare::report_again),
    (capacity::is_search, capacity::report_again),
    (assess::is_assessment, assess::report_again),
    (map::is_map, map::report_again),
    (regress::is_regression, regress::report_again),
];

/// Runs the command. The exit code speaks of the report, not of the run that it reports on.
///
/// # Errors
/// If there is no such run.
pub fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let path = place::run(&args.run)?;
    match KINDS.iter().find(|(is_one, _)| is_one(&path)) {
        Some((_, report_again)) => report_again(&path)?,
        None => {
            let directory = RunDirectory::open(&path);
            let result = judge(&directory)?;
            conclude(&directory, &result);
        }
    }
    Ok(ExitCode::SUCCESS)
}
