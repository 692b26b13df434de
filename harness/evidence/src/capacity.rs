//! `capacity.json`: what a search for the highest arrival rate that holds has found.
//!
//! The answer is an interval, never a point: a rate that held, and a higher one that did not. Each step is a run of its own on
//! a fresh database. Whoever compares capacities compares intervals, of one machine.

use serde::{Deserialize, Serialize};

use crate::plateau::Attribution;
use crate::result::{TestbedInfo, TopologyInfo};

/// Raised when a reader of the last version would misread this one.
pub const SCHEMA_VERSION: u32 = 1;

/// One finished (or broken off) search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// Directory name: `capacity-<scenario>-<variant>-<utc>`.
    pub id: String,
    /// Scenario name.
    pub scenario: String,
    /// How the engine dispatches, and with which settings.
    pub variant: Variant,
    /// Fixes the plan of every step.
    pub seed: u64,
    /// The command that repeats it.
    pub command: String,
    /// Commit of this tool, with `-dirty` where it applies; `null` outside a checkout.
    pub git_commit: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Servers and machine, as the first step found them.
    pub testbed: TestbedInfo,
    /// The parts and their settings, as the first step had them.
    pub topology: TopologyInfo,
    /// Every step, in the order in which they ran.
    pub steps: Vec<Step>,
    /// Jobs per second: the highest arrival rate that held, and the lowest above it that did not.
    pub holds: Interval,
    /// What limited the lowest rate that did not hold; `null` if all held, or the steps do not tell.
    pub plateau: Option<Attribution>,
    /// Why its numbers may not be used; empty if they may.
    pub invalid_reasons: Vec<String>,
}

/// A dispatch mode with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// Polling as the scenario has it.
    PollingDefault,
    /// Polling with a tuned batch, interval and wake-up.
    PollingTuned,
    /// Outbox, relay, broker.
    EventDriven,
}

/// From the highest value known to hold to the lowest known not to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// It held here; `null` if nothing did.
    pub low: Option<f64>,
    /// It did not hold here; `null` if everything did.
    pub high: Option<f64>,
}

/// One rate, tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Jobs per second that arrived, by plan.
    pub rate_per_s: f64,
    /// Did it hold?
    pub verdict: StepVerdict,
    /// Each rule with its number, a sentence each.
    pub why: Vec<String>,
    /// Slope of the backlog over the second half (jobs per second): estimate and upper bound of its 95 % interval.
    pub slope_per_s: Option<(f64, f64)>,
    /// Completed ÷ intended over the load.
    pub achieved_ratio: f64,
    /// From the end of the load to the last completion (s); `null` if it did not drain.
    pub drain_s: Option<f64>,
    /// Dispatch latency (ms); `null` where it is not known.
    pub p50_ms: Option<f64>,
    /// As above.
    pub p99_ms: Option<f64>,
    /// Busy share of the machine's processors.
    pub host_cpu_share: Option<f64>,
    /// Directory of the run, relative to the search's.
    pub run: String,
}

/// What one step says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepVerdict {
    /// All rules hold.
    Held,
    /// At least one does not.
    DidNotHold,
    /// The run is invalid, or a rule can't be judged.
    Unknown,
}
