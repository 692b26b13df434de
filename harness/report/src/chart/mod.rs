//! Charts. One file per chart; [`time`] draws those over time, so that they share their axis, width and shades.
//!
//! Each chart is drawn twice, for a wide page and for a phone ([`Size`]); the style sheet shows one of them. A single
//! drawing scaled down would put 5-pixel letters on a phone.

pub mod bars;
mod canvas;
pub mod capacity;
pub mod compare;
pub mod connections;
pub mod cpu;
pub mod dead_tuples;
pub mod diff;
pub mod downstream;
pub mod draw;
mod end_labels;
pub mod forecast;
pub mod heat;
pub mod hops;
mod ink;
mod labels;
pub mod lag;
pub mod latency;
pub mod memory;
pub mod overlaid;
pub mod percentiles;
mod plot;
pub mod queues;
pub mod regress;
pub mod sweep;
pub mod throughput;
pub mod time;
pub mod waits;

pub use canvas::Canvas;
pub use ink::Ink;

/// Which of the two drawings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// 960 CSS pixels: laptops and paper.
    Wide,
    /// 360 CSS pixels: phones.
    Narrow,
}

impl Size {
    /// Both, as every chart is drawn.
    pub const BOTH: [Self; 2] = [Self::Wide, Self::Narrow];

    /// CSS class of the drawing.
    pub fn class(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Narrow => "narrow",
        }
    }

    /// Height of letters (CSS pixels).
    pub fn font(self) -> f64 {
        match self {
            Self::Wide => 12.0,
            Self::Narrow => 11.0,
        }
    }

    /// One of two numbers.
    pub fn pick(self, wide: f64, narrow: f64) -> f64 {
        match self {
            Self::Wide => wide,
            Self::Narrow => narrow,
        }
    }
}

/// Both drawings, one after the other, as SVG text.
pub fn both(draw: impl Fn(Size) -> Canvas, label: &str) -> String {
    Size::BOTH.map(|size| draw(size).finish(size.class(), label)).concat()
}
