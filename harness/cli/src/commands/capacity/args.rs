//! The command line of `capacity`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::args::RunArgs;

/// What `capacity` searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CapacityMode {
    /// Workers poll, as the scenario has it.
    Polling,
    /// Workers poll, with the settings of `[polling.tuned]`.
    PollingTuned,
    /// Outbox, relay, broker, consumers.
    EventDriven,
    /// All three, one after the other.
    All,
}

/// Flags of `capacity`.
#[derive(Debug, Clone, Args)]
pub struct CapacityArgs {
    /// What is searched
    #[arg(required_unless_present = "resume")]
    pub mode: Option<CapacityMode>,
    /// A scenario under scenarios/bench/, or the path of a scenario file; its last phase is the step [default: capacity]
    #[arg(conflicts_with = "resume")]
    pub scenario: Option<String>,
    /// Search once for each number of engine replicas, as in 1,2,4,8 [default: the scenario's]
    #[arg(long, value_delimiter = ',', conflicts_with = "resume")]
    pub replicas: Vec<u32>,
    /// Search so often, to see how far the intervals lie apart
    #[arg(long, default_value_t = 1, conflicts_with = "resume", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub repeat: u32,
    /// Width of the interval, as a share of its lower end, at which a search ends
    #[arg(long, default_value_t = 0.10, conflicts_with = "resume")]
    pub tolerance: f64,
    /// Most steps of one search
    #[arg(long, default_value_t = 14, conflicts_with = "resume", value_parser = clap::value_parser!(u32).range(2..=100))]
    pub steps: u32,
    /// Go on with a search that was broken off: its directory. Flags for servers are to be given again
    #[arg(long, value_name = "DIR", conflicts_with = "mode")]
    pub resume: Option<PathBuf>,
    /// How each step is run.
    #[command(flatten)]
    pub run: RunArgs,
}
