//! `capacity.json`: what a search for the highest arrival rate that holds has found.
//!
//! The answer is an interval, never a point: a rate that held, and a higher one that did not. Each step is a run of its own on
//! a fresh database. Whoever compares capacities compares intervals, of one machine.
//!
//! [`holds`] says whether a step holds, from [`slope`] and two plainer rules; [`search`] says which rate comes next.

pub mod holds;
pub mod search;
pub mod servers;
pub mod slope;

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
    /// What the search was asked for.
    pub search: search::Settings,
    /// Every step, in the order in which they ran.
    pub steps: Vec<Step>,
    /// Jobs per second: the highest arrival rate that held, and the lowest above it that did not.
    pub holds: Interval,
    /// Why the search ended, a sentence; `null` while it goes on.
    pub ended: Option<String>,
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// It held here; `null` if nothing did.
    pub low: Option<f64>,
    /// It did not hold here; `null` if everything did.
    pub high: Option<f64>,
}

impl Interval {
    /// Width relative to its middle; `None` if an end is open.
    #[must_use]
    pub fn width(&self) -> Option<f64> {
        let (low, high) = self.low.zip(self.high)?;
        Some((high - low) / f64::midpoint(low, high))
    }

    /// Do the two have a rate in common? An open end reaches as far as need be.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let low = |interval: &Self| interval.low.unwrap_or(0.0);
        let high = |interval: &Self| interval.high.unwrap_or(f64::INFINITY);
        low(self) <= high(other) && low(other) <= high(self)
    }
}

impl Capacity {
    /// The step at the upper end of the interval: what a plateau is read from. Not just the lowest failure, which may have been
    /// noise.
    #[must_use]
    pub fn first_failure(&self) -> Option<&Step> {
        let mut failed = self.steps.iter().filter(|step| step.verdict == StepVerdict::DidNotHold);
        failed.find(|step| Some(step.rate_per_s) == self.holds.high)
    }

    /// Says the plateau nothing of the engine, because the machine or the instrument came to its end first? Then why.
    #[must_use]
    pub fn not_the_engine(&self) -> Option<String> {
        if let Some(cause) = self.plateau.as_ref().and_then(|plateau| plateau.dominant)
            && cause.is_not_the_engine()
        {
            return Some("the machine or the harness was the limit".to_owned());
        }
        if self.steps.iter().any(|step| step.limited_by_harness) && self.holds.high.is_none() {
            return Some("the load generator was the limit".to_owned());
        }
        let busy = self.first_failure()?.host_cpu_share?;
        (busy > HOST_CPU_MAX).then(|| format!("the machine's processors were {:.0} % busy", busy * 100.0))
    }
}

/// Busy share of the machine's processors above which a plateau is the machine's and not the mode's.
pub const HOST_CPU_MAX: f64 = 0.90;

impl Variant {
    /// As it is written in names and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PollingDefault => "polling",
            Self::PollingTuned => "polling-tuned",
            Self::EventDriven => "event-driven",
        }
    }
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
    /// Jobs over by 2 s after the load ÷ jobs intended; `null` without a history.
    pub achieved_ratio: Option<f64>,
    /// From the end of the load until all its jobs were over (s); `null` if some never were.
    pub drain_s: Option<f64>,
    /// Dispatch latency (ms); `null` where it is not known.
    pub p50_ms: Option<f64>,
    /// As above.
    pub p99_ms: Option<f64>,
    /// Busy share of the machine's processors.
    pub host_cpu_share: Option<f64>,
    /// Unknown because the load generator was late: the rate is beyond what the harness can send here.
    #[serde(default)]
    pub limited_by_harness: bool,
    /// Names of checks that failed: such a step says nothing.
    #[serde(default)]
    pub failed_checks: Vec<String>,
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
