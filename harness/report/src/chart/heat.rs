//! Heat maps over rate × replicas: who leads, and the p99 of one variant. Each cell says in words what its colour says.

use crossover_evidence::capacity::{StepVerdict, Variant};
use crossover_evidence::map::{CrossoverMap, Lead};

use super::canvas::{Anchor, Canvas, fit};
use super::{Ink, Size, both};
use crate::format::{ms, number};
use crate::map::{VARIANTS, best_p99, lead, replicas};

/// A lead of so many times is drawn in the full colour.
const FULL_LEAD: f64 = 100.0;
/// p99 that is drawn palest and strongest (ms).
const PALE_MS: f64 = 1.0;
const STRONG_MS: f64 = 10_000.0;
/// Palest and strongest share of a colour in a cell: beyond it, letters can't be read on it in the dark.
const STRENGTH: (f64, f64) = (0.1, 0.45);

/// Where the cells are.
struct Cells {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    rows: usize,
}

impl Cells {
    fn of(map: &CrossoverMap, size: Size) -> Self {
        let left = size.pick(100.0, 34.0);
        let room = size.pick(960.0, 360.0) - left - size.pick(14.0, 6.0);
        Self {
            left,
            top: 8.0,
            width: room / map.rates_per_s.len().max(1) as f64,
            height: 56.0,
            rows: map.replicas.len(),
        }
    }

    /// Upper left and lower right corner; more replicas lie higher.
    fn corners(&self, column: usize, row: usize) -> ((f64, f64), (f64, f64)) {
        let x = self.left + self.width * column as f64;
        let y = self.top + self.height * (self.rows - 1 - row) as f64;
        ((x, y), (x + self.width, y + self.height))
    }

    /// The sheet with the names of columns and rows on it.
    fn sheet(&self, map: &CrossoverMap, size: Size) -> Canvas {
        let bottom = self.top + self.height * self.rows as f64;
        let mut sheet = Canvas::new(size.pick(960.0, 360.0), bottom + 44.0);
        let font = size.font();
        for (row, count) in map.replicas.iter().enumerate() {
            let y = self.corners(0, row).0.1 + self.height / 2.0;
            let name = match size {
                Size::Wide => replicas(*count),
                Size::Narrow => format!("{count}×"),
            };
            sheet.text((self.left - 8.0, y), &name, font, Anchor::End, Ink::SOFT);
        }
        for (column, rate) in map.rates_per_s.iter().enumerate() {
            let x = self.left + self.width * (column as f64 + 0.5);
            sheet.text((x, bottom + 14.0), &number(*rate), font, Anchor::Middle, Ink::SOFT);
        }
        let middle = self.left + self.width * map.rates_per_s.len() as f64 / 2.0;
        let title = match size {
            Size::Wide => "jobs per second",
            Size::Narrow => "jobs per second; left: replicas",
        };
        sheet.text((middle, bottom + 34.0), title, font, Anchor::Middle, Ink::SOFT);
        sheet
    }

    /// A cell with up to two lines in it.
    fn cell(
        &self,
        sheet: &mut Canvas,
        (column, row): (usize, usize),
        fill: Option<(Ink, f64)>,
        lines: [&str; 2],
        size: Size,
    ) {
        let (from, to) = self.corners(column, row);
        let (inner_from, inner_to) = ((from.0 + 1.5, from.1 + 1.5), (to.0 - 1.5, to.1 - 1.5));
        let (ink, alpha) = fill.unwrap_or((Ink::GRID, 0.6));
        sheet.rect(inner_from, inner_to, ink, alpha);
        let font = size.font();
        let middle = (f64::midpoint(from.0, to.0), f64::midpoint(from.1, to.1));
        let offsets = if lines[1].is_empty() { [0.0, 0.0] } else { [-8.0, 9.0] };
        for (line, offset) in lines.iter().zip(offsets) {
            let text = fit(line, font, self.width - 6.0);
            sheet.text((middle.0, middle.1 + offset), &text, font, Anchor::Middle, Ink::TEXT);
        }
    }
}

