//! Two bars a row, one a mode: what each kind of part costs.

use super::canvas::{Anchor, Canvas, fit};
use super::{Ink, Size, both};
use crate::compare::Pair;
use crate::format::NONE;
use crate::ticks::Axis;

const ROW: f64 = 48.0;
const BAR: f64 = 11.0;
/// Room for the numbers right of the bars.
const NUMBERS: f64 = 96.0;

/// A name and a value a mode; `None` where a mode has no such part.
pub type Bars = (String, Pair<Option<f64>>);

/// Both drawings, with `show` for values and `tick` for the axis; empty if there is no value.
pub fn svg(rows: &[Bars], show: fn(f64) -> String, tick: fn(f64) -> String, label: &str) -> String {
    let known = |(_, values): &Bars| values.polling.is_some() || values.event.is_some();
    if rows.iter().any(known) {
        both(|size| draw(rows, show, tick, size), label)
    } else {
        String::new()
    }
}

fn draw(rows: &[Bars], show: fn(f64) -> String, tick: fn(f64) -> String, size: Size) -> Canvas {
    let (width, font) = (size.pick(460.0, 360.0), size.font());
    let (left, right) = (4.0, width - NUMBERS);
    let bottom = 4.0 + ROW * rows.len() as f64;
    let mut sheet = Canvas::new(width, bottom + 22.0);
    let values = rows.iter().flat_map(|(_, values)| [values.polling, values.event]);
    let axis = Axis::linear(values.flatten().fold(0.0, f64::max), 3);
    let x = |value: f64| left + axis.place(value) * (right - left);
    for value in &axis.ticks {
        sheet.path(&[(x(*value), 4.0), (x(*value), bottom)], Ink::GRID, 1.0);
        let (text, anchor) = if *value == 0.0 {
            ("0".to_owned(), Anchor::Start)
        } else {
            (tick(*value), Anchor::Middle)
        };
        sheet.text((x(*value), bottom + 12.0), &text, font - 1.0, anchor, Ink::SOFT);
    }
    for (index, (name, values)) in rows.iter().enumerate() {
        let top = 6.0 + ROW * index as f64;
        let name = fit(name, font, width - 10.0);
        sheet.text((left, top + 8.0), &name, font, Anchor::Start, Ink::TEXT);
        for (row, (mode, value)) in values.named().into_iter().enumerate() {
            let from = top + 17.0 + (BAR + 2.0) * row as f64;
            if let Some(value) = value {
                sheet.rect(
                    (left, from),
                    (x(value).max(left + 1.5), from + BAR),
                    Ink::mode(mode),
                    1.0,
                );
            }
            let text = value.map_or_else(|| NONE.to_owned(), show);
            sheet.text((width, from + BAR / 2.0), &text, font - 0.5, Anchor::End, Ink::TEXT);
        }
    }
    sheet
}
