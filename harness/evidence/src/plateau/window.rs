//! Did the run keep up with its load, and if not, in which part of it is the cause looked for?
//!
//! A timed phase keeps up while the dispatch latency does not keep rising: with an open-loop load, what is not worked off
//! makes each job wait longer than the one before. A median that rises by `r` seconds a second means that `r ÷ (1 + r)` of
//! what came was left. A backlog is worked off as fast as it goes: something limits it always.

use crossover_proto::clock::MonotonicNs;

use super::{Observed, percent};
use crate::ledger::Ledger;
use crate::load::Arrivals;
use crate::measure::completed_at;
use crate::series::LatencyBucket;

/// The median wait rises by more seconds a second than this: 1 s in 20.
const RISE_MAX: f64 = 0.05;
/// Fewer seconds tell of no trend.
const SECONDS_MIN: usize = 3;
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
    let phase = observed.ledger.evidence().plan.phases.get(place)?;
    if phase.duration.is_zero() || phase.arrivals_count == 0 {
        return None;
    }
    let (start, length) = (phase.start.as_secs_f64(), phase.duration.as_secs_f64());
    // The first quarter may still be on its way to where it stays.
    let steady = (start + length / 4.0).ceil() as usize;
    let end = ((start + length) as usize).min(observed.series.dispatch_ms.len());
    let rise = rise(observed.series.dispatch_ms.get(steady..end)?)?;
    let left = match rise {
        Rise::Of(slope) if slope <= RISE_MAX => return None,
        Rise::Of(slope) => format!(
            "the median wait of a job rose by {slope:.2} s each second: {} of what came was not worked off",
            percent(slope / (1.0 + slope))
        ),
        Rise::NeverStarted => "half of the jobs of a second and more never started".to_owned(),
    };
    let from = observed.ledger.evidence().origin.plus(phase.start);
    Some(Window {
        phase: place,
        from,
        to: from.plus(phase.duration),
        detail: format!("in phase {} {left}", phase.name),
    })
}

/// How the median wait moves (s/s).
enum Rise {
    Of(f64),
    NeverStarted,
}

/// By least squares, each second with the weight of its jobs; `None` if there are too few seconds with jobs.
fn rise(seconds: &[Option<LatencyBucket>]) -> Option<Rise> {
    let seen = seconds
        .iter()
        .enumerate()
        .filter_map(|(second, bucket)| Some((second, bucket.as_ref()?)));
    let mut points = Vec::new();
    for (second, bucket) in seen {
        match bucket.p50 {
            Some(millis) => points.push((second as f64, millis / 1_000.0, bucket.count as f64)),
            None => return Some(Rise::NeverStarted),
        }
    }
    if points.len() < SECONDS_MIN {
        return None;
    }
    let weight: f64 = points.iter().map(|(.., weight)| weight).sum();
    let mean = |of: fn(&(f64, f64, f64)) -> f64| points.iter().map(|point| of(point) * point.2).sum::<f64>() / weight;
    let (mid_x, mid_y) = (mean(|point| point.0), mean(|point| point.1));
    let together: f64 = points.iter().map(|(x, y, w)| w * (x - mid_x) * (y - mid_y)).sum();
    let alone: f64 = points.iter().map(|(x, _, w)| w * (x - mid_x).powi(2)).sum();
    Some(Rise::Of(together / alone))
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
