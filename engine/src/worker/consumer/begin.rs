//! Asks the engine for the leases of records in hand: several in a call, repeated until there is an answer. While the
//! engine is away the records are kept, and no offset passes them.

use std::sync::Arc;
use std::time::Duration;

use crossover_proto::engine as wire;
use crossover_proto::history::JobKey;
use metrics::{counter, histogram};
use tokio::time::Instant;
use tonic::Status;

use super::inbox::{Inbox, Note};
use super::tracker::RecordId;
use crate::worker::Shared;
use crate::worker::held::job_ref;

/// Records in one call.
pub(super) const BATCH_MAX: usize = 500;

/// Calls until there is an answer, and puts it into the inbox.
pub(super) async fn begin(shared: Arc<Shared>, inbox: Arc<Inbox>, records: Vec<(RecordId, JobKey)>) {
    let request = wire::LeaseRequest {
        jobs: records.iter().map(|(_, key)| job_ref(key)).collect(),
        worker: shared.name.clone(),
        lease_ms: u32::try_from(shared.lease.as_millis()).unwrap_or(u32::MAX),
    };
    let mut pause = Duration::from_millis(50);
    loop {
        let asked = Instant::now();
        let answer = shared.client.begin(request.clone()).await;
        match answer.and_then(|answer| whole(&answer, records.len())) {
            Ok(outcomes) => {
                histogram!("worker_begin_seconds").record(asked.elapsed().as_secs_f64());
                histogram!("worker_begin_jobs").record(records.len() as f64);
                let answered = records.into_iter().zip(outcomes);
                inbox.push(Note::Answered(
                    answered.map(|((id, key), outcome)| (id, key, outcome)).collect(),
                ));
                return;
            }
            Err(status) => {
                tracing::warn!(%status, jobs = records.len(), "begin failed; asking again");
                counter!("worker_begin_retries_total").increment(1);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }
}

/// An answer for each record, or none at all: a record without one is never passed over.
fn whole(answer: &wire::OutcomeResponse, records: usize) -> Result<Vec<wire::Outcome>, Status> {
    let outcomes: Vec<wire::Outcome> = answer.outcomes().collect();
    if outcomes.len() == records && !outcomes.contains(&wire::Outcome::Unspecified) {
        return Ok(outcomes);
    }
    Err(Status::internal(format!(
        "{} outcomes for {records} jobs; is the replica of this version?",
        outcomes.len()
    )))
}

/// As a label of a metric.
pub(super) fn label_of(outcome: wire::Outcome) -> &'static str {
    match outcome {
        wire::Outcome::Unspecified => "unspecified",
        wire::Outcome::Done => "done",
        wire::Outcome::AlreadyCompleted => "already-completed",
        wire::Outcome::StaleAttempt => "stale-attempt",
        wire::Outcome::NotFound => "not-found",
        wire::Outcome::Invalid => "invalid",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_leaves_a_record_out_is_none() {
        let answer = |outcomes: &[wire::Outcome]| wire::OutcomeResponse {
            outcomes: outcomes.iter().map(|outcome| i32::from(*outcome)).collect(),
        };
        assert!(whole(&answer(&[wire::Outcome::Done]), 2).is_err());
        assert!(whole(&answer(&[wire::Outcome::Done, wire::Outcome::Unspecified]), 2).is_err());
        assert!(whole(&answer(&[wire::Outcome::Done, wire::Outcome::StaleAttempt]), 2).is_ok());
    }
}
