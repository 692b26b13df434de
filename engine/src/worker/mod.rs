//! A worker in polling mode: asks replicas for jobs, runs handlers, reports what became of them.
//!
//! ```text
//!  poller (one a job type) ──▶ handlers (at most `concurrency` jobs held) ──▶ reporter ──▶ replica
//!                                   └── keeper: prolongs the leases of what is held
//! ```
//! It never opens a PostgreSQL connection. On SIGTERM it stops polling, lets running handlers finish within the grace
//! time, reports them, and gives the rest back.
//!
//! Failures: a poll whose answer is lost leaves jobs claimed that nobody runs; their leases run out, and the reaper
//! brings them back with the next attempt. A report whose answer is lost is repeated: it names (job, attempt).

mod client;
mod handler;
mod held;
mod poller;
mod reporter;

use std::sync::Arc;
use std::time::Duration;

use crossover_proto::history::Recorder;

use crate::EngineError;
use crate::command::WorkerArgs;
use crate::service::{listen, metrics_router, serve, stop_on_signal, stopped};

/// What the tasks of a worker share.
struct Shared {
    client: client::Client,
    recorder: Recorder,
    held: held::Held,
    name: String,
    lease: Duration,
}

/// Runs a worker until SIGTERM.
pub(crate) async fn run(args: WorkerArgs) -> Result<(), EngineError> {
    let stop = stop_on_signal()?;
    let shared = Arc::new(Shared {
        client: client::Client::new(&args.engine)?,
        recorder: crate::serve::recorder(&args.process)?,
        held: held::Held::new(args.concurrency),
        name: args.process.name.clone(),
        lease: args.lease,
    });
    let listener = listen(args.process.listen, args.process.ready_file.as_deref()).await?;
    tokio::spawn(serve(listener, metrics_router(), stop.clone()));

    let keeper = tokio::spawn(held::keep(shared.clone()));
    let (reports, reporter) = reporter::spawn(shared.clone());
    let pollers: Vec<_> = args
        .job_type
        .iter()
        .map(|job_type| {
            let poller = poller::Poller::new(&args, job_type, shared.clone(), reports.clone());
            tokio::spawn(poller.run(stop.clone()))
        })
        .collect();
    drop(reports);

    stopped(stop).await;
    let deadline = tokio::time::Instant::now() + args.grace;
    for poller in pollers {
        // A poller ends by itself within one call's bound; a panic in it is logged by the runtime.
        let _ = tokio::time::timeout_at(deadline, poller).await;
    }
    // The reporter ends when the last handler has handed its report over.
    let finished = tokio::time::timeout_at(deadline, reporter).await;
    keeper.abort();
    if finished.is_err() {
        shared.held.release_all(&shared).await;
    }
    Ok(())
}
