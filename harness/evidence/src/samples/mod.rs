//! What the samplers wrote, line by line, and what it adds up to.
//!
//! - [`postgres`]: waits, connections, dead tuples; [`lock_looks`]: whether waits lasted; [`sampler_cost`]: the sampler on itself;
//! - [`statements`], [`pool_wait_share`]: what statements cost, and how long they wait for a connection;
//! - [`processes`], [`host_cpu_share`]: CPU and memory; [`idle`]: what the parts cost at rest;
//! - [`outbox`], [`lag`]: what waits on its way to the workers, event-driven mode;
//! - [`downstream`]: what the service that handlers call has counted;
//! - [`fill_series`]: all of it over time, for the charts.

mod downstream;
mod idle;
mod pool;
mod postgres;
mod queues;
mod statements;
mod timeline;
mod usage;

use crossover_proto::clock::MonotonicNs;
use serde::{Deserialize, Serialize};

use crate::downstream::PolicyCounts;

pub use self::downstream::downstream;
pub use self::idle::idle;
pub use self::pool::pool_wait_share;
pub use self::postgres::{lock_looks, postgres, sampler_cost};
pub use self::queues::{lag, outbox};
pub use self::statements::{claim_blocks_per_row, statements};
pub use self::timeline::fill_series;
pub use self::usage::{host_cpu_share, processes};

/// One line of `samples.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sample {
    /// What the engine's backends were doing.
    Activity {
        /// When (CLOCK_MONOTONIC, ns).
        at: u64,
        /// Time of the sampler's own query (µs).
        query_us: u64,
        /// Connections of the engine, idle ones included.
        connections: u32,
        /// Active backends, grouped.
        active: Vec<Active>,
    },
    /// Sizes in the database.
    Tables {
        /// When (CLOCK_MONOTONIC, ns).
        at: u64,
        /// Dead tuples in `job`, as PostgreSQL's statistics estimate them.
        dead_tuples: u64,
        /// Age of the oldest transaction that holds a snapshot (ms): what died since can't be vacuumed; 0 if there is none.
        #[serde(default)]
        oldest_snapshot_ms: u64,
    },
    /// What the engine's statements cost since the server began to count.
    Statements {
        /// When (CLOCK_MONOTONIC, ns).
        at: u64,
        /// Time of the sampler's own query (µs).
        query_us: u64,
        /// One per tag.
        statements: Vec<StatementUse>,
    },
    /// How long the replicas' statements waited for a connection and kept it, since each replica started.
    Pool {
        /// When (CLOCK_MONOTONIC, ns).
        at: u64,
        /// One per replica that answered.
        replicas: Vec<PoolUse>,
    },
    /// CPU and memory per part since the parts started.
    Usage {
        /// When (CLOCK_MONOTONIC, ns).
        at: u64,
        /// One per part.
        parts: Vec<PartUsage>,
        /// Busy share of the machine's processors since the sample before.
        host_busy: Option<f64>,
    },
    /// What waits in the outbox.
    Outbox {
        /// When (CLOCK_MONOTONIC, ns).
        at: u64,
        /// Unsent rows.
        backlog: u64,
        /// Age of the oldest of them (ms); 0 if there is none.
        oldest_ms: u64,
    },
    /// How far the consumer groups are behind. A broker that is down leaves a gap.
    Lag {
        /// When (CLOCK_MONOTONIC, ns).
        at: u64,
        /// One per partition of each group.
        partitions: Vec<PartitionLag>,
    },
    /// What the service that handlers call has counted since it started.
    Downstream {
        /// When (CLOCK_MONOTONIC, ns).
        at: u64,
        /// One per policy.
        policies: Vec<PolicyCounts>,
    },
}

/// Active backends that wait for the same thing in the same statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    /// `wait_event_type`, or `CPU` for none.
    #[serde(rename = "type")]
    pub wait_type: String,
    /// `wait_event`; empty for none.
    pub event: String,
    /// For row locks: the table whose row is waited for.
    pub relation: Option<String>,
    /// Tag of the statement.
    pub statement: String,
    /// How many.
    pub count: u32,
}

/// One part's use so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartUsage {
    /// Such as `replica-1`.
    pub name: String,
    /// CPU time so far (s).
    pub cpu_s: f64,
    /// Resident memory now (MiB).
    pub memory_mb: f64,
    /// Size of its files now (MiB); `null` for a part without any.
    #[serde(default)]
    pub disk_mb: Option<f64>,
    /// Processors that it may use; `null` if that is not known.
    #[serde(default)]
    pub processors: Option<u32>,
}

/// What one statement cost so far, as `pg_stat_statements` counts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StatementUse {
    /// Its tag, such as `claim`.
    pub statement: String,
    /// Times that it ran.
    pub calls: u64,
    /// Rows that it answered with or changed.
    pub rows: u64,
    /// Time in the server, commits not included (ms).
    pub exec_ms: f64,
    /// Blocks that it touched, in memory or read.
    pub blocks: u64,
    /// Those of them that were read.
    pub blocks_read: u64,
}

/// One replica's pool so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoolUse {
    /// Such as `replica-1`.
    pub name: String,
    /// Time that statements waited for a connection, added up (s).
    pub wait_s: f64,
    /// Time that they kept one, added up (s).
    pub held_s: f64,
}

/// How far a group is behind in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionLag {
    /// Consumer group.
    pub group: String,
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Records after its committed offset.
    pub lag: u64,
}

impl Sample {
    /// When it was taken.
    #[must_use]
    pub fn at(&self) -> MonotonicNs {
        match self {
            Self::Activity { at, .. }
            | Self::Tables { at, .. }
            | Self::Statements { at, .. }
            | Self::Pool { at, .. }
            | Self::Usage { at, .. }
            | Self::Outbox { at, .. }
            | Self::Lag { at, .. }
            | Self::Downstream { at, .. } => MonotonicNs(*at),
        }
    }
}

impl Active {
    /// Waits for a row of `job`? A row waiter waits for the holder's transaction, or in the queue for the tuple.
    #[must_use]
    pub fn waits_for_job_row(&self) -> bool {
        self.waits_for_row() && self.relation.as_deref() == Some("job")
    }

    fn waits_for_row(&self) -> bool {
        self.wait_type == "Lock" && matches!(self.event.as_str(), "transactionid" | "tuple")
    }

    fn other_lock(&self) -> Option<String> {
        if self.wait_type != "Lock" || self.waits_for_job_row() {
            return None;
        }
        match &self.relation {
            Some(relation) if self.waits_for_row() => Some(format!("rows of {relation}")),
            _ => Some(self.event.clone()),
        }
    }
}

/// The samples of `from..to`.
pub(crate) fn within(samples: &[Sample], from: MonotonicNs, to: MonotonicNs) -> impl Iterator<Item = &Sample> {
    samples.iter().filter(move |sample| (from..to).contains(&sample.at()))
}
