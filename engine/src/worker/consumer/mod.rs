//! A consumer of one job type: from the broker to the handlers, and the offsets back.
//!
//! ```text
//!            thread of its own                                  │            tasks
//!  broker ──▶ reader ──▶ tracker ─▶ ready ── ≤ 2 calls ─────────┼──▶ begin ──▶ replica
//!               │           │                                   │      │
//!               │           │◀────────── inbox ◀── Answered ────┼──────┘
//!               │           ├─▶ startable ──▶ executor ─────────┼──▶ handler ──▶ reporter ──▶ replica
//!               │           │◀────────── inbox ◀── Ended ───────┼──────┘            │
//!               │           │◀────────── inbox ◀── Reported ────┼───────────────────┘
//!               │           ▼                                   │
//!  broker ◀─────┴── end of the settled prefix (stored; committed every 200 ms)
//! ```
//! One thread owns the broker's client and the [`tracker`], so neither needs a lock; it sleeps until a record or a note
//! comes. [`window`], [`keys`] and [`tracker`] are pure.
//!
//! A record is *settled* when its report is answered or given up, when the engine refuses to begin it, or when it is in
//! the dead-letter topic. Invariant: no offset is stored past a record that is not settled.
//!
//! What happens when …
//! - **a worker dies**: what it had not settled is delivered to another. Jobs that it had begun are refused there (their
//!   lease is its own) and settled; when the lease runs out, the engine dispatches them again with the next attempt.
//! - **the engine does not answer a begin**: the call is repeated; records wait, windows fill, partitions pause.
//! - **the engine does not answer a report**: it is repeated for a few leases. One that is given up counts as settled: the
//!   lease has run out, and the engine has dispatched the job again.
//! - **a lease is lost before its job has started** (it waited for its turn, and the engine would not prolong it): the job
//!   does not start here, and its record is settled: the next attempt has a record of its own, or there is none to come.
//! - **a record comes twice**: while its attempt is in hand, the second waits for the first; later the engine refuses it.
//!   If the first is refused as stale, the second is asked for: the job may have been given back in between.
//! - **a record can't be read**: to the dead-letter topic. While that can't be written, its partition goes on until its
//!   window is full ([`dead_letter`]).
//! - **a partition is revoked**: nothing new of it begins; what has begun ends within a bound, offsets are committed, then
//!   it is given away. What takes longer stays this worker's by its lease: the next owner is refused and goes on.
//! - **partitions are lost** (the group gave up on this member): the same, without waiting and without a commit.
//! - **the broker is away**: what is in hand goes on; commits fail and are made up for later.
//! - **the group refuses this member** (no access): it is tried again for ever. With the newer group protocol the client takes
//!   that for fatal, so it is replaced by a new one; what has begun goes on meanwhile, as when partitions are lost.
//! - **the topic is not there, or is made again**: it is found within a second or two, and read from its start. One that is
//!   made again before anybody has noticed, and is soon longer than the old, is read on from where the old one was: the
//!   sweeper dispatches what was passed over.
//! - **SIGTERM**: nothing new begins; what runs may end within the grace time and is reported; what has begun is given
//!   back, which dispatches it again, so it counts as settled; what has only been asked for is given back too, in case that
//!   it has begun, and stays unsettled; commit; leave the group.

mod begin;
mod context;
mod dead_letter;
mod inbox;
mod keys;
mod reader;
mod rebalance;
mod settings;
#[cfg(test)]
mod tests;
mod tracker;
mod watch;
mod window;

use std::sync::Arc;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

pub(super) use inbox::Ticket;

use super::Shared;
use super::executor::Executor;
use crate::EngineError;
use crate::command::WorkerArgs;
use crate::kafka::Kafka;
use context::Context;
use inbox::{Inbox, Note};

/// A consumer that runs.
pub(super) struct Consumer {
    inbox: Arc<Inbox>,
}

impl Consumer {
    /// Joins the group of the job type, on a thread of its own; `ends` learns how it ended.
    ///
    /// # Errors
    /// If the broker's client refuses its settings, or there is no thread to be had.
    pub(super) fn spawn(
        args: &WorkerArgs,
        kafka: &Kafka,
        job_type: &str,
        shared: Arc<Shared>,
        executor: Executor,
        ends: &mut JoinSet<Result<(), EngineError>>,
    ) -> Result<Self, EngineError> {
        let inbox = Arc::new(Inbox::default());
        let connect = {
            let (config, topic) = (settings::consumer(kafka, args, job_type), kafka.topic(job_type));
            let (inbox, job_type) = (inbox.clone(), job_type.to_owned());
            move || subscribed(&config, &topic, &inbox).map_err(|error| failed(&job_type, &error))
        };
        let consumer = connect()?;

        let reader = reader::Reader::new(args, kafka, job_type, shared, executor, inbox.clone());
        let (ended, end) = oneshot::channel();
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new()
            .name(format!("consumer-{job_type}"))
            .spawn(move || {
                let _runtime = runtime.enter();
                // Nobody waits for it any more: the process is going.
                let _ = ended.send(reader.run(consumer, &connect));
            })
            .map_err(|error| failed(job_type, &error))?;
        let broken = failed(job_type, &"its thread broke");
        ends.spawn(async move { end.await.unwrap_or(Err(broken)) });
        Ok(Self { inbox })
    }

    /// Asks it to come to its end, within the grace time.
    pub(super) fn stop(&self) {
        self.inbox.push(Note::Stop);
    }
}

fn failed(job_type: &str, error: &dyn std::fmt::Display) -> EngineError {
    EngineError::Kafka(format!("consumer of {job_type:?}: {error}"))
}

/// A client that wakes the thread when something came.
fn subscribed(config: &ClientConfig, topic: &str, inbox: &Arc<Inbox>) -> Result<BaseConsumer<Context>, KafkaError> {
    let mut consumer: BaseConsumer<Context> = config.create_with_context(Context::new(inbox.clone()))?;
    let waker = inbox.clone();
    consumer.set_nonempty_callback(move || waker.wake());
    consumer.subscribe(&[topic])?;
    Ok(consumer)
}
