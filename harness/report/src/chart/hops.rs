//! Where the time goes: each hop of a job's way, a bar for p50, a mark for p99.

use crossover_evidence::result::{Hop, Percentiles};

use super::canvas::{Anchor, Canvas, fit};
use super::{Ink, Size, both};
use crate::format::{ms_tick, percentile_short};
use crate::ticks::Axis;

const ROW: f64 = 40.0;

/// Both drawings.
pub fn svg(hops: &[Hop]) -> String {
    both(
        |size| draw(hops, size),
        "Hops of a job: p50 as a bar, p99 as a mark; the numbers are in the table below",
    )
}

/// A row a hop: its name above the bar, its numbers at the right.
fn draw(hops: &[Hop], size: Size) -> Canvas {
    let width = size.pick(460.0, 360.0);
    let (left, right) = (4.0, width - 92.0);
    let font = size.font();
    let bottom = 18.0 + ROW * hops.len() as f64;
    let mut sheet = Canvas::new(width, bottom + 24.0);
    let largest = hops
        .iter()
        .filter_map(|hop| hop.latency_ms.p99.or(hop.latency_ms.p50))
        .fold(0.0, f64::max);
    let axis = Axis::linear(largest, 4);
    let x = |value: f64| left + axis.place(value) * (right - left);
    for tick in &axis.ticks {
        sheet.path(&[(x(*tick), 18.0), (x(*tick), bottom)], Ink::GRID, 1.0);
        let (text, anchor) = if *tick == 0.0 {
            ("0".to_owned(), Anchor::Start)
        } else {
            (ms_tick(*tick), Anchor::Middle)
        };
        sheet.text((x(*tick), bottom + 12.0), &text, font - 1.0, anchor, Ink::SOFT);
    }
    sheet.text((width, 8.0), "p50 · p99", font - 1.0, Anchor::End, Ink::SOFT);
    for (index, hop) in hops.iter().enumerate() {
        let top = 20.0 + ROW * index as f64;
        sheet.text(
            (left, top + 8.0),
            &fit(&hop.name, font, width - 130.0),
            font,
            Anchor::Start,
            Ink::TEXT,
        );
        let of = &hop.latency_ms;
        let numbers = format!("{} · {}", percentile_short(of.p50, of), percentile_short(of.p99, of));
        sheet.text((width, top + 8.0), &numbers, font, Anchor::End, Ink::TEXT);
        bar(&mut sheet, of, (left, top), x);
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
