//! `[event_driven]`: settings of the event-driven mode; a polling run ignores them.

use std::time::Duration;

use crossover_engine::command::{GroupProtocol, RelayStrategy};
use crossover_proto::schema::DurationText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::flag_of;

/// Settings of relay, topics and consumers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EventDriven {
    /// Partitions of each job type's topic.
    pub partitions: u32,
    /// What ends the relay's wait for new rows: a replica's NOTIFY, or the interval alone.
    pub strategy: StrategyKind,
    /// Time between the relay's looks at an empty outbox.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "DurationText")]
    pub interval: Duration,
    /// Most rows in one read of the relay.
    pub batch: u32,
    /// Most rows that the relay has read and not yet marked; not below `batch`.
    pub window: u32,
    /// How long the producer gathers records before it sends them.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "DurationText")]
    pub linger: Duration,
    /// A relay reads only while its epoch is the current one; `false` for comparison.
    pub fenced: bool,
    /// Each relay has a lock of its own: the misconfiguration that lets two of them lead.
    pub split_lock: bool,
    /// A job whose record was sent this long ago, and that no lag explains, is sent again.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "DurationText")]
    pub redispatch_after: Duration,
    /// Most records of one partition that a worker has received and not yet settled.
    pub partition_window: u32,
    /// How the members of a group agree; `consumer` is KIP-848.
    pub group_protocol: ProtocolKind,
    /// A silent member is out of its group after this time; on servers of your own at least `6s`, and with `consumer` the
    /// broker's own setting holds.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "DurationText")]
    pub session_timeout: Duration,
    /// Kafka writes to disk after this many messages of a partition, before it acknowledges them: 1 is like PostgreSQL.
    pub flush_every_messages: Option<u64>,
    /// Kafka heeds access rules (`deny` needs it); without a rule, everything is allowed. Not on Redpanda, nor on servers of
    /// your own.
    pub authorizer: bool,
}

impl Default for EventDriven {
    fn default() -> Self {
        Self {
            partitions: 12,
            strategy: StrategyKind::Notify,
            interval: Duration::from_millis(250),
            batch: 5_000,
            window: 20_000,
            linger: Duration::ZERO,
            fenced: true,
            split_lock: false,
            redispatch_after: Duration::from_secs(30),
            partition_window: 1_000,
            group_protocol: ProtocolKind::Classic,
            session_timeout: Duration::from_secs(6),
            flush_every_messages: None,
            authorizer: false,
        }
    }
}

/// As the relay's `--strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyKind {
    /// NOTIFY of a replica, or the interval at the latest.
    Notify,
    /// The interval alone.
    Poll,
}

/// As the worker's `--group-protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProtocolKind {
    /// The members decide.
    Classic,
    /// The broker decides.
    Consumer,
}

impl StrategyKind {
    /// The flag's value.
    pub fn flag(self) -> String {
        flag_of(match self {
            Self::Notify => RelayStrategy::Notify,
            Self::Poll => RelayStrategy::Poll,
        })
    }
}

impl ProtocolKind {
    /// The flag's value.
    pub fn flag(self) -> String {
        flag_of(match self {
            Self::Classic => GroupProtocol::Classic,
            Self::Consumer => GroupProtocol::Consumer,
        })
    }
}
