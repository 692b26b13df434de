//! Dispatch p50 and p99 against the swept value; for a poll interval, with the half-interval line that claim C04 names.

use super::canvas::{Anchor, Canvas, fit};
use super::labels::spread;
use super::plot::Plot;
use super::{Ink, Size, both};
use crate::format::{ms_tick, number};
use crate::ticks::{Axis, Scale};
use crate::{SweepPage, SweepPoint};

/// Both drawings; empty if no point has a number to stand at.
pub fn svg(page: &SweepPage) -> String {
    let lines = lines(page);
    if lines.iter().all(|line| line.points.is_empty()) {
        return String::new();
    }
    both(
        |size| draw(page, &lines, size),
        "Dispatch p50 and p99 against the swept value; the numbers are in the table below",
    )
}

/// Is the first key a poll interval? Then x is in ms, and half of it is the floor that C04 claims.
pub fn is_poll_interval(page: &SweepPage) -> bool {
    page.keys
        .first()
        .is_some_and(|key| key.contains("poll") && key.contains("interval"))
}

struct Line {
    label: String,
    ink: Ink,
    /// x, y (ms), usable
    points: Vec<(f64, f64, bool)>,
}

fn lines(page: &SweepPage) -> Vec<Line> {
    let mut groups: Vec<String> = Vec::new();
    for point in page.points {
        let group = group(point);
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let of = |name: &str, index: usize, group: &str, ink: Ink, value: fn(&SweepPoint) -> Option<f64>| {
        let members = page.points.iter().filter(|point| self::group(point) == group);
        let points = members.filter_map(|point| Some((point.x?, value(point)?, point.result.run.valid)));
        let mut points: Vec<_> = points.filter(|(_, y, _)| *y > 0.0).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let label = if group.is_empty() {
            name.to_owned()
        } else {
            format!("{name} · {}{group}", further_key(page))
        };
        Line {
            label,
            ink: ink.nth(index),
            points,
        }
    };
    let pair = |(index, group): (usize, &String)| {
        let dispatch = |name, ink, value| of(name, index, group, ink, value);
        [
            dispatch("p99", Ink::P99, |point| point.result.latency_ms.dispatch.p99),
            dispatch("p50", Ink::P50, |point| point.result.latency_ms.dispatch.p50),
        ]
    };
    groups.iter().enumerate().flat_map(pair).collect()
}

/// The last part of a single further key, to stand before its value: `workers `; empty if there are none or several.
fn further_key(page: &SweepPage) -> String {
    match page.keys {
        [_, key] => format!("{} ", key.rsplit('.').next().unwrap_or(key)),
        _ => String::new(),
    }
}

/// The values of the second and further keys.
fn group(point: &SweepPoint) -> String {
    point.values.get(1..).unwrap_or_default().join(", ")
}

fn plot(page: &SweepPage, lines: &[Line], size: Size) -> Plot {
    let all = || lines.iter().flat_map(|line| line.points.iter());
    let (low, high) = all().fold((f64::INFINITY, 0.0f64), |(low, high), (x, _, _)| {
        (low.min(*x), high.max(*x))
    });
    let floor = if is_poll_interval(page) {
        low / 2.0
    } else {
        f64::INFINITY
    };
    let least = all().map(|(_, y, _)| *y).fold(floor, f64::min);
    let most = all().map(|(_, y, _)| *y).fold(0.0, f64::max);
    let across = if low > 0.0 && high / low >= 8.0 {
        Axis::log(low, high)
    } else {
        Axis::linear(high, 6)
    };
    let width = size.pick(960.0, 360.0);
    Plot {
        left: size.pick(66.0, 50.0),
        right: width - size.pick(170.0, 96.0),
        top: 14.0,
        bottom: size.pick(350.0, 270.0),
        across,
        up: Axis::log(least.max(0.001), most),
    }
}

/// A label, its line's ink, and where the line ends.
type End = (String, Ink, (f64, f64));

fn draw(page: &SweepPage, lines: &[Line], size: Size) -> Canvas {
    let place = plot(page, lines, size);
    let mut sheet = place.sheet(size);
    axes(&mut sheet, page, &place, size);
    let mut ends: Vec<End> = Vec::new();
    if is_poll_interval(page) {
        ends.push(half_interval(&mut sheet, &place, size));
    }
    for line in lines {
        ends.extend(measured(&mut sheet, line, &place));
    }
    // A phone has room for the value alone; the heading names the key.
    if size == Size::Narrow {
        ends.iter_mut()
            .for_each(|(label, _, _)| *label = label.replacen(&further_key(page), "", 1));
    }
    end_labels(&mut sheet, &ends, &place, size);
    sheet
}

/// A line through the medians, a dot a run, a ring for an invalid one; the runs of one point are joined from the lowest to the
/// highest.
fn measured(sheet: &mut Canvas, line: &Line, place: &Plot) -> Option<End> {
    let points: Vec<(f64, f64)> = line.points.iter().map(|(x, y, _)| place.at(*x, *y)).collect();
    let mut middles = Vec::new();
    for group in line.points.chunk_by(|a, b| a.0 == b.0) {
        let mut heights: Vec<f64> = group.iter().map(|(_, y, _)| *y).collect();
        heights.sort_by(f64::total_cmp);
        let at = |y: f64| place.at(group[0].0, y);
        sheet.path(
            &[at(heights[0]), at(heights[heights.len() - 1])],
            Ink { dash: "", ..line.ink },
            1.2,
        );
        middles.push(at(heights[heights.len() / 2]));
    }
    sheet.path(&middles, line.ink, 1.8);
    for (point, (_, _, valid)) in points.iter().zip(&line.points) {
        if *valid {
            sheet.dot(*point, 3.6, line.ink);
        } else {
            sheet.ring(*point, 4.4, line.ink);
        }
    }
    middles.last().map(|end| (line.label.clone(), line.ink, *end))
}

fn end_labels(sheet: &mut Canvas, ends: &[End], place: &Plot, size: Size) {
    let (font, room) = (size.font(), size.pick(170.0, 96.0) - 20.0);
    let wanted: Vec<f64> = ends.iter().map(|(_, _, end)| end.1).collect();
    for ((label, ink, end), height) in ends.iter().zip(spread(&wanted, font + 3.0, place.top, place.bottom)) {
        let leader = [
            (end.0 + 5.0, end.1),
            (place.right + 10.0, height),
            (place.right + 16.0, height),
        ];
        sheet.path(&leader, *ink, 1.2);
        sheet.text(
            (place.right + 20.0, height),
            &fit(label, font, room),
            font,
            Anchor::Start,
            Ink::TEXT,
        );
    }
}

fn axes(sheet: &mut Canvas, page: &SweepPage, place: &Plot, size: Size) {
    let across = |tick: f64| match is_poll_interval(page) && tick > 0.0 {
        true => ms_tick(tick),
        false => number(tick),
    };
    let key = page.keys.first().map_or("", String::as_str);
    let scale = match place.across.scale {
        Scale::Log => " (log scale)",
        Scale::Linear => "",
    };
    place.axes(sheet, size, &format!("{key}{scale}"), across, ms_tick);
}

fn half_interval(sheet: &mut Canvas, place: &Plot, size: Size) -> End {
    let (low, high) = (
        place.across.low.max(place.up.low * 2.0),
        place.across.high.min(place.up.high * 2.0),
    );
    let at = |step: i32| {
        let share = f64::from(step) / 40.0;
        let x = if place.across.scale == Scale::Log {
            low * (high / low).powf(share)
        } else {
            low + share * (high - low)
        };
        place.at(x, x / 2.0)
    };
    let points: Vec<(f64, f64)> = (0..=40).map(at).collect();
    sheet.path(&points, Ink::REFERENCE, 1.2);
    let label = if size == Size::Wide {
        "half the interval"
    } else {
        "½ interval"
    };
    (label.to_owned(), Ink::REFERENCE, at(40))
}
