//! Dispatch latency over time: p50, p99, max on decades.

use crossover_evidence::series::{LatencyBucket, Series};

use super::Ink;
use super::time::{Fold, Frame, Kind, Line, TimeChart, Unit};
use crate::format::{count, jobs};

/// The chart, if any job was dispatched.
pub fn chart(series: &Series, frame: &Frame) -> Option<TimeChart> {
    let buckets = &series.dispatch_ms;
    let samples: u64 = buckets.iter().flatten().map(|bucket| bucket.count).sum();
    if samples == 0 {
        return None;
    }
    let line =
        |label, ink, of: fn(&LatencyBucket) -> Option<f64>| Line::new(label, ink, worst(buckets, frame.step, of));
    let unreached: Vec<bool> = buckets
        .chunks(frame.step)
        .map(|chunk| chunk.iter().flatten().any(|b| b.p99.is_none()))
        .collect();
    let mut lines = vec![
        line("max", Ink::MAX, |bucket| bucket.max),
        line("p99", Ink::P99, |bucket| bucket.p99),
        line("p50", Ink::P50, |bucket| bucket.p50),
    ];
    lines[0].stroke = 1.0;
    let note = note(samples, &unreached, frame.step);
    lines[1].unreached = unreached;
    Some(TimeChart {
        id: "latency",
        title: "Dispatch latency",
        note,
        unit: Unit::Ms,
        kind: Kind::Log,
        lines,
    })
}

fn note(samples: u64, unreached: &[bool], step: usize) -> String {
    let mut note = format!("log scale, by intended second, {}", jobs(samples));
    if step > 1 {
        note.push_str(&format!("; each point is the worst of {step} seconds"));
    }
    let missing = unreached.iter().filter(|missing| **missing).count() as u64;
    if missing > 0 {
        note.push_str(&format!(
            "; bar along the top: p99 not reached in {} points, jobs never started",
            count(missing)
        ));
    }
    note
}

/// The worst second of each bucket; none where a second's rank fell among censored jobs. Seconds without jobs don't count.
pub(super) fn worst(
    seconds: &[Option<LatencyBucket>],
    step: usize,
    of: fn(&LatencyBucket) -> Option<f64>,
) -> Vec<Option<f64>> {
    let fold = |chunk: &[Option<LatencyBucket>]| {
        let values: Vec<Option<f64>> = chunk.iter().flatten().map(of).collect();
        Fold::Worst.of(&values)
    };
    seconds.chunks(step).map(fold).collect()
}
