//! What the verdict is drawn from: capacity searches, looks at waits under load, an assessed live system.
//!
//! All of one machine and one scenario: whoever gathers it sees to that. What is not valid counts as not measured.

use serde::{Deserialize, Serialize};

use super::thresholds::LockThresholds;
use crate::capacity::holds::SLOPE_MAX;
use crate::capacity::{Capacity, Interval, Variant};
use crate::plateau::Cause;
use crate::result::{LockLooks, PhaseResult, RunResult};

/// Everything that was measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// Searches for the highest rate that holds, also of other replica counts.
    pub capacities: Vec<Capacity>,
    /// Waits for `job` rows under load, in polling runs.
    pub lock_waits: Vec<LockWaits>,
    /// The team's own system, looked at while it ran.
    pub live: Option<LiveWaits>,
}

/// What was seen of a live system that dispatches by polling. The rates are the system's own, so no other machine can be mixed in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveWaits {
    /// Where it says so: the assessment's directory.
    pub source: String,
    /// How long was looked (s).
    pub seconds: f64,
    /// Sessions that wait for rows of the job table ÷ active sessions: lower end of its 95 % interval.
    pub lock_wait_share_low: f64,
    /// Upper end.
    pub lock_wait_share_high: f64,
    /// Were there waits in all parts of the time, and not in a moment of it?
    pub sustained: bool,
    /// Jobs per second that the system completed meanwhile; `null` if that could not be seen.
    pub jobs_per_s: Option<f64>,
}

/// Waits for `job` rows at one rate.
#[derive(Debug, Clone, PartialEq)]
pub struct LockWaits {
    /// The run's directory.
    pub run: String,
    /// The phase.
    pub phase: String,
    /// A backlog, drained as fast as it goes.
    pub is_backlog: bool,
    /// Polling as it is, or tuned.
    pub variant: Variant,
    /// Engine replicas.
    pub replicas: u32,
    /// Jobs per second that arrived.
    pub offered_per_s: f64,
    /// Jobs per second that were completed.
    pub completed_per_s: f64,
    /// Its backlog grew, or was drained, and what limited it is known to be neither the workers, nor the machine, nor the harness.
    pub claims_are_limit: bool,
    /// How long was looked (s).
    pub seconds: f64,
    /// Engine backends that wait for `job` rows ÷ active engine backends.
    pub share: f64,
    /// The looks behind it; `None` of an older run, which then tells nothing.
    pub looks: Option<LockLooks>,
}

impl LockWaits {
    /// All of a run: a look a phase, also at a prefill while it is drained. None if the run is not valid, did not poll, or broke
    /// something.
    #[must_use]
    pub fn of(result: &RunResult, run: &str, variant: Variant) -> Vec<Self> {
        let took_effect = result.faults.iter().any(|fault| fault.took_effect);
        if !result.run.valid || result.run.interrupted || result.run.mode != "polling" || took_effect {
            return Vec::new();
        }
        let saturated = saturated_phase(result);
        let phases = result.phases.iter().enumerate().filter(|(_, phase)| !phase.warmup);
        let look = |(place, phase): (usize, &PhaseResult)| {
            // A backlog is drained as fast as it goes: that is its rate.
            let drained = phase.throughput.capacity_per_s.filter(|_| phase.duration_s <= 0.0);
            let offered = drained.or(phase.backlog.map(|backlog| backlog.jobs_per_s))?;
            (offered > 0.0).then_some(Self {
                run: run.to_owned(),
                phase: phase.name.clone(),
                is_backlog: drained.is_some(),
                variant,
                replicas: result.topology.replicas,
                offered_per_s: offered,
                completed_per_s: drained.unwrap_or_else(|| phase.throughput.completed_per_s.min(offered)),
                claims_are_limit: saturated == Some(place),
                seconds: phase.drain_s().unwrap_or(phase.duration_s),
                share: phase.lock_wait_share?,
                looks: phase.lock_looks.clone(),
            })
        };
        phases.filter_map(look).collect()
    }

