//! What PostgreSQL's backends of the engine did: stacked by wait type, `CPU` at the bottom.

use crossover_evidence::series::Series;

use super::Ink;
use super::time::{Fold, Frame, Kind, Line, TimeChart, Unit};

/// From the harmless at the bottom to the telling at the top, where the eye goes.
const ORDER: [&str; 5] = ["CPU", "IO", "Client", "LWLock", "Lock"];

/// The chart, if the samplers ran.
pub fn chart(series: &Series, frame: &Frame) -> Option<TimeChart> {
    let mut waits: Vec<_> = series.waits.iter().collect();
    let rank = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(2);
    waits.sort_by_key(|wait| rank(&wait.name));
    let lines: Vec<Line> = waits
        .into_iter()
        .map(|wait| {
            Line::new(
                wait.name.clone(),
                Ink::wait(&wait.name),
                frame.fold(&wait.values, Fold::Mean),
            )
        })
        .collect();
    (!lines.is_empty()).then(|| TimeChart {
        id: "waits",
        title: "PostgreSQL backends by wait type",
        note: "active backends of the engine, mean; CPU is active and not waiting".to_owned(),
        unit: Unit::Count("backends"),
        kind: Kind::Stacked,
        lines,
    })
}
