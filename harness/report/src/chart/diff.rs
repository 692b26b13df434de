//! Charts of several runs, a colour a run: over time, and by percentile.

use super::overlaid::{Overlaid, backlog, cpu, lock_waits, percentile, throughput, unfinished};
use super::time::{Frame, TimeChart};

/// All charts over time that have something to show; `one_plan` says whether all runs were asked for the same.
pub fn charts(runs: &[Overlaid], one_plan: bool, frame: &Frame) -> Vec<TimeChart> {
    [
        percentile("p99", "Dispatch p99", runs, frame, |bucket| bucket.p99),
        percentile("p50", "Dispatch p50", runs, frame, |bucket| bucket.p50),
        throughput(runs, one_plan, frame),
        unfinished(runs, frame),
        backlog(runs, frame),
        lock_waits(runs, frame),
        cpu(runs, frame),
    ]
    .into_iter()
    .flatten()
    .collect()
}
