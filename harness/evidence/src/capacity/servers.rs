//! Were two runs or searches measured on the same servers and machine? Else their numbers are not held against each other.

use crate::result::{RunResult, TestbedInfo};

/// What differs first; `None` if all is the same. A broker is compared where both have one.
#[must_use]
pub fn difference(one: &TestbedInfo, other: &TestbedInfo) -> Option<&'static str> {
    let brokers_differ = one
        .broker
        .as_ref()
        .zip(other.broker.as_ref())
        .is_some_and(|(one, other)| one != other);
    [
        (one.provider != other.provider, "provider of servers"),
        (one.machine != other.machine || one.cpus != other.cpus, "machine"),
        (one.postgres.version != other.postgres.version, "PostgreSQL version"),
        (brokers_differ, "broker"),
    ]
    .into_iter()
    .find_map(|(differs, what)| differs.then_some(what))
}

/// Why runs of one sweep may not be held against each other; empty if they may.
#[must_use]
pub fn doubts(runs: &[&RunResult]) -> Vec<String> {
    let Some((first, others)) = runs.split_first() else {
        return Vec::new();
    };
    let any = |differs: &dyn Fn(&RunResult) -> bool| others.iter().any(|run| differs(run));
    let builds = any(&|run| run.run.git_commit != first.run.git_commit);
    let servers = any(&|run| difference(&first.testbed, &run.testbed).is_some());
    let reasons = [
        builds.then_some("not all points ran the same build"),
        servers.then_some("not all points had the same servers and machine"),
    ];
    reasons.into_iter().flatten().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::fixture::Runs;

    #[test]
    fn another_machine_version_or_broker_is_told_and_a_mode_without_a_broker_is_no_difference() {
        let runs = Runs::new();
        let (polling, event) = (&runs.polling.testbed, &runs.event.testbed);
        assert_eq!(difference(polling, event), None);
        let mut other = event.clone();
        other.broker.as_mut().unwrap().version = "3.0.0".to_owned();
        assert_eq!(difference(event, &other), Some("broker"));
        other.postgres.version = "16.0".to_owned();
        assert_eq!(difference(event, &other), Some("PostgreSQL version"));
        other.machine = Some("another-0123abcd".to_owned());
        assert_eq!(difference(event, &other), Some("machine"));
    }

    #[test]
    fn a_sweep_that_went_on_with_another_build_or_on_another_machine_is_doubted() {
        let [one, mut other] = [Runs::new().polling, Runs::new().polling];
        assert_eq!(doubts(&[&one, &other]), Vec::<String>::new());
        other.run.git_commit = None;
        assert_eq!(doubts(&[&one, &other]), ["not all points ran the same build"]);
        other.testbed.machine = Some("another".to_owned());
        assert_eq!(doubts(&[&one, &one, &other]).len(), 2);
    }
}
