//! The command line, as DESIGN's contract has it.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ContextValue;
use clap::{Args, Parser, Subcommand, ValueEnum};
use crossover_engine::command::EngineCommand;
use crossover_external::{CleanupArgs, ExternalArgs};
use crossover_testbed::images::StandIn;
use crossover_testbed::kafka::BrokerKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::commands::assess::AssessArgs;
use crate::commands::capacity::CapacityArgs;
use crate::commands::dlq::ReadFrom;
use crate::commands::downstream::DownstreamArgs;
use crate::commands::map::MapArgs;
use crate::commands::regress::RegressArgs;
use crate::commands::sweep::SweepArgs;

/// Do we need Kafka, and when? Benchmarks and breaks a PostgreSQL-polled job system, and says what held.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The error without the rest of any URL that it quotes: a database URL has a password in it, at a place that can't be
/// told where the URL is not valid.
pub fn without_secrets(mut error: clap::Error) -> clap::Error {
    let scheme_of = |value: &ContextValue| match value {
        ContextValue::String(text) => text.split_once("://").map(|(scheme, _)| format!("{scheme}://***")),
        _ => None,
    };
    let quoted: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| Some((kind, scheme_of(value)?)))
        .collect();
    for (kind, masked) in quoted {
        error.insert(kind, ContextValue::String(masked));
    }
    error
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a bench scenario in a dispatch mode and write its report
    Bench(BenchArgs),
    /// Run a scenario that breaks things under load, and say what was lost, doubled and reordered, and how long recovery took
    Chaos(ChaosArgs),
    /// Find the highest arrival rate that holds: an interval, from runs at several rates
    Capacity(CapacityArgs),
    /// Run a scenario once for each combination of values of its keys, in one report
    Sweep(SweepArgs),
    /// Put polling, tuned polling and event-driven over rate × replicas: who holds, and who is sooner
    Map(MapArgs),
    /// Hold this build against an earlier one: both are built and run in turn, pair by pair
    Regress(RegressArgs),
    /// Say whether a team should stay with polling, tune it or move to event-driven dispatch, from finished runs
    Decide(DecideArgs),
    /// Say what the finished runs make of each claim that started the project
    Claims(ClaimsArgs),
    /// Hold finished runs against the first of them: what was set differently, and by how much their figures differ
    Diff(DiffArgs),
    /// Write the report of a run again from what it recorded, also of one that died
    Report(ReportArgs),
    /// Write every job of a run as a row, for pandas, DuckDB or a spreadsheet
    Export(ExportArgs),
    /// Say which servers would be used, what is missing, and how to get it; with --testbed external, look at yours
    Doctor(ExternalArgs),
    /// Fetch now what a run would fetch
    Setup,
    /// Build stand-ins for the images of servers, where none can be pulled
    Images(ImagesArgs),
    /// Look at dead letters of a kept system, bring them back, or give them up
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// Remove runs, and what a run with --keep left running
    Clean(CleanArgs),
    /// Measure the instrument itself: how late the generator sends, what a record costs
    Instrument(InstrumentArgs),
    /// Measure the relay alone: a backlog to the broker, beside the broker's own benchmark; and a row at a time
    Relay(RelayArgs),
    /// Look at the job table of a live system of your own, and say whether row-lock waits on it are sustained; nothing is written
    Assess(AssessArgs),
    /// A process of the engine (the harness starts these)
    #[command(subcommand)]
    Engine(Box<EngineCommand>),
    /// The service that handlers of a workload call (the harness starts it)
    #[command(hide = true)]
    Downstream(DownstreamArgs),
    /// Own the processes of a run (the harness starts this)
    #[command(hide = true)]
    Supervise,
    /// Remove the containers of a run (the supervisor of a run starts this)
    #[command(hide = true)]
    ContainerCleanup(ContainerCleanupArgs),
    /// Remove what a run made on servers of your own (the supervisor of a run starts this)
    #[command(hide = true)]
    ExternalCleanup(CleanupArgs),
}

/// How jobs are dispatched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Workers poll; `FOR UPDATE SKIP LOCKED` on the job table.
    Polling,
    /// Transactional outbox → relay → broker → consumer groups.
    EventDriven,
}

impl Mode {
    /// As it is written in names and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::EventDriven => "event-driven",
        }
    }
}

/// What `bench` runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchMode {
    /// Workers poll.
    Polling,
    /// Outbox, relay, broker, consumers.
    EventDriven,
    /// Both, one after the other on the same plan, in one report.
    Compare,
}

impl BenchMode {
    /// As it is written in names and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Polling => Mode::Polling.name(),
            Self::EventDriven => Mode::EventDriven.name(),
            Self::Compare => "compare",
        }
    }
}

/// Which broker a run has in containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BrokerArg {
    /// Redpanda, in a container only.
    Redpanda,
    /// Apache Kafka.
    Kafka,
}

