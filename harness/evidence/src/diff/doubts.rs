//! Why a difference between runs may have another cause than their settings.

use super::{Side, label};
use crate::result::Verdict;

/// All of them, the gravest first.
pub(super) fn of(sides: &[Side<'_>]) -> Vec<String> {
    let mut doubts: Vec<String> = sides.iter().enumerate().flat_map(of_one).collect();
    doubts.extend(hosts(sides));
    let seeds = sides
        .iter()
        .any(|side| side.result.run.seed != sides[0].result.run.seed);
    let plans = sides.iter().any(|side| side.plan != sides[0].plan);
    match (seeds, plans) {
        (true, _) => doubts.push(
            "the seeds differ, and with them the plans: other arrivals and service times came to each run".to_owned(),
        ),
        (false, true) => doubts.push("the plans differ: not the same arrivals came to each run".to_owned()),
        (false, false) => {}
    }
    let commits = |side: &Side<'_>| side.result.run.git_commit.clone();
    if sides
        .iter()
        .any(|side| commits(side).is_some_and(|commit| commit.ends_with("-dirty")))
    {
        doubts.push(
            "a run is of a build with uncommitted changes: its commit does not tell what was measured".to_owned(),
        );
    }
    doubts
}

fn of_one((index, side): (usize, &Side<'_>)) -> Vec<String> {
    let (name, run) = (label(index), &side.result.run);
    let mut doubts = Vec::new();
    if !run.valid {
        let why = run.invalid_reasons.join("; ");
        doubts.push(format!("{name} is not valid, and its numbers may not be used: {why}"));
    }
    if run.interrupted {
        doubts.push(format!("{name} was broken off: its numbers cover what ran"));
    }
    let failed: Vec<&str> = side
        .result
        .checks
        .iter()
        .filter(|check| check.verdict == Verdict::Fail)
        .map(|check| check.name.as_str())
        .collect();
    if !failed.is_empty() {
        doubts.push(format!("{name} did not hold: {} failed", failed.join(", ")));
    }
    doubts
}

fn hosts(sides: &[Side<'_>]) -> Option<String> {
    let machine = |side: &Side<'_>| side.result.testbed.machine.clone();
    let unknown: Vec<String> = (0..sides.len())
        .filter(|index| machine(&sides[*index]).is_none())
        .map(label)
        .collect();
    if !unknown.is_empty() {
        let names = unknown.join(", ");
        return Some(format!(
            "the machine of {names} is not known: a difference may be the machine's"
        ));
    }
    let differ = sides.iter().any(|side| machine(side) != machine(&sides[0]));
    differ.then(|| "the machines differ: absolute numbers of two machines say nothing about settings".to_owned())
}
