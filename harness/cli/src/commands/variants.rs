//! The variants that capacities and maps are about: each a dispatch mode with its settings.

use crossover_evidence::capacity::Variant;

use crate::args::Mode;
use crate::scenario::Document;

/// All of them, in the order in which they are run and told.
pub const ALL: [Variant; 3] = [Variant::PollingDefault, Variant::PollingTuned, Variant::EventDriven];

/// How a variant dispatches.
pub fn mode_of(variant: Variant) -> Mode {
    match variant {
        Variant::PollingDefault | Variant::PollingTuned => Mode::Polling,
        Variant::EventDriven => Mode::EventDriven,
    }
}

/// The overrides that make a scenario the variant's, with so many replicas (`None`: the scenario's own).
pub fn overrides(variant: Variant, replicas: Option<u32>, document: &Document) -> Vec<String> {
    let mut overrides = match variant {
        Variant::PollingTuned => document.polling.tuned_overrides(),
        Variant::PollingDefault | Variant::EventDriven => Vec::new(),
    };
    overrides.extend(replicas.map(|count| format!("topology.replicas={count}")));
    overrides
}
