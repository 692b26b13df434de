//! What waits: unfinished jobs, and the outbox backlog where there is one.

use crossover_evidence::series::Series;

use super::Ink;
use super::time::{Fold, Frame, Kind, Line, TimeChart, Unit};

/// The chart.
pub fn chart(series: &Series, frame: &Frame) -> Option<TimeChart> {
    let unfinished = frame.fold_whole(&series.unfinished, Fold::Largest);
    let mut lines = vec![Line::new("unfinished", Ink::TEXT, unfinished)];
    let outbox = series.outbox_backlog.iter().any(Option::is_some);
    if outbox {
        lines.push(Line::new(
            "in outbox",
            Ink::BACKLOG,
            frame.fold(&series.outbox_backlog, Fold::Largest),
        ));
    }
    (!series.unfinished.is_empty()).then(|| TimeChart {
        id: "queues",
        title: if outbox {
            "Unfinished jobs and outbox backlog"
        } else {
            "Unfinished jobs"
        },
        // The sampler reads two index entries, no count: rows sent out of order before the oldest unsent one count too.
        note: if outbox {
            "created and not yet finished; in the outbox, from the oldest unsent row on: an upper bound"
        } else {
            "created and not yet finished, at the end of the second"
        }
        .to_owned(),
        unit: Unit::Count("jobs"),
        kind: Kind::Linear,
        lines,
    })
}
