//! What the verdict is drawn from: capacity searches, looks at waits under load, an assessed live system.
//!
//! All of one machine and one scenario: whoever gathers it sees to that. What is not valid counts as not measured.

use serde::{Deserialize, Serialize};

use super::thresholds::LockThresholds;
use crate::capacity::{Capacity, Interval, Variant};
use crate::plateau::Attribution;
use crate::result::{PhaseResult, RunResult};

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
    /// The phase, or `backlog`.
    pub phase: String,
    /// A backlog, drained as fast as it goes.
    pub is_backlog: bool,
    /// Polling as it is, or tuned.
    pub variant: Variant,
    /// Jobs per second that arrived.
    pub offered_per_s: f64,
    /// Jobs per second that were completed.
    pub completed_per_s: f64,
    /// How long was looked (s).
    pub seconds: f64,
    /// Engine backends that wait for `job` rows ÷ active engine backends.
    pub share: f64,
}

impl LockWaits {
    /// All of a run: a look a phase, or one at a backlog. None if the run is not valid, did not poll, or broke something.
    #[must_use]
    pub fn of(result: &RunResult, run: &str, variant: Variant) -> Vec<Self> {
        let took_effect = result.faults.iter().any(|fault| fault.took_effect);
        if !result.run.valid || result.run.interrupted || result.run.mode != "polling" || took_effect {
            return Vec::new();
        }
        let instances = result.ledger.instances_accepted.max(1) as f64;
        let jobs_per_start = (result.ledger.accepted as f64 / instances).max(1.0);
        let phases = result.phases.iter().filter(|phase| !phase.warmup);
        let look = |phase: &PhaseResult| {
            let offered = phase.load.intended_per_s * jobs_per_start;
            (phase.duration_s > 0.0 && offered > 0.0).then_some(Self {
                run: run.to_owned(),
                phase: phase.name.clone(),
                is_backlog: false,
                variant,
                offered_per_s: offered,
                completed_per_s: phase.throughput.completed_per_s.min(offered),
                seconds: phase.duration_s,
                share: phase.lock_wait_share?,
            })
        };
        phases
            .filter_map(look)
            .chain(Self::of_backlog(result, run, variant))
            .collect()
    }

    /// A backlog is drained as fast as it goes: that is its rate.
    fn of_backlog(result: &RunResult, run: &str, variant: Variant) -> Option<Self> {
        let rate = result.throughput.capacity_per_s.filter(|rate| *rate > 0.0)?;
        Some(Self {
            run: run.to_owned(),
            phase: "backlog".to_owned(),
            is_backlog: true,
            variant,
            offered_per_s: rate,
            completed_per_s: rate,
            seconds: result.ledger.completed as f64 / rate,
            share: result.postgres.lock_wait_share?,
        })
    }

    /// The rate up to which calm at this look speaks. A saturated engine claims as fast as it can, so more load would change
    /// nothing: calm there speaks for every rate.
    #[must_use]
    pub fn speaks_up_to_per_s(&self, thresholds: &LockThresholds) -> f64 {
        let saturated = self.is_backlog || self.completed_per_s < thresholds.saturated_below * self.offered_per_s;
        if saturated { f64::INFINITY } else { self.completed_per_s }
    }

    /// The 95 % interval of the share (Wilson), by the looks that count as independent.
    #[must_use]
    pub fn interval(&self, thresholds: &LockThresholds) -> (f64, f64) {
        wilson(self.share, self.seconds * thresholds.looks_per_s)
    }

    /// Sustained, and more than the threshold, noise and all.
    #[must_use]
    pub fn is_contended(&self, thresholds: &LockThresholds) -> bool {
        self.seconds >= thresholds.sustained_s && self.interval(thresholds).0 > thresholds.share_max
    }

    /// Looked at for long enough, and below the threshold, noise and all.
    #[must_use]
    pub fn is_calm(&self, thresholds: &LockThresholds) -> bool {
        self.seconds >= thresholds.sustained_s && self.interval(thresholds).1 < thresholds.share_max
    }
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

    /// Why it did not get faster, by the newest search that says so.
    #[must_use]
    pub fn plateau(&self) -> Option<&Attribution> {
        self.searches.iter().find_map(|search| search.plateau.as_ref())
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

    /// The number of replicas with which a variant carries most.
    #[must_use]
    pub fn best(&self, variant: Variant) -> Option<Ceiling<'_>> {
        let size = |ceiling: &Ceiling<'_>| (ceiling.holds.low.unwrap_or(0.0), ceiling.holds.high.unwrap_or(f64::MAX));
        self.ceilings(variant)
            .into_iter()
            .max_by(|a, b| size(a).partial_cmp(&size(b)).unwrap_or(std::cmp::Ordering::Equal))
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
    use crate::decide::fixture::{capacity, waits};
    use crate::result::FaultInfo;

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
    fn an_invalid_run_and_one_that_was_broken_on_purpose_say_nothing_of_waits() {
        let mut result = Runs::new().polling;
        result.faults.clear();
        result
            .phases
            .iter_mut()
            .for_each(|phase| phase.lock_wait_share = Some(0.5));
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

    #[test]
    fn the_rate_of_a_phase_is_that_of_its_jobs_and_of_a_backlog_its_drain() {
        let mut result = Runs::new().polling;
        result.faults.clear();
        result.phases.truncate(4);
        result.phases[3].lock_wait_share = Some(0.0);
        result.phases[3].throughput.completed_per_s = 990.0;
        (
            result.ledger.instances_accepted,
            result.ledger.accepted,
            result.ledger.completed,
        ) = (2_000, 8_000, 8_000);
        (result.throughput.capacity_per_s, result.postgres.lock_wait_share) = (Some(800.0), Some(0.3));
        let looks = LockWaits::of(&result, "r", Variant::PollingDefault);
        let rates: Vec<(f64, f64, f64)> = looks
            .iter()
            .map(|look| (look.offered_per_s, look.completed_per_s, look.seconds))
            .collect();
        assert_eq!(rates, [(1_000.0, 990.0, 15.0), (800.0, 800.0, 10.0)]);
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
}
