//! Could work still be handed in while something was broken? Arrivals during each fault, and those accepted in time (C15).
//!
//! A start counts as accepted if its answer came within [`ANSWERED_WITHIN`] of its *intended* time and before the fault was
//! healed: a client that must wait for the repair was not served by what was left. So the few that are under way at the
//! very moment of the healing count as not accepted, which is never in our favour.

use std::time::Duration;

use crossover_proto::clock::MonotonicNs;

use crate::ledger::Ledger;
use crate::result::FaultInfo;

/// Far above the latency of a start on a healthy system, and what a client waits before it calls a service unavailable.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// The faults with the starts of their time filled in. A fault that was never healed lasts to the end of the history.
#[must_use]
pub fn with_starts(faults: &[FaultInfo], ledger: &Ledger<'_>) -> Vec<FaultInfo> {
    faults.iter().map(|fault| with_own_starts(fault, ledger)).collect()
}

fn with_own_starts(fault: &FaultInfo, ledger: &Ledger<'_>) -> FaultInfo {
    let moment = |seconds: f64| {
        let offset = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        ledger.evidence().origin.plus(offset)
    };
    let from = moment(fault.injected_s);
    let to = fault.healed_s.map_or_else(|| ledger.end(), moment);
    let accepted_in_time = |intended: MonotonicNs, at: MonotonicNs| at < to && at <= intended.plus(ANSWERED_WITHIN);
    let arrivals = &ledger.evidence().plan.arrivals;
    let during = |offset_us: u64| (from..to).contains(&ledger.evidence().origin.plus(Duration::from_micros(offset_us)));
    let timed = ledger.instances().iter().filter(|instance| !instance.prefilled);
    let accepted = timed
        .filter(|instance| (from..to).contains(&instance.intended))
        .filter_map(|instance| Some((instance.intended, instance.accepted?)))
        .filter(|(intended, at)| accepted_in_time(*intended, *at));
    FaultInfo {
        starts_intended: arrivals.iter().filter(|arrival| during(arrival.offset_us)).count() as u64,
        starts_accepted: accepted.count() as u64,
        ..fault.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    fn fault(injected_s: f64, healed_s: Option<f64>) -> FaultInfo {
        FaultInfo {
            kind: "kill".to_owned(),
            target: "postgres".to_owned(),
            injected_s,
            healed_s,
            took_effect: true,
            ..FaultInfo::default()
        }
    }

    /// 100 arrivals a second from 5 ms on; each answered after 400 µs.
    fn scene() -> Scene {
        let mut scene = Scene::new(&[1]);
        scene.start_many(20);
        scene
    }

    fn starts(scene: &Scene, fault: FaultInfo) -> (u64, u64) {
        let done = with_starts(&[fault], &scene.ledger());
        (done[0].starts_intended, done[0].starts_accepted)
    }

    #[test]
    fn starts_of_the_fault_are_counted_with_those_that_were_answered() {
        assert_eq!(starts(&scene(), fault(0.0, Some(0.1))), (10, 10));
        assert_eq!(starts(&scene(), fault(0.051, Some(0.1))), (5, 5));
    }

    #[test]
    fn a_start_answered_after_the_healing_was_not_accepted_during_the_fault() {
        let mut scene = scene();
        // From 0.05 s on nothing is answered; the rest comes when all is well again, after 0.4 s.
        for record in scene.history[0]
            .records_mut()
            .iter_mut()
            .filter(|record| record.at.0 > crate::scene::ORIGIN.0 + 50_000_000)
        {
            if matches!(record.event, crossover_proto::history::Event::Answered { .. }) {
                record.at = record.at.plus(Duration::from_millis(400));
            }
        }
        assert_eq!(
            starts(&scene, fault(0.05, Some(0.4))),
            (35, 0),
            "the plan goes on, whether or not it was sent"
        );
        assert_eq!(
            starts(&scene, fault(0.05, Some(0.456))),
            (41, 1),
            "the first after the injection came back in time"
        );
    }

    #[test]
    fn a_start_answered_after_more_than_a_second_was_not_accepted() {
        let mut scene = Scene::new(&[1]);
        scene.wait(Duration::from_secs(2));
        scene.start();
        assert_eq!(starts(&scene, fault(0.0, Some(5.0))), (500, 0));
    }

    #[test]
    fn a_fault_that_was_never_healed_lasts_to_the_end() {
        assert_eq!(
            starts(&scene(), fault(0.1, None)),
            (10, 9),
            "the last answer is the end"
        );
    }
}
