//! What piled up during each phase: jobs sent and not yet over, at every moment, and not at a sampler's.
//!
//! A job counts from the moment at which its start was sent (a later step's: from the commit that created it), so that
//! starts which wait for the engine count, and a late generator does not.

use crossover_proto::clock::MonotonicNs;

use super::{series, waiting};
use crate::capacity::holds::DRAIN_MAX_S;
use crate::capacity::slope::{Slope, block_means, blocks_for};
use crate::ledger::Ledger;
use crate::load::Arrivals;
use crate::plan::PlannedPhase;
use crate::result::BacklogInfo;

/// One job: from when to when (s from the start of the load), and the phase of its instance.
struct Span {
    from_s: f64,
    to_s: Option<f64>,
    phase: u16,
}

/// One entry per phase; `None` for those without arrivals of their own time, and for all without a history.
pub(super) fn by_phase(ledger: &Ledger<'_>) -> Vec<Option<BacklogInfo>> {
    let plan = ledger.evidence().plan;
    let load_end = ledger.evidence().load_end.unwrap_or_else(|| ledger.end());
    let seconds = |at: MonotonicNs| at.signed_since(ledger.evidence().origin) as f64 / 1e9;
    let has_load = |phase: &PlannedPhase| {
        let timed = !matches!(phase.kind, Arrivals::Prefill | Arrivals::Idle) && phase.arrivals_count > 0;
        let end = ledger.evidence().origin.plus(phase.start + phase.duration);
        // One that was broken off has no second half.
        timed && load_end >= end
    };
    if ledger.jobs().is_empty() || !plan.phases.iter().any(has_load) {
        return vec![None; plan.phases.len()];
    }
    let span = |place: usize| {
        let times = ledger.times(place);
        let sample = waiting::dispatch(ledger, place, &times);
        let from = sample.map_or_else(|| series::begin(ledger, place), |sample| sample.from_send);
        Span {
            from_s: seconds(from),
            to_s: series::end(ledger, place, &times).map(seconds),
            phase: ledger.instance_of(place).phase,
        }
    };
    let spans: Vec<Span> = (0..ledger.jobs().len()).map(span).collect();
    let jobs = jobs_by_phase(ledger);
    let of = |(index, phase): (usize, &PlannedPhase)| has_load(phase).then(|| info(&spans, index, phase, jobs[index]));
    plan.phases.iter().enumerate().map(of).collect()
}

/// Jobs that the arrivals of each phase come to, by plan.
fn jobs_by_phase(ledger: &Ledger<'_>) -> Vec<u64> {
    let (plan, workload) = (ledger.evidence().plan, ledger.evidence().workload);
    let jobs_of: Vec<u64> = workload
        .definitions
        .iter()
        .map(|entry| {
            let jobs = entry.definition.steps.iter().flat_map(|step| &step.jobs);
            jobs.map(|job| u64::from(job.count)).sum()
        })
        .collect();
    let mut jobs = vec![0; plan.phases.len()];
    for arrival in &plan.arrivals {
        if let (Some(sum), Some(count)) = (
            jobs.get_mut(usize::from(arrival.phase)),
            jobs_of.get(usize::from(arrival.definition)),
        ) {
            *sum += count;
        }
    }
    jobs
}

fn info(spans: &[Span], index: usize, phase: &PlannedPhase, jobs: u64) -> BacklogInfo {
    let (start, length) = (phase.start.as_secs_f64(), phase.duration.as_secs_f64());
    let (half, end) = (start + length / 2.0, start + length);
    let all = spans
        .iter()
        .map(|span| (span.from_s, span.to_s.unwrap_or(f64::INFINITY)));
    let blocks = blocks_for(end - half);
    let means = block_means(all, half, end, blocks);
    let slope = Slope::through(&means, (end - half) / blocks as f64);
    let own = || spans.iter().filter(|span| usize::from(span.phase) == index);
    let in_time = own()
        .filter(|span| span.to_s.is_some_and(|to| to <= end + DRAIN_MAX_S))
        .count();
    let last = own().try_fold(end, |last, span| Some(last.max(span.to_s?)));
    BacklogInfo {
        jobs_per_s: jobs as f64 / length,
        slope_per_s: slope.estimate,
        slope_low_per_s: slope.low,
        slope_high_per_s: slope.high,
        mean_jobs: means.iter().sum::<f64>() / means.len().max(1) as f64,
        achieved_ratio: in_time as f64 / jobs.max(1) as f64,
        drain_s: last.map(|last| last - end),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scene::Scene;

    #[test]
    fn a_run_that_was_drained_at_once_has_no_backlog_and_one_that_was_not_has_all_of_it() {
        let mut scene = Scene::new(&[1]);
        scene.start_many(5);
        scene.drain();
        scene.wait(Duration::from_secs(10));
        scene.start();
        scene.drain();
        let backlog = by_phase(&scene.ledger())[0].unwrap();
        assert!((backlog.jobs_per_s - 100.0).abs() < 1e-9);
        // Six of a thousand intended jobs.
        assert!((backlog.achieved_ratio - 0.006).abs() < 1e-9);
        assert!(backlog.drain_s.is_some_and(|drain| drain < 0.1) && backlog.mean_jobs.abs() < 1e-9);

        let mut scene = Scene::new(&[1]);
        scene.start_many(5);
        scene.wait(Duration::from_secs(10));
        scene.start();
        let backlog = by_phase(&scene.ledger())[0].unwrap();
        assert_eq!((backlog.drain_s, backlog.achieved_ratio), (None, 0.0));
        assert!((backlog.mean_jobs - 5.0).abs() < 1e-9);
        assert!(backlog.slope_per_s.abs() < 1e-9);
    }

    #[test]
    fn a_load_that_was_broken_off_before_the_end_of_the_phase_has_no_slope() {
        let mut scene = Scene::new(&[1]);
        scene.start_many(5);
        scene.drain();
        assert_eq!(by_phase(&scene.ledger()), [None]);
    }
}
