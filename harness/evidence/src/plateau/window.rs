//! Did the run keep up with its load, and if not, in which part of it is the cause looked for?
//!
//! A timed phase keeps up while the jobs that are due and have not started don't become more: held against each other are
//! their mean numbers in its second and in its last quarter, so neither the start of the load nor the tick of a poller counts.
//! A backlog is worked off as fast as it goes: something limits it always.

use std::time::Duration;

use crossover_proto::clock::MonotonicNs;

use super::{Observed, percent};
use crate::ledger::{Ledger, Start};
use crate::load::Arrivals;
use crate::measure::{completed_at, dispatch};
use crate::text::whole;

/// More than this share of what became due must be left over.
const LEFT_MAX: f64 = 0.05;
/// A shorter phase tells of no trend.
const PHASE_MIN: Duration = Duration::from_secs(2);
/// Fewer jobs tell of no trend.
const DUE_MIN: u32 = 20;
/// A backlog that is gone sooner leaves the samplers too little to see.
const DRAIN_MIN_S: f64 = 2.0;

/// The part of a run in which it did not keep up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    /// Place of the phase.
    pub phase: usize,
    pub from: MonotonicNs,
    pub to: MonotonicNs,
    /// How that is known.
    pub detail: String,
}

impl Window {
    /// That of the phase with the highest rate among those that did not keep up; else that of the last backlog.
    pub(super) fn find(observed: &Observed<'_>) -> Option<Self> {
        let phases = observed.phases.iter().enumerate();
        let timed = phases.clone().filter_map(|(place, _)| timed(observed, place));
        let rate = |window: &Self| observed.phases[window.phase].load.intended_per_s;
        timed
            .max_by(|a, b| rate(a).total_cmp(&rate(b)))
            .or_else(|| phases.filter_map(|(place, _)| drain(observed, place)).next_back())
    }

    /// The whole seconds of it, as places in a series.
    pub(super) fn seconds(&self, observed: &Observed<'_>) -> std::ops::Range<usize> {
        let origin = observed.ledger.evidence().origin;
        let second = |at: MonotonicNs| usize::try_from(at.saturating_since(origin).as_secs()).unwrap_or(usize::MAX);
        second(self.from)..second(self.to).min(observed.series.seconds)
    }
}

fn timed(observed: &Observed<'_>, place: usize) -> Option<Window> {
    let ledger = observed.ledger;
    let phase = ledger.evidence().plan.phases.get(place)?;
    if phase.duration < PHASE_MIN || phase.arrivals_count == 0 {
        return None;
    }
    let from = ledger.evidence().origin.plus(phase.start);
    let to = from.plus(phase.duration);
    // One that was broken off tells of what there was of it.
    if ledger.evidence().load_end.is_some_and(|end| end < to) {
        return None;
    }
    let left = Left::of(ledger, from, phase.duration);
    if left.due < f64::from(DUE_MIN) || left.share() <= LEFT_MAX {
        return None;
    }
    let detail = format!(
        "in phase {} {} of the jobs that became due were left over: {} had not started in its second quarter, {} in its last",
        phase.name,
        percent(left.share()),
        whole(left.before),
        whole(left.after)
    );
    Some(Window {
        phase: place,
        from,
        to,
        detail,
    })
}

/// Jobs that were due and had not started.
struct Left {
    /// Mean over the second quarter of a phase.
    before: f64,
    /// Mean over its last quarter.
    after: f64,
    /// Jobs that became due between the middles of the two.
    due: f64,
}

impl Left {
    fn of(ledger: &Ledger<'_>, from: MonotonicNs, length: Duration) -> Self {
        let eighth = |number: u32| from.plus(length * number / 8);
        let mut left = Self {
            before: 0.0,
            after: 0.0,
            due: 0.0,
        };
        let quarter_ns = length.as_nanos() as f64 / 4.0;
        let jobs = (0..ledger.jobs().len()).filter_map(|job| {
            let sample = dispatch(ledger, job, &ledger.times(job))?;
            Some((sample.intended, sample.started))
        });
        // Arrivals that never came to have a job are left over, too: a start may be what is slow.
        let without_jobs = ledger.instances().iter().enumerate().filter(|(place, instance)| {
            instance.number.is_some() && instance.start != Start::Rejected && ledger.members(*place).is_empty()
        });
        let without_jobs = without_jobs.map(|(_, instance)| (instance.intended, None));
        for (intended, started) in jobs.chain(without_jobs) {
            let share_of = |begin: MonotonicNs, end: MonotonicNs| {
                let started = started.map_or(end, |at| at.min(end));
                started.0.saturating_sub(intended.max(begin).0) as f64 / quarter_ns
            };
            left.before += share_of(eighth(2), eighth(4));
            left.after += share_of(eighth(6), eighth(8));
            if (eighth(3)..eighth(7)).contains(&intended) {
                left.due += 1.0;
            }
        }
        left
    }

    fn share(&self) -> f64 {
        (self.after - self.before) / self.due
    }
}

fn drain(observed: &Observed<'_>, place: usize) -> Option<Window> {
    let phase = observed.ledger.evidence().plan.phases.get(place)?;
    if phase.kind != Arrivals::Prefill {
        return None;
    }
    let from = observed.ledger.evidence().origin;
    let (to, jobs) = last_completion(observed.ledger, place)?;
    let took_s = to.saturating_since(from).as_secs_f64();
    (took_s >= DRAIN_MIN_S).then(|| Window {
        phase: place,
        from,
        to,
        detail: format!(
            "the backlog {} ({jobs} jobs) was worked off in {took_s:.1} s, as fast as it went",
            phase.name
        ),
    })
}

/// Of the jobs of a prefill, and how many there were; `None` if none was completed.
fn last_completion(ledger: &Ledger<'_>, phase: usize) -> Option<(MonotonicNs, usize)> {
    let jobs = ledger.jobs().iter().enumerate();
    let of_phase = jobs.filter(|(place, _)| {
        let instance = ledger.instance_of(*place);
        instance.prefilled && usize::from(instance.phase) == phase
    });
    let completed: Vec<MonotonicNs> = of_phase
        .filter_map(|(place, job)| completed_at(job.state, &ledger.times(place)))
        .collect();
    Some((completed.iter().max().copied()?, completed.len()))
}
