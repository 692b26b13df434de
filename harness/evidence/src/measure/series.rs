//! The series that come from the history, one bucket a second from the start of the load to the last record.
//! Warm-up is drawn like any other second.

use crossover_proto::clock::MonotonicNs;

use super::{completed_at, waiting};
use crate::ledger::{JobTimes, Ledger};
use crate::series::{LatencyBucket, Series};
use crate::snapshot::JobState;

/// Most buckets: two days. A wrong origin must not eat the memory.
const SECONDS_MAX: usize = 172_800;
/// Stands for a sample that never finished; ranks above all others.
const CENSORED: u64 = u64::MAX;

pub(super) fn of(ledger: &Ledger<'_>) -> Series {
    let seconds = second(ledger, ledger.end()).saturating_add(1).min(SECONDS_MAX);
    let mut accepted = vec![0.0; seconds];
    for at in ledger
        .instances()
        .iter()
        .filter(|instance| !instance.prefilled)
        .filter_map(|instance| instance.accepted)
    {
        add(&mut accepted, second(ledger, at), 1.0);
    }
    let mut intended = vec![0.0; seconds];
    for arrival in &ledger.evidence().plan.arrivals {
        add(
            &mut intended,
            usize::try_from(arrival.offset_us / 1_000_000).unwrap_or(usize::MAX),
            1.0,
        );
    }
    let mut completed = vec![0.0; seconds];
    let mut change = vec![0.0; seconds];
    let mut dispatches = Vec::with_capacity(ledger.jobs().len());
    for (place, job) in ledger.jobs().iter().enumerate() {
        let times = ledger.times(place);
        if let Some(at) = completed_at(job.state, &times) {
            add(&mut completed, second(ledger, at), 1.0);
        }
        add(&mut change, second(ledger, begin(ledger, place)), 1.0);
        if let Some(at) = end(ledger, place, &times) {
            add(&mut change, second(ledger, at), -1.0);
        }
        if let Some(sample) = waiting::dispatch(ledger, place, &times) {
            let latency_us = |at: MonotonicNs| (at.0.saturating_sub(sample.intended.0)).div_ceil(1_000);
            dispatches.push((
                second(ledger, sample.intended),
                sample.started.map_or(CENSORED, latency_us),
            ));
        }
    }
    Series {
        seconds,
        dispatch_ms: buckets(dispatches, seconds),
        intended_per_s: intended,
        accepted_per_s: accepted,
        completed_per_s: completed,
        unfinished: cumulative(change),
        outbox_backlog: vec![None; seconds],
        dead_tuples: vec![None; seconds],
        connections: vec![None; seconds],
        ..Series::default()
    }
}

fn second(ledger: &Ledger<'_>, at: MonotonicNs) -> usize {
    usize::try_from(ledger.offset_us(at) / 1_000_000).unwrap_or(usize::MAX)
}

fn add(buckets: &mut [f64], second: usize, amount: f64) {
    if let Some(bucket) = buckets.get_mut(second) {
        *bucket += amount;
    }
}

fn cumulative(changes: Vec<f64>) -> Vec<f64> {
    let add = |sum: &mut f64, change: f64| {
        *sum += change;
        Some(*sum)
    };
    changes.into_iter().scan(0.0, add).collect()
}

/// When a job came to be: the commit of its step, else the send of its instance, else the first that is known of it.
pub(super) fn begin(ledger: &Ledger<'_>, job: usize) -> MonotonicNs {
    let facts = &ledger.jobs()[job];
    let created = ledger.created(facts.instance as usize, facts.step);
    let seen = || ledger.moments(job).first().map(|moment| moment.at);
    let sent = || ledger.instance_of(job).sent.filter(|_| facts.step == 0);
    created.or_else(sent).or_else(seen).unwrap_or(ledger.evidence().origin)
}

/// When a job was over; for one that was cancelled or failed, the last that is known of it.
pub(super) fn end(ledger: &Ledger<'_>, job: usize, times: &JobTimes) -> Option<MonotonicNs> {
    let last_seen = || {
        ledger
            .moments(job)
            .last()
            .map_or_else(|| begin(ledger, job), |moment| moment.at)
    };
    match ledger.jobs()[job].state {
        Some(JobState::Completed) | None => {
            Some(completed_at(Some(JobState::Completed), times).unwrap_or_else(last_seen))
        }
        Some(JobState::DeadLetter | JobState::Discarded) => Some(times.last_finished.unwrap_or_else(last_seen)),
        Some(JobState::Cancelled) => Some(last_seen()),
        Some(JobState::Scheduled | JobState::Queued | JobState::Running) => None,
    }
}

/// Exact percentiles of each second's samples (second, µs); `None` where a second has none.
fn buckets(mut samples: Vec<(usize, u64)>, seconds: usize) -> Vec<Option<LatencyBucket>> {
    samples.sort_unstable();
    let mut buckets = vec![None; seconds];
    for group in samples.chunk_by(|left, right| left.0 == right.0) {
        let value = |per_mille: usize| {
            let (_, micros) = group[(group.len() * per_mille).div_ceil(1_000).saturating_sub(1)];
            (micros != CENSORED).then_some(micros as f64 / 1_000.0)
        };
        if let Some(bucket) = buckets.get_mut(group[0].0) {
            *bucket = Some(LatencyBucket {
                count: group.len() as u64,
                p50: value(500),
                p99: value(990),
                max: value(1_000),
            });
        }
    }
    buckets
}
