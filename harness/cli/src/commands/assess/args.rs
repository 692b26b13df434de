//! Flags of `assess`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// Flags of `assess`.
#[derive(Clone, Args)]
pub struct AssessArgs {
    /// Your PostgreSQL, as postgres://user@host:port/database. The password belongs in PGPASSWORD or ~/.pgpass; or give the
    /// whole URL in CROSSOVER_DATABASE_URL instead of this flag
    #[arg(long, value_name = "URL", conflicts_with = "database_file")]
    pub database_url: Option<String>,
    /// File that holds the URL of your PostgreSQL, password included, and that only you can read
    #[arg(long, value_name = "FILE")]
    pub database_file: Option<PathBuf>,
    /// The job table, as name or schema.name [default: the one that is named as job libraries name theirs]
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// How long
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    pub duration: Duration,
    /// Time between two looks
    #[arg(long, default_value = "500ms", value_parser = humantime::parse_duration)]
    pub interval: Duration,
    /// Where reports are written
    #[arg(long, default_value = "reports/runs")]
    pub output: PathBuf,
}

impl fmt::Debug for AssessArgs {
    /// Not the URL: it may hold a password where it should not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssessArgs")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}