/// Who leads at each place, the stronger the colour the more; and the line between polling and event-driven.
pub fn leaders(map: &CrossoverMap) -> String {
    let draw = |size: Size| {
        let cells = Cells::of(map, size);
        let mut sheet = cells.sheet(map, size);
        for (row, count) in map.replicas.iter().enumerate() {
            for (column, rate) in map.rates_per_s.iter().enumerate() {
                let found = map.lead(&VARIANTS, *count, *rate);
                let fill = match found {
                    Lead::Of(leader, times) => Some((Ink::mode(leader.name()), strength(times))),
                    _ => None,
                };
                let p99 = best_p99(map, found, *count, *rate).unwrap_or_default();
                cells.cell(&mut sheet, (column, row), fill, [&lead(found), &p99], size);
            }
        }
        line(&mut sheet, map, &cells);
        sheet
    };
    both(
        draw,
        "Who leads over rate and replicas; the numbers are in the table below",
    )
}

/// From pale at a lead that is just one to full; full too where one alone holds.
fn strength(times: Option<f64>) -> f64 {
    let share = times.map_or(1.0, |times| times.max(1.0).ln() / FULL_LEAD.ln());
    in_cell(share)
}

/// A share of 0 to 1 as the strength of a cell's colour.
fn in_cell(share: f64) -> f64 {
    STRENGTH.0 + (STRENGTH.1 - STRENGTH.0) * share.clamp(0.0, 1.0)
}

/// Thick where event-driven takes the lead over both ways of polling for good: left of the first such cell of each row, and
/// along the rows between.
fn line(sheet: &mut Canvas, map: &CrossoverMap, cells: &Cells) {
    let polling = [Variant::PollingDefault, Variant::PollingTuned];
    let first = |count: &u32| {
        let (_, from) = map.crossing(&polling, *count)?;
        map.rates_per_s.iter().position(|rate| *rate >= from)
    };
    let firsts: Vec<Option<usize>> = map.replicas.iter().map(first).collect();
    for (row, first) in firsts.iter().enumerate() {
        let Some(column) = *first else { continue };
        let (from, to) = cells.corners(column, row);
        sheet.path(&[from, (from.0, to.1)], Ink::TEXT, 3.0);
        if let Some(Some(above)) = firsts.get(row + 1) {
            let across = cells.corners(*above, row).0.0;
            sheet.path(&[from, (across, from.1)], Ink::TEXT, 3.0);
        }
    }
}

/// p99 of one variant at each place, the stronger the colour the slower.
pub fn latencies(map: &CrossoverMap, variant: Variant) -> String {
    let ink = Ink::mode(variant.name());
    let draw = |size: Size| {
        let cells = Cells::of(map, size);
        let mut sheet = cells.sheet(map, size);
        for (row, count) in map.replicas.iter().enumerate() {
            for (column, rate) in map.rates_per_s.iter().enumerate() {
                let step = map.point(variant, *count, *rate).map(|point| &point.step);
                let p99 = step.and_then(|step| step.p99_ms);
                let mark = match step.map(|step| step.verdict) {
                    None => "not run",
                    Some(StepVerdict::Held) => "",
                    Some(StepVerdict::DidNotHold) => "✕",
                    Some(StepVerdict::Unknown) => "?",
                };
                let shade = |ms: f64| in_cell((ms / PALE_MS).ln() / (STRONG_MS / PALE_MS).ln());
                let text = p99.map(ms).unwrap_or_default();
                cells.cell(
                    &mut sheet,
                    (column, row),
                    p99.map(|ms| (ink, shade(ms))),
                    [&text, mark],
                    size,
                );
            }
        }
        sheet
    };
    both(draw, "p99 over rate and replicas; the numbers are in the table below")
}
