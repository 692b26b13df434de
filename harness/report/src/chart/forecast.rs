//! The need over the months, by the slowest and the fastest growth, against polling's ceiling and its interval.

use crossover_evidence::decide::Decision;
use crossover_evidence::decide::forecast::Need;

use super::canvas::{Anchor, Canvas, fit};
use super::labels::spread;
use super::plot::Plot;
use super::{Ink, Size, both};
use crate::format::{number, rate};
use crate::ticks::Axis;

/// Months drawn beyond the horizon, as a share of it.
const BEYOND: f64 = 1.5;
/// Points of a curve.
const STEPS: u32 = 48;

/// Both drawings; empty if the profile has no peak.
pub fn svg(decision: &Decision) -> String {
    if decision.profile.peak_jobs_per_s.is_none() {
        return String::new();
    }
    both(
        |size| draw(decision, size),
        "The need over the months, against the measured ceiling of polling; the numbers are in the clauses",
    )
}

fn plot(decision: &Decision, size: Size) -> Plot {
    let months = (decision.forecast.horizon_months * BEYOND).max(1.0);
    let ceiling = decision.forecast.ceiling_per_s;
    let across = Axis::linear(months, 6);
    // The curves are drawn to the end of the axis.
    let last = Need::within(&decision.profile, across.high);
    let peak = decision.profile.peak_jobs_per_s;
    let known = [peak, last.low, last.high, ceiling.low, ceiling.high]
        .into_iter()
        .flatten();
    let (low, high) = known.fold((f64::INFINITY, 0.0f64), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let width = size.pick(960.0, 360.0);
    Plot {
        left: size.pick(66.0, 52.0),
        right: width - size.pick(170.0, 96.0),
        top: 14.0,
        bottom: size.pick(320.0, 250.0),
        across,
        // A need of a thousandth of the ceiling and the ceiling fit on one logarithmic axis only.
        up: if high / low > 20.0 {
            Axis::log(low, high)
        } else {
            Axis::linear(high, 5)
        },
    }
}

fn draw(decision: &Decision, size: Size) -> Canvas {
    let place = plot(decision, size);
    let mut sheet = place.sheet(size);
    let mut ends = ceiling(&mut sheet, decision, &place, size);
    place.axes(&mut sheet, size, "months from now", number, rate);
    horizon(&mut sheet, decision, &place, size);
    ends.extend(need(&mut sheet, decision, &place, size));
    labels(&mut sheet, &ends, &place, size);
    sheet
}

/// A label at the right edge, its ink, and the height that it belongs to.
type End = (&'static str, Ink, f64);

/// The band from what held to what did not; an open upper end is a line.
fn ceiling(sheet: &mut Canvas, decision: &Decision, place: &Plot, size: Size) -> Vec<End> {
    let ceiling = decision.forecast.ceiling_per_s;
    let ink = Ink::mode("polling");
    let end = place.across.high;
    if let (Some(low), Some(high)) = (ceiling.low, ceiling.high) {
        sheet.rect(place.at(0.0, high), place.at(end, low), ink, 0.35);
    }
    let names = match size {
        Size::Wide => ["ceiling: did not hold", "ceiling: held"],
        Size::Narrow => ["not held", "held"],
    };
    let edges = [(names[0], ceiling.high), (names[1], ceiling.low)];
    let edge = |(label, value): (&'static str, Option<f64>)| {
        let (from, to) = (place.at(0.0, value?), place.at(end, value?));
        sheet.path(&[from, to], ink, 1.4);
        Some((label, ink, to.1))
    };
    edges.into_iter().filter_map(edge).collect()
}

fn need(sheet: &mut Canvas, decision: &Decision, place: &Plot, size: Size) -> Vec<End> {
    let last = place.across.high;
    let curve = |of: fn(Need) -> Option<f64>| -> Vec<(f64, f64)> {
        let months = (0..=STEPS).map(|step| last * f64::from(step) / f64::from(STEPS));
        months
            .filter_map(|months| Some(place.at(months, of(Need::within(&decision.profile, months))?)))
            .collect()
    };
    let (low, high) = (curve(|need| need.low), curve(|need| need.high));
    let outline: Vec<(f64, f64)> = low.iter().chain(high.iter().rev()).copied().collect();
    if !high.is_empty() {
        sheet.area(&outline, Ink::P99, 0.16);
    }
    let mut ends = Vec::new();
    let names = match size {
        Size::Wide => ["fastest growth", "slowest growth"],
        Size::Narrow => ["fastest", "slowest"],
    };
    for (label, curve, ink) in [(names[0], &high, Ink::P99), (names[1], &low, Ink::P99.nth(1))] {
        sheet.path(curve, ink, 1.8);
        ends.extend(curve.last().map(|end| (label, ink, end.1)));
    }
    ends
}

fn horizon(sheet: &mut Canvas, decision: &Decision, place: &Plot, size: Size) {
    let (x, _) = place.at(decision.forecast.horizon_months, place.up.low);
    sheet.path(&[(x, place.top), (x, place.bottom)], Ink::REFERENCE, 1.2);
    sheet.text(
        (x + 5.0, place.top + 6.0),
        "horizon",
        size.font(),
        Anchor::Start,
        Ink::SOFT,
    );
}

fn labels(sheet: &mut Canvas, ends: &[End], place: &Plot, size: Size) {
    let (font, room) = (size.font(), size.pick(170.0, 96.0) - 24.0);
    let wanted: Vec<f64> = ends.iter().map(|(_, _, height)| *height).collect();
    for ((label, ink, from), height) in ends.iter().zip(spread(&wanted, font + 3.0, place.top, place.bottom)) {
        let leader = [
            (place.right + 2.0, *from),
            (place.right + 12.0, height),
            (place.right + 18.0, height),
        ];
        sheet.path(&leader, *ink, 1.2);
        let at = (place.right + 22.0, height);
        sheet.text(at, &fit(label, font, room), font, Anchor::Start, Ink::TEXT);
    }
}
