//! Requests that reached the service that handlers call, by policy.

use crossover_evidence::series::{NamedSeries, Series};

use super::Ink;
use super::time::{Fold, Frame, Kind, Line, TimeChart, Unit, keep_largest};

/// Most policies that get a line of their own.
const MOST: usize = 4;

/// The chart, for a run with such a service.
pub fn chart(series: &Series, frame: &Frame) -> Option<TimeChart> {
    let line = |policy: &NamedSeries| Line::new(&*policy.name, Ink::CALLS, frame.fold(&policy.values, Fold::Mean));
    let lines = keep_largest(series.downstream.iter().map(line).collect(), MOST, Ink::SOFT, |a, b| {
        a + b
    });
    let told_apart = |(index, line): (usize, Line)| Line {
        ink: line.ink.nth(index),
        ..line
    };
    let lines: Vec<Line> = lines.into_iter().enumerate().map(told_apart).collect();
    (!lines.is_empty()).then(|| TimeChart {
        id: "downstream",
        title: "Requests at the downstream service",
        note: "that reached it, by the policy of the caller; counted by the service".to_owned(),
        unit: Unit::Count("requests/s"),
        kind: Kind::Linear,
        lines,
    })
}
