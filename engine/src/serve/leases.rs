//! The part of the gRPC API that gives out leases and takes them back: poll, begin, extend, release.

use std::time::{Duration, Instant};

use crossover_proto::clock::MonotonicNs;
use crossover_proto::engine as wire;
use crossover_proto::history::{Event, JobKey};
use metrics::{counter, histogram};
use tonic::{Response, Status};

use super::api::{Answer, Api, POLL_JOBS_MAX, bounded_by, status, without_nul};
use super::convert::{attempts, key_of, to_wire};
use crate::EngineError;
use crate::service::stopped;
use crate::store::Attempt;

/// Longest long poll.
const WAIT_MAX: Duration = Duration::from_secs(60);

impl Api {
    pub(super) async fn claims(&self, poll: wire::PollRequest) -> Answer<wire::PollResponse> {
        if self.store.dispatches_to_outbox() {
            return Err(Status::failed_precondition(
                "this replica works in event-driven mode: jobs come from the broker; to take them by Poll, start the \
                 replicas and workers with --dispatch polling",
            ));
        }
        bounded_by(poll.max_jobs as usize, POLL_JOBS_MAX as usize)?;
        without_nul("job_type", &poll.job_type)?;
        without_nul("worker", &poll.worker)?;
        let deadline = Instant::now() + Duration::from_millis(u64::from(poll.wait_ms)).min(WAIT_MAX);
        let waker = self.wakeups.of(&poll.job_type);
        loop {
            // Registered before the look: a job that becomes ready in between wakes it.
            let woken = waker.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let jobs = self.claim_once(&poll).await?;
            let left = deadline.saturating_duration_since(Instant::now());
            if !jobs.is_empty() || left.is_zero() {
                return Ok(Response::new(wire::PollResponse { jobs }));
            }
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(left) => {}
                () = stopped(self.stop.clone()) => return Err(Status::unavailable("the replica is stopping")),
            }
        }
    }

    async fn claim_once(&self, poll: &wire::PollRequest) -> Result<Vec<wire::Job>, Status> {
        let before = MonotonicNs::now();
        let lease = Duration::from_millis(u64::from(poll.lease_ms));
        let claimed = self
            .store
            .claim(self.claim, &poll.job_type, poll.max_jobs, &poll.worker, lease)
            .await;
        let claimed = claimed.map_err(status)?;
        let seconds = self
            .record_claimed(before, claimed.iter().map(key_of))
            .map_err(status)?;
        counter!("engine_jobs_claimed_total").increment(claimed.len() as u64);
        histogram!("engine_statement_seconds", "statement" => "claim").record(seconds);
        Ok(claimed.into_iter().map(|job| to_wire(job, &poll.job_type)).collect())
    }

    /// Begins leases of jobs that came from the broker.
    pub(super) async fn begins(&self, request: wire::LeaseRequest) -> Answer<wire::OutcomeResponse> {
        if !self.store.dispatches_to_outbox() {
            return Err(Status::failed_precondition(
                "this replica works in polling mode: jobs are taken by Poll; to begin jobs from the broker, start the \
                 replicas with --dispatch event-driven",
            ));
        }
        without_nul("worker", &request.worker)?;
        let lease = Duration::from_millis(u64::from(request.lease_ms));
        let begin = async |batch: Vec<(usize, Attempt)>| {
            let before = MonotonicNs::now();
            let answer = self.store.begin(&attempts(&batch), &request.worker, lease).await?;
            let seconds = self.record_claimed(before, answer.begun.iter().copied())?;
            counter!("engine_jobs_begun_total").increment(answer.begun.len() as u64);
            histogram!("engine_begin_batch_jobs").record(batch.len() as f64);
            histogram!("engine_statement_seconds", "statement" => "begin").record(seconds);
            Ok(answer.done)
        };
        self.change(&request.jobs, begin).await
    }

    /// The statement was called at `before` and has committed; answers how long it took (s).
    fn record_claimed(&self, before: MonotonicNs, jobs: impl Iterator<Item = JobKey>) -> Result<f64, EngineError> {
        let after = MonotonicNs::now();
        self.recorder
            .record_all(after, jobs.map(|key| Event::Claimed { key, before }))
            .map_err(EngineError::History)?;
        Ok(after.saturating_since(before).as_secs_f64())
    }

    pub(super) async fn extensions(&self, request: wire::LeaseRequest) -> Answer<wire::OutcomeResponse> {
        let lease = Duration::from_millis(u64::from(request.lease_ms));
        self.change(&request.jobs, async |batch| {
            self.store.extend(&attempts(&batch), lease).await
        })
        .await
    }

    pub(super) async fn releases(&self, request: wire::LeaseRequest) -> Answer<wire::OutcomeResponse> {
        let release = async |batch: Vec<(usize, Attempt)>| {
            let released = self.store.release(&attempts(&batch)).await?;
            self.wakeups
                .ready(released.iter().map(|(_, job_type)| job_type.as_str()));
            Ok(released.into_iter().map(|(job, _)| job).collect())
        };
        self.change(&request.jobs, release).await
    }
}
