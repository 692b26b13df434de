//! Charts over time with several runs in each, a colour a run. Nothing here is new: each is a line of the run's own charts.

use crossover_evidence::result::is_instrument;
use crossover_evidence::series::{LatencyBucket, NamedSeries, Series};

use super::time::{Fold, Frame, Kind, Line, TimeChart, Unit};
use super::{Ink, latency};

/// One of the runs.
#[derive(Debug, Clone, Copy)]
pub struct Overlaid<'a> {
    /// At the ends of its lines.
    pub label: &'a str,
    /// Its colour.
    pub ink: Ink,
    /// What is drawn.
    pub series: &'a Series,
}

/// A line a run, in its colour.
pub fn lines(runs: &[Overlaid], of: impl Fn(&Series) -> Vec<Option<f64>>) -> Vec<Line> {
    let line = |run: &Overlaid| Line::new(run.label, run.ink, of(run.series));
    runs.iter().map(line).collect()
}

/// Does a line show anything?
pub fn is_known(line: &Line) -> bool {
    line.values.iter().any(Option::is_some)
}

/// A percentile of dispatch.
pub fn percentile(
    id: &'static str,
    title: &'static str,
    runs: &[Overlaid],
    frame: &Frame,
    of: fn(&LatencyBucket) -> Option<f64>,
) -> Option<TimeChart> {
    let mut lines = lines(runs, |series| latency::worst(&series.dispatch_ms, frame.step, of));
    for (line, run) in lines.iter_mut().zip(runs) {
        let missing = |chunk: &[Option<LatencyBucket>]| chunk.iter().flatten().any(|bucket| of(bucket).is_none());
        line.unreached = run.series.dispatch_ms.chunks(frame.step).map(missing).collect();
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

/// Jobs completed, and the starts that the plan of all of them intended, if they have one plan.
pub fn throughput(runs: &[Overlaid], one_plan: bool, frame: &Frame) -> Option<TimeChart> {
    let mut lines = lines(runs, |series| frame.fold_whole(&series.completed_per_s, Fold::Mean));
    if let Some(run) = runs.first().filter(|_| one_plan) {
        lines.push(Line {
            stroke: 1.0,
            ..Line::new(
                "intended",
                Ink::INTENDED,
                frame.fold_whole(&run.series.intended_per_s, Fold::Mean),
            )
        });
    }
    lines.iter().any(is_known).then(|| TimeChart {
        id: "throughput",
        title: "Completed",
        note: if one_plan {
            "jobs completed, and starts that the plan intended"
        } else {
            "jobs completed"
        }
        .to_owned(),
        unit: Unit::Count("per second"),
        kind: Kind::Linear,
        lines,
    })
}

/// Jobs created and not yet finished.
pub fn unfinished(runs: &[Overlaid], frame: &Frame) -> Option<TimeChart> {
    let lines = lines(runs, |series| frame.fold_whole(&series.unfinished, Fold::Largest));
    lines.iter().any(is_known).then(|| TimeChart {
        id: "queues",
        title: "Unfinished jobs",
        note: "created and not yet finished, at the end of the second".to_owned(),
        unit: Unit::Count("jobs"),
        kind: Kind::Linear,
        lines,
    })
}

/// Unsent outbox rows, of the runs that have an outbox; two of them at least, or there is nothing to hold against each other.
pub fn backlog(runs: &[Overlaid], frame: &Frame) -> Option<TimeChart> {
    let mut lines = lines(runs, |series| frame.fold(&series.outbox_backlog, Fold::Largest));
    lines.retain(is_known);
    (lines.len() > 1).then(|| TimeChart {
        id: "outbox",
        title: "Outbox backlog",
        note: "rows not yet sent; runs without an outbox are left out".to_owned(),
        unit: Unit::Count("rows"),
        kind: Kind::Linear,
        lines,
    })
}

/// Only where one was seen: no lock wait in any run is a number of the table, not a chart.
pub fn lock_waits(runs: &[Overlaid], frame: &Frame) -> Option<TimeChart> {
    let lock = |series: &Series| {
        let lock = series.waits.iter().find(|wait| wait.name == "Lock");
        lock.map_or_else(Vec::new, |lock| frame.fold(&lock.values, Fold::Mean))
    };
    let lines = lines(runs, lock);
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

/// Busy processors of the system.
pub fn cpu(runs: &[Overlaid], frame: &Frame) -> Option<TimeChart> {
    let lines = lines(runs, |series| {
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
    let parts: Vec<&NamedSeries> = parts.iter().filter(|part| !is_instrument(&part.name)).collect();
    let at = |second: usize| {
        let known = parts
            .iter()
            .filter_map(|part| part.values.get(second).copied().flatten());
        known.reduce(|a, b| a + b)
    };
    (0..seconds).map(at).collect()
}
