//! Dead tuples in `job`: what polling leaves behind for vacuum.

use crossover_evidence::series::Series;

use super::Ink;
use super::time::{Fold, Frame, Kind, Line, TimeChart, Unit};

/// The chart, if the samplers ran.
pub fn chart(series: &Series, frame: &Frame) -> Option<TimeChart> {
    let values = frame.fold(&series.dead_tuples, Fold::Largest);
    values.iter().any(Option::is_some).then(|| TimeChart {
        id: "dead-tuples",
        title: "Dead tuples in job",
        note: "falls when vacuum runs".to_owned(),
        unit: Unit::Count("tuples"),
        kind: Kind::Linear,
        lines: vec![Line::new("dead tuples", Ink::part("postgres"), values)],
    })
}
