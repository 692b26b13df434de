//! C05: polling's throughput ends at row-lock contention; the broker's ceiling is orders of magnitude higher.
//!
//! Put to capacity searches of both modes with the same number of replicas, polling at its best (tuned where it was
//! searched): the architecture is not blamed for settings. Both halves must hold to support it. A ceiling of the machine or of
//! the harness is nobody's: then it is *not settled (host)*.

use super::comparable::{Repeats, why_not};
use super::{Finding, holds, not_settled, rounded};
use crate::capacity::{Capacity, Interval, Variant};
use crate::plateau::Cause;
use crate::result::Claim;

/// "Orders of magnitude" is at least two of them.
const ORDERS: f64 = 100.0;

const TEXT: &str = "throughput ceiling: polling ends at row locks, event-driven orders of magnitude higher";

/// Empty unless both modes were searched with the same number of replicas.
#[must_use]
pub fn judge(found: &[&Capacity]) -> Vec<Claim> {
    let of = |is_wanted: fn(Variant) -> bool, replicas: u32| -> Vec<&Capacity> {
        let own = found.iter().copied();
        own.filter(|one| is_wanted(one.variant) && one.topology.replicas == replicas)
            .collect()
    };
    let events = found.iter().filter(|one| one.variant == Variant::EventDriven);
    let mut counts: Vec<u32> = events.map(|one| one.topology.replicas).collect();
    counts.sort_unstable();
    counts.dedup();
    let pair = counts.into_iter().rev().find_map(|replicas| {
        let polling = of(|variant| variant != Variant::EventDriven, replicas);
        let event = of(|variant| variant == Variant::EventDriven, replicas);
        (!polling.is_empty() && !event.is_empty()).then_some((polling, event))
    });
    let claim = |(polling, event): (Vec<&Capacity>, Vec<&Capacity>)| {
        let (verdict, evidence) = judge_both(&polling, &event);
        Claim {
            id: "C05".to_owned(),
            text: TEXT.to_owned(),
            verdict,
            evidence,
        }
    };
    pair.map(claim).into_iter().collect()
}

fn low(capacity: &Capacity) -> f64 {
    capacity.holds.low.unwrap_or(0.0)
}

/// All searches of either side must fit each other: the best of them is not known to be the best otherwise.
fn judge_both(polling: &[&Capacity], event: &[&Capacity]) -> Finding {
    let (polling_best, event_best) = (repeats_of_best(polling), repeats_of_best(event));
    let (Some(best_polling), Some(best_event)) = (Repeats::of(&polling_best), Repeats::of(&event_best)) else {
        return not_settled("a mode was not searched");
    };
    let mut all = polling.iter().chain(event);
    let doubt = all.find_map(|one| why_not(best_polling.first, one).or_else(|| why_not(best_event.first, one)));
    match doubt {
        Some(why) => not_settled(format!("{}; {why}", numbers(best_polling, best_event))),
        None => judge_pair(best_polling, best_event),
    }
}

/// The searches of the variant that holds most.
fn repeats_of_best<'a>(of: &[&'a Capacity]) -> Vec<&'a Capacity> {
    let best = of.iter().max_by(|a, b| low(a).total_cmp(&low(b)));
    let is_best = |one: &&&Capacity| best.is_some_and(|best| best.variant == one.variant);
    of.iter().filter(is_best).copied().collect()
}

fn numbers(polling: Repeats<'_>, event: Repeats<'_>) -> String {
    format!(
        "{} holds {}, event-driven {}",
        polling.first.variant.name(),
        interval(polling.holds()),
        interval(event.holds())
    )
}

