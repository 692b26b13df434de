//! Scenario files: what a run is made of. The dispatch mode is not in the file: a scenario runs in any mode.

mod downstream;
mod event_driven;
mod fault;
mod file;
mod keys;
mod rate;
#[cfg(test)]
mod reference;
mod sweep;
mod tuned;
mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clap::ValueEnum;
use crossover_engine::command::Wake;
use crossover_engine::store::ClaimKind;
use crossover_evidence::load::{Phase, Workload};
use crossover_proto::schema::DurationText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::args::Mode;

pub use downstream::Downstream;
pub use event_driven::{EventDriven, ProtocolKind, StrategyKind};
pub use fault::{
    Action, DownstreamFault, Fault, LinkFault, PostgresFault, ProcessFault, ProcessTarget, TopicFault, moments,
};
pub use file::{Scenario, kept_trace, load, read_toml, reload, reload_with};
pub use keys::keys;
pub use rate::Rates;
pub use sweep::{Point, value_of, without_sweep};
pub use tuned::Tuned;

/// The file's content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// One line for people.
    pub title: String,
    /// Claims of the seed that it bears on.
    #[serde(default)]
    pub claims: Vec<String>,
    /// Fixes the plan, not the interleaving; `--seed` wins over it.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// How many of each part.
    #[serde(default)]
    pub topology: Topology,
    /// Settings of the engine that both modes share.
    #[serde(default)]
    pub engine: EngineSettings,
    /// Settings of the polling mode; an event-driven run ignores them.
    #[serde(default)]
    pub polling: Polling,
    /// Settings of the event-driven mode; a polling run ignores them.
    #[serde(default)]
    pub event_driven: EventDriven,
    /// Settings of PostgreSQL beyond the testbed's own.
    #[serde(default)]
    pub postgres: BTreeMap<String, String>,
    /// Settings of Kafka beyond the testbed's own.
    #[serde(default)]
    pub kafka: BTreeMap<String, String>,
    /// The service that handlers call, if any does.
    #[serde(default)]
    pub downstream: Option<Downstream>,
    /// What is started.
    pub workload: Workload,
    /// When it is started: phases, one after the other.
    pub load: Vec<Phase>,
    /// What is broken, and when.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// The same plan is run once more with nothing broken, in `control/` of the run, and what the faults did to others is held
    /// against it: `neighbours` in `result.json`.
    #[serde(default)]
    pub control: bool,
    /// How long the rest may take after the load.
    #[serde(default)]
    pub drain: Drain,
    /// How often is looked.
    #[serde(default)]
    pub samplers: Samplers,
    /// The same statements driven by `pgbench` just before, for scale.
    #[serde(default)]
    pub reference: Option<Reference>,
    /// What must hold.
    #[serde(default)]
    pub hypotheses: Vec<Hypothesis>,
    /// Run it once for each combination of values.
    #[serde(default)]
    pub sweep: Vec<SweepKey>,
}

impl Document {
    /// All job types of all definitions, each once.
    pub fn job_types(&self) -> BTreeSet<String> {
        let definitions = self.workload.definitions.iter();
        let types = definitions.flat_map(|entry| entry.definition.job_types());
        types.map(str::to_owned).collect()
    }
}

fn default_seed() -> u64 {
    42
}

/// How many of each part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Topology {
    /// Engine replicas.
    pub replicas: u32,
    /// Worker processes; each polls once per job type.
    pub workers: u32,
    /// Jobs that one worker holds at once.
    pub worker_concurrency: u32,
    /// Connections of one replica to PostgreSQL for its statements.
    pub replica_connections: u32,
    /// Processors that PostgreSQL may use, at most those of the machine; all, if absent. A positive control of attribution, or
    /// a server that is kept small.
    pub postgres_processors: Option<u32>,
    /// Relay processes, one of which leads (event-driven mode).
    pub relays: u32,
    /// Brokers (event-driven mode); with three, topics have three replicas, and two must have a record.
    pub brokers: u32,
    /// Put a proxy on every link, so that it can be broken; also to see what the proxies themselves cost.
    pub proxied: bool,
}

