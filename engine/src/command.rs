//! The engine's processes and their flags: `crossover engine serve|worker|migrate`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::store::{ClaimKind, DatabaseUrl, migrate};
use crate::{EngineError, serve, worker};

/// A process of the engine.
#[derive(Debug, Clone, Subcommand)]
pub enum EngineCommand {
    /// Run an engine replica: the gRPC API and /metrics on one port
    Serve(ServeArgs),
    /// Run a worker that polls replicas for jobs
    Worker(WorkerArgs),
    /// Bring the database schema up to date
    Migrate(DatabaseArgs),
}

/// Where the database is.
#[derive(Debug, Clone, Args)]
pub struct DatabaseArgs {
    /// `postgres://user:password@host:port/database`; by environment, so that `ps` never shows the password
    #[arg(long, env = "CROSSOVER_DATABASE_URL", hide_env_values = true)]
    pub database_url: DatabaseUrl,
}

/// What every long-running process has.
#[derive(Debug, Clone, Args)]
pub struct ProcessArgs {
    /// Name in logs, in the history and in PostgreSQL's application_name
    #[arg(long)]
    pub name: String,
    /// Address to listen on; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// File that receives the address once the process is ready
    #[arg(long)]
    pub ready_file: Option<PathBuf>,
    /// Directory for the history; none is recorded without it
    #[arg(long)]
    pub history: Option<PathBuf>,
}

/// Flags of a replica.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// The process.
    #[command(flatten)]
    pub process: ProcessArgs,
    /// Connections to PostgreSQL for statements
    #[arg(long, default_value_t = 8)]
    pub connections: u32,
    /// How claimers meet at the same rows
    #[arg(long, value_enum, default_value = "skip-locked")]
    pub claim: ClaimKind,
    /// Tell other replicas of ready jobs by NOTIFY, after commit
    #[arg(long)]
    pub notify: bool,
    /// How often leases and scheduled jobs are looked at
    #[arg(long, default_value = "200ms", value_parser = humantime::parse_duration)]
    pub housekeeping_interval: Duration,
}

/// Flags of a worker.
#[derive(Debug, Clone, Args)]
pub struct WorkerArgs {
    /// The process.
    #[command(flatten)]
    pub process: ProcessArgs,
    /// Address of a replica, as http://host:port; repeat for several
    #[arg(long, required = true)]
    pub engine: Vec<String>,
    /// Job type to work on; repeat for several
    #[arg(long, required = true)]
    pub job_type: Vec<String>,
    /// Jobs held at once
    #[arg(long, default_value_t = 64)]
    pub concurrency: u32,
    /// Jobs asked for in one poll
    #[arg(long, default_value_t = 100)]
    pub batch: u32,
    /// Time between polls that found nothing more
    #[arg(long, default_value = "500ms", value_parser = humantime::parse_duration)]
    pub interval: Duration,
    /// What ends the wait between polls
    #[arg(long, value_enum, default_value = "interval")]
    pub wake: Wake,
    /// How long a job is held without a sign of life
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    pub lease: Duration,
    /// What the handlers do
    #[arg(long, value_enum, default_value = "planned")]
    pub handler: HandlerKind,
    /// After SIGTERM: how long running handlers may take to finish
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    pub grace: Duration,
}

/// What the handlers do with the instruction in their payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HandlerKind {
    /// As it says: they take their time, and fail as the plan drew it.
    Planned,
    /// They take their time and never fail: the handler after its bug was fixed.
    Fixed,
}

/// What ends the wait between two polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Wake {
    /// The tick alone: fixed ticks, whatever happens between them.
    Interval,
    /// A ready job (the replica holds the call, woken by LISTEN/NOTIFY), or the interval at the latest.
    Notify,
}

/// Runs a process to its end.
///
/// # Errors
/// As [`EngineError`] says.
pub async fn run(command: EngineCommand) -> Result<(), EngineError> {
    match command {
        EngineCommand::Serve(args) => serve::run(args).await,
        EngineCommand::Worker(args) => worker::run(args).await,
        EngineCommand::Migrate(args) => migrate(&args.database_url).await,
    }
}
