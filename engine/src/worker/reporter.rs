//! Reports finished jobs to a replica, in batches that grow by themselves: what finishes while a call is under way
//! goes into the next one. A lone job is reported at once.
//!
//! A report without an answer is repeated until it has one; after [`PATIENCE`] leases it is recorded as unknown and
//! given up: the engine has long handed the job to somebody else.

use std::sync::Arc;
use std::time::Duration;

use crossover_proto::clock::MonotonicNs;
use crossover_proto::engine as wire;
use crossover_proto::history::{Event, JobKey, Outcome};
use metrics::{counter, histogram};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::{Code, Status};

use super::Shared;
use super::consumer::Ticket;
use super::executor::give_up;
use super::handler::Failure;
use super::held::job_ref;
use crate::batches::call_in_batches;

/// Reports in one call.
const BATCH_MAX: usize = 500;
/// Leases that a report is repeated for.
const PATIENCE: u32 = 3;

/// One finished attempt.
pub(super) struct Report {
    pub(super) key: JobKey,
    pub(super) failure: Option<Failure>,
    /// Who waits for the answer: a consumer.
    pub(super) ticket: Option<Ticket>,
}

/// Runs the reporter; it ends when all senders are gone and all reports are answered.
pub(super) fn spawn(shared: Arc<Shared>) -> (mpsc::UnboundedSender<Report>, JoinHandle<()>) {
    // Bounded by the slots that the worker holds.
    let (sender, receiver) = mpsc::unbounded_channel();
    let task = tokio::spawn(call_in_batches(
        receiver,
        BATCH_MAX,
        |_| 1,
        move |batch| {
            let shared = shared.clone();
            async move { report(&shared, batch).await }
        },
    ));
    (sender, task)
}

async fn report(shared: &Shared, batch: Vec<Report>) {
    let keys: Vec<JobKey> = batch.iter().map(|report| report.key).collect();
    let tickets: Vec<Ticket> = batch.iter().filter_map(|report| report.ticket.clone()).collect();
    let (failed, done): (Vec<Report>, Vec<Report>) = batch.into_iter().partition(|report| report.failure.is_some());
    if !done.is_empty() {
        let keys: Vec<JobKey> = done.iter().map(|report| report.key).collect();
        let request = wire::CompleteRequest {
            jobs: keys.iter().map(job_ref).collect(),
            worker: shared.name.clone(),
        };
        settle(shared, &keys, Request::Complete(request)).await;
    }
    if !failed.is_empty() {
        let keys: Vec<JobKey> = failed.iter().map(|report| report.key).collect();
        let request = wire::FailRequest {
            failures: failed.into_iter().map(failure_of).collect(),
            worker: shared.name.clone(),
        };
        settle(shared, &keys, Request::Fail(request)).await;
    }
    shared.held.remove(keys.into_iter());
    tickets.iter().for_each(Ticket::reported);
}

/// A report on the wire.
enum Request {
    Complete(wire::CompleteRequest),
    Fail(wire::FailRequest),
}

async fn call(shared: &Shared, request: &Request) -> Result<wire::OutcomeResponse, Status> {
    match request {
        Request::Complete(request) => {
            let request = request.clone();
            shared
                .client
                .call(
                    Duration::ZERO,
                    |mut replica| async move { replica.complete(request).await },
                )
                .await
        }
        Request::Fail(request) => {
            let request = request.clone();
            shared
                .client
                .call(Duration::ZERO, |mut replica| async move { replica.fail(request).await })
                .await
        }
    }
}

/// Calls until there is an answer, and records it.
async fn settle(shared: &Shared, keys: &[JobKey], request: Request) {
    let begun = MonotonicNs::now();
    let mut pause = Duration::from_millis(50);
    loop {
        match call(shared, &request).await {
            Ok(answer) => {
                let seconds = MonotonicNs::now().saturating_since(begun).as_secs_f64();
                histogram!("worker_report_seconds").record(seconds);
                histogram!("worker_report_jobs").record(keys.len() as f64);
                record(shared, keys, answer.outcomes.into_iter().map(outcome_of));
                return;
            }
            Err(status) if lost_cause(&status, begun, shared.lease) => {
                tracing::warn!(%status, jobs = keys.len(), "reports given up");
                record(shared, keys, std::iter::repeat(Outcome::Unknown));
                return;
            }
            Err(status) => {
                tracing::warn!(%status, jobs = keys.len(), "report failed; asking again");
                counter!("worker_report_retries_total").increment(1);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }
}

fn lost_cause(status: &Status, begun: MonotonicNs, lease: Duration) -> bool {
    status.code() == Code::InvalidArgument || MonotonicNs::now().saturating_since(begun) > lease * PATIENCE
}

fn record(shared: &Shared, keys: &[JobKey], outcomes: impl Iterator<Item = Outcome>) {
    let events = keys
        .iter()
        .zip(outcomes)
        .map(|(key, outcome)| Event::Reported(*key, outcome));
    if let Err(error) = shared.recorder.record_all(MonotonicNs::now(), events) {
        give_up(&error);
    }
}

fn outcome_of(outcome: i32) -> Outcome {
    match wire::Outcome::try_from(outcome) {
        Ok(wire::Outcome::Done) => Outcome::Done,
        Ok(wire::Outcome::AlreadyCompleted) => Outcome::Already,
        Ok(wire::Outcome::StaleAttempt) => Outcome::Stale,
        Ok(wire::Outcome::NotFound | wire::Outcome::Invalid) => Outcome::Rejected,
        Ok(wire::Outcome::Unspecified) | Err(_) => Outcome::Unknown,
    }
}

fn failure_of(report: Report) -> wire::Failure {
    let failure = report.failure.unwrap_or_default();
    wire::Failure {
        job: Some(job_ref(&report.key)),
        permanent: failure.permanent,
        reason: failure.reason,
    }
}