    /// The rate up to which calm at this look speaks. A saturated engine claims as fast as it can, so more load would change
    /// nothing: calm there speaks for every rate.
    #[must_use]
    pub fn speaks_up_to_per_s(&self, thresholds: &LockThresholds) -> f64 {
        let short = self.is_backlog || self.completed_per_s < thresholds.saturated_below * self.offered_per_s;
        if short && self.claims_are_limit {
            f64::INFINITY
        } else {
            self.completed_per_s
        }
    }

    /// The 95 % interval of the share (Wilson), by the looks that count as independent.
    #[must_use]
    pub fn interval(&self, thresholds: &LockThresholds) -> (f64, f64) {
        let with_active = self.looks.as_ref().map_or(0, |looks| looks.with_active);
        wilson(
            self.share,
            (self.seconds * thresholds.looks_per_s).min(with_active as f64),
        )
    }

    /// Sustained, and more than the threshold, noise and all: in most of the seconds, and not in a moment of them.
    #[must_use]
    pub fn is_contended(&self, thresholds: &LockThresholds) -> bool {
        let lasts = self.looks.is_some() && 2.0 * self.seconds_over(thresholds) > self.seconds;
        self.seconds >= thresholds.sustained_s && lasts && self.interval(thresholds).0 > thresholds.share_max
    }

    /// Looked at for long enough, and below the threshold, noise and all; most seconds with a backend as well.
    #[must_use]
    pub fn is_calm(&self, thresholds: &LockThresholds) -> bool {
        let seen = self.looks.as_ref().map_or(0, |looks| looks.shares_by_second.len());
        let lasts = seen > 0 && 2.0 * self.seconds_over(thresholds) < seen as f64;
        self.seconds >= thresholds.sustained_s && lasts && self.interval(thresholds).1 < thresholds.share_max
    }

    /// Seconds in which the share lay above the threshold.
    fn seconds_over(&self, thresholds: &LockThresholds) -> f64 {
        let shares = self.looks.iter().flat_map(|looks| &looks.shares_by_second);
        shares.filter(|share| **share > thresholds.share_max).count() as f64
    }
}

/// The phase in which the engine itself was at its limit: the one that the run's plateau is read from, if its backlog grew, or if
/// it is a prefill, and if the cause is known and not one that keeps the engine from claiming as fast as it can.
fn saturated_phase(result: &RunResult) -> Option<usize> {
    let cause = result.plateau.as_ref()?.dominant?;
    if cause.is_not_the_engine() || cause == Cause::Workers {
        return None;
    }
    let phases = || result.phases.iter().enumerate();
    let grew = |phase: &PhaseResult| {
        let backlog = phase.backlog.filter(|backlog| backlog.jobs_per_s > 0.0);
        backlog.is_some_and(|backlog| backlog.slope_low_per_s >= SLOPE_MAX * backlog.jobs_per_s)
    };
    // As the plateau chooses its window: the phase with the highest rate, else the last backlog.
    let timed = phases().filter(|(_, phase)| grew(phase));
    let timed = timed.max_by(|(_, a), (_, b)| a.load.intended_per_s.total_cmp(&b.load.intended_per_s));
    let drained = || phases().rfind(|(_, phase)| phase.drain_s().is_some());
    timed.or_else(drained).map(|(place, _)| place)
}

/// Score interval of a share after `looks` looks, at 95 %.
fn wilson(share: f64, looks: f64) -> (f64, f64) {
    const Z: f64 = 1.96;
    if looks <= 0.0 {
        return (0.0, 1.0);
    }
    let z2 = Z * Z;
    let middle = (share + z2 / (2.0 * looks)) / (1.0 + z2 / looks);
    let half = Z * (share * (1.0 - share) / looks + z2 / (4.0 * looks * looks)).sqrt() / (1.0 + z2 / looks);
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

/// What a variant carries with so many replicas, by all searches for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ceiling<'a> {
    /// Engine replicas.
    pub replicas: u32,
    /// From the lowest that held to the highest that did not, over all searches: how well they repeat is in it.
    pub holds: Interval,
    /// The searches, newest first.
    pub searches: Vec<&'a Capacity>,
}

