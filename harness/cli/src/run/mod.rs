//! One run: testbed → engine → warm-up → load ∥ faults ∥ samplers → heal → drain → check → report.
//!
//! | module | owns |
//! |---|---|
//! | [`stages`] | what is done, in order |
//! | [`directory`], [`meta`] | what is on disk while the run goes on |
//! | [`testbed`], [`servers`] | the servers, and by which address each role reaches them |
//! | [`provider`] | processes or containers, and which broker |
//! | [`acknowledgement`] | what an answer of each broker promises |
//! | [`parts`], [`clients`] | the engine's processes, and the calls to them |
//! | [`load`], [`generator`], [`alarm`] | the open-loop generator, its thread, and its timer |
//! | [`machine`] | which machine this is |
//! | [`faults`] | the timeline of faults |
//! | [`samplers`], [`counters`], [`lag`], [`progress`] | what is looked at meanwhile |
//! | [`reconnect`] | a connection to the database that is made again |
//! | [`broker`], [`reader`] | topics, groups, offsets and records, as the harness sees them |
//! | [`metrics`], [`assigned`] | what processes of the engine say of themselves; whether the workers have formed their groups |
//! | [`downstream`] | what the service that handlers call has counted |
//! | [`drain`], [`snapshot`], [`topics`] | the end: nothing left to do, and database and topics as they are then |
//! | [`reference`] | the same statements without the engine |
//! | [`left`], [`judge`], [`validity`], [`topology`], [`hypotheses`] | files → result and report |

mod acknowledgement;
mod alarm;
mod assigned;
mod broker;
mod clients;
mod control;
mod counters;
mod directory;
mod downstream;
mod drain;
mod faults;
mod generator;
mod hypotheses;
mod judge;
mod lag;
mod left;
mod load;
mod machine;
mod meta;
mod metrics;
mod parts;
mod preflight;
mod progress;
mod provider;
mod reader;
mod reconnect;
mod reference;
mod samplers;
mod servers;
mod snapshot;
mod stages;
mod testbed;
mod topics;
mod topology;
mod validity;

use std::path::Path;

use crossover_evidence::result::RunResult;
use crossover_external::ExternalArgs;
use crossover_testbed::Supervisor;
use tokio::sync::watch;

pub use broker::GroupView;
pub use clients::Clients;
pub use control::run_with_control;
pub use directory::RunDirectory;
pub use generator::Generator;
pub use judge::{Judged, for_each_job, judge, look};
pub use load::Load;
pub use meta::{DEBUG_BUILD, RunMeta, build_doubt, git_commit, now};
pub use metrics::{Metrics, value as metric_value};
pub use preflight::record_cost_ns;
pub use progress::Progress;
pub use provider::broker_kind;
pub use reader::{Span, read as read_spans};
pub use reconnect::Reconnecting;
pub use testbed::{check_external, create_database, describe, settle_statistics};

use crate::args::{ContainerArgs, Mode};
use crate::scenario::Scenario;
use meta::Meta;
use stages::Stages;

/// What a run is asked for beyond its scenario.
#[derive(Debug, Clone)]
pub struct Options {
    /// Dispatch mode.
    pub mode: Mode,
    /// The command that repeats it.
    pub command: String,
    /// Leave everything running afterwards.
    pub keep: bool,
    /// Port for PostgreSQL.
    pub postgres_port: Option<u16>,
    /// Record a history.
    pub history: bool,
    /// Servers in containers.
    pub containers: ContainerArgs,
    /// Servers of the user's own.
    pub external: ExternalArgs,
}

/// A run that came to its end.
pub struct Finished {
    /// Where it is.
    pub directory: RunDirectory,
    /// What it says.
    pub result: RunResult,
    /// What could not be removed at its end and why, a line each; then what to do by hand.
    pub left_behind: Vec<String>,
}

/// Runs a scenario in a fresh directory `path`; the run is on disk whatever happens.
///
/// # Errors
/// If the testbed can't be had, or something breaks that is not what is measured.
pub async fn run(
    scenario: &Scenario,
    options: &Options,
    path: &Path,
    interrupted: watch::Receiver<bool>,
    progress: &Progress,
) -> anyhow::Result<Finished> {
    let directory = RunDirectory::create(path)?;
    directory.write_scenario(scenario)?;
    directory.write("plan.txt", scenario.plan.describe().as_bytes())?;
    let meta = Meta::new(RunMeta::new(&directory, scenario, options), directory.clone());
    meta.update(|_| ())?;
    directory.mark_latest();

    let bare = Supervisor::start(&directory.file("logs")).await?;
    let id = testbed::id_of(&meta);
    let (supervisor, outcome) = match provider::provide(&bare, &id, options, progress).await {
        Ok(supervisor) => {
            let stages = Stages {
                scenario,
                options,
                directory: &directory,
                meta: &meta,
                supervisor: &supervisor,
                progress,
            };
            let outcome = stages.all(interrupted).await;
            drop(bare);
            (supervisor, outcome)
        }
        Err(error) => (bare, Err(error)),
    };
    // Half a system is not kept.
    let (outcome, removed) = if options.keep && outcome.is_ok() && meta.get().finished {
        (keep(&supervisor, progress).await, Ok(()))
    } else {
        (outcome, supervisor.shutdown().await)
    };
    // What was measured is none the worse for what could not be removed afterwards.
    let mut left_behind = Vec::new();
    if let Err(error) = removed {
        let text = format!("not all could be removed at the end: {error}");
        meta.event(text.as_str());
        left_behind.push(text);
        left_behind.extend(meta.get().by_hand.iter().map(|line| format!("by hand: {line}")));
    }
    if let Err(error) = outcome {
        left_behind.iter().for_each(|line| progress.note(line));
        let reason = format!("the run broke off: {error:#}");
        meta.update(|meta| meta.invalid_reasons.push(reason))?;
        // What was measured up to here is still a report; the error is what the user must see.
        let _ = judge(&directory);
        return Err(error);
    }
    progress.stage("checking every job, drawing the report");
    let judged = directory.clone();
    let result = tokio::task::spawn_blocking(move || judge(&judged)).await??;
    Ok(Finished {
        directory,
        result,
        left_behind,
    })
}

async fn keep(supervisor: &Supervisor, progress: &Progress) -> anyhow::Result<()> {
    let kept = supervisor.keep().await?;
    let kept = kept.display();
    progress.note(&format!("left running, as {kept} says; `./just clean` ends it"));
    Ok(())
}
