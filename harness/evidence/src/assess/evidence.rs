//! `assess.json`: what was found at a live job table. `decide` reads it for condition 1a.

use serde::{Deserialize, Serialize};

/// One assessment, whole or broken off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveEvidence {
    /// [`super::SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// What was looked at, and when.
    pub sampled: Sampled,
    /// The server and the table, as they are.
    pub server: ServerFacts,
    /// What the answer was held against.
    pub thresholds: Thresholds,
    /// How it was looked, and what that cost the server.
    pub looks: Looks,
    /// Condition 1a of the rubric.
    pub condition: Condition,
    /// Waits for rows of the job table.
    pub lock_waits: LockWaits,
    /// Everything that active backends of the database waited for, most first.
    pub waits: Vec<WaitShare>,
    /// The job table.
    pub table: TableSummary,
    /// Client connections of the server.
    pub connections: Connections,
    /// Statements on the table by time, as `pg_stat_statements` counted them meanwhile; `null` if it is not there.
    #[serde(default)]
    pub statements: Option<Vec<StatementTime>>,
    /// What else was found, gravest first.
    pub findings: Vec<Finding>,
    /// What this assessment can't say.
    pub limits: Vec<String>,
}

/// What was looked at, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampled {
    /// Directory name: `assess-<table>-<utc>`.
    pub id: String,
    /// The command that repeats it, without any secret.
    pub command: String,
    /// Commit of this tool, with `-dirty` where it applies; `null` outside a checkout.
    pub git_commit: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// How long it was meant to look (s).
    pub intended_s: f64,
    /// How long it looked (s).
    pub duration_s: f64,
    /// Time between two looks (ms).
    pub interval_ms: u64,
    /// Ctrl-C.
    pub interrupted: bool,
}

/// The server and the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerFacts {
    /// Such as `15.14 (Debian 15.14-0+deb12u1)`.
    pub version: String,
    /// Address and database, no password: `host:port/database`.
    pub place: String,
    /// Whom we connected as.
    pub role: String,
    /// The job table, with its schema.
    pub table: String,
    /// It was found by its usual name, not named by the user.
    pub guessed: bool,
    /// Tables that were looked at: itself, and its partitions.
    pub relations: u32,
    /// Size of the table when it began (bytes); `null` if it was locked.
    pub heap_bytes: Option<u64>,
    /// Of its indexes (bytes).
    pub index_bytes: Option<u64>,
    /// Connections that clients other than superusers may have.
    pub connections_allowed: u32,
}

/// What the answer and the findings are held against.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// A window is contended if at least this share of the backends active on the table wait for its rows…
    pub lock_wait_share: f64,
    /// …in at least this share of its looks.
    pub waiting_looks_share: f64,
    /// Waits are sustained if at least this share of the windows with load is contended.
    pub contended_windows_share: f64,
    /// Fewer windows with looks don't settle anything.
    pub windows: u32,
    /// More failed looks than this share don't settle anything.
    pub failed_looks_share: f64,
    /// Dead rows as a share of all, from which vacuum is behind…
    pub dead_share: f64,
    /// …if there are at least this many.
    pub dead_rows: u64,
    /// Age from which a transaction holds back vacuum for too long (s).
    pub transaction_s: f64,
    /// Age from which one that idles does (s).
    pub idle_in_transaction_s: f64,
    /// Transactions begun since, from which a slot or standby does.
    pub horizon_transactions: u64,
    /// Share of the connections allowed from which they run out.
    pub connections_share: f64,
    /// Share of active backends from which lightweight locks are worth a look.
    pub lwlock_share: f64,
    /// Rows read by sequential scans for each row written, from which an index is missing.
    pub seq_rows_per_write: f64,
}

impl Default for Thresholds {
    /// 5 %: `SKIP LOCKED` alone was seen to give up to 2 % on a busy table, a blocking claim several times 5 %. The others are
    /// round numbers, there to be argued with; each is printed with what it decided.
    fn default() -> Self {
        Self {
            lock_wait_share: 0.05,
            waiting_looks_share: 0.2,
            contended_windows_share: 0.5,
            windows: 8,
            failed_looks_share: 0.1,
            dead_share: 0.2,
            dead_rows: 10_000,
            transaction_s: 60.0,
            idle_in_transaction_s: 10.0,
            horizon_transactions: 100_000,
            connections_share: 0.8,
            lwlock_share: 0.2,
            seq_rows_per_write: 1_000.0,
        }
    }
}