fn judge_pair(polling: Repeats<'_>, event: Repeats<'_>) -> Finding {
    let numbers = numbers(polling, event);
    if let Some(reason) = polling.invalid().or_else(|| event.invalid()) {
        return not_settled(format!("{numbers}; a search can't be used: {reason}"));
    }
    if let Some((one, reason)) = [polling, event]
        .iter()
        .find_map(|one| Some((one, one.not_the_engine()?)))
    {
        let name = one.first.variant.name();
        return not_settled(format!(
            "not settled (host): {numbers}; at the plateau of {name}, {reason}"
        ));
    }
    let (before, after) = (polling.holds(), event.holds());
    let least = after.low.zip(before.high).map(|(event, polling)| event / polling);
    let most = after.high.zip(before.low).map(|(event, polling)| event / polling);
    if let Some(most) = most.filter(|most| *most < ORDERS) {
        return holds(false, format!("{numbers}: at most {} × as much", rounded(most)));
    }
    match polling.cause() {
        None => not_settled(format!("{numbers}; what limits polling was not found")),
        Some(Cause::JobRowLocks) => match least {
            Some(least) if least >= ORDERS => holds(
                true,
                format!(
                    "{numbers}: {} × as much or more; row locks are what limits polling",
                    rounded(least)
                ),
            ),
            Some(_) if most.is_some() => not_settled(format!("{numbers}: the intervals are too wide to tell")),
            _ => not_settled(format!("{numbers}: an end is open")),
        },
        Some(_) => holds(
            false,
            format!("{numbers}; something other than row locks is what limits polling"),
        ),
    }
}

