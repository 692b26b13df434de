//! What a caller can ask of a server, and how long a start took.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::find::Source;
use super::settings;
use super::user::{ServerUser, can_enter};
use crate::disk;
use crate::error::{Result, TestbedError};
use crate::owned::{base_directory, require_base};
use crate::ports::require_free;

/// The WAL of a run may grow to `max_wal_size`, 4 GB; the rest is tables.
const DISK_NEEDED_BYTES: u64 = 5 << 30;

/// What to start.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Part of the directory's name, and so unique among live runs.
    pub run_id: String,
    /// Name of the process, of its log, and part of the directory's name.
    pub name: String,
    /// A port of 127.0.0.1; a free one if absent.
    pub port: Option<u16>,
    /// Settings over ours. Those that place the server or weaken its durability are refused.
    pub settings: BTreeMap<String, String>,
    /// Which installation may be used.
    pub source: Source,
    /// Let it use only so many processors ([`crate::affinity`]); all, if absent.
    pub processors: Option<u32>,
    /// Directory in which the data directory is made.
    pub base: PathBuf,
    /// Refuse to start with less free space (bytes).
    pub disk_needed_bytes: u64,
}

impl PostgresOptions {
    /// A server named `postgres` on a free port; CROSSOVER_POSTGRES_BIN and CROSSOVER_DATA_DIR are heeded.
    #[must_use]
    pub fn new(run_id: &str) -> Self {
        Self {
            run_id: run_id.to_owned(),
            name: "postgres".to_owned(),
            port: None,
            settings: BTreeMap::new(),
            source: Source::from_env(),
            processors: None,
            base: base_directory(),
            disk_needed_bytes: DISK_NEEDED_BYTES,
        }
    }

    /// Refuses what can't work, before anything is made.
    pub(super) fn validate(&self, user: &ServerUser) -> Result<()> {
        settings::validate(&self.settings)?;
        self.port.map_or(Ok(()), require_free)?;
        require_base(&self.base)?;
        if user.drop_to.is_some_and(|ids| !can_enter(&self.base, ids)) {
            let (who, base) = (&user.name, self.base.display());
            return Err(TestbedError::BadInput(format!(
                "PostgreSQL runs as user {who}, who can't enter {base}; point CROSSOVER_DATA_DIR at a directory that others may enter"
            )));
        }
        disk::ensure_free(&self.base, self.disk_needed_bytes)
    }
}

/// How long each part of the first start took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartTimes {
    /// Finding the programs, or fetching them.
    pub find: Duration,
    /// Copying them, where the server's user can't reach them.
    pub copy: Option<Duration>,
    /// Making the cluster, without the copy.
    pub initdb: Duration,
    /// From the launch of the server to its first connection.
    pub ready: Duration,
}

impl StartTimes {
    /// All together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.find + self.copy.unwrap_or_default() + self.initdb + self.ready
    }
}
