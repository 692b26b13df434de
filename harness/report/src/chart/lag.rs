//! Consumer lag per partition: the largest ones apart, of the rest the largest at each moment.

use crossover_evidence::series::Series;

use super::Ink;
use super::time::{Fold, Frame, Kind, Line, TimeChart, Unit, keep_largest};

/// The chart, in event-driven mode.
pub fn chart(series: &Series, frame: &Frame) -> Option<TimeChart> {
    let lines = series.lag.iter().map(|lag| {
        let label = lag
            .name
            .rsplit('/')
            .next()
            .map_or_else(|| lag.name.clone(), |end| format!("part. {end}"));
        Line::new(label, Ink::LAG, frame.fold(&lag.values, Fold::Largest))
    });
    let lines = keep_largest(lines.collect(), 3, Ink::SOFT, f64::max);
    let lines: Vec<Line> = lines
        .into_iter()
        .enumerate()
        .map(|(index, line)| Line {
            ink: line.ink.nth(index),
            ..line
        })
        .collect();
    (!lines.is_empty()).then(|| TimeChart {
        id: "lag",
        title: "Consumer lag",
        note: "records behind the end of a partition; of the others, the largest".to_owned(),
        unit: Unit::Count("records"),
        kind: Kind::Linear,
        lines,
        unreached: Vec::new(),
    })
}
