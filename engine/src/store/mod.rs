//! All SQL of the engine. Each statement is a named function, led by a tag (`/* claim */`) that samplers read.
//!
//! Every hot call is one statement for many rows, and one statement is one transaction: one round trip, one commit.
//!
//! Invariant: a statement that changes running jobs locks their instance rows first, in id order. So two completions of
//! the last jobs of a parallel step meet at the instance, and its join counter (`remaining`) is read after the wait;
//! and no two statements can wait for each other. Claims and promotions take no instance lock: they only touch rows
//! that they can lock at once (SKIP LOCKED), and wait for nothing; nor does the reaper. A promotion that writes outbox rows
//! locks instances as the reaper does (see `dispatch`); a begin locks none (see `begin`).
//!
//! Invariant: a statement that waits for jobs touches them in id order. The blocking claim waits, and while it does, holds
//! rows that it saw queued and that by now run: a completion in another order would deadlock with it. The columns of
//! attempts are sorted for that ([`AttemptColumns`]), and the statements reach the jobs from them by a nested loop.
//!
//! `(SELECT count(*) FROM locked) > 0` puts the locks first: it is evaluated once, before any job is looked at. A join
//! with `locked` would do too, and compare each job with each instance: a planner knows no size of an array.
//!
//! `IS NOT DISTINCT FROM` instead of `=` keeps the index on a job's instance out of the plans: with statistics from a time of
//! one job an instance, a completion would look at all jobs of the instance to find each of its own.
//!
//! Invariant: a statement that must see what a lock waiter's predecessor created (cancel) runs after the lock in a
//! snapshot of its own.

mod begin;
mod cancel;
mod claim;
mod complete;
mod connect;
mod dead_letters;
mod definitions;
mod dispatch;
mod fail;
mod inspect;
mod lease;
pub(crate) mod notify;
pub mod outbox;
mod outcome;
mod page;
mod pool;
mod schedule;
mod start;
mod statements;
pub mod sweep;

use std::sync::Arc;

use crossover_proto::{InstanceId, JobId};

pub use begin::Begun;
pub use cancel::Cancelled;
pub use claim::{ClaimKind, ClaimedJob};
pub use complete::{Completion, CreatedStep};
pub use connect::{DatabaseUrl, migrate};
pub use dead_letters::{DeadLetter, Selection};
pub use definitions::Registered;
pub use fail::FailedAttempt;
pub use inspect::{AuditLine, DispatchLine, InstanceView, JobView};
pub use notify::CHANNEL as NOTIFY_CHANNEL;
pub use outcome::JobOutcome;
pub use page::Page;
use pool::Pool;
pub use start::NewInstance;
pub use statements::statements;

/// The database of one engine.
#[derive(Debug, Clone)]
pub struct Store {
    pool: Arc<Pool>,
    /// In event-driven mode: who writes the outbox rows.
    source: Option<Arc<str>>,
}

/// One attempt of one job, as a worker names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The job.
    pub job: JobId,
    /// Its attempt, from 1.
    pub attempt: i16,
    /// Its instance, which is locked first.
    pub instance: InstanceId,
}

/// Column-wise arrays of attempts, for `unnest`.
struct AttemptColumns {
    jobs: Vec<i64>,
    attempts: Vec<i16>,
    instances: Vec<uuid::Uuid>,
}

impl AttemptColumns {
    /// In the order of the jobs' ids, which the statements keep: see the blocking claim above.
    fn of<'a>(items: impl Iterator<Item = &'a Attempt>) -> Self {
        let mut items: Vec<&Attempt> = items.collect();
        items.sort_unstable_by_key(|item| item.job);
        Self {
            jobs: items.iter().map(|item| item.job.0).collect(),
            attempts: items.iter().map(|item| item.attempt).collect(),
            instances: items.iter().map(|item| item.instance.0).collect(),
        }
    }
}
