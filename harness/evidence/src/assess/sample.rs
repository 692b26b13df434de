//! What one look at a live database saw: a line of `samples.jsonl`.

use serde::{Deserialize, Serialize};

/// One look. Times are milliseconds since the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveSample {
    /// What the backends of the database were doing, ours left out.
    Activity {
        /// When (ms).
        at_ms: u64,
        /// Time of the look's own statement (µs).
        query_us: u64,
        /// Client backends that tell nothing of what they do.
        hidden: u32,
        /// Active client backends, grouped.
        active: Vec<LiveActive>,
    },
    /// Counters and sizes.
    State {
        /// When (ms).
        at_ms: u64,
        /// Time of the look's own statements (µs).
        query_us: u64,
        /// The job table, its partitions together.
        table: TableCounts,
        /// Of the whole server.
        connections: ConnectionCounts,
        /// What has been open for long, or holds back vacuum.
        holders: Vec<Holder>,
    },
    /// A look that got no answer.
    Failed {
        /// When (ms).
        at_ms: u64,
        /// Why.
        error: String,
    },
}

/// Active backends that wait for the same thing in the same statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveActive {
    /// `wait_event_type`, or `CPU` for none.
    #[serde(rename = "type")]
    pub wait_type: String,
    /// `wait_event`; empty for none.
    pub event: String,
    /// Stands for the statement's text, which is not kept: it may hold what is nobody's business.
    pub statement: String,
    /// The text has the job table's name in it.
    pub names_table: bool,
    /// Of a lock waiter: the table that it waits for, or for a row of.
    pub relation: Option<String>,
    /// Of a lock waiter: that is the job table.
    pub on_table: bool,
    /// How many.
    pub count: u32,
}

impl LiveActive {
    /// Waits for a row of the job table? A row waiter waits for the holder's transaction, or in the queue for the tuple.
    #[must_use]
    pub fn waits_for_row(&self) -> bool {
        self.is_row_wait() && self.on_table
    }

    /// Might it, given that its statement is one on the job table? It waits for a transaction, and the look came too late to
    /// see for which row; or for the other inserter of a unique key. The text need not name the table: a function of the
    /// queue's hides it.
    #[must_use]
    pub fn may_wait_for_row(&self) -> bool {
        self.waits_for_row() || (self.is_row_wait() && self.relation.is_none())
    }

    /// Waits for the job table as a whole: DDL, or LOCK TABLE.
    #[must_use]
    pub fn waits_for_table(&self) -> bool {
        self.wait_type == "Lock" && self.event == "relation" && self.on_table
    }

    fn is_row_wait(&self) -> bool {
        self.wait_type == "Lock" && matches!(self.event.as_str(), "transactionid" | "tuple")
    }
}

/// PostgreSQL's statistics of the job table; counters grow since they were last reset.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TableCounts {
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Live rows, estimated.
    pub live: u64,
    /// Dead rows, estimated.
    pub dead: u64,
    /// Sequential scans.
    pub seq_scans: u64,
    /// Rows that they read.
    pub seq_rows_read: u64,
    /// Runs of autovacuum.
    pub autovacuums: u64,
    /// Since the last one (s); `null` if there was none.
    pub last_autovacuum_s: Option<f64>,
}

impl TableCounts {
    /// Rows inserted, updated or deleted.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.inserted + self.updated + self.deleted
    }
}

/// Client connections by what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConnectionCounts {
    /// All of them, but ours.
    pub total: u32,
    /// Running a statement.
    pub active: u32,
    /// Waiting for their client, no transaction open.
    pub idle: u32,
    /// Waiting for their client with a transaction open.
    pub idle_in_transaction: u32,
}

/// What may hold back vacuum, or holds its locks for long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// What it is.
    pub kind: HolderKind,
    /// `application_name`, name of the slot, or id of the prepared transaction.
    pub name: String,
    /// Process id, of a transaction.
    pub pid: Option<i32>,
    /// Such as `idle in transaction`.
    pub state: String,
    /// How long it has been open (s); `null` if that is not known.
    pub age_s: Option<f64>,
    /// Transactions begun since the one whose dead rows it keeps; `null` if it keeps none.
    pub horizon_transactions: Option<u64>,
}

/// Kinds of [`Holder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HolderKind {
    /// A session's transaction.
    Transaction,
    /// A transaction prepared for two-phase commit.
    PreparedTransaction,
    /// A replication slot.
    ReplicationSlot,
    /// A standby with `hot_standby_feedback`.
    Standby,
}

/// A statement on the job table, as `pg_stat_statements` counts it since its last reset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatementCounts {
    /// Its id there.
    pub id: i64,
    /// Its text, with constants taken out by PostgreSQL.
    pub text: String,
    /// Calls.
    pub calls: u64,
    /// Execution time (ms).
    pub total_ms: f64,
    /// Rows returned or changed.
    pub rows: u64,
    /// Shared blocks hit or read.
    pub blocks: u64,
}
