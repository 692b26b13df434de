//! Connections of the engine to PostgreSQL.

use crossover_evidence::series::Series;

use super::Ink;
use super::time::{Fold, Frame, Kind, Line, TimeChart, Unit};

/// The chart, if the samplers ran.
pub fn chart(series: &Series, frame: &Frame) -> Option<TimeChart> {
    let values = frame.fold(&series.connections, Fold::Largest);
    values.iter().any(Option::is_some).then(|| TimeChart {
        id: "connections",
        title: "Connections to PostgreSQL",
        note: "of the engine; the samplers' own are excluded".to_owned(),
        unit: Unit::Count("connections"),
        kind: Kind::Linear,
        lines: vec![Line::new("connections", Ink::part("postgres"), values)],
    })
}