impl From<BrokerArg> for BrokerKind {
    fn from(broker: BrokerArg) -> Self {
        match broker {
            BrokerArg::Redpanda => Self::Redpanda,
            BrokerArg::Kafka => Self::Kafka,
        }
    }
}

/// Servers in containers.
#[derive(Debug, Clone, Default, Args)]
pub struct ContainerArgs {
    /// The broker of event-driven mode [default: in containers Redpanda if it can be had, else Kafka]
    #[arg(long, value_enum)]
    pub broker: Option<BrokerArg>,
    /// Image for PostgreSQL, in place of the usual one
    #[arg(long, value_name = "IMAGE", env = "CROSSOVER_IMAGE_POSTGRES")]
    pub postgres_image: Option<String>,
    /// Image for Redpanda
    #[arg(long, value_name = "IMAGE", env = "CROSSOVER_IMAGE_REDPANDA")]
    pub redpanda_image: Option<String>,
    /// Image for Apache Kafka
    #[arg(long, value_name = "IMAGE", env = "CROSSOVER_IMAGE_KAFKA")]
    pub kafka_image: Option<String>,
    /// Image for Toxiproxy
    #[arg(long, value_name = "IMAGE", env = "CROSSOVER_IMAGE_TOXIPROXY")]
    pub toxiproxy_image: Option<String>,
}

impl ContainerArgs {
    /// The images that were named, by their flags. An empty variable names nothing.
    pub fn named(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("--postgres-image", &self.postgres_image),
            ("--redpanda-image", &self.redpanda_image),
            ("--kafka-image", &self.kafka_image),
            ("--toxiproxy-image", &self.toxiproxy_image),
        ]
        .map(|(flag, image)| (flag, image.as_deref().filter(|image| !image.is_empty())))
    }
}

/// Flags of the program that removes containers.
#[derive(Debug, Clone, Args)]
pub struct ContainerCleanupArgs {
    /// The run, as the containers' label has it
    #[arg(long)]
    pub run: String,
    /// Where the run says which containers are being made
    #[arg(long)]
    pub directory: PathBuf,
}

/// Flags of `bench`.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// Dispatch mode, or both on one plan
    pub mode: BenchMode,
    /// A scenario under scenarios/bench/, or the path of a scenario file [default: default, of compare: compare]
    pub scenario: Option<String>,
    /// How it is run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Flags of `chaos`.
#[derive(Debug, Clone, Args)]
pub struct ChaosArgs {
    /// A scenario under scenarios/chaos/, the path of a scenario file, `smoke` for a few short ones, or `all`
    pub scenario: String,
    /// Dispatch mode [default: event-driven; of all: each that the scenario has a fault for]
    pub mode: Option<Mode>,
    /// How it is run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Flags of commands that run scenarios.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Fixes the plan, in place of the scenario's seed
    #[arg(long)]
    pub seed: Option<u64>,
    /// Change a key of the scenario, as in topology.workers=4; repeat for several
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Leave the servers and the engine running afterwards (`crossover clean` ends them)
    #[arg(long)]
    pub keep: bool,
    /// Port for PostgreSQL, in place of a free one
    #[arg(long)]
    pub postgres_port: Option<u16>,
    /// Run without recording a history, to see what recording costs; nothing is checked then
    #[arg(long)]
    pub no_history: bool,
    /// Where runs are written
    #[arg(long, default_value = "reports/runs")]
    pub output: PathBuf,
    /// Servers in containers.
    #[command(flatten)]
    pub containers: ContainerArgs,
    /// Servers of your own.
    #[command(flatten)]
    pub external: ExternalArgs,
}

/// Flags of `decide`.
#[derive(Debug, Clone, Args)]
pub struct DecideArgs {
    /// The team's profile, a TOML file; see scenarios/team.example.toml
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Other thresholds than the default ones, a TOML file
    #[arg(long, value_name = "FILE")]
    pub thresholds: Option<PathBuf>,
    /// Take the evidence of this scenario [default: that of the newest capacity search]
    #[arg(long, conflicts_with = "runs")]
    pub scenario: Option<String>,
    /// The evidence: runs, sweeps, comparisons, capacity searches, an assessment [default: the newest that fits together]
    #[arg(value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Where runs are, and where the decision is written
    #[arg(long, default_value = "reports/runs")]
    pub output: PathBuf,
}

/// Flags of `claims`.
#[derive(Debug, Clone, Args)]
pub struct ClaimsArgs {
    /// Where runs are, and where the page is written
    #[arg(long, default_value = "reports/runs")]
    pub output: PathBuf,
}

/// Flags of `diff`.
#[derive(Debug, Clone, Args)]
pub struct DiffArgs {
    /// Two to eight runs: directories, or names under reports/runs; the first is the one that the others are held against
    #[arg(required = true, num_args = 1..)]
    pub runs: Vec<PathBuf>,

    /// Where the page is written
    #[arg(long, default_value = "reports/runs")]
    pub output: PathBuf,
}

/// Flags of `report`.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// A run's directory, or its name under reports/runs
    #[arg(default_value = "reports/latest")]
    pub run: PathBuf,
}

