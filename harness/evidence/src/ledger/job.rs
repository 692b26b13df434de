//! One job: its row, what the history says of it, and the firsts that latency counts from.

use crossover_proto::JobId;
use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::{Event, JobKey, Outcome, Record};

use crate::snapshot::JobState;

/// One job.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Place of its instance in the ledger.
    pub instance: u32,
    /// Its job type, as the snapshot numbers them; 0 without a row.
    pub job_type: u16,
    /// Step, from 0.
    pub step: u16,
    /// Place within the step, from 0.
    pub ordinal: u16,
    /// Current attempt by its row.
    pub attempt: u16,
    /// State by its row; `None` if the database does not know the job.
    pub state: Option<JobState>,
}

/// One thing that the history says of a job.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// When; of a claim, the reply to its commit.
    pub at: MonotonicNs,
    /// Which attempt.
    pub attempt: u16,
    /// Place of the process in the history.
    pub process: u16,
    /// What.
    pub act: Act,
}

/// What a moment is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The engine claimed it.
    Claimed,
    /// The relay read its outbox row.
    Picked,
    /// The broker acknowledged its record.
    Acked,
    /// A worker had it in its hands.
    Received,
    /// Its handler started.
    Started,
    /// Its handler ended.
    Finished(Outcome),
    /// The engine answered the worker's report.
    Reported(Outcome),
}

impl Moment {
    /// Splits a record into the job it is about and its moment; `None` if it is about an instance.
    pub(super) fn of(record: &Record, process: u16) -> Option<(JobKey, Self)> {
        let (key, at, act) = match record.event {
            Event::Sent { .. } | Event::Answered { .. } | Event::Created { .. } => return None,
            Event::Claimed { key, .. } => (key, record.at, Act::Claimed),
            Event::Picked { key, .. } => (key, record.at, Act::Picked),
            Event::Acked { key, .. } => (key, record.at, Act::Acked),
            Event::Received(key) => (key, record.at, Act::Received),
            Event::Started(key) => (key, record.at, Act::Started),
            Event::Finished(key, outcome) => (key, record.at, Act::Finished(outcome)),
            Event::Reported(key, outcome) => (key, record.at, Act::Reported(outcome)),
        };
        let moment = Self {
            at,
            attempt: key.attempt,
            process,
            act,
        };
        Some((key, moment))
    }
}

/// The firsts of a job, whichever attempt they belong to: what a client waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobTimes {
    /// The reply to the commit of its first claim.
    pub claimed: Option<MonotonicNs>,
    /// First time that the relay read an outbox row of it.
    pub picked: Option<MonotonicNs>,
    /// First acknowledgement of the broker.
    pub acked: Option<MonotonicNs>,
    /// First receipt.
    pub received: Option<MonotonicNs>,
    /// First start of a handler.
    pub started: Option<MonotonicNs>,
    /// First success of a handler.
    pub succeeded: Option<MonotonicNs>,
    /// First answer that a success counts (`Done`, or `Already` where the answer to an earlier report was lost).
    pub completed: Option<MonotonicNs>,
    /// Last end of a handler, however it ended.
    pub last_finished: Option<MonotonicNs>,
    /// Handlers that ended in success.
    pub successes: u32,
}

impl JobTimes {
    pub(super) fn of(moments: &[Moment]) -> Self {
        let mut times = Self::default();
        for (index, moment) in moments.iter().enumerate() {
            let at = moment.at;
            match moment.act {
                Act::Picked => first(&mut times.picked, at),
                Act::Acked => first(&mut times.acked, at),
                Act::Claimed => first(&mut times.claimed, at),
                Act::Received => first(&mut times.received, at),
                Act::Started => first(&mut times.started, at),
                Act::Finished(outcome) => {
                    times.last_finished = Some(at);
                    if outcome == Outcome::Done {
                        first(&mut times.succeeded, at);
                        times.successes += 1;
                    }
                }
                Act::Reported(Outcome::Done | Outcome::Already) => {
                    if attempt_succeeded(&moments[..index], moment.attempt) {
                        first(&mut times.completed, at);
                    }
                }
                Act::Reported(_) => {}
            }
        }
        times
    }
}

fn first(slot: &mut Option<MonotonicNs>, at: MonotonicNs) {
    slot.get_or_insert(at);
}

/// Reports of failures are answered `Done` as well: only those after a success complete the job.
fn attempt_succeeded(earlier: &[Moment], attempt: u16) -> bool {
    earlier
        .iter()
        .any(|moment| moment.attempt == attempt && moment.act == Act::Finished(Outcome::Done))
}
