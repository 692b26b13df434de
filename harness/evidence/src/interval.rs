//! Where a figure lies, with both ends known. How it was found is its owner's business.

use serde::{Deserialize, Serialize};

/// From `low` to `high`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    /// Both ends through a function that keeps their order.
    #[must_use]
    pub fn map(self, each: impl Fn(f64) -> f64) -> Self {
        Self {
            low: each(self.low),
            high: each(self.high),
        }
    }
}
