//! Charts of a comparison of two builds: each metric's change with its intervals, and the primary metric pair by pair.

use crossover_evidence::regress::{Finding, ModePairs, Side};

use super::canvas::{Anchor, fit};
use super::plot::Plot;
use super::{Ink, Size, both};
use crate::format::number;
use crate::regress::name;
use crate::ticks::Axis;

/// Beyond this the end of an interval is cut off: the table has it.
const SHARE_MAX: f64 = 60.0;

/// A ratio as a change in per cent.
fn per_cent(ratio: f64) -> f64 {
    (100.0 * (ratio - 1.0)).clamp(-SHARE_MAX, SHARE_MAX)
}

fn tolerated(finding: &Finding) -> (f64, f64) {
    let high = 1.0 + finding.tolerance;
    (per_cent(1.0 / high), per_cent(high))
}

/// An axis to both sides of no change, with room for all of these.
fn about_zero(values: impl Iterator<Item = f64>, wanted: usize) -> Axis {
    let most = values.map(f64::abs).fold(1.0, f64::max) * 1.08;
    Axis::exact(-most, most, wanted)
}

fn tick(value: f64) -> String {
    match value {
        _ if value.abs() < 1e-9 => "0".to_owned(),
        _ if value > 0.0 => format!("+{} %", number(value)),
        _ => format!("{} %", number(value)),
    }
}

/// The intervals of all metrics, one below the other, on one scale; empty if none has one.
pub fn intervals(mode: &ModePairs) -> String {
    let told: Vec<&Finding> = mode
        .findings
        .iter()
        .filter(|finding| finding.student.is_some())
        .collect();
    if told.is_empty() {
        return String::new();
    }
    let ends = told.iter().flat_map(|finding| {
        let intervals = [finding.student, finding.bootstrap].into_iter().flatten();
        let ends = intervals.flat_map(|interval| [per_cent(interval.low), per_cent(interval.high)]);
        ends.chain([tolerated(finding).0, tolerated(finding).1])
    });
    let ends: Vec<f64> = ends.collect();
    let ink = Ink::mode(&mode.mode);
    let draw = |size: Size| {
        let (row, width) = (size.pick(34.0, 44.0), size.pick(960.0, 360.0));
        let mut plot = Plot {
            left: size.pick(210.0, 12.0),
            right: width - size.pick(24.0, 14.0),
            top: 10.0,
            bottom: 10.0 + row * told.len() as f64,
            across: about_zero(ends.iter().copied(), size.pick(8.0, 4.0) as usize),
            up: Axis::exact(0.0, told.len() as f64, 1),
        };
        plot.up.ticks.clear();
        let mut sheet = plot.sheet(size);
        let x = |value: f64| plot.at(value, 0.0).0;
        for (index, finding) in told.iter().enumerate() {
            let top = plot.top + row * index as f64;
            let y = top + row * size.pick(0.5, 0.68);
            let (low, high) = tolerated(finding);
            sheet.rect((x(low), y - 11.0), (x(high), y + 11.0), Ink::FAULT, 1.0);
            if let Some(student) = finding.student {
                sheet.rect(
                    (x(per_cent(student.low)), y - 4.0),
                    (x(per_cent(student.high)), y + 2.0),
                    ink,
                    1.0,
                );
            }
            if let Some(bootstrap) = finding.bootstrap {
                let ends = [
                    (x(per_cent(bootstrap.low)), y + 7.0),
                    (x(per_cent(bootstrap.high)), y + 7.0),
                ];
                sheet.path(&ends, Ink::TEXT, 1.4);
            }
            if let Some(ratio) = finding.ratio {
                sheet.dot((x(per_cent(ratio)), y - 1.0), 4.0, Ink::TEXT);
            }
            let label = name(finding);
            // A phone has its labels above the bars.
            match size {
                Size::Wide => sheet.text(
                    (plot.left - 10.0, y),
                    &fit(&label, size.font(), 195.0),
                    size.font(),
                    Anchor::End,
                    Ink::TEXT,
                ),
                Size::Narrow => sheet.text((plot.left, y - 20.0), &label, size.font(), Anchor::Start, Ink::TEXT),
            }
        }
        plot.axes(&mut sheet, size, "change from base to head", tick, |_| String::new());
        sheet.path(&[(x(0.0), plot.top), (x(0.0), plot.bottom)], Ink::REFERENCE, 1.2);
        sheet
    };
    both(
        draw,
        "The change of each metric with its intervals; the numbers are in the table",
    )
}

/// The primary metric's change in each pair, in the order of their making; empty if no pair has one.
pub fn pairs(mode: &ModePairs) -> String {
    let Some(finding) = mode.primary() else {
        return String::new();
    };
    let point = |pair: &crossover_evidence::regress::Pair| {
        Some((
            f64::from(pair.number),
            per_cent(pair.log_ratio(finding.metric)?.exp()),
            pair.first,
        ))
    };
    let points: Vec<(f64, f64, Side)> = mode.pairs.iter().filter_map(point).collect();
    let Some(last) = points.last().map(|point| point.0) else {
        return String::new();
    };
    let (low, high) = tolerated(finding);
    let ink = Ink::mode(&mode.mode);
    let draw = |size: Size| {
        let width = size.pick(960.0, 360.0);
        let values = points.iter().map(|point| point.1).chain([low, high]);
        let mut plot = Plot {
            left: size.pick(66.0, 56.0),
            right: width - size.pick(24.0, 14.0),
            top: 14.0,
            bottom: size.pick(240.0, 200.0),
            across: Axis::exact(0.0, last + 1.0, size.pick(12.0, 6.0) as usize),
            up: about_zero(values, 5),
        };
        // There is no pair between two pairs, and none before the first.
        plot.across
            .ticks
            .retain(|tick| tick.fract() == 0.0 && (1.0..=last).contains(tick));
        let mut sheet = plot.sheet(size);
        let corners = (plot.at(plot.across.low, high), plot.at(plot.across.high, low));
        sheet.rect(corners.0, corners.1, Ink::FAULT, 1.0);
        plot.axes(&mut sheet, size, "pair", number, tick);
        let none = [plot.at(plot.across.low, 0.0), plot.at(plot.across.high, 0.0)];
        sheet.path(&none, Ink::REFERENCE, 1.2);
        for (x, y, first) in &points {
            match first {
                Side::Base => sheet.dot(plot.at(*x, *y), 4.2, ink),
                Side::Head => sheet.ring(plot.at(*x, *y), 4.8, ink),
            }
        }
        sheet
    };
    both(
        draw,
        "The change of the primary metric in each pair; the numbers are in the table",
    )
}
