//! What a caller can ask of a Kafka, and how long a start took.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::kind::BrokerKind;
use super::listeners::BrokerListeners;
use crate::disk;
use crate::error::Result;
use crate::owned::{base_directory, require_base};

/// A million records of 200 bytes, their indexes, and room.
const DISK_NEEDED_BYTES_PER_BROKER: u64 = 2 << 30;

/// Half of what Kafka's own script gives, for a broker that shares its machine with all else; 390 MB were seen in use.
const HEAP_MB: u32 = 512;

/// How many brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BrokerCount {
    /// One: an acknowledgement means that one process has the record.
    #[default]
    One,
    /// Three: an acknowledgement means that two have it (`min.insync.replicas=2`).
    Three,
}

impl BrokerCount {
    /// As a number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Three => 3,
        }
    }
}

/// What to start.
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// Part of the directories' names, and so unique among live runs.
    pub run_id: String,
    /// The brokers' processes, logs and directories are named after it: `kafka-1`.
    pub name: String,
    /// Which broker. Absent: in containers Redpanda, if it can be had and nothing here is Kafka's alone; else Kafka.
    pub kind: Option<BrokerKind>,
    /// Their addresses, one item a broker: see [`KafkaOptions::new`].
    pub listeners: Vec<BrokerListeners>,
    /// Write to disk after this many messages of a partition, before they are acknowledged: 1 is like PostgreSQL. Absent,
    /// the operating system decides, as Kafka recommends.
    pub flush_every_messages: Option<u64>,
    /// Members that use the newer group protocol, silent for this long, are out of their group: half a second to five
    /// minutes; classic members ask for theirs. Absent, Kafka's default.
    pub session_timeout: Option<Duration>,
    /// Access rules are heeded (Kafka's own authorizer); without a rule everything is allowed.
    pub authorizer: bool,
    /// Settings over ours. Those that place the server or weaken its durability are refused. Kafka warns of one that it
    /// does not know, in its log, and starts.
    pub settings: BTreeMap<String, String>,
    /// The Java heap of each broker (MB).
    pub heap_mb: u32,
    /// Directory in which the data directories are made.
    pub base: PathBuf,
    /// Refuse to start with less free space (bytes).
    pub disk_needed_bytes: u64,
}

impl KafkaOptions {
    /// Brokers named `kafka-1` … on free ports, drawn now; CROSSOVER_DATA_DIR is heeded.
    ///
    /// # Errors
    /// `Unavailable` if there are no free ports.
    pub fn new(run_id: &str, brokers: BrokerCount) -> Result<Self> {
        let drawn = (0..brokers.number()).map(|_| BrokerListeners::draw());
        Ok(Self {
            run_id: run_id.to_owned(),
            name: "kafka".to_owned(),
            kind: None,
            listeners: drawn.collect::<Result<_>>()?,
            flush_every_messages: None,
            session_timeout: None,
            authorizer: false,
            settings: BTreeMap::new(),
            heap_mb: HEAP_MB,
            base: base_directory(),
            disk_needed_bytes: DISK_NEEDED_BYTES_PER_BROKER * u64::from(brokers.number()),
        })
    }

    /// What of this only Kafka can give; nothing if any broker can.
    pub(super) fn needs_kafka(&self) -> Option<String> {
        if self.flush_every_messages.is_some() {
            return Some("a number of messages between flushes is asked for, which is a setting of Kafka".to_owned());
        }
        if self.authorizer {
            return Some("access rules are asked for, which only Kafka heeds here".to_owned());
        }
        let name = self.settings.keys().find(|name| name.contains('.'))?;
        Some(format!("{name} is a setting of Kafka"))
    }

    /// Refuses what can't work, before anything is made; settings are looked at when the broker is known.
    pub(super) fn validate(&self) -> Result<()> {
        self.listeners.iter().try_for_each(BrokerListeners::require_free)?;
        require_base(&self.base)?;
        disk::ensure_free(&self.base, self.disk_needed_bytes)
    }
}

/// How long each part of the first start took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KafkaStartTimes {
    /// Finding Java and the jars, or fetching the jars.
    pub find: Duration,
    /// Making directories and formatting them.
    pub format: Duration,
    /// From the launch until every broker answers and knows all the others.
    pub ready: Duration,
}

impl KafkaStartTimes {
    /// All together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.find + self.format + self.ready
    }
}
