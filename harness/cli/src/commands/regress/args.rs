//! The command line of `regress`.

use std::path::PathBuf;

use clap::Args;

use crate::args::Mode;

/// Flags of `regress`.
#[derive(Debug, Clone, Args)]
pub struct RegressArgs {
    /// What HEAD is held against: a commit, branch or tag [default: the merge base with main; on main itself, HEAD~1]
    #[arg(conflicts_with_all = ["resume", "base_program"])]
    pub base: Option<String>,
    /// Pairs of runs in each mode, an even number from 8 on [default: as the settings have it]
    #[arg(long, conflicts_with = "resume")]
    pub pairs: Option<u32>,
    /// Dispatch mode; repeat for both [default: as the settings have it]
    #[arg(long, conflicts_with = "resume")]
    pub mode: Vec<Mode>,
    /// What decides and what is tolerated
    #[arg(long, value_name = "FILE", default_value = "regress.toml", conflicts_with = "resume")]
    pub settings: PathBuf,
    /// A program that is built already, in place of building BASE
    #[arg(long, value_name = "PROGRAM", conflicts_with = "resume")]
    pub base_program: Option<PathBuf>,
    /// A program that is built already, in place of building HEAD
    #[arg(long, value_name = "PROGRAM", conflicts_with = "resume")]
    pub head_program: Option<PathBuf>,
    /// Go on with pairs that were broken off: their directory
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,
    /// Where it is written
    #[arg(long, default_value = "reports/runs")]
    pub output: PathBuf,
}
