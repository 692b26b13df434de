//! The engine's processes and their flags: `crossover engine serve|relay|worker|migrate`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::kafka::KafkaArgs;
use crate::store::{ClaimKind, DatabaseUrl, migrate};
use crate::worker::CallLimit;
use crate::{EngineError, relay, serve, worker};

/// A process of the engine.
#[derive(Debug, Clone, Subcommand)]
pub enum EngineCommand {
    /// Run an engine replica: the gRPC API and /metrics on one port
    Serve(ServeArgs),
    /// Run a relay: one of them leads, and sends what the outbox holds to the broker
    Relay(Box<RelayArgs>),
    /// Run a worker: it takes jobs from replicas or from the broker, and runs their handlers
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

/// How ready jobs reach workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dispatch {
    /// Workers ask replicas for them.
    Polling,
    /// Outbox → relay → broker → consumer groups.
    EventDriven,
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
    /// How ready jobs reach workers
    #[arg(long, value_enum, default_value = "polling")]
    pub dispatch: Dispatch,
    /// How claimers meet at the same rows
    #[arg(long, value_enum, default_value = "skip-locked")]
    pub claim: ClaimKind,
    /// Tell other replicas and the relays of ready jobs by NOTIFY, after commit
    #[arg(long)]
    pub notify: bool,
    /// How often leases and scheduled jobs are looked at
    #[arg(long, default_value = "200ms", value_parser = humantime::parse_duration)]
    pub housekeeping_interval: Duration,
}

/// Flags of a relay.
#[derive(Debug, Clone, Args)]
pub struct RelayArgs {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Another address of the same database, for the session that holds the leader's lock
    #[arg(long, env = "CROSSOVER_LOCK_DATABASE_URL", hide_env_values = true)]
    pub lock_database_url: Option<DatabaseUrl>,
    /// The process.
    #[command(flatten)]
    pub process: ProcessArgs,
    /// The broker.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// What ends the wait for new rows
    #[arg(long, value_enum, default_value = "notify")]
    pub strategy: RelayStrategy,
    /// Time between looks at an empty outbox; with `--strategy notify`, what covers a notification that was lost
    #[arg(long, default_value = "250ms", value_parser = humantime::parse_duration)]
    pub interval: Duration,
    /// Most rows in one read
    #[arg(long, default_value_t = 5_000)]
    pub batch: u32,
    /// Most rows read and not yet marked
    #[arg(long, default_value_t = 20_000)]
    pub window: u32,
    /// How long the producer gathers records before it sends them
    #[arg(long, default_value = "0ms", value_parser = humantime::parse_duration)]
    pub linger: Duration,
    /// Read without asking whether this relay's epoch is still the current one, for comparison
    #[arg(long)]
    pub unfenced: bool,
    /// The advisory lock that the leader holds; relays of one database must agree on it
    #[arg(long, default_value_t = 4_021_973)]
    pub lock_key: i64,
    /// Partitions of a topic that the relay makes
    #[arg(long, default_value_t = 12)]
    pub partitions: u32,
    /// Replicas of a topic that the relay makes
    #[arg(long, default_value_t = 1)]
    pub replication: u32,
    /// A job whose record was sent this long ago, and that no lag explains, is sent again
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    pub redispatch_after: Duration,
    /// Sent rows are removed when they are this old
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    pub retention: Duration,
}

/// What ends the relay's wait for new rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RelayStrategy {
    /// NOTIFY of a replica, or the interval at the latest.
    Notify,
    /// The interval alone: a naive relay.
    Poll,
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
    /// How ready jobs reach this worker
    #[arg(long, value_enum, default_value = "polling")]
    pub dispatch: Dispatch,
    /// The broker, in event-driven mode.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Event-driven: most records of one partition that are received and not yet settled
    #[arg(long, default_value_t = 1_000)]
    pub partition_window: u32,
    /// Event-driven: how the members of a consumer group agree
    #[arg(long, value_enum, default_value = "classic")]
    pub group_protocol: GroupProtocol,
    /// Event-driven, classic protocol: a member that is silent this long is out of its group
    #[arg(long, default_value = "6s", value_parser = humantime::parse_duration)]
    pub session_timeout: Duration,
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
    /// The service that handlers call.
    #[command(flatten)]
    pub downstream: DownstreamArgs,
    /// After SIGTERM: how long running handlers may take to finish
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    pub grace: Duration,
}

/// The service that handlers call, where their instruction says so.
#[derive(Debug, Clone, Args)]
pub struct DownstreamArgs {
    /// Address of the service that handlers call, as http://host:port
    #[arg(long)]
    pub downstream: Option<String>,
    /// How long a handler waits for its answer
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    pub downstream_timeout: Duration,
    /// Most calls of this worker under a policy, as POLICY=CALLS_PER_S/BURST; repeat for several
    #[arg(long)]
    pub downstream_limit: Vec<CallLimit>,
}

/// How the members of a consumer group agree on who reads which partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GroupProtocol {
    /// The members decide (cooperative-sticky assignor).
    Classic,
    /// The broker decides (KIP-848; Kafka 4.0 or later).
    Consumer,
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
        EngineCommand::Relay(args) => relay::run(*args).await,
        EngineCommand::Worker(args) => worker::run(args).await,
        EngineCommand::Migrate(args) => migrate(&args.database_url).await,
    }
}
