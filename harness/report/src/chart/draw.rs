//! Draws a [`TimeChart`] in its [`Frame`]: shades and grid below, lines above, labels at the lines' ends.

use super::canvas::{Anchor, Canvas, fit, text_width};
use super::end_labels::end_labels;
use super::labels::rows;
use super::time::{Frame, Kind, Line, TimeChart};
use super::{Ink, Size};
use crate::ticks::Axis;

/// Where the plot lies on the sheet; the same for all charts over time, so that the eye can drop a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    pub width: f64,
    pub height: f64,
}

/// Left and right edge of the plot as shares of the sheet's width, for the script.
pub fn edges(size: Size) -> (f64, f64) {
    let place = place(size, 0, 0.0);
    (place.left / place.width, place.right / place.width)
}

fn place(size: Size, label_rows: usize, plot_height: f64) -> Place {
    let width = size.pick(960.0, 360.0);
    let top = 20.0 + 15.0 * label_rows as f64;
    let bottom = top + plot_height;
    Place {
        left: size.pick(62.0, 50.0),
        right: width - size.pick(116.0, 96.0),
        top,
        bottom,
        width,
        height: bottom + 40.0,
    }
}

/// One of the two drawings; `name_faults` writes the faults' labels above the plot.
pub fn draw(chart: &TimeChart, frame: &Frame, size: Size, name_faults: bool) -> Canvas {
    let tall = if chart.kind == Kind::Log {
        size.pick(200.0, 190.0)
    } else {
        size.pick(140.0, 130.0)
    };
    let labels = fault_labels(frame, size);
    let label_rows = if name_faults {
        labels.iter().map(|label| label.row + 1).max().unwrap_or(0)
    } else {
        0
    };
    let place = place(size, label_rows, tall);
    let values = value_axis(chart);
    let mut sheet = Canvas::new(place.width, place.height);
    shades(&mut sheet, frame, &place);
    if name_faults {
        for label in &labels {
            let at = (label.x, 10.0 + 15.0 * label.row as f64);
            sheet.text(at, &label.text, size.font(), Anchor::Start, Ink::FAULT_EDGE);
        }
    }
    value_grid(&mut sheet, chart, &values, &place, size);
    time_axis(&mut sheet, frame, &place, size);
    if chart.kind == Kind::Stacked {
        stack(&mut sheet, chart, frame, &values, &place);
    } else {
        for line in &chart.lines {
            polyline(&mut sheet, line, frame, &values, &place);
        }
    }
    unreached(&mut sheet, chart, frame, &place);
    end_labels(&mut sheet, chart, frame, size, &place, |value| {
        y(&values, &place, value)
    });
    sheet
}

struct FaultLabel {
    x: f64,
    row: usize,
    text: String,
}

fn fault_labels(frame: &Frame, size: Size) -> Vec<FaultLabel> {
    let place = place(size, 0, 0.0);
    let texts: Vec<String> = frame
        .faults
        .iter()
        .map(|(label, _, _)| fit(label, size.font(), place.right - place.left))
        .collect();
    let spans: Vec<(f64, f64)> = frame
        .faults
        .iter()
        .zip(&texts)
        .map(|((_, from, _), text)| {
            let width = text_width(text, size.font());
            (x(frame, &place, *from).min(place.width - 4.0 - width), width)
        })
        .collect();
    let rows = rows(&spans);
    texts
        .into_iter()
        .zip(spans)
        .zip(rows)
        .map(|((text, (x, _)), row)| FaultLabel { x, row, text })
        .collect()
}

fn value_axis(chart: &TimeChart) -> Axis {
    let known = || {
        chart
            .lines
            .iter()
            .flat_map(|line| line.values.iter().copied().flatten())
    };
    match chart.kind {
        Kind::Log => {
            let low = known().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
            Axis::log(low, known().fold(0.0, f64::max))
        }
        Kind::Linear => Axis::linear(known().fold(0.0, f64::max), 3),
        Kind::Stacked => {
            let buckets = chart.lines.iter().map(|line| line.values.len()).max().unwrap_or(0);
            let sum = |bucket: usize| -> f64 {
                chart
                    .lines
                    .iter()
                    .filter_map(|line| line.values.get(bucket)?.as_ref())
                    .sum()
            };
            Axis::linear((0..buckets).map(sum).fold(0.0, f64::max), 3)
        }
    }
}

fn x(frame: &Frame, place: &Place, seconds: f64) -> f64 {
    place.left + frame.axis.place(seconds) * (place.right - place.left)
}

fn y(values: &Axis, place: &Place, value: f64) -> f64 {
    place.bottom - values.place(value) * (place.bottom - place.top)
}

fn shades(sheet: &mut Canvas, frame: &Frame, place: &Place) {
    for (_, from, to) in &frame.faults {
        let (from, to) = (x(frame, place, *from), x(frame, place, *to));
        sheet.rect((from, place.top), (to.max(from + 1.5), place.bottom), Ink::FAULT, 1.0);
        for edge in [from, to] {
            sheet.path(&[(edge, place.top), (edge, place.bottom)], Ink::FAULT_EDGE, 1.2);
        }
    }
    for (_, from, _) in frame.phases.iter().skip(1) {
        let at = x(frame, place, *from);
        sheet.path(&[(at, place.top), (at, place.bottom + 34.0)], Ink::PHASE, 1.0);
    }
}