/// `1,000 to 1,100 jobs/s` in few words.
pub(super) fn interval(interval: Interval) -> String {
    match (interval.low, interval.high) {
        (Some(low), Some(high)) => format!("{} to {} jobs/s", rounded(low), rounded(high)),
        (Some(low), None) => format!("{} jobs/s or more", rounded(low)),
        (None, Some(high)) => format!("less than {} jobs/s", rounded(high)),
        (None, None) => "an unknown rate".to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::capacity::{SCHEMA_VERSION, Step, StepVerdict, search};
    use crate::claims::fixture::Runs;
    use crate::plateau::Attribution;
    use crate::result::ClaimVerdict;

    /// A search that ended at this interval, its plateau at so much host CPU, for this cause.
    pub(in crate::claims) fn capacity(
        variant: Variant,
        replicas: u32,
        holds: (f64, f64),
        host: f64,
        cause: Option<Cause>,
    ) -> Capacity {
        let run = Runs::new().polling;
        let mut topology = run.topology;
        topology.replicas = replicas;
        topology.settings = vec![("connections per replica".to_owned(), "6".to_owned())];
        let step = Step {
            rate_per_s: holds.1,
            verdict: StepVerdict::DidNotHold,
            why: Vec::new(),
            slope_per_s: None,
            achieved_ratio: None,
            drain_s: None,
            p50_ms: None,
            p99_ms: None,
            host_cpu_share: Some(host),
            limited_by_harness: false,
            failed_checks: Vec::new(),
            run: "01".to_owned(),
        };
        Capacity {
            schema_version: SCHEMA_VERSION,
            id: "capacity".to_owned(),
            scenario: "capacity".to_owned(),
            variant,
            seed: 1,
            command: String::new(),
            git_commit: None,
            started_at: String::new(),
            testbed: run.testbed,
            topology,
            search: search::Settings::default(),
            steps: vec![step],
            holds: Interval {
                low: Some(holds.0),
                high: Some(holds.1),
            },
            ended: Some("the interval is narrow enough".to_owned()),
            plateau: cause.map(|cause| Attribution {
                dominant: Some(cause),
                detail: String::new(),
                findings: Vec::new(),
            }),
            invalid_reasons: Vec::new(),
        }
    }

    fn verdict(polling: Capacity, event: (f64, f64)) -> (ClaimVerdict, String) {
        let event = capacity(Variant::EventDriven, 2, event, 0.5, Some(Cause::Broker));
        let claim = judge(&[&polling, &event]).remove(0);
        (claim.verdict, claim.evidence)
    }

    fn polling(host: f64, cause: Option<Cause>) -> Capacity {
        capacity(Variant::PollingDefault, 2, (1_000.0, 1_100.0), host, cause)
    }

    #[test]
    fn row_locks_and_two_orders_of_magnitude_support_it() {
        let (found, evidence) = verdict(polling(0.5, Some(Cause::JobRowLocks)), (120_000.0, 130_000.0));
        assert_eq!(found, ClaimVerdict::Supported, "{evidence}");
    }

    #[test]
    fn another_cause_or_less_of_a_difference_refutes_it() {
        let (found, _) = verdict(polling(0.5, Some(Cause::Wal)), (120_000.0, 130_000.0));
        assert_eq!(found, ClaimVerdict::Refuted);
        let (found, _) = verdict(polling(0.5, Some(Cause::JobRowLocks)), (2_000.0, 2_100.0));
        assert_eq!(found, ClaimVerdict::Refuted);
        // Whatever limits polling, twice as much is no order of magnitude.
        let (found, _) = verdict(polling(0.5, None), (2_000.0, 2_100.0));
        assert_eq!(found, ClaimVerdict::Refuted);
    }

    #[test]
    fn an_open_or_wide_end_refutes_nothing() {
        let locks = || polling(0.5, Some(Cause::JobRowLocks));
        let mut event = capacity(Variant::EventDriven, 2, (2_000.0, 2_100.0), 0.5, Some(Cause::Broker));
        event.holds.high = None;
        let claim = judge(&[&locks(), &event]).remove(0);
        assert_eq!(claim.verdict, ClaimVerdict::NotSettled, "{}", claim.evidence);
        assert!(claim.evidence.ends_with("an end is open"), "{}", claim.evidence);
        let (found, _) = verdict(locks(), (90_000.0, 130_000.0));
        assert_eq!(found, ClaimVerdict::NotSettled);
    }

    #[test]
    fn repeats_are_taken_from_the_lowest_to_the_highest() {
        let locks = || polling(0.5, Some(Cause::JobRowLocks));
        let event = |holds| capacity(Variant::EventDriven, 2, holds, 0.5, Some(Cause::Broker));
        let (good, bad) = (event((120_000.0, 130_000.0)), event((60_000.0, 65_000.0)));
        let claim = judge(&[&locks(), &good, &bad]).remove(0);
        assert_eq!(claim.verdict, ClaimVerdict::NotSettled, "{}", claim.evidence);
    }

    #[test]
    fn a_machine_that_was_busy_settles_nothing() {
        let (found, evidence) = verdict(polling(0.95, None), (2_000.0, 2_100.0));
        assert_eq!(found, ClaimVerdict::NotSettled);
        assert!(evidence.starts_with("not settled (host)"), "{evidence}");
        let (found, _) = verdict(polling(0.5, Some(Cause::HostCpu)), (2_000.0, 2_100.0));
        assert_eq!(found, ClaimVerdict::NotSettled);
    }

    #[test]
    fn polling_is_judged_at_its_best() {
        let default = polling(0.5, Some(Cause::JobRowLocks));
        let tuned = capacity(
            Variant::PollingTuned,
            2,
            (9_000.0, 9_500.0),
            0.5,
            Some(Cause::JobRowLocks),
        );
        let event = capacity(
            Variant::EventDriven,
            2,
            (120_000.0, 130_000.0),
            0.5,
            Some(Cause::Broker),
        );
        let claim = judge(&[&default, &tuned, &event]).remove(0);
        assert_eq!(claim.verdict, ClaimVerdict::Refuted, "{}", claim.evidence);
    }

    #[test]
    fn searches_broken_off_or_of_different_builds_or_machines_settle_nothing() {
        type Change = fn(&mut Capacity);
        let told: [(Change, &str); 6] = [
            (|one| one.ended = None, "with 2 replicas was broken off"),
            (|one| one.git_commit = Some("other".to_owned()), "build"),
            (|one| one.testbed.machine = Some("other".to_owned()), "machine"),
            (
                |one| one.testbed.postgres.version = "16.0".to_owned(),
                "PostgreSQL version",
            ),
            (|one| one.topology.workers = 9, "number of workers"),
            (|one| one.seed = 9, "plan"),
        ];
        for (change, expected) in told {
            let mut one = polling(0.5, Some(Cause::JobRowLocks));
            change(&mut one);
            let (found, evidence) = verdict(one, (120_000.0, 130_000.0));
            assert_eq!(found, ClaimVerdict::NotSettled, "{expected}");
            assert!(evidence.ends_with(expected), "{evidence}");
        }
    }

    #[test]
    fn a_better_search_that_was_broken_off_may_have_become_the_best() {
        let default = polling(0.5, Some(Cause::JobRowLocks));
        let mut tuned = capacity(Variant::PollingTuned, 2, (900.0, 9_500.0), 0.5, None);
        tuned.ended = None;
        let event = capacity(Variant::EventDriven, 2, (120_000.0, 130_000.0), 0.5, None);
        let claim = judge(&[&default, &tuned, &event]).remove(0);
        assert_eq!(claim.verdict, ClaimVerdict::NotSettled, "{}", claim.evidence);
    }

    #[test]
    fn one_mode_alone_is_not_asked() {
        assert!(judge(&[&polling(0.5, None)]).is_empty());
    }
}
