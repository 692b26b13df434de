//! Two runs of one plan, one in each mode, side by side: what the page and the texts of a comparison have in common.
//!
//! Must not judge: a claim's verdict comes from the evidence crate, the word of a run from [`crate::verdict`]. What is
//! said here is which number is lower, and by how much; a difference within [`SAME`] is not called one.

pub mod cost;
pub mod figures;
pub mod verdict;

use crossover_evidence::result::{LatencySet, PhaseResult, RunResult};
use crossover_evidence::series::Series;

use crate::ComparePage;
use crate::format::NONE;

/// Two single runs on a shared machine can differ by a tenth for no reason of theirs.
pub const SAME: f64 = 0.10;
/// A factor that would print as 1.0 tells nothing.
const CLOSE: f64 = 0.05;

/// One thing of each mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<T> {
    /// Of the polling run.
    pub polling: T,
    /// Of the event-driven run.
    pub event: T,
}

impl<T> Pair<T> {
    /// Something of each.
    pub fn map<U>(self, of: impl Fn(T) -> U) -> Pair<U> {
        Pair {
            polling: of(self.polling),
            event: of(self.event),
        }
    }

    /// Both with the names of their modes, polling first.
    pub fn named(self) -> [(&'static str, T); 2] {
        [("polling", self.polling), ("event-driven", self.event)]
    }
}

impl<T> Pair<Option<T>> {
    /// Both, if both are there.
    pub fn both(self) -> Option<Pair<T>> {
        match (self.polling, self.event) {
            (Some(polling), Some(event)) => Some(Pair { polling, event }),
            _ => None,
        }
    }
}

/// The runs of a page.
pub fn runs<'a>(page: &ComparePage<'a>) -> Pair<&'a RunResult> {
    Pair {
        polling: page.polling,
        event: page.event_driven,
    }
}

/// Their series.
pub fn series<'a>(page: &ComparePage<'a>) -> Pair<&'a Series> {
    Pair {
        polling: page.polling_series,
        event: page.event_series,
    }
}

/// Measured phases in which jobs were due, by name: those that both runs have.
pub fn phases<'a>(runs: Pair<&'a RunResult>) -> Vec<Pair<&'a PhaseResult>> {
    let measured = |phase: &&PhaseResult| !phase.warmup && phase.load.intended > 0;
    let pair = |polling: &'a PhaseResult| {
        let event = runs.event.phases.iter().find(|phase| phase.name == polling.name)?;
        Some(Pair { polling, event })
    };
    runs.polling.phases.iter().filter(measured).filter_map(pair).collect()
}

/// Latencies of the whole runs.
pub fn runs_latency(runs: Pair<&RunResult>) -> Pair<&LatencySet> {
    runs.map(|run| &run.latency_ms)
}

/// The phase that shows the system neither at rest nor in trouble: `steady`; `None` where there is none by that name.
pub fn steady(runs: Pair<&RunResult>) -> Option<Pair<&PhaseResult>> {
    phases(runs).into_iter().find(|phase| phase.polling.name == "steady")
}

/// The phase with the highest intended rate.
pub fn heaviest(runs: Pair<&RunResult>) -> Option<Pair<&PhaseResult>> {
    let rate = |phase: &Pair<&PhaseResult>| phase.polling.load.intended_per_s;
    phases(runs).into_iter().max_by(|a, b| rate(a).total_cmp(&rate(b)))
}

/// From polling to event-driven: `÷ 34`, `× 2.8`; `≈` where one is within a twentieth of the other.
pub fn change(values: Pair<Option<f64>>) -> String {
    let Some(Pair { polling, event }) = values.both() else {
        return NONE.to_owned();
    };
    let (less, more) = (polling.min(event), polling.max(event));
    if more - less <= CLOSE * more {
        "≈".to_owned()
    } else if less <= 0.0 {
        NONE.to_owned()
    } else if event < polling {
        format!("÷\u{a0}{}", times(more / less))
    } else {
        format!("×\u{a0}{}", times(more / less))
    }
}

fn times(factor: f64) -> String {
    let decimals = usize::from(factor < 9.95);
    let text = format!("{factor:.decimals$}");
    text.parse::<u64>().map_or(text, crate::format::count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(polling: f64, event: f64) -> String {
        change(Pair {
            polling: Some(polling),
            event: Some(event),
        })
    }

    #[test]
    fn a_change_reads_from_polling_to_event_driven() {
        assert_eq!(of(104.0, 3.1), "÷\u{a0}34");
        assert_eq!(of(0.02, 0.056), "×\u{a0}2.8");
        assert_eq!(of(1.0, 0.98), "≈");
        assert_eq!(of(0.001, 12.0), "×\u{a0}12,000");
        assert_eq!(of(0.0, 0.0), "≈");
        assert_eq!(of(0.0, 3.0), NONE);
    }

    #[test]
    fn a_missing_number_has_no_change() {
        let values = Pair {
            polling: None,
            event: Some(1.0),
        };
        assert_eq!(change(values), NONE);
    }
}
