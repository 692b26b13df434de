//! The command line of `sweep`.

use std::path::PathBuf;

use clap::Args;

use crate::args::{Mode, RunArgs};

/// Flags of `sweep`.
#[derive(Debug, Clone, Args)]
pub struct SweepArgs {
    /// A scenario under scenarios/bench/, or the path of a scenario file
    #[arg(required_unless_present = "resume")]
    pub scenario: Option<String>,
    /// Dispatch mode
    #[arg(required_unless_present = "resume")]
    pub mode: Option<Mode>,
    /// A key of the scenario and its values, as in topology.replicas=1,2,4,8; several make all combinations
    #[arg(required_unless_present = "resume", value_name = "KEY=V1,V2")]
    pub keys: Vec<String>,
    /// Run each point so often, to see how far its runs lie apart
    #[arg(long, default_value_t = 1, conflicts_with = "resume", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub repeat: u32,
    /// Go on with a sweep that was broken off: its directory. Flags for servers are to be given again
    #[arg(long, value_name = "DIR", conflicts_with = "scenario")]
    pub resume: Option<PathBuf>,
    /// How each point is run.
    #[command(flatten)]
    pub run: RunArgs,
}
