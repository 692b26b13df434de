//! A worker: gets jobs, runs their handlers, reports what became of them.
//!
//! ```text
//!  poller (polling, one a job type) ───────┐
//!                                          ├─▶ executor: handlers ──▶ reporter ──▶ replica
//!  consumer (event-driven, one a job type) ┘      └── held: at most `concurrency` jobs, their leases prolonged
//! ```
//! A handler whose instruction says so calls the [`downstream`] service. It never opens a PostgreSQL connection. On SIGTERM it takes nothing more, lets running handlers finish within the grace
//! time, reports them, and gives the rest back.
//!
//! Failures: a poll or a begin whose answer is lost leaves jobs leased that nobody runs; a begin is repeated, and the leases
//! of a poll run out: the reaper brings the jobs back with the next attempt. A report whose answer is lost is repeated: it
//! names (job, attempt). For those of the event-driven mode see [`consumer`].

mod client;
mod consumer;
mod downstream;
mod executor;
mod handler;
mod held;
mod poller;
mod reporter;

use std::sync::Arc;
use std::time::Duration;

use crossover_proto::history::Recorder;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, timeout_at};

pub use downstream::CallLimit;

use crate::EngineError;
use crate::command::{Dispatch, WorkerArgs};
use crate::kafka::Kafka;
use crate::service::{Stop, listen, metrics_router, serve, stop_on_signal, stopped};

/// After the grace time: how long the last commit and the good-bye to the group may take.
const LEAVING: Duration = Duration::from_secs(5);

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
    let downstream = downstream::Downstream::new(&args.downstream)?;
    let executor = executor::Executor::new(shared.clone(), reports, args.handler, downstream);
    let ended = match args.dispatch {
        Dispatch::Polling => poll(&args, &shared, executor, reporter, stop).await,
        Dispatch::EventDriven => consume(&args, &shared, executor, stop).await,
    };
    keeper.abort();
    ended
}

async fn poll(
    args: &WorkerArgs,
    shared: &Arc<Shared>,
    executor: executor::Executor,
    reporter: JoinHandle<()>,
    stop: Stop,
) -> Result<(), EngineError> {
    let poller = |job_type: &String| poller::Poller::new(args, job_type, shared.clone(), executor.clone());
    let pollers: Vec<_> = args
        .job_type
        .iter()
        .map(|job_type| tokio::spawn(poller(job_type).run(stop.clone())))
        .collect();
    drop(executor);

    stopped(stop).await;
    let deadline = Instant::now() + args.grace;
    for poller in pollers {
        // A poller ends by itself within one call's bound; a panic in it is logged by the runtime.
        let _ = timeout_at(deadline, poller).await;
    }
    // The reporter ends when the last handler has handed its report over.
    if timeout_at(deadline, reporter).await.is_err() {
        shared.held.release_all(shared).await;
    }
    Ok(())
}

async fn consume(
    args: &WorkerArgs,
    shared: &Arc<Shared>,
    executor: executor::Executor,
    stop: Stop,
) -> Result<(), EngineError> {
    let kafka = Kafka::new(&args.kafka)?;
    let mut ends = JoinSet::new();
    let consumers = args
        .job_type
        .iter()
        .map(|job_type| {
            let (shared, executor) = (shared.clone(), executor.clone());
            consumer::Consumer::spawn(args, &kafka, job_type, shared, executor, &mut ends)
        })
        .collect::<Result<Vec<_>, _>>()?;
    tokio::select! {
        () = stopped(stop) => {}
        // One that ends by itself has failed.
        Some(ended) = ends.join_next() => return how(ended),
    }
    consumers.iter().for_each(consumer::Consumer::stop);
    let deadline = Instant::now() + args.grace + LEAVING;
    // One that fails does not cut short what the others have under way.
    let mut first = Ok(());
    while let Ok(Some(ended)) = timeout_at(deadline, ends.join_next()).await {
        first = first.and(how(ended));
    }
    first
}

fn how(ended: Result<Result<(), EngineError>, JoinError>) -> Result<(), EngineError> {
    ended.unwrap_or_else(|error| Err(EngineError::Kafka(format!("a consumer broke: {error}"))))
}
