//! The part of the gRPC API that tells what became of jobs: complete, fail; and how every batched change of jobs is answered.

use std::collections::{HashMap, HashSet};

use crossover_proto::JobId;
use crossover_proto::clock::MonotonicNs;
use crossover_proto::engine::{self as wire, Outcome};
use crossover_proto::history::Event;
use metrics::{counter, histogram};
use tonic::Response;

use super::api::{Answer, Api, bounded, status};
use super::convert::{attempt_of, attempts, latest_of_each};
use crate::EngineError;
use crate::store::{Attempt, FailedAttempt};

impl Api {
    pub(super) async fn completions(&self, request: wire::CompleteRequest) -> Answer<wire::OutcomeResponse> {
        let complete = async |batch: Vec<(usize, Attempt)>| {
            let before = MonotonicNs::now();
            let completion = self.store.complete(&attempts(&batch)).await?;
            let after = MonotonicNs::now();
            let created = completion.created.iter().map(|created| Event::Created {
                instance: created.instance,
                step: created.step.unsigned_abs(),
                before,
            });
            self.recorder.record_all(after, created).map_err(EngineError::History)?;
            let ready = completion.created.iter().filter(|created| created.ready);
            self.wakeups.ready(ready.map(|created| created.job_type.as_str()));
            counter!("engine_jobs_completed_total").increment(completion.done.len() as u64);
            histogram!("engine_complete_batch_jobs").record(batch.len() as f64);
            let seconds = after.saturating_since(before).as_secs_f64();
            histogram!("engine_statement_seconds", "statement" => "complete").record(seconds);
            Ok(completion.done)
        };
        self.change(&request.jobs, complete).await
    }

    pub(super) async fn failures(&self, request: wire::FailRequest) -> Answer<wire::OutcomeResponse> {
        let failures = request.failures;
        let refs: Vec<wire::JobRef> = failures
            .iter()
            .map(|failure| failure.job.clone().unwrap_or_default())
            .collect();
        let fail = async |batch: Vec<(usize, Attempt)>| {
            let failed = batch.into_iter().map(|(index, attempt)| FailedAttempt {
                attempt,
                permanent: failures[index].permanent,
                reason: failures[index].reason.clone(),
            });
            let failed = self.store.fail(&failed.collect::<Vec<_>>()).await?;
            counter!("engine_attempts_failed_total").increment(failed.len() as u64);
            Ok(failed)
        };
        self.change(&refs, fail).await
    }

    /// Runs a batched change on the valid items, each job once, and answers per item.
    pub(super) async fn change<F, R>(&self, refs: &[wire::JobRef], change: F) -> Answer<wire::OutcomeResponse>
    where
        F: FnOnce(Vec<(usize, Attempt)>) -> R,
        R: Future<Output = Result<HashSet<JobId>, EngineError>>,
    {
        bounded(refs.len())?;
        let parsed: Vec<Option<Attempt>> = refs.iter().map(attempt_of).collect();
        let batch = latest_of_each(&parsed);
        let asked: HashSet<usize> = batch.iter().map(|(index, _)| *index).collect();
        let done = match batch.is_empty() {
            true => HashSet::new(),
            false => change(batch).await.map_err(status)?,
        };
        let is_done = |(index, item): (usize, &Option<Attempt>)| {
            asked.contains(&index) && item.is_some_and(|attempt| done.contains(&attempt.job))
        };
        let firsts: Vec<bool> = parsed.iter().enumerate().map(is_done).collect();
        let open: Vec<JobId> = parsed
            .iter()
            .zip(&firsts)
            .filter(|(_, done)| !**done)
            .filter_map(|(item, _)| item.map(|a| a.job))
            .collect();
        let found = if open.is_empty() {
            HashMap::new()
        } else {
            self.store.outcomes(&open).await.map_err(status)?
        };
        let answer = |(item, first): (&Option<Attempt>, &bool)| match item {
            None => Outcome::Invalid,
            Some(_) if *first => Outcome::Done,
            Some(attempt) => match found.get(&attempt.job) {
                None => Outcome::NotFound,
                Some(job) if job.completed => Outcome::AlreadyCompleted,
                Some(_) => Outcome::StaleAttempt,
            },
        };
        let outcomes = parsed.iter().zip(&firsts).map(answer).map(i32::from).collect();
        Ok(Response::new(wire::OutcomeResponse { outcomes }))
    }
}
