//! CPU per part.

use crossover_evidence::series::Series;

use super::Ink;
use super::time::{Fold, Frame, Kind, Line, TimeChart, Unit, keep_largest};

/// The chart, if the samplers ran.
pub fn chart(series: &Series, frame: &Frame) -> Option<TimeChart> {
    let line = |part: &crossover_evidence::series::NamedSeries| {
        Line::new(
            part.name.clone(),
            Ink::part(&part.name),
            frame.fold(&part.values, Fold::Mean),
        )
    };
    let lines = keep_largest(
        series.cpu_cores.iter().map(line).collect(),
        7,
        Ink::SOFT,
        |sum, value| sum + value,
    );
    (!lines.is_empty()).then(|| TimeChart {
        id: "cpu",
        title: "CPU per part",
        note: "busy processors, a server with its children".to_owned(),
        unit: Unit::Cores,
        kind: Kind::Linear,
        lines,
    })
}
