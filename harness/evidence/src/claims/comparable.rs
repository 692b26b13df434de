//! May two searches be held against each other? Only if both came to their end, on the same build, machine and servers, with
//! the same plan and the same parts.

use crate::capacity::{Capacity, Interval, Variant, servers};
use crate::plateau::Cause;

/// Searches of one variant with one number of replicas, of which there is at least one.
#[derive(Clone, Copy)]
pub(super) struct Repeats<'a> {
    pub(super) first: &'a Capacity,
    pub(super) all: &'a [&'a Capacity],
}

impl<'a> Repeats<'a> {
    /// `None` if there are none.
    pub(super) fn of(all: &'a [&'a Capacity]) -> Option<Self> {
        Some(Self {
            first: all.first()?,
            all,
        })
    }

    /// From the lowest that one of them found to the highest: open where one of them is.
    pub(super) fn holds(&self) -> Interval {
        let ends = |of: fn(&Interval) -> Option<f64>, pick: fn(f64, f64) -> f64| {
            let ends: Option<Vec<f64>> = self.all.iter().map(|one| of(&one.holds)).collect();
            ends?.into_iter().reduce(pick)
        };
        Interval {
            low: ends(|holds| holds.low, f64::min),
            high: ends(|holds| holds.high, f64::max),
        }
    }

    /// Why the numbers of one of them may not be used.
    pub(super) fn invalid(&self) -> Option<&'a str> {
        let mut reasons = self.all.iter().flat_map(|one| &one.invalid_reasons);
        reasons.next().map(String::as_str)
    }

    /// Why one of them says nothing of the engine.
    pub(super) fn not_the_engine(&self) -> Option<String> {
        self.all.iter().find_map(|one| one.not_the_engine())
    }

    /// What limits all of them; `None` if that is not known of each, or they disagree.
    pub(super) fn cause(&self) -> Option<Cause> {
        let cause = |one: &Capacity| one.plateau.as_ref()?.dominant;
        let first = cause(self.first)?;
        self.all.iter().all(|one| cause(one) == Some(first)).then_some(first)
    }
}

/// Why not; `None` if they may.
pub(super) fn why_not(one: &Capacity, other: &Capacity) -> Option<String> {
    if let Some(open) = [one, other].into_iter().find(|search| search.ended.is_none()) {
        let (name, replicas) = (open.variant.name(), open.topology.replicas);
        return Some(format!("the search of {name} with {replicas} replicas was broken off"));
    }
    let both_events = [one, other].iter().all(|search| search.variant == Variant::EventDriven);
    let differs = [
        (one.git_commit != other.git_commit, "build"),
        (one.scenario != other.scenario || one.seed != other.seed, "plan"),
        (one.topology.workers != other.topology.workers, "number of workers"),
        (
            both_events && one.topology.partitions != other.topology.partitions,
            "number of partitions",
        ),
    ];
    let differs = differs.into_iter().find_map(|(differs, what)| differs.then_some(what));
    let what = differs.or_else(|| servers::difference(&one.testbed, &other.testbed))?;
    Some(format!("the searches differ in their {what}"))
}
