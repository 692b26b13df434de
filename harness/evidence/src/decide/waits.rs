//! Sustained waits for `job` rows at the need: the first half of condition 1.
//!
//! What waits at a rate waits at a higher one too, and what does not wait at a rate does not at a lower one. So waits seen at or
//! below the least need are a yes, calm at or above the greatest need (or of an engine that could not claim more) is a no, and all else
//! is unknown. A look that another look of more load, with as many
//! replicas, contradicts is noise.

use super::answer::Answer;
use super::evidence::{Evidence, LiveWaits, LockWaits};
use super::forecast::Need;
use super::thresholds::LockThresholds;
use crate::capacity::Variant;

/// The answer, and the look that gives it.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen<'a> {
    /// In a run.
    Run(&'a LockWaits),
    /// In the live system.
    Live(&'a LiveWaits),
    /// Nowhere.
    Nothing,
}

/// Does a polling variant wait for `job` rows at the need? The live system speaks for polling as it is.
#[must_use]
pub fn at_the_need<'a>(
    evidence: &'a Evidence,
    variant: Variant,
    need: Need,
    thresholds: &LockThresholds,
) -> (Answer, Seen<'a>) {
    let live = evidence.live.as_ref().filter(|_| variant == Variant::PollingDefault);
    if let Some(live) = live.filter(|live| live.sustained && live.lock_wait_share_low > thresholds.share_max) {
        return (Answer::Yes, Seen::Live(live));
    }
    let looks: Vec<&LockWaits> = evidence
        .lock_waits
        .iter()
        .filter(|look| look.variant == variant)
        .collect();
    let calm = || looks.iter().copied().filter(|look| look.is_calm(thresholds));
    let contradicted = |look: &LockWaits| {
        let mut alike = calm().filter(|calm| calm.replicas == look.replicas);
        alike.any(|calm| calm.speaks_up_to_per_s(thresholds) >= look.offered_per_s)
    };
    let at_or_below = |look: &&LockWaits, need: Option<f64>| need.is_some_and(|need| look.offered_per_s <= need);
    let contended = looks
        .iter()
        .copied()
        .filter(|look| look.is_contended(thresholds) && !contradicted(look));
    let worst = contended
        .filter(|look| at_or_below(look, need.low))
        .max_by(|a, b| a.share.total_cmp(&b.share));
    if let Some(worst) = worst {
        return (Answer::Yes, Seen::Run(worst));
    }
    let covers = |rate: f64| need.high.is_some_and(|need| rate >= need);
    let calm_at_need = calm()
        .filter(|look| covers(look.speaks_up_to_per_s(thresholds)))
        .max_by(|a, b| a.completed_per_s.total_cmp(&b.completed_per_s));
    if let Some(calm) = calm_at_need {
        return (Answer::No, Seen::Run(calm));
    }
    let live_is_calm = |live: &&LiveWaits| {
        live.seconds >= thresholds.sustained_s
            && live.lock_wait_share_high < thresholds.share_max
            && live.jobs_per_s.is_some_and(covers)
    };
    if let Some(live) = live.filter(live_is_calm) {
        return (Answer::No, Seen::Live(live));
    }
    let nearest = looks
        .iter()
        .copied()
        .max_by(|a, b| a.completed_per_s.total_cmp(&b.completed_per_s));
    (Answer::Unknown, nearest.map_or(Seen::Nothing, Seen::Run))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::waits;

    fn ask(looks: &[LockWaits], live: Option<LiveWaits>, need: (f64, f64)) -> Answer {
        let evidence = Evidence {
            lock_waits: looks.to_vec(),
            live,
            ..Evidence::default()
        };
        let need = Need {
            low: Some(need.0),
            high: Some(need.1),
        };
        at_the_need(&evidence, Variant::PollingDefault, need, &LockThresholds::default()).0
    }

    fn live(share: (f64, f64), sustained: bool, jobs_per_s: Option<f64>) -> Option<LiveWaits> {
        Some(LiveWaits {
            source: "assess".to_owned(),
            seconds: 60.0,
            lock_wait_share_low: share.0,
            lock_wait_share_high: share.1,
            sustained,
            jobs_per_s,
        })
    }

    #[test]
    fn waits_below_the_need_are_a_yes_and_calm_above_it_is_a_no() {
        assert_eq!(ask(&[waits(500.0, 0.4)], None, (600.0, 700.0)), Answer::Yes);
        assert_eq!(ask(&[waits(500.0, 0.01)], None, (300.0, 400.0)), Answer::No);
    }

    #[test]
    fn waits_above_the_need_calm_below_it_and_nothing_at_all_are_unknown() {
        assert_eq!(ask(&[waits(500.0, 0.4)], None, (300.0, 400.0)), Answer::Unknown);
        assert_eq!(ask(&[waits(500.0, 0.01)], None, (600.0, 700.0)), Answer::Unknown);
        assert_eq!(ask(&[], None, (600.0, 700.0)), Answer::Unknown);
    }

    #[test]
    fn waits_that_a_higher_rate_does_not_show_are_noise() {
        assert_eq!(
            ask(&[waits(500.0, 0.4), waits(800.0, 0.01)], None, (600.0, 900.0)),
            Answer::Unknown
        );
        assert_eq!(
            ask(&[waits(500.0, 0.01), waits(800.0, 0.4)], None, (900.0, 950.0)),
            Answer::Yes
        );
    }

    #[test]
    fn calm_of_a_saturated_engine_speaks_for_every_rate() {
        let saturated = LockWaits {
            claims_are_limit: true,
            completed_per_s: 300.0,
            ..waits(500.0, 0.01)
        };
        let backlog = LockWaits {
            claims_are_limit: true,
            is_backlog: true,
            ..waits(500.0, 0.01)
        };
        for look in [saturated, backlog] {
            assert_eq!(ask(&[look], None, (5_000.0, 6_000.0)), Answer::No);
        }
    }

    #[test]
    fn calm_of_one_replica_does_not_delete_the_waits_of_eight() {
        let calm = LockWaits {
            claims_are_limit: true,
            completed_per_s: 400.0,
            ..waits(500.0, 0.01)
        };
        let eight = LockWaits {
            replicas: 8,
            ..waits(800.0, 0.3)
        };
        assert_eq!(ask(&[calm.clone(), eight], None, (900.0, 950.0)), Answer::Yes);
        assert_eq!(ask(&[calm, waits(800.0, 0.3)], None, (900.0, 950.0)), Answer::No);
    }

    #[test]
    fn a_live_system_that_waits_has_hit_it_and_a_calm_one_speaks_for_its_own_rate_only() {
        assert_eq!(ask(&[], live((0.2, 0.4), true, None), (1.0, 2.0)), Answer::Yes);
        assert_eq!(ask(&[], live((0.2, 0.4), false, None), (1.0, 2.0)), Answer::Unknown);
        assert_eq!(
            ask(&[], live((0.0, 0.02), false, Some(500.0)), (300.0, 400.0)),
            Answer::No
        );
        assert_eq!(
            ask(&[], live((0.0, 0.02), false, Some(500.0)), (300.0, 900.0)),
            Answer::Unknown
        );
        assert_eq!(
            ask(&[], live((0.0, 0.02), false, None), (300.0, 400.0)),
            Answer::Unknown
        );
    }
}
