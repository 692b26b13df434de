//! C06: more engine replicas bring polling more connections and no more throughput; event-driven scales roughly linearly.
//!
//! Put to capacity searches at several numbers of replicas, one finding a variant. Where the machine was the limit, more
//! replicas can't have brought more: *not settled (host)*. That capacity grew all the same refutes what is said of polling.

use super::c05::interval;
use super::comparable::{Repeats, why_not};
use super::{Finding, Half, holds, not_settled, rounded, supported};
use crate::capacity::{Capacity, Interval, Variant};
use crate::result::Claim;

/// Growth that is still "no more throughput".
const NO_MORE: f64 = 1.10;
/// Share of linear growth that is still "roughly linear".
const ROUGHLY: f64 = 0.70;

/// Width of an interval that is forgiven: that of a search with the usual tolerance.
const WIDTH_MAX: f64 = 0.10;

/// One finding per variant that was searched with at least two numbers of replicas.
#[must_use]
pub fn judge(found: &[&Capacity]) -> Vec<Claim> {
    let mut variants: Vec<Variant> = found.iter().map(|one| one.variant).collect();
    variants.sort_unstable();
    variants.dedup();
    let of = |variant: Variant| {
        let own: Vec<&Capacity> = found.iter().copied().filter(|one| one.variant == variant).collect();
        let counts = || own.iter().map(|one| one.topology.replicas);
        let (fewest, most) = (counts().min()?, counts().max()?);
        let with = |count: u32| -> Vec<&Capacity> {
            let own = own.iter().copied();
            own.filter(|one| one.topology.replicas == count).collect()
        };
        let (fewest, most) = (with(fewest), with(most));
        let (fewest, most) = (Repeats::of(&fewest)?, Repeats::of(&most)?);
        (fewest.first.topology.replicas < most.first.topology.replicas).then(|| claim(variant, fewest, most))
    };
    variants.into_iter().filter_map(of).collect()
}

/// The half that a finding speaks of.
pub(super) fn half(text: &str) -> Option<Half> {
    let of_event = text == text_of(Variant::EventDriven);
    Some(if of_event { Half::EventDriven } else { Half::Polling })
}

fn claim(variant: Variant, fewest: Repeats<'_>, most: Repeats<'_>) -> Claim {
    let (verdict, evidence) = judge_pair(variant, fewest, most);
    Claim {
        id: "C06".to_owned(),
        text: text_of(variant).to_owned(),
        verdict,
        evidence,
    }
}

fn text_of(variant: Variant) -> &'static str {
    match variant {
        Variant::EventDriven => "replicas added: event-driven throughput grows roughly linearly",
        Variant::PollingDefault => "replicas added: polling has more connections and no more throughput",
        Variant::PollingTuned => "replicas added: tuned polling has more connections and no more throughput",
    }
}

fn judge_pair(variant: Variant, fewest: Repeats<'_>, most: Repeats<'_>) -> Finding {
    let told = |one: Repeats<'_>| {
        let connections = connections(one.first).map_or_else(String::new, |count| format!(" ({count} connections)"));
        format!(
            "{} with {} replicas{connections}",
            interval(one.holds()),
            one.first.topology.replicas
        )
    };
    let numbers = format!("{} hold {}, {}", variant.name(), told(fewest), told(most));
    if let Some(reason) = fewest.invalid().or_else(|| most.invalid()) {
        return not_settled(format!("{numbers}; a search can't be used: {reason}"));
    }
    let mut all = fewest.all.iter().chain(most.all);
    if let Some(why) = all.find_map(|one| why_not(fewest.first, one).or_else(|| why_not(most.first, one))) {
        return not_settled(format!("{numbers}; {why}"));
    }
    let (before, after) = (fewest.holds(), most.holds());
    let least = after.low.zip(before.high).map(|(after, before)| after / before);
    let greatest = after.high.zip(before.low).map(|(after, before)| after / before);
    let grown = |growth: f64| format!("{numbers}: at least {} × as much", rounded(growth));
    let linear = ROUGHLY * f64::from(most.first.topology.replicas) / f64::from(fewest.first.topology.replicas);
    // What did grow, the machine did not stop.
    match (variant, least) {
        (Variant::EventDriven, Some(least)) if least >= linear => return supported(grown(least)),
        (Variant::PollingDefault | Variant::PollingTuned, Some(least)) if least > NO_MORE => {
            return holds(false, grown(least));
        }
        _ => {}
    }
    if let Some(reason) = most.not_the_engine() {
        let replicas = most.first.topology.replicas;
        return not_settled(format!(
            "not settled (host): {numbers}; with {replicas} replicas, {reason}"
        ));
    }
    let Some(greatest) = greatest else {
        return not_settled(format!("{numbers}: an end is open"));
    };
    let evidence = format!("{numbers}: at most {} × as much", rounded(greatest));
    match variant {
        Variant::EventDriven if greatest < linear => holds(false, evidence),
        Variant::PollingDefault | Variant::PollingTuned if greatest <= NO_MORE * slack(before, after) => {
            supported(evidence)
        }
        _ => not_settled(format!("{evidence}; the intervals are too wide to tell")),
    }
}

