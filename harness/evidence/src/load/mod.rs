//! The parts of a scenario file that shape the load: phases of arrivals, the workload, and traces of a team's own.
//!
//! It owns their types and their rules; an error names the key, what was found and what is allowed. It must not read
//! files: the scenario's and the trace's text come from `cli`.

mod phase;
pub mod trace;
mod workload;

pub use phase::{Arrivals, Phase, validate_phases};
pub use trace::{TraceError, TraceRow};
pub use workload::{HandlerSpec, Service, Workload, WorkloadDefinition};

/// What is wrong with the load, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct LoadError {
    /// Path to the key, as in `load[1].rate_per_s`.
    pub place: String,
    /// What was found and what is allowed.
    pub problem: String,
}

impl LoadError {
    pub(crate) fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
        }
    }
}
