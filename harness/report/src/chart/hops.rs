//! Where the time goes: each hop of a job's way, p50 and p99.
//!
//! Bars from zero where they can be seen. Where one hop's p99 dwarfs every median (an outage, or a poll beside a few
//! milliseconds), bars from zero would be slivers: then dots on decades, which compare at any size.

use crossover_evidence::result::{Hop, Percentiles};

use super::canvas::{Anchor, Canvas, fit, text_width};
use super::{Ink, Size, both};
use crate::format::{ms_tick, percentile_short};
use crate::ticks::{Axis, Scale};

const ROW: f64 = 40.0;
/// A p99 so many times the largest median leaves the bars less than a twentieth of the width.
const DWARFED: f64 = 20.0;
/// The history's clock ticks finer, but nothing below a microsecond means anything here.
const LEAST_MS: f64 = 0.001;

/// Both drawings, on the axis that [`axis`] chose.
pub fn svg(hops: &[Hop], axis: &Axis) -> String {
    let label = match axis.scale {
        Scale::Linear => "Hops of a job: p50 as a bar, p99 as a mark; the numbers are in the table below",
        Scale::Log => "Hops of a job: p50 as a dot, p99 as a mark, on decades; the numbers are in the table below",
    };
    both(|size| draw(hops, axis, size), label)
}

/// The axis for the hops of one run.
pub fn axis(hops: &[Hop]) -> Axis {
    let largest =
        |of: fn(&Percentiles) -> Option<f64>| hops.iter().filter_map(|hop| of(&hop.latency_ms)).fold(0.0, f64::max);
    let (p50, p99) = (largest(|of| of.p50), largest(|of| of.p99));
    if p99 > DWARFED * p50 && p50 > 0.0 {
        decades(hops)
    } else {
        Axis::linear(p99.max(p50), 4)
    }
}

/// One axis on decades for all these hops, so that runs can be compared.
pub fn decades<'a>(hops: impl IntoIterator<Item = &'a Hop>) -> Axis {
    let ends = hops
        .into_iter()
        .flat_map(|hop| [hop.latency_ms.p50, hop.latency_ms.p99]);
    let (low, high) = ends.flatten().fold((f64::INFINITY, 0.0_f64), |(low, high), value| {
        (low.min(value.max(LEAST_MS)), high.max(value))
    });
    Axis::log(low, high)
}

/// What the marks are.
pub fn legend(axis: &Axis) -> &'static str {
    match axis.scale {
        Scale::Linear => "bar p50, mark p99",
        Scale::Log => "dot p50, mark p99, log scale",
    }
}

/// A row a hop: its name above the marks, its numbers at the right.
fn draw(hops: &[Hop], axis: &Axis, size: Size) -> Canvas {
    let width = size.pick(460.0, 360.0);
    let (left, right) = (4.0, width - 92.0);
    let font = size.font();
    let bottom = 18.0 + ROW * hops.len() as f64;
    let mut sheet = Canvas::new(width, bottom + 24.0);
    let x = |value: f64| left + axis.place(value) * (right - left);
    let mut free = f64::NEG_INFINITY;
    for tick in &axis.ticks {
        sheet.path(&[(x(*tick), 18.0), (x(*tick), bottom)], Ink::GRID, 1.0);
        let text = if *tick == 0.0 { "0".to_owned() } else { ms_tick(*tick) };
        let half = text_width(&text, font - 1.0) / 2.0;
        let (anchor, from) = if x(*tick) < left + half {
            (Anchor::Start, x(*tick))
        } else {
            (Anchor::Middle, x(*tick) - half)
        };
        if from > free {
            sheet.text((x(*tick), bottom + 12.0), &text, font - 1.0, anchor, Ink::SOFT);
            free = from + 2.0 * half + 8.0;
        }
    }
    sheet.text((width, 8.0), "p50 · p99", font - 1.0, Anchor::End, Ink::SOFT);
    for (index, hop) in hops.iter().enumerate() {
        let top = 20.0 + ROW * index as f64;
        let name = fit(&hop.name, font, width - 130.0);
        sheet.text((left, top + 8.0), &name, font, Anchor::Start, Ink::TEXT);
        let of = &hop.latency_ms;
        let numbers = format!("{} · {}", percentile_short(of.p50, of), percentile_short(of.p99, of));
        sheet.text((width, top + 8.0), &numbers, font, Anchor::End, Ink::TEXT);
        match axis.scale {
            Scale::Linear => bar(&mut sheet, of, (left, top), x),
            Scale::Log => dots(&mut sheet, of, top, x),
        }
    }
    sheet
}

/// A bar to p50, a thin line on to p99, a mark there.
fn bar(sheet: &mut Canvas, of: &Percentiles, (left, top): (f64, f64), x: impl Fn(f64) -> f64) {
    if let Some(p99) = of.p99 {
        sheet.path(&[(left, top + 24.0), (x(p99), top + 24.0)], Ink::MAX, 1.0);
        sheet.rect((x(p99) - 1.5, top + 15.0), (x(p99) + 1.5, top + 33.0), Ink::P99, 1.0);
    }
    if let Some(p50) = of.p50 {
        sheet.rect((left, top + 18.0), (x(p50).max(left + 1.5), top + 30.0), Ink::P50, 1.0);
    }
}

/// A dot at p50, a thin line on to p99, a mark there.
fn dots(sheet: &mut Canvas, of: &Percentiles, top: f64, x: impl Fn(f64) -> f64) {
    if let (Some(p50), Some(p99)) = (of.p50, of.p99) {
        sheet.path(&[(x(p50), top + 24.0), (x(p99), top + 24.0)], Ink::MAX, 1.0);
    }
    if let Some(p99) = of.p99 {
        sheet.rect((x(p99) - 1.5, top + 15.0), (x(p99) + 1.5, top + 33.0), Ink::P99, 1.0);
    }
    if let Some(p50) = of.p50 {
        sheet.dot((x(p50), top + 24.0), 5.0, Ink::P50);
    }
}