fn value_grid(sheet: &mut Canvas, chart: &TimeChart, values: &Axis, place: &Place, size: Size) {
    for tick in &values.ticks {
        let at = y(values, place, *tick);
        sheet.path(&[(place.left, at), (place.right, at)], Ink::GRID, 1.0);
        sheet.text(
            (place.left - 7.0, at),
            &chart.unit.tick(*tick),
            size.font(),
            Anchor::End,
            Ink::SOFT,
        );
    }
    sheet.text(
        (place.left, place.top - 10.0),
        chart.unit.name(),
        size.font() - 1.0,
        Anchor::Start,
        Ink::SOFT,
    );
}

fn time_axis(sheet: &mut Canvas, frame: &Frame, place: &Place, size: Size) {
    sheet.path(
        &[(place.left, place.bottom), (place.right, place.bottom)],
        Ink::SOFT,
        1.0,
    );
    let minutes = frame.axis.high > 600.0;
    let every = if size == Size::Narrow && frame.axis.ticks.len() > 5 {
        2
    } else {
        1
    };
    for tick in frame.axis.ticks.iter().step_by(every) {
        let at = x(frame, place, *tick);
        sheet.path(&[(at, place.bottom), (at, place.bottom + 4.0)], Ink::SOFT, 1.0);
        let text = if minutes && *tick > 0.0 {
            format!("{} min", tick / 60.0)
        } else {
            format!("{} s", crate::format::number(*tick))
        };
        sheet.text((at, place.bottom + 13.0), &text, size.font(), Anchor::Middle, Ink::SOFT);
    }
    for (index, (name, from, to)) in frame.phases.iter().enumerate() {
        // Right of the last one, the margin is free at this height.
        let is_last = index + 1 == frame.phases.len();
        let from = x(frame, place, *from);
        let to = if is_last { place.width } else { x(frame, place, *to) };
        let text = fit(name, size.font(), to - from - 8.0);
        if text == *name || (size == Size::Wide && text.chars().count() > 5) {
            sheet.text(
                (from + 4.0, place.bottom + 29.0),
                &text,
                size.font() - 1.0,
                Anchor::Start,
                Ink::SOFT,
            );
        }
    }
}

/// A gap in the data is a gap in the line; a lone point is a dot.
fn polyline(sheet: &mut Canvas, line: &Line, frame: &Frame, values: &Axis, place: &Place) {
    let mut run: Vec<(f64, f64)> = Vec::new();
    for bucket in 0..=line.values.len() {
        match line.values.get(bucket).copied().flatten() {
            Some(value) => run.push((x(frame, place, frame.middle(bucket)), y(values, place, value))),
            None => {
                if let [lone] = run[..] {
                    sheet.dot(lone, 1.6, line.ink);
                }
                sheet.path(&run, line.ink, line.stroke);
                run.clear();
            }
        }
    }
}

fn stack(sheet: &mut Canvas, chart: &TimeChart, frame: &Frame, values: &Axis, place: &Place) {
    let known = |bucket: usize| {
        chart
            .lines
            .iter()
            .any(|line| line.values.get(bucket).copied().flatten().is_some())
    };
    let runs = (0..frame.buckets).collect::<Vec<_>>();
    for run in runs.chunk_by(|a, b| known(*a) == known(*b)).filter(|run| known(run[0])) {
        let mut base = vec![0.0; run.len()];
        for line in &chart.lines {
            let top: Vec<f64> = run
                .iter()
                .zip(&base)
                .map(|(bucket, base)| base + line.values.get(*bucket).copied().flatten().unwrap_or(0.0))
                .collect();
            band(sheet, (run, &base, &top), line.ink, |bucket, value| {
                let at = (bucket * frame.step) as f64;
                let until = ((bucket + 1) * frame.step) as f64;
                (x(frame, place, at), x(frame, place, until), y(values, place, value))
            });
            base = top;
        }
    }
}

/// A band of steps, each bucket as wide as its seconds.
fn band(
    sheet: &mut Canvas,
    (run, base, top): (&[usize], &[f64], &[f64]),
    ink: Ink,
    at: impl Fn(usize, f64) -> (f64, f64, f64),
) {
    let step = |heights: &[f64]| -> Vec<(f64, f64)> {
        let corners = run.iter().zip(heights).map(|(bucket, value)| at(*bucket, *value));
        corners
            .flat_map(|(from, to, height)| [(from, height), (to, height)])
            .collect()
    };
    let mut outline = step(top);
    outline.extend(step(base).into_iter().rev());
    sheet.area(&outline, ink, 1.0);
}

/// A bar along the top, in the line's ink, where its value is not reached: one row a line.
fn unreached(sheet: &mut Canvas, chart: &TimeChart, frame: &Frame, place: &Place) {
    let lines = chart.lines.iter().filter(|line| line.unreached.contains(&true));
    for (row, line) in lines.enumerate() {
        let foot = place.top - 5.0 * row as f64;
        let missing = line.unreached.iter().enumerate().filter(|(_, missing)| **missing);
        for (bucket, _) in missing {
            let from = x(frame, place, (bucket * frame.step) as f64);
            let to = x(frame, place, ((bucket + 1) * frame.step) as f64);
            sheet.rect((from, foot - 4.0), (to, foot), line.ink, 1.0);
        }
    }
}
