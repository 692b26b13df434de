//! `dlq list|show|replay|discard`: dead letters of a system that a run with `--keep` left running, and where a job is.
//!
//! | module | owns |
//! |---|---|
//! | [`kept`] | the kept system: a replica of it, and its brokers |
//! | [`list`] | dead letters, and records that no worker could read |
//! | [`show`], [`checkpoints`] | where a job is, from the outbox to the worker |
//! | [`change`] | replay and discard, a page at a time |
//! | [`from`] | what `replay --from` says, and which offsets that is |
//! | [`topics`] | reading topics, in no group |
//!
//! It changes jobs by the engine's API only, and commits no offset.

mod change;
mod checkpoints;
mod from;
mod kept;
mod list;
mod show;
mod topics;

use std::process::ExitCode;

use crate::args::DlqCommand;

pub use from::ReadFrom;

/// Runs the command.
///
/// # Errors
/// If no system was kept, or it does not answer.
pub async fn run(command: DlqCommand) -> anyhow::Result<ExitCode> {
    match command {
        DlqCommand::List(selection) => list::list(&selection).await?,
        DlqCommand::Show { job, system } => show::show(job, &system).await?,
        DlqCommand::Replay(replay) => change::replay(&replay).await?,
        DlqCommand::Discard(change) => change::discard(&change).await?,
    }
    Ok(ExitCode::SUCCESS)
}
