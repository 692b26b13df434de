//! Throughput over time: what the plan wanted, what was accepted, what was completed.

use crossover_evidence::series::Series;

use super::Ink;
use super::time::{Fold, Frame, Kind, Line, TimeChart, Unit};

/// The chart.
pub fn chart(series: &Series, frame: &Frame, mode: &str) -> Option<TimeChart> {
    let line = |label, ink, values: &[f64]| Line::new(label, ink, frame.fold_whole(values, Fold::Mean));
    let mut lines = vec![
        line("completed", Ink::mode(mode), &series.completed_per_s),
        line("accepted", Ink::TEXT, &series.accepted_per_s),
        line("intended", Ink::INTENDED, &series.intended_per_s),
    ];
    lines[0].stroke = 2.2;
    lines[1].stroke = 1.0;
    (series.seconds > 0).then(|| TimeChart {
        id: "throughput",
        title: "Throughput",
        note: "starts intended and accepted, jobs completed".to_owned(),
        unit: Unit::Count("per second"),
        kind: Kind::Linear,
        lines,
    })
}
