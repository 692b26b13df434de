//! The command line of `map`.

use std::path::PathBuf;

use clap::Args;

use crate::args::RunArgs;

/// Flags of `map`.
#[derive(Debug, Clone, Args)]
pub struct MapArgs {
    /// A scenario under scenarios/bench/, or the path of a scenario file; its last phase gets the rate [default: capacity]
    #[arg(conflicts_with = "resume")]
    pub scenario: Option<String>,
    /// Jobs per second
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "20,250,1000,3000",
        conflicts_with = "resume"
    )]
    pub rates: Vec<f64>,
    /// Engine replicas
    #[arg(long, value_delimiter = ',', default_value = "1,2,4", conflicts_with = "resume")]
    pub replicas: Vec<u32>,
    /// Go on with a map that was broken off: its directory. Flags for servers are to be given again
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,
    /// How each point is run.
    #[command(flatten)]
    pub run: RunArgs,
}