/// Two intervals of one capacity can be a width apart each; wider ones than a search ends with tell nothing.
fn slack(before: Interval, after: Interval) -> f64 {
    let width = |one: Interval| one.width().unwrap_or(0.0).min(WIDTH_MAX);
    (1.0 + width(before)) * (1.0 + width(after))
}

fn connections(capacity: &Capacity) -> Option<u32> {
    let settings = &capacity.topology.settings;
    let each = settings.iter().find(|(name, _)| name == "connections per replica")?;
    Some(each.1.parse::<u32>().ok()? * capacity.topology.replicas)
}

#[cfg(test)]
mod tests {
    use super::super::c05::tests::capacity;
    use super::*;
    use crate::result::ClaimVerdict;

    fn verdict(variant: Variant, one: (f64, f64), four: (f64, f64), host: f64) -> ClaimVerdict {
        let (one, four) = (
            capacity(variant, 1, one, 0.5, None),
            capacity(variant, 4, four, host, None),
        );
        judge(&[&four, &one]).remove(0).verdict
    }

    #[test]
    fn polling_that_does_not_grow_and_events_that_do_support_it() {
        let polling = verdict(Variant::PollingDefault, (1_000.0, 1_080.0), (990.0, 1_070.0), 0.5);
        assert_eq!(polling, ClaimVerdict::Supported);
        let event = verdict(Variant::EventDriven, (1_000.0, 1_080.0), (3_500.0, 3_700.0), 0.5);
        assert_eq!(event, ClaimVerdict::Supported);
    }

    #[test]
    fn polling_that_grows_and_events_that_do_not_refute_it() {
        let polling = verdict(Variant::PollingTuned, (1_000.0, 1_080.0), (2_000.0, 2_100.0), 0.95);
        assert_eq!(polling, ClaimVerdict::Refuted);
        let event = verdict(Variant::EventDriven, (1_000.0, 1_080.0), (1_500.0, 1_600.0), 0.5);
        assert_eq!(event, ClaimVerdict::Refuted);
    }

    #[test]
    fn wide_intervals_and_repeats_that_lie_apart_support_nothing() {
        let wide = verdict(Variant::PollingDefault, (1_000.0, 2_000.0), (1_000.0, 2_000.0), 0.5);
        assert_eq!(wide, ClaimVerdict::NotSettled);
        let with = |replicas, holds| capacity(Variant::PollingDefault, replicas, holds, 0.5, None);
        let one = with(1, (1_000.0, 1_080.0));
        let (four, again) = (with(4, (990.0, 1_070.0)), with(4, (1_900.0, 2_000.0)));
        let verdict = |found: &[&Capacity]| judge(found).remove(0).verdict;
        assert_eq!(verdict(&[&one, &four]), ClaimVerdict::Supported);
        for found in [[&one, &four, &again], [&one, &again, &four]] {
            assert_eq!(verdict(&found), ClaimVerdict::NotSettled);
        }
    }

    #[test]
    fn a_machine_that_was_busy_settles_nothing() {
        for variant in [Variant::PollingDefault, Variant::EventDriven] {
            let found = verdict(variant, (1_000.0, 1_080.0), (990.0, 1_070.0), 0.95);
            assert_eq!(found, ClaimVerdict::NotSettled);
        }
    }

    #[test]
    fn searches_broken_off_or_that_differ_in_more_than_replicas_settle_nothing() {
        let one = capacity(Variant::EventDriven, 1, (1_000.0, 1_080.0), 0.5, None);
        let four = || capacity(Variant::EventDriven, 4, (3_500.0, 3_700.0), 0.5, None);
        let verdict = |four: Capacity| judge(&[&one, &four]).remove(0).verdict;
        assert_eq!(verdict(four()), ClaimVerdict::Supported);
        let mut open = four();
        open.ended = None;
        assert_eq!(verdict(open), ClaimVerdict::NotSettled);
        let mut wider = four();
        wider.topology.partitions = 64;
        assert_eq!(verdict(wider), ClaimVerdict::NotSettled);
        let mut elsewhere = four();
        elsewhere.testbed.machine = Some("another".to_owned());
        assert_eq!(verdict(elsewhere), ClaimVerdict::NotSettled);
    }

    #[test]
    fn the_connections_are_told() {
        let (one, four) = (
            capacity(Variant::PollingDefault, 1, (1_000.0, 1_080.0), 0.5, None),
            capacity(Variant::PollingDefault, 4, (990.0, 1_070.0), 0.5, None),
        );
        let evidence = judge(&[&one, &four]).remove(0).evidence;
        assert!(evidence.contains("4 replicas (24 connections)"), "{evidence}");
    }

    #[test]
    fn one_number_of_replicas_is_not_asked() {
        let one = capacity(Variant::PollingDefault, 1, (1_000.0, 1_080.0), 0.5, None);
        assert!(judge(&[&one, &one]).is_empty());
    }
}
