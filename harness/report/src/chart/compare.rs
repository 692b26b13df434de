//! Charts over time with both modes in each, a colour a mode.

use crossover_evidence::series::Series;

use super::overlaid::{Overlaid, cpu, is_known, lock_waits, percentile, throughput, unfinished};
use super::time::{Fold, Frame, Line, TimeChart};
use super::{Ink, lag};
use crate::compare::Pair;

/// All charts that have something to show.
pub fn charts(series: Pair<&Series>, frame: &Frame) -> Vec<TimeChart> {
    let runs = series.named().map(|(mode, series)| Overlaid {
        label: mode,
        ink: Ink::mode(mode),
        series,
    });
    [
        percentile("p99", "Dispatch p99", &runs, frame, |bucket| bucket.p99),
        percentile("p50", "Dispatch p50", &runs, frame, |bucket| bucket.p50),
        throughput(&runs, true, frame),
        queues(&runs, series.event, frame),
        lock_waits(&runs, frame),
        cpu(&runs, frame),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Where those of event-driven wait, beside all that are unfinished.
fn queues(runs: &[Overlaid], event: &Series, frame: &Frame) -> Option<TimeChart> {
    let mut chart = unfinished(runs, frame)?;
    let ink = Ink::mode("event-driven");
    let parts = [
        ("in outbox", event.outbox_backlog.clone()),
        ("consumer lag", lag::total(event)),
    ];
    for (index, (label, values)) in parts.into_iter().enumerate() {
        let line = Line::new(label, ink.nth(index + 1), frame.fold(&values, Fold::Largest));
        chart.lines.extend(Some(Line { stroke: 1.2, ..line }).filter(is_known));
    }
    if chart.lines.len() > runs.len() {
        chart.note =
            "created and not yet finished; dashed and dotted: where those of event-driven wait (outbox: an upper bound)"
                .to_owned();
    }
    Some(chart)
}