impl Topology {
    /// How many there are of a role of processes.
    pub fn count_of(&self, role: &str) -> Option<u32> {
        match role {
            "worker" => Some(self.workers),
            "replica" => Some(self.replicas),
            "relay" => Some(self.relays),
            "broker" => Some(self.brokers),
            _ => None,
        }
    }
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            replicas: 1,
            workers: 1,
            worker_concurrency: 64,
            replica_connections: 8,
            postgres_processors: None,
            relays: 1,
            brokers: 1,
            proxied: false,
        }
    }
}

/// Settings of the engine that both modes share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EngineSettings {
    /// How long a job is held without a sign of life.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "DurationText")]
    pub lease: Duration,
    /// How often leases and scheduled jobs are looked at.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "DurationText")]
    pub housekeeping_interval: Duration,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            housekeeping_interval: Duration::from_millis(200),
        }
    }
}

/// Settings of the polling mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Polling {
    /// Time between polls that found nothing more.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "DurationText")]
    pub interval: Duration,
    /// Jobs asked for in one poll.
    pub batch: u32,
    /// What ends the wait between polls: the tick, or a ready job (LISTEN/NOTIFY).
    pub wake: WakeKind,
    /// How claimers meet at the same rows.
    pub claim: Claim,
    /// What is tried before the architecture is blamed.
    pub tuned: Tuned,
}

impl Default for Polling {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(500),
            batch: 100,
            wake: WakeKind::Interval,
            claim: Claim::SkipLocked,
            tuned: Tuned::default(),
        }
    }
}

/// As the worker's `--wake`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WakeKind {
    /// The tick alone.
    Interval,
    /// LISTEN/NOTIFY, or the interval at the latest.
    Notify,
}

/// As the replica's `--claim`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// `FOR UPDATE SKIP LOCKED`.
    SkipLocked,
    /// `FOR UPDATE`, as a positive control.
    Blocking,
}

impl WakeKind {
    /// The flag's value.
    pub fn flag(self) -> String {
        flag_of(match self {
            Self::Interval => Wake::Interval,
            Self::Notify => Wake::Notify,
        })
    }
}

impl Claim {
    /// The flag's value.
    pub fn flag(self) -> String {
        flag_of(match self {
            Self::SkipLocked => ClaimKind::SkipLocked,
            Self::Blocking => ClaimKind::Blocking,
        })
    }
}

fn flag_of(value: impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

/// The time after the load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Drain {
    /// What has not finished by then stays unfinished.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "DurationText")]
    pub timeout: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
        }
    }
}

/// How often is looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Samplers {
    /// Looks at `pg_stat_activity`.
    pub activity_hz: u32,
}

impl Default for Samplers {
    fn default() -> Self {
        Self { activity_hz: 20 }
    }
}

/// The same statements driven by `pgbench` just before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Jobs to claim and complete.
    pub jobs: u32,
    /// Jobs in one statement.
    pub batch: u32,
    /// Connections.
    pub clients: u32,
}

/// A number of `result.json` that must lie within bounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hypothesis {
    /// What is expected, in words.
    pub text: String,
    /// `KEY=VALUE, …`: it is expected only where the scenario's keys have these values (at some points of a sweep).
    pub when: Option<String>,
    /// It is expected only in this mode.
    pub mode: Option<Mode>,
    /// Path in `result.json`, such as `latency_ms.dispatch.p50` or `phases.steady.lock_wait_share`.
    pub metric: String,
    /// Smallest value that holds.
    pub at_least: Option<f64>,
    /// Largest value that holds.
    pub at_most: Option<f64>,
}

/// A key and the values that it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepKey {
    /// Path in this file, such as `polling.interval`.
    pub key: String,
    /// At least one.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub values: Vec<toml::Value>,
}
