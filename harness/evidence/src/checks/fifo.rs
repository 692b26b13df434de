//! `fifo`: how far the whole deployment strays from first in, first out per job type. Informational: it always passes.
//!
//! An inversion is a job first started later than a job of the same type with a larger id: what a client sees as
//! being overtaken. With several workers a few are natural (two jobs of one claim start in either order, and ids of
//! concurrent transactions do not follow their commits). Jobs that wait by definition, or never started, are left out.

use std::collections::HashMap;

use super::{Check, Example, Examples, pass};
use crate::ledger::Ledger;
use crate::text::{counted, grouped};

const NAME: &str = "fifo";

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) inversions: Examples,
    started: u64,
    /// Longest time by which a job started after one that should have waited for it (ns).
    behind_ns_max: u64,
}

pub(super) fn check(ledger: &Ledger<'_>) -> Check {
    let found = find(ledger);
    let (overtaken, started) = (found.inversions.count(), grouped(found.started));
    if overtaken == 0 {
        return pass(
            NAME,
            format!("{started} jobs started in the order of their creation, per job type"),
        );
    }
    let detail = format!(
        "{} of {started} overtaken by a later one of its type, by {:.1} ms at most",
        counted(overtaken, "job"),
        found.behind_ns_max as f64 / 1e6
    );
    pass(NAME, detail)
}

/// One pass from the largest id down, with the earliest start seen so far per job type.
pub(super) fn find(ledger: &Ledger<'_>) -> Findings {
    let mut found = Findings::default();
    let mut earliest: HashMap<u16, u64> = HashMap::new();
    for (place, job) in ledger.jobs().iter().enumerate().rev() {
        let Some(started) = ledger.times(place).started else {
            continue;
        };
        if job.state.is_none() || !ledger.delay(place).is_zero() {
            continue;
        }
        found.started += 1;
        let earliest = earliest.entry(job.job_type).or_insert(u64::MAX);
        if started.0 > *earliest {
            found.inversions.add(Example::Job(place));
            found.behind_ns_max = found.behind_ns_max.max(started.0 - *earliest);
        }
        *earliest = started.0.min(*earliest);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Verdict;
    use crate::scene::Scene;

    fn four() -> Scene {
        let mut scene = Scene::new(&[1]);
        scene.start_many(4);
        scene.drain();
        scene
    }

    #[test]
    fn starts_in_the_order_of_creation_have_no_inversion() {
        let scene = four();
        assert_eq!(find(&scene.ledger()).inversions.count(), 0);
        assert_eq!(
            check(&scene.ledger()).detail,
            "4 jobs started in the order of their creation, per job type"
        );
    }

    #[test]
    fn every_overtaken_job_counts_once_and_the_check_still_passes() {
        let mut scene = four();
        scene.swap_starts(0, 3);
        let ledger = scene.ledger();
        // The last came first: 0, 1 and 2 were overtaken by it.
        assert_eq!(find(&ledger).inversions.count(), 3);
        let check = check(&ledger);
        assert_eq!(check.verdict, Verdict::Pass);
        assert!(check.detail.starts_with("3 jobs of 4 overtaken"), "{}", check.detail);
    }

    #[test]
    fn types_do_not_wait_for_each_other() {
        let mut scene = four();
        scene.swap_starts(0, 3);
        scene.snapshot.jobs[3].job_type = 1;
        // 0 now started last of its type.
        assert_eq!(find(&scene.ledger()).inversions.count(), 1);
    }
}
