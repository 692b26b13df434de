//! Latency by percentile, as HdrHistogram draws it: the rarer, the further right; from the intended time and from the send.
//!
//! Where the two part, the generator was late, and only the first tells what a user felt.

use crossover_evidence::result::{LatencySet, Percentiles};

use super::canvas::{Anchor, Canvas};
use super::labels::spread;
use super::{Ink, Size, both};
use crate::format::ms_tick;
use crate::ticks::Axis;

/// Of one run; empty if there is no curve.
pub fn svg(latency: &LatencySet, mode: &str) -> String {
    if latency.dispatch.curve.len() < 2 {
        return String::new();
    }
    let curves = [
        Curve::new("from send", Ink::REFERENCE, &latency.dispatch_from_send, false),
        Curve::new("from intended", Ink::mode(mode), &latency.dispatch, true),
    ];
    both(
        |size| draw(&curves, size),
        "Dispatch latency by percentile, from the intended time and from the send",
    )
}

/// Of several runs, each by its label and ink; empty if there is no curve.
pub fn svg_of(runs: &[(&str, Ink, &Percentiles)], label: &str) -> String {
    let curves: Vec<Curve> = runs
        .iter()
        .map(|(name, ink, of)| Curve::new(name, *ink, of, true))
        .collect();
    if curves.iter().all(|curve| curve.of.curve.len() < 2) {
        return String::new();
    }
    both(|size| draw(&curves, size), label)
}

/// Where the plot lies, and how values become positions.
struct Place {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    heights: Axis,
    /// Decades of rarity on the x-axis: as many as the number of jobs can show.
    rarest: f64,
}

impl Place {
    fn x(&self, percentile: f64) -> f64 {
        self.left + rarity(percentile, self.rarest) / self.rarest * (self.right - self.left)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - self.heights.place(value) * (self.bottom - self.top)
    }
}

struct Curve<'a> {
    label: &'a str,
    ink: Ink,
    of: &'a Percentiles,
    /// Are its p50 and p99 marked?
    marked: bool,
}

impl<'a> Curve<'a> {
    fn new(label: &'a str, ink: Ink, of: &'a Percentiles, marked: bool) -> Self {
        Self { label, ink, of, marked }
    }
}

fn draw(curves: &[Curve], size: Size) -> Canvas {
    let curves: Vec<&Curve> = curves.iter().filter(|curve| !curve.of.curve.is_empty()).collect();
    let values = || {
        curves
            .iter()
            .flat_map(|curve| curve.of.curve.iter().map(|(_, value)| *value))
    };
    let most = curves.iter().map(|curve| curve.of.count).max().unwrap_or(0);
    let width = size.pick(460.0, 360.0);
    let place = Place {
        left: 52.0,
        right: width - 94.0,
        top: 12.0,
        bottom: 250.0,
        heights: Axis::log(
            values().fold(f64::INFINITY, f64::min).max(0.001),
            values().fold(0.0, f64::max),
        ),
        rarest: (most.max(100) as f64).log10(),
    };
    let mut sheet = Canvas::new(width, place.bottom + 40.0);
    grid(&mut sheet, &place, size);
    lines(&mut sheet, &curves, &place, size);
    for curve in curves.iter().filter(|curve| curve.marked) {
        marks(&mut sheet, curve.of, &place);
    }
    sheet
}

fn grid(sheet: &mut Canvas, place: &Place, size: Size) {
    let font = size.font();
    for tick in &place.heights.ticks {
        let at = place.y(*tick);
        sheet.path(&[(place.left, at), (place.right, at)], Ink::GRID, 1.0);
        sheet.text((place.left - 7.0, at), &ms_tick(*tick), font, Anchor::End, Ink::SOFT);
    }
    let named = [
        ("p50", 50.0),
        ("p90", 90.0),
        ("p99", 99.0),
        ("p99.9", 99.9),
        ("p99.99", 99.99),
        ("p99.999", 99.999),
    ];
    for (text, percentile) in named
        .into_iter()
        .filter(|(_, percentile)| rarity(*percentile, 99.0) <= place.rarest)
    {
        let at = place.x(percentile);
        sheet.path(&[(at, place.top), (at, place.bottom)], Ink::GRID, 1.0);
        sheet.text((at, place.bottom + 13.0), text, font - 1.0, Anchor::Middle, Ink::SOFT);
    }
    let middle = ((place.left + place.right) / 2.0, place.bottom + 30.0);
    sheet.text(
        middle,
        "percentile, the rarer the further right",
        font - 1.0,
        Anchor::Middle,
        Ink::SOFT,
    );
}

fn lines(sheet: &mut Canvas, curves: &[&Curve], place: &Place, size: Size) {
    let on_sheet = |curve: &&Curve| -> Vec<(f64, f64)> {
        let points = curve.of.curve.iter();
        points
            .map(|(percentile, value)| (place.x(*percentile), place.y(*value)))
            .collect()
    };
    let drawn: Vec<Vec<(f64, f64)>> = curves.iter().map(on_sheet).collect();
    let ends: Vec<(f64, f64)> = drawn.iter().filter_map(|points| points.last().copied()).collect();
    let wanted: Vec<f64> = ends.iter().map(|(_, y)| *y).collect();
    let heights = spread(&wanted, size.font() + 3.0, place.top, place.bottom);
    for (index, Curve { label, ink, .. }) in curves.iter().enumerate() {
        let (end, height) = (ends[index], heights[index]);
        sheet.path(&drawn[index], *ink, if ink.dash.is_empty() { 2.2 } else { 1.4 });
        sheet.path(&[end, (end.0 + 8.0, height)], *ink, 1.0);
        sheet.text((end.0 + 11.0, height), label, size.font(), Anchor::Start, Ink::TEXT);
    }
}

/// p50 and p99 in the colours that they have in the other charts.
fn marks(sheet: &mut Canvas, of: &Percentiles, place: &Place) {
    for (percentile, value, ink) in [(50.0, of.p50, Ink::P50), (99.0, of.p99, Ink::P99)] {
        if let Some(value) = value {
            sheet.dot((place.x(percentile), place.y(value)), 4.0, ink);
        }
    }
}

/// log₁₀ of 1 ÷ (1 − q), at most `limit`: 0 at p0, 1 at p90, 2 at p99.
fn rarity(percentile: f64, limit: f64) -> f64 {
    let rest = (100.0 - percentile) / 100.0;
    if rest <= 0.0 {
        limit
    } else {
        (-rest.log10()).clamp(0.0, limit)
    }
}