impl Ceiling<'_> {
    /// Name of the newest search.
    #[must_use]
    pub fn run(&self) -> Option<String> {
        self.searches.first().map(|search| search.id.clone())
    }

    /// The newest search that says why it did not get faster, or that machine or harness were the limit. Both are to be asked of
    /// one search: the cause of one and the machine of another say nothing of each other.
    #[must_use]
    pub fn explained_by(&self) -> Option<&Capacity> {
        let explains = |search: &&&Capacity| search.plateau.is_some() || search.not_the_engine().is_some();
        self.searches.iter().find(explains).copied()
    }
}

impl Evidence {
    /// What a variant carries, by its number of replicas.
    #[must_use]
    pub fn ceilings(&self, variant: Variant) -> Vec<Ceiling<'_>> {
        let usable = |capacity: &&Capacity| capacity.variant == variant && capacity.invalid_reasons.is_empty();
        let mut searches: Vec<&Capacity> = self.capacities.iter().filter(usable).collect();
        searches.sort_by(|a, b| b.started_at.cmp(&a.started_at));
        let mut replicas: Vec<u32> = searches.iter().map(|search| search.topology.replicas).collect();
        replicas.sort_unstable();
        replicas.dedup();
        let of = |replicas: u32| {
            let searches: Vec<&Capacity> = searches
                .iter()
                .copied()
                .filter(|search| search.topology.replicas == replicas)
                .collect();
            Ceiling {
                replicas,
                holds: hull(searches.iter().map(|search| search.holds)),
                searches,
            }
        };
        replicas.into_iter().map(of).collect()
    }

    /// What a variant carries with any number of replicas: from the highest lower end to the highest upper end, open if one is. It
    /// is cited by the number with the highest lower end.
    #[must_use]
    pub fn best(&self, variant: Variant) -> Option<Ceiling<'_>> {
        let ceilings = self.ceilings(variant);
        let size = |ceiling: &Ceiling<'_>| (ceiling.holds.low.unwrap_or(0.0), ceiling.holds.high.unwrap_or(f64::MAX));
        let highs: Option<Vec<f64>> = ceilings.iter().map(|ceiling| ceiling.holds.high).collect();
        let high = highs.and_then(|highs| highs.into_iter().reduce(f64::max));
        let best = ceilings
            .into_iter()
            .max_by(|a, b| size(a).partial_cmp(&size(b)).unwrap_or(std::cmp::Ordering::Equal))?;
        let holds = Interval { high, ..best.holds };
        Some(Ceiling { holds, ..best })
    }

    /// Why the upper end of what a variant carries is the machine's or the harness's, by any of its searches.
    #[must_use]
    pub fn not_the_engine(&self, variant: Variant) -> Option<String> {
        let ceilings = self.ceilings(variant);
        let mut searches = ceilings.iter().flat_map(|ceiling| &ceiling.searches);
        searches.find_map(|search| search.not_the_engine())
    }
}

