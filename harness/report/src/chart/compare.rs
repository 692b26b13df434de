//! Charts over time with both modes in each, a colour a mode. Nothing here is new: each is a line of the run's own charts.

use crossover_evidence::series::{LatencyBucket, NamedSeries, Series};

use super::time::{Fold, Frame, Kind, Line, TimeChart, Unit};
use super::{Ink, lag, latency};
use crate::compare::Pair;

type Both<'a> = Pair<&'a Series>;

/// All charts that have something to show.
pub fn charts(series: Both, frame: &Frame) -> Vec<TimeChart> {
    [
        percentile("p99", "Dispatch p99", series, frame, |bucket| bucket.p99),
        percentile("p50", "Dispatch p50", series, frame, |bucket| bucket.p50),
        throughput(series, frame),
        queues(series, frame),
        lock_waits(series, frame),
        cpu(series, frame),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A line a mode, in its colour.
fn lines(series: Both, of: impl Fn(&Series) -> Vec<Option<f64>>) -> Vec<Line> {
    let line = |(mode, series): (&'static str, &Series)| Line::new(mode, Ink::mode(mode), of(series));
    series.named().map(line).to_vec()
}

fn is_known(line: &Line) -> bool {
    line.values.iter().any(Option::is_some)
}

fn percentile(
    id: &'static str,
    title: &'static str,
    series: Both,
    frame: &Frame,
    of: fn(&LatencyBucket) -> Option<f64>,
) -> Option<TimeChart> {
    let mut lines = lines(series, |series| latency::worst(&series.dispatch_ms, frame.step, of));
    for (line, (_, series)) in lines.iter_mut().zip(series.named()) {
        let missing = |chunk: &[Option<LatencyBucket>]| chunk.iter().flatten().any(|bucket| of(bucket).is_none());
        line.unreached = series.dispatch_ms.chunks(frame.step).map(missing).collect();
    }
    let unreached = lines.iter().any(|line| line.unreached.contains(&true));
    lines.iter().any(is_known).then(|| TimeChart {
        id,
        title,
        note: if unreached {
            "log scale, by intended second; bar along the top: not reached, jobs never started"
        } else {
            "log scale, by intended second"
        }
        .to_owned(),
        unit: Unit::Ms,
        kind: Kind::Log,
        lines,
    })
}

fn throughput(series: Both, frame: &Frame) -> Option<TimeChart> {
    let mut lines = lines(series, |series| frame.fold_whole(&series.completed_per_s, Fold::Mean));
    // One plan: what it wanted is the same in both runs.
    let intended = frame.fold_whole(&series.polling.intended_per_s, Fold::Mean);
    lines.push(Line {
        stroke: 1.0,
        ..Line::new("intended", Ink::INTENDED, intended)
    });
    lines.iter().any(is_known).then(|| TimeChart {
        id: "throughput",
        title: "Completed",
        note: "jobs completed, and starts that the plan intended".to_owned(),
        unit: Unit::Count("per second"),
        kind: Kind::Linear,
        lines,
    })
}

fn queues(series: Both, frame: &Frame) -> Option<TimeChart> {
    let mut lines = lines(series, |series| frame.fold_whole(&series.unfinished, Fold::Largest));
    let event = Ink::mode("event-driven");
    let parts = [
        ("in outbox", series.event.outbox_backlog.clone()),
        ("consumer lag", lag::total(series.event)),
    ];
    for (index, (label, values)) in parts.into_iter().enumerate() {
        let line = Line::new(label, event.nth(index + 1), frame.fold(&values, Fold::Largest));
        lines.extend(Some(Line { stroke: 1.2, ..line }).filter(is_known));
    }
    let apart = lines.len() > 2;
    lines.iter().any(is_known).then(|| TimeChart {
        id: "queues",
        title: "Unfinished jobs",
        note: if apart {
            "created and not yet finished; dashed and dotted: where those of event-driven wait (outbox: an upper bound)"
        } else {
            "created and not yet finished, at the end of the second"
        }
        .to_owned(),
        unit: Unit::Count("jobs"),
        kind: Kind::Linear,
        lines,
    })
}

/// Only where one was seen: no lock wait in either run is a number of the table, not a chart.
fn lock_waits(series: Both, frame: &Frame) -> Option<TimeChart> {
    let lock = |series: &Series| {
        let lock = series.waits.iter().find(|wait| wait.name == "Lock");
        lock.map_or_else(Vec::new, |lock| frame.fold(&lock.values, Fold::Mean))
    };
    let lines = lines(series, lock);
    let seen = |line: &Line| line.values.iter().flatten().any(|value| *value > 0.0);
    lines.iter().any(seen).then(|| TimeChart {
        id: "lock-waits",
        title: "PostgreSQL backends that wait for a lock",
        note: "of the engine, mean; locks of every kind".to_owned(),
        unit: Unit::Count("backends"),
        kind: Kind::Linear,
        lines,
    })
}

fn cpu(series: Both, frame: &Frame) -> Option<TimeChart> {
    let lines = lines(series, |series| {
        frame.fold(&system(series.seconds, &series.cpu_cores), Fold::Mean)
    });
    lines.iter().any(is_known).then(|| TimeChart {
        id: "cpu",
        title: "CPU of all parts",
        note: "busy processors, without harness and proxies".to_owned(),
        unit: Unit::Cores,
        kind: Kind::Linear,
        lines,
    })
}

/// The sum of the system's parts; `None` where none was seen.
fn system(seconds: usize, parts: &[NamedSeries]) -> Vec<Option<f64>> {
    let parts: Vec<&NamedSeries> = parts
        .iter()
        .filter(|part| !crate::compare::cost::is_instrument(&part.name))
        .collect();
    let at = |second: usize| {
        let known = parts
            .iter()
            .filter_map(|part| part.values.get(second).copied().flatten());
        known.reduce(|a, b| a + b)
    };
    (0..seconds).map(at).collect()
}
