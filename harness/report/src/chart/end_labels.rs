//! Labels at the ends of lines instead of a legend: a sample of the pen, then the name.
//!
//! Most runs end with a short drain, in which all lines fall to zero and their ends say nothing. So the labels stand where
//! the lines are when the load ends, unless the drain is a large part of the chart; lines that end together keep the order
//! that they had on the way.

use super::canvas::{Anchor, Canvas, fit};
use super::draw::Place;
use super::labels::spread;
use super::time::{Frame, Kind, Line, TimeChart};
use super::{Ink, Size};

/// The largest share of the axis that a drain may take and be ignored.
const SHORT_DRAIN: f64 = 0.25;
/// Weight of a line's mean height against its end: enough to order lines that end together, too little to move any.
const TIE: f64 = 0.001;

/// Writes the labels right of the plot; `height` places a value.
pub(super) fn end_labels(
    sheet: &mut Canvas,
    chart: &TimeChart,
    frame: &Frame,
    size: Size,
    place: &Place,
    height: impl Fn(f64) -> f64,
) {
    let last = last_bucket(frame);
    let mut below = 0.0;
    let mut shown: Vec<(&Line, f64)> = Vec::new();
    for line in &chart.lines {
        let Some(end) = end(line, last) else { continue };
        if chart.kind == Kind::Stacked {
            below += end;
            shown.push((line, height(below - end / 2.0)));
        } else {
            shown.push((line, height(end) + TIE * height(mean(line))));
        }
    }
    let wanted: Vec<f64> = shown.iter().map(|(_, at)| *at).collect();
    let pen = |line: &Line| {
        if chart.kind == Kind::Stacked {
            8.0
        } else {
            line.stroke.max(1.6)
        }
    };
    for ((line, _), at) in shown
        .iter()
        .zip(spread(&wanted, size.font() + 2.0, place.top + 2.0, place.bottom - 4.0))
    {
        let swatch = (place.right + size.pick(5.0, 4.0), place.right + size.pick(19.0, 14.0));
        sheet.path(&[(swatch.0, at), (swatch.1, at)], line.ink, pen(line));
        let text = fit(&line.label, size.font(), place.width - swatch.1 - 3.0);
        sheet.text((swatch.1 + 4.0, at), &text, size.font(), Anchor::Start, Ink::TEXT);
    }
}

fn last_bucket(frame: &Frame) -> usize {
    let loaded = frame
        .phases
        .iter()
        .find(|(name, _, _)| name == "drain")
        .map_or(frame.axis.high, |(_, from, _)| *from);
    let until = if frame.axis.high - loaded <= SHORT_DRAIN * frame.axis.high {
        loaded
    } else {
        frame.axis.high
    };
    ((until / frame.step as f64).ceil() as usize).saturating_sub(1)
}

/// The last value up to a bucket, else the first after it.
fn end(line: &Line, last: usize) -> Option<f64> {
    let (before, after) = line.values.split_at((last + 1).min(line.values.len()));
    before
        .iter()
        .rev()
        .copied()
        .flatten()
        .next()
        .or_else(|| after.iter().copied().flatten().next())
}

fn mean(line: &Line) -> f64 {
    let known: Vec<f64> = line.values.iter().copied().flatten().collect();
    known.iter().sum::<f64>() / known.len().max(1) as f64
}