/// The smallest interval that holds all of them; an open end stays open.
fn hull(intervals: impl Iterator<Item = Interval>) -> Interval {
    let join = |all: Interval, one: Interval| Interval {
        low: all.low.zip(one.low).map(|(a, b)| a.min(b)),
        high: all.high.zip(one.high).map(|(a, b)| a.max(b)),
    };
    intervals.reduce(join).unwrap_or(Interval { low: None, high: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::fixture::Runs;
    use crate::decide::fixture::{capacity, limited_by, waits};
    use crate::result::{BacklogInfo, FaultInfo};

    #[test]
    fn the_positive_control_is_seen_and_a_calm_run_is_not_taken_for_it() {
        let thresholds = LockThresholds::default();
        // As `contention` shows them: blocking, and SKIP LOCKED.
        let blocking = waits(3_000.0, 0.35);
        assert!(blocking.is_contended(&thresholds) && !blocking.is_calm(&thresholds));
        let skip_locked = waits(3_000.0, 0.014);
        assert!(skip_locked.is_calm(&thresholds) && !skip_locked.is_contended(&thresholds));
    }

    #[test]
    fn a_moment_or_a_share_near_the_threshold_is_neither() {
        let thresholds = LockThresholds::default();
        let moment = LockWaits {
            seconds: 2.0,
            ..waits(100.0, 0.9)
        };
        let near = waits(100.0, 0.11);
        for look in [moment, near] {
            assert!(
                !look.is_contended(&thresholds) && !look.is_calm(&thresholds),
                "{look:?}"
            );
        }
    }

    #[test]
    fn one_second_of_queueing_is_not_sustained_and_few_backends_are_not_calm() {
        let thresholds = LockThresholds::default();
        // Eight seconds with one backend at each of 160 looks, but for one second in which thirty more queue.
        let mut shares_by_second = vec![0.0; 8];
        shares_by_second[4] = 30.0 / 31.0;
        let moment = LockWaits {
            seconds: 8.0,
            share: 600.0 / 760.0,
            looks: Some(LockLooks {
                with_active: 160,
                shares_by_second,
            }),
            ..waits(300.0, 0.0)
        };
        // Five backends in all, none of them waiting: the upper end is 43 %.
        let few = LockWaits {
            seconds: 8.0,
            looks: Some(LockLooks {
                with_active: 5,
                shares_by_second: vec![0.0; 5],
            }),
            ..waits(300.0, 0.0)
        };
        assert!((few.interval(&thresholds).1 - 0.434).abs() < 0.001);
        // A run that does not say how often it looked.
        let old = |share| LockWaits {
            looks: None,
            ..waits(300.0, share)
        };
        for look in [moment, few, old(0.0), old(0.5)] {
            assert!(
                !look.is_contended(&thresholds) && !look.is_calm(&thresholds),
                "{look:?}"
            );
        }
    }

    #[test]
    fn an_invalid_run_and_one_that_was_broken_on_purpose_say_nothing_of_waits() {
        let mut result = Runs::new().polling;
        result.faults.clear();
        for phase in &mut result.phases {
            let rate = phase.load.intended_per_s;
            phase.lock_wait_share = Some(0.5);
            phase.backlog = (rate > 0.0).then(|| backlog(rate, 0.0));
        }
        let looks = |result: &RunResult| LockWaits::of(result, "r", Variant::PollingDefault).len();
        // Without warm-up and the idle phase.
        assert_eq!(looks(&result), 6);
        result.faults = vec![FaultInfo {
            took_effect: true,
            ..FaultInfo::default()
        }];
        assert_eq!(looks(&result), 0);
        result.faults.clear();
        result.run.valid = false;
        assert_eq!(looks(&result), 0);
    }

    fn backlog(jobs_per_s: f64, slope_low_per_s: f64) -> BacklogInfo {
        BacklogInfo {
            jobs_per_s,
            slope_per_s: slope_low_per_s,
            slope_low_per_s,
            slope_high_per_s: slope_low_per_s,
            mean_jobs: 0.0,
            achieved_ratio: 1.0,
            drain_s: Some(0.1),
        }
    }

    /// A run of one calm phase, with this load, backlog and cause of a plateau.
    fn one_phase(completed_per_s: f64, slope_low_per_s: f64, cause: Option<Cause>) -> RunResult {
        let mut result = Runs::new().polling;
        result.faults.clear();
        result.phases.drain(..3);
        result.phases.truncate(1);
        let phase = &mut result.phases[0];
        phase.backlog = Some(backlog(1_000.0, slope_low_per_s));
        phase.throughput.completed_per_s = completed_per_s;
        (phase.lock_wait_share, phase.lock_looks) = (Some(0.0), waits(1.0, 0.0).looks);
        // What the whole run shows is not the phase's.
        (
            result.ledger.instances_accepted,
            result.ledger.accepted,
            result.postgres.lock_wait_share,
        ) = (2_000, 8_000, Some(0.3));
        result.plateau = cause.map(limited_by);
        result
    }

    fn look_of(result: &RunResult) -> LockWaits {
        LockWaits::of(result, "r", Variant::PollingDefault).remove(0)
    }

    #[test]
    fn the_rate_of_a_phase_is_that_of_its_jobs_and_a_prefill_is_seen_by_its_own_waits_and_time() {
        let look = look_of(&one_phase(990.0, 0.0, None));
        assert_eq!(
            (look.offered_per_s, look.completed_per_s, look.seconds),
            (1_000.0, 990.0, 15.0)
        );
        let mut result = one_phase(0.0, 0.0, Some(Cause::ClaimCpu));
        result.throughput.capacity_per_s = Some(5_000.0);
        let phase = &mut result.phases[0];
        (phase.duration_s, phase.backlog) = (0.0, None);
        phase.latency_ms.dispatch.count = 8_000;
        (phase.throughput.completed_per_s, phase.throughput.capacity_per_s) = (800.0, Some(820.0));
        let look = look_of(&result);
        assert_eq!(
            (look.offered_per_s, look.seconds, look.share, look.is_backlog),
            (820.0, 10.0, 0.0, true)
        );
        assert!(look.speaks_up_to_per_s(&LockThresholds::default()).is_infinite());
    }

    #[test]
    fn calm_speaks_for_every_rate_only_if_the_backlog_grew_and_neither_workers_nor_machine_were_the_limit() {
        let speaks = |completed, slope, cause| {
            look_of(&one_phase(completed, slope, cause)).speaks_up_to_per_s(&LockThresholds::default())
        };
        assert!(speaks(600.0, 400.0, Some(Cause::ClaimCpu)).is_infinite());
        // Slow handlers, later steps and full workers leave a shortfall as well.
        for (slope, cause) in [
            (0.0, Some(Cause::ClaimCpu)),
            (400.0, Some(Cause::Workers)),
            (400.0, Some(Cause::HostCpu)),
            (400.0, Some(Cause::Harness)),
            (400.0, None),
        ] {
            assert_eq!(speaks(600.0, slope, cause), 600.0, "{slope} {cause:?}");
        }
    }

    #[test]
    fn searches_that_differ_widen_the_interval_and_an_invalid_one_is_none() {
        let mut invalid = capacity(Variant::PollingDefault, 1, (1.0, 2.0));
        invalid.invalid_reasons.push("late".to_owned());
        let evidence = Evidence {
            capacities: vec![
                capacity(Variant::PollingDefault, 1, (900.0, 1_000.0)),
                capacity(Variant::PollingDefault, 1, (800.0, 950.0)),
                capacity(Variant::PollingDefault, 2, (950.0, 1_100.0)),
                invalid,
            ],
            ..Evidence::default()
        };
        let ceilings = evidence.ceilings(Variant::PollingDefault);
        assert_eq!(ceilings.len(), 2);
        assert_eq!(
            (ceilings[0].holds.low, ceilings[0].holds.high),
            (Some(800.0), Some(1_000.0))
        );
        assert_eq!(
            evidence.best(Variant::PollingDefault).map(|best| best.replicas),
            Some(2)
        );
        assert_eq!(evidence.best(Variant::EventDriven), None);
    }

    #[test]
    fn what_a_variant_carries_reaches_as_far_as_with_any_number_of_replicas() {
        let mut evidence = Evidence {
            capacities: vec![
                capacity(Variant::PollingTuned, 1, (1_000.0, 1_100.0)),
                capacity(Variant::PollingTuned, 4, (950.0, 1_600.0)),
            ],
            ..Evidence::default()
        };
        let best = |evidence: &Evidence| evidence.best(Variant::PollingTuned).map(|best| best.holds).unwrap();
        assert_eq!(
            best(&evidence),
            Interval {
                low: Some(1_000.0),
                high: Some(1_600.0)
            }
        );
        evidence.capacities[1].holds.high = None;
        assert_eq!(best(&evidence).high, None);
    }
}
