//! Resident memory per part.

use crossover_evidence::series::Series;

use super::Ink;
use super::time::{Fold, Frame, Kind, Line, TimeChart, Unit, keep_largest};

/// The chart, if the samplers ran.
pub fn chart(series: &Series, frame: &Frame) -> Option<TimeChart> {
    let line = |part: &crossover_evidence::series::NamedSeries| {
        Line::new(
            part.name.clone(),
            Ink::part(&part.name),
            frame.fold(&part.values, Fold::Largest),
        )
    };
    let lines = keep_largest(
        series.memory_mb.iter().map(line).collect(),
        7,
        Ink::SOFT,
        |sum, value| sum + value,
    );
    (!lines.is_empty()).then(|| TimeChart {
        id: "memory",
        title: "Memory per part",
        note: "resident, a server with its children".to_owned(),
        unit: Unit::Memory,
        kind: Kind::Linear,
        lines,
    })
}
