//! A plot of one number against another: where it lies on its sheet, its two axes and their grid. Charts over time have their
//! own frame, which they share ([`super::time`]).

use super::canvas::{Anchor, Canvas, fit, text_width};
use super::{Ink, Size};
use crate::ticks::Axis;

/// Where the plot is on its sheet.
pub(super) struct Plot {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) across: Axis,
    pub(super) up: Axis,
}

impl Plot {
    /// Where a point lies.
    pub(super) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let across = self.left + self.across.place(x) * (self.right - self.left);
        (across, self.bottom - self.up.place(y) * (self.bottom - self.top))
    }

    /// An empty sheet, with room for the labels below.
    pub(super) fn sheet(&self, size: Size) -> Canvas {
        Canvas::new(size.pick(960.0, 360.0), self.bottom + 44.0)
    }

    /// Both axes with their ticks, and the title of the one across. A tick without room for its label has none.
    pub(super) fn axes(
        &self,
        sheet: &mut Canvas,
        size: Size,
        title: &str,
        label_across: impl Fn(f64) -> String,
        label_up: impl Fn(f64) -> String,
    ) {
        let font = size.font();
        for tick in &self.up.ticks {
            let (_, y) = self.at(self.across.low, *tick);
            sheet.path(&[(self.left, y), (self.right, y)], Ink::GRID, 1.0);
            sheet.text((self.left - 7.0, y), &label_up(*tick), font, Anchor::End, Ink::SOFT);
        }
        let mut free = f64::NEG_INFINITY;
        for tick in &self.across.ticks {
            let (x, _) = self.at(*tick, self.up.low);
            sheet.path(&[(x, self.bottom), (x, self.bottom + 4.0)], Ink::SOFT, 1.0);
            let text = label_across(*tick);
            let half = text_width(&text, font) / 2.0;
            if x - half > free {
                sheet.text((x, self.bottom + 14.0), &text, font, Anchor::Middle, Ink::SOFT);
                free = x + half + 10.0;
            }
        }
        sheet.path(&[(self.left, self.bottom), (self.right, self.bottom)], Ink::SOFT, 1.0);
        let middle = f64::midpoint(self.left, self.right);
        let text = fit(title, font, self.right - self.left);
        sheet.text((middle, self.bottom + 34.0), &text, font, Anchor::Middle, Ink::SOFT);
    }
}
