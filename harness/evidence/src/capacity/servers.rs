//! Were two runs or searches measured on the same servers and machine? Else their numbers are not held against each other.

use crate::result::TestbedInfo;

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
}