/// Flags of `export`.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// A run's directory, or its name under reports/runs
    #[arg(default_value = "reports/latest")]
    pub run: PathBuf,

    /// The form of a row
    #[arg(long, value_enum, default_value_t = ExportFormat::Csv)]
    pub format: ExportFormat,

    /// Where it is written, `-` for standard output [default: jobs.csv or jobs.jsonl in the run's directory]
    #[arg(long)]
    pub output: Option<PathBuf>,
}

/// The form of exported rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A line of names, then a line a job; what is not known is empty
    Csv,
    /// A JSON object a line; what is not known is null
    Jsonl,
}

impl ExportFormat {
    /// How such a file's name ends.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

/// What to do with dead letters.
#[derive(Debug, Clone, Subcommand)]
pub enum DlqCommand {
    /// One line for each dead letter, and how many there are for each reason
    List(DlqSelection),
    /// Where a job is: its instance, its audit trail and, in event-driven mode, each checkpoint from outbox to worker
    Show {
        /// Id of the job, as `list` shows it; it need not be a dead letter
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        job: i64,
        /// The kept system
        #[command(flatten)]
        system: KeptSystem,
    },
    /// Bring dead letters back: queued, with the next attempt and a fresh retry budget
    Replay(DlqReplay),
    /// Give dead letters up for good
    Discard(DlqChange),
}

/// Where the kept system is.
#[derive(Debug, Clone, Args)]
pub struct KeptSystem {
    /// Directory of the run that was kept
    #[arg(long, default_value = "reports/latest")]
    pub run: PathBuf,
}

/// Which dead letters.
#[derive(Debug, Clone, Args)]
pub struct DlqSelection {
    /// Only those whose reason contains this text
    #[arg(long, default_value = "")]
    pub reason: String,
    /// The kept system
    #[command(flatten)]
    pub system: KeptSystem,
}

/// Which dead letters are changed: all, or those that fit.
#[derive(Debug, Clone, Args)]
pub struct DlqChange {
    /// All of them
    #[arg(long, required_unless_present_any = ["reason", "job"], conflicts_with_all = ["reason", "job"])]
    pub all: bool,
    /// Those whose reason contains this text
    #[arg(long)]
    pub reason: Option<String>,
    /// This job; repeat for several
    #[arg(long)]
    pub job: Vec<i64>,
    /// The kept system
    #[command(flatten)]
    pub system: KeptSystem,
}

/// Which dead letters are brought back.
#[derive(Debug, Clone, Args)]
#[command(mut_arg("all", |all| all.required_unless_present("from")))]
pub struct DlqReplay {
    /// By what they are.
    #[command(flatten)]
    pub change: DlqChange,
    /// Those whose records are in a topic, from here to its present end; one that is done is skipped. TIME has its zone,
    /// such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TOPIC[:PARTITION][@OFFSET|@TIME]", conflicts_with_all = ["all", "job"])]
    pub from: Option<ReadFrom>,
}

/// Flags of `images`.
#[derive(Debug, Clone, Args)]
pub struct ImagesArgs {
    /// Which, of postgres, kafka and toxiproxy [default: all]
    pub which: Vec<StandIn>,
    /// Build also those that are there
    #[arg(long)]
    pub rebuild: bool,
}

/// Flags of `clean`.
#[derive(Debug, Clone, Args)]
pub struct CleanArgs {
    /// Remove finished runs too
    #[arg(long)]
    pub runs: bool,
    /// Remove the stand-in images too
    #[arg(long)]
    pub images: bool,
    /// Where runs are written
    #[arg(long, default_value = "reports/runs")]
    pub output: PathBuf,
}

/// Flags of `instrument`.
#[derive(Debug, Clone, Args)]
pub struct InstrumentArgs {
    /// Arrivals per second, one call each, against a server that does nothing
    #[arg(long, default_value_t = 1_000.0)]
    pub rate_per_s: f64,
    /// How long
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    pub duration: Duration,
}

/// Flags of `relay`.
#[derive(Debug, Clone, Args)]
pub struct RelayArgs {
    /// Outbox rows of a backlog; repeat for several [default: 200000 and 1000000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=20_000_000))]
    pub rows: Vec<u32>,
    /// Size of a payload (bytes)
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=900_000))]
    pub payload_bytes: u32,
    /// Instances that the rows of a backlog belong to, in turn
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub instances: u32,
    /// Records of Kafka's own producer benchmark; 0 leaves it out
    #[arg(long, default_value_t = 500_000)]
    pub reference_records: u32,
    /// Single rows in each idle measurement; 0 leaves them out
    #[arg(long, default_value_t = 400)]
    pub samples: u32,
    /// Where runs are written
    #[arg(long, default_value = "reports/runs")]
    pub output: PathBuf,
    /// Flags for the relay under test, after `--`, as in `-- --batch 5000 --window 20000`
    #[arg(last = true)]
    pub relay: Vec<String>,
}
