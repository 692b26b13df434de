//! May two searches be held against each other? Only if both came to their end, on the same build, machine and servers, with
//! the same plan and the same parts.

use crate::capacity::{Capacity, Variant, servers};

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