/// How it was looked.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Looks {
    /// That got an answer.
    pub taken: u32,
    /// That got none.
    pub failed: u32,
    /// Most client backends at once that told nothing of what they do.
    pub hidden_max: u32,
    /// Length of a window (s).
    pub window_s: f64,
    /// Median time of a look's statement (ms); `null` without any.
    pub query_ms_p50: Option<f64>,
    /// Longest (ms).
    pub query_ms_max: Option<f64>,
    /// Time in all our statements ÷ time that passed.
    pub busy_share: f64,
}

/// Condition 1a of the rubric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// `1a`.
    pub id: String,
    /// As a question.
    pub text: String,
    /// Does it hold?
    pub answer: Answer,
    /// Why, with the numbers, in a sentence.
    pub reason: String,
    /// What to do next.
    pub next: String,
}

/// Yes, no, or not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// The evidence does not settle it.
    Unknown,
}

/// A share and its 95 % interval over the windows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Of all looks together.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Waits for rows of the job table.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct LockWaits {
    /// Backends waiting for its rows ÷ backends active on it; `null` if none was seen, or there are too few windows.
    pub lock_wait_share: Option<Share>,
    /// Looks that saw at least one waiting ÷ all looks.
    pub waiting_looks_share: Option<Share>,
    /// As `lock_wait_share`, with those counted that may have waited for a row: what *no* is held against.
    pub lock_wait_share_at_most: Option<Share>,
    /// As `waiting_looks_share`, likewise.
    pub waiting_looks_share_at_most: Option<Share>,
    /// Most waiting at once.
    pub waiting_max: u32,
    /// Windows with looks in them.
    pub windows: u32,
    /// Of those, with load: rows written, or backends active on the table.
    pub windows_with_load: u32,
    /// Of those, contended.
    pub windows_contended: u32,
    /// Mean number of backends active on the table.
    pub active_mean: f64,
}

/// What active backends of the database waited for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaitShare {
    /// `wait_event_type`, or `CPU` for none.
    #[serde(rename = "type")]
    pub wait_type: String,
    /// `wait_event`; empty for none.
    pub event: String,
    /// The table whose lock or row was waited for.
    pub relation: Option<String>,
    /// In statements with the job table's name in them.
    pub names_table: bool,
    /// Of all active backends.
    pub share: f64,
}

/// The job table over the time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TableSummary {
    /// Rows inserted per second.
    pub inserted_per_s: f64,
    /// Rows updated per second.
    pub updated_per_s: f64,
    /// Rows deleted per second.
    pub deleted_per_s: f64,
    /// Live rows at the end, estimated.
    pub live_rows: u64,
    /// Dead rows at the end, estimated.
    pub dead_rows: u64,
    /// The most there were.
    pub dead_rows_max: u64,
    /// Runs of autovacuum meanwhile.
    pub autovacuums: u64,
    /// Since the last one, at the end (s); `null` if there never was one.
    pub last_autovacuum_s: Option<f64>,
    /// Rows read by sequential scans, per second.
    pub seq_rows_read_per_s: f64,
}

impl TableSummary {
    /// Rows written per second.
    #[must_use]
    pub fn writes_per_s(&self) -> f64 {
        self.inserted_per_s + self.updated_per_s + self.deleted_per_s
    }
}

/// Client connections of the server, ours left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Connections {
    /// Most at once.
    pub total_max: u32,
    /// Most active at once.
    pub active_max: u32,
    /// Most idle in a transaction at once.
    pub idle_in_transaction_max: u32,
}

/// A statement on the job table, meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatementTime {
    /// Its text, without constants.
    pub text: String,
    /// Calls per second.
    pub calls_per_s: f64,
    /// Mean execution time (ms).
    pub mean_ms: f64,
    /// Execution time ÷ time that passed: how many backends it kept busy, or waiting, on average.
    pub backends_mean: f64,
    /// Rows per call.
    pub rows_per_call: f64,
    /// Shared blocks hit or read per row; `null` without rows.
    pub blocks_per_row: Option<f64>,
}

/// Something worth mending.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// The numbers that say so, and the threshold.
    pub evidence: String,
    /// What would mend it.
    pub remedy: String,
}

/// Kinds of [`Finding`], gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// Backends wait for rows of the job table.
    RowLockWaits,
    /// Backends wait for the job table as a whole.
    TableLockWaits,
    /// A transaction, slot or standby holds back vacuum.
    HeldHorizon,
    /// Dead rows pile up.
    DeadRows,
    /// A transaction idles with its locks.
    IdleInTransaction,
    /// Connections run out.
    Connections,
    /// Lightweight locks.
    LightweightLocks,
    /// Sequential scans of the job table.
    SequentialScans,
}
