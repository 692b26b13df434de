//! Charts of capacity searches: p99 and the backlog's slope over the rate, and the intervals of several searches.

use crossover_evidence::capacity::{Capacity, Interval, Step, StepVerdict, holds};

use super::canvas::Anchor;
use super::plot::Plot;
use super::{Ink, Size, both};
use crate::capacity::CapacityPage;
use crate::format::{ms_tick, number};
use crate::ticks::Axis;

/// How strong the bar of an interval is that has one end.
const OPEN: f64 = 0.35;

fn plot(size: Size, across: Axis, up: Axis) -> Plot {
    let width = size.pick(960.0, 360.0);
    Plot {
        left: size.pick(66.0, 50.0),
        right: width - size.pick(24.0, 14.0),
        top: 14.0,
        bottom: size.pick(280.0, 220.0),
        across,
        up,
    }
}

/// Dispatch p99 over the rate, both on log scales; empty if no step has one.
pub fn latency(capacity: &Capacity) -> String {
    let value = |step: &Step| step.p99_ms.filter(|ms| *ms > 0.0);
    let (least, most) = range(capacity.steps.iter().filter_map(value));
    let up = || Axis::log(least, most);
    curve(
        capacity,
        value,
        up,
        ms_tick,
        None,
        "Dispatch p99 against the rate; the numbers are in the table",
    )
}

/// The upper end of the slope's interval over the rate, in per cent of the rate; empty if no step has one.
pub fn slope(capacity: &Capacity) -> String {
    let value =
        |step: &Step| Some((100.0 * step.slope_per_s?.1 / step.rate_per_s).max(0.0)).filter(|share| share.is_finite());
    let (_, most) = range(capacity.steps.iter().filter_map(value));
    let bound = 100.0 * holds::SLOPE_MAX;
    let up = || Axis::linear(most.max(2.0 * bound), 4);
    let label = |tick: f64| format!("{} %", number(tick));
    curve(
        capacity,
        value,
        up,
        label,
        Some(bound),
        "Slope of the backlog against the rate; the numbers are in the table",
    )
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, 0.0), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

fn curve(
    capacity: &Capacity,
    value: impl Fn(&Step) -> Option<f64>,
    up: impl Fn() -> Axis,
    label: impl Fn(f64) -> String,
    bound: Option<f64>,
    alternative: &str,
) -> String {
    let known = |step: &Step| Some((step.rate_per_s, value(step)?, step.verdict));
    let mut points: Vec<(f64, f64, StepVerdict)> = capacity.steps.iter().filter_map(known).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    if points.is_empty() {
        return String::new();
    }
    let ink = Ink::mode(capacity.variant.name());
    let draw = |size: Size| {
        let (low, high) = range(points.iter().map(|(rate, ..)| *rate));
        let plot = plot(size, Axis::log(low, high), up());
        let mut sheet = plot.sheet(size);
        plot.axes(&mut sheet, size, "jobs per second (log scale)", number, &label);
        if let (Some(low), Some(high)) = (capacity.holds.low, capacity.holds.high) {
            let (from, to) = (plot.at(low, plot.up.high), plot.at(high, plot.up.low));
            sheet.rect(from, to, Ink::FAULT_EDGE, 0.25);
        }
        if let Some(bound) = bound {
            let ends = [plot.at(plot.across.low, bound), plot.at(plot.across.high, bound)];
            sheet.path(&ends, Ink::REFERENCE, 1.2);
        }
        let places: Vec<(f64, f64)> = points.iter().map(|(x, y, _)| plot.at(*x, *y)).collect();
        sheet.path(&places, ink, 1.6);
        for (place, (.., verdict)) in places.iter().zip(&points) {
            match verdict {
                StepVerdict::Held => sheet.dot(*place, 4.0, ink),
                StepVerdict::DidNotHold | StepVerdict::Unknown => sheet.ring(*place, 4.6, ink),
            }
        }
        sheet
    };
    both(draw, alternative)
}

/// One search: what is between its ends is the interval; an end that was not found is open, and fades.
struct Bar {
    label: String,
    ink: Ink,
    holds: Interval,
}

impl Bar {
    /// Those that were found.
    fn ends(&self) -> impl Iterator<Item = f64> {
        self.holds.low.into_iter().chain(self.holds.high)
    }
}

/// The interval of each search, one below the other, on one scale; empty if none has an end.
pub fn intervals(page: &CapacityPage) -> String {
    let bars = page.searches.iter().map(|search| Bar {
        label: search.label(),
        ink: Ink::mode(search.capacity.variant.name()),
        holds: search.capacity.holds,
    });
    let bars: Vec<Bar> = bars.filter(|bar| bar.ends().next().is_some()).collect();
    let Some(most) = bars.iter().flat_map(Bar::ends).reduce(f64::max) else {
        return String::new();
    };
    let draw = |size: Size| {
        let row = size.pick(26.0, 34.0);
        let mut plot = plot(size, Axis::linear(most, 6), Axis::exact(0.0, bars.len() as f64, 1));
        plot.left = size.pick(190.0, 12.0);
        plot.bottom = plot.top + row * bars.len() as f64;
        plot.up.ticks.clear();
        let mut sheet = plot.sheet(size);
        plot.axes(&mut sheet, size, "jobs per second", number, |_| String::new());
        for (index, bar) in bars.iter().enumerate() {
            let y = plot.top + row * (index as f64 + size.pick(0.5, 0.72));
            let from = bar.holds.low.map_or(plot.left, |low| plot.at(low, 0.0).0);
            let to = bar.holds.high.map_or(plot.right, |high| plot.at(high, 0.0).0);
            let opacity = if bar.ends().count() == 2 { 1.0 } else { OPEN };
            sheet.path(&[(plot.left, y), (plot.right, y)], Ink::GRID, 1.0);
            sheet.rect((from, y - 5.0), (to.max(from + 2.0), y + 5.0), bar.ink, opacity);
            // The end that was found.
            for end in bar.ends() {
                let x = plot.at(end, 0.0).0;
                sheet.rect((x - 1.0, y - 5.0), (x + 1.0, y + 5.0), bar.ink, 1.0);
            }
            // A phone has its labels above the bars.
            match size {
                Size::Wide => sheet.text((plot.left - 8.0, y), &bar.label, size.font(), Anchor::End, Ink::TEXT),
                Size::Narrow => sheet.text((plot.left, y - 15.0), &bar.label, size.font(), Anchor::Start, Ink::TEXT),
            }
        }
        sheet
    };
    both(
        draw,
        "The interval of each search in jobs per second; the numbers are in the table",
    )
}
