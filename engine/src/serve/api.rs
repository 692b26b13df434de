//! The gRPC API of a replica: checks each item, calls the store once per batch, answers per item.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossover_proto::clock::MonotonicNs;
use crossover_proto::definition::Definition;
use crossover_proto::engine::engine_server::Engine;
use crossover_proto::engine::{self as wire, CancelOutcome, Outcome, StartOutcome};
use crossover_proto::history::{Event, Recorder};
use crossover_proto::{InstanceId, JobId};
use metrics::{counter, histogram};
use tokio::sync::{mpsc, oneshot};
use tonic::{Request, Response, Status};

use super::convert::{attempt_of, attempts, audit_entry, job_status, key_of, latest_of_each, to_wire};
use super::wake::Wakeups;
use super::{dead_letters, starter};
use crate::EngineError;
use crate::service::{Stop, stopped};
use crate::store::{Attempt, Cancelled, ClaimKind, FailedAttempt, NewInstance, Store};

/// Largest payload of an instance (bytes): a job row and a broker's message must hold it.
pub const PAYLOAD_BYTES_MAX: usize = 900_000;
/// Largest gRPC message (bytes): a poll of [`POLL_JOBS_MAX`] jobs with the largest payloads fits.
pub const MAX_MESSAGE_BYTES: usize = 512 * 1024 * 1024;
/// Most jobs in one answer to a poll.
pub const POLL_JOBS_MAX: u32 = 500;
/// Most items in one call.
const JOBS_MAX: usize = 5_000;
/// Longest long poll.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// A definition looked up by name is trusted this long: another replica may register a newer version.
const DEFINITION_TTL: Duration = Duration::from_secs(1);

/// A definition as the start needs it: its id, and the job types of its first step.
type Known = (i64, Arc<[String]>, Instant);

pub(super) struct Api {
    store: Store,
    wakeups: Wakeups,
    recorder: Recorder,
    claim: ClaimKind,
    starter: mpsc::Sender<starter::Call>,
    definitions: Mutex<HashMap<String, Known>>,
    stop: Stop,
}

type Answer<T> = Result<Response<T>, Status>;

impl Api {
    pub(super) fn new(store: Store, wakeups: Wakeups, recorder: Recorder, claim: ClaimKind, stop: Stop) -> Self {
        let starter = starter::spawn(store.clone(), wakeups.clone(), recorder.clone());
        Self {
            store,
            wakeups,
            recorder,
            claim,
            starter,
            definitions: Mutex::default(),
            stop,
        }
    }

    async fn definition(&self, name: &str) -> Result<Option<(i64, Arc<[String]>)>, Status> {
        let known = self
            .definitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned();
        if let Some((id, types, _)) = known.filter(|(_, _, at)| at.elapsed() < DEFINITION_TTL) {
            return Ok(Some((id, types)));
        }
        let Some((registered, definition)) = self.store.latest_definition(name).await.map_err(status)? else {
            return Ok(None);
        };
        let types: Arc<[String]> = first_step_types(&definition).into();
        let known = (registered.id, types.clone(), Instant::now());
        self.definitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), known);
        Ok(Some((registered.id, types)))
    }

    async fn claim_once(&self, poll: &wire::PollRequest) -> Result<Vec<wire::Job>, Status> {
        let before = MonotonicNs::now();
        let lease = Duration::from_millis(u64::from(poll.lease_ms));
        let claimed = self
            .store
            .claim(self.claim, &poll.job_type, poll.max_jobs, &poll.worker, lease)
            .await;
        let claimed = claimed.map_err(status)?;
        let after = MonotonicNs::now();
        let events = claimed.iter().map(|job| Event::Claimed {
            key: key_of(job),
            before,
        });
        self.recorder
            .record_all(after, events)
            .map_err(|error| status(EngineError::History(error)))?;
        counter!("engine_jobs_claimed_total").increment(claimed.len() as u64);
        let seconds = after.saturating_since(before).as_secs_f64();
        histogram!("engine_statement_seconds", "statement" => "claim").record(seconds);
        Ok(claimed.into_iter().map(|job| to_wire(job, &poll.job_type)).collect())
    }

    /// Runs a batched change on the valid items, each job once, and answers per item.
    async fn change<F, R>(&self, refs: &[wire::JobRef], change: F) -> Answer<wire::OutcomeResponse>
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

#[tonic::async_trait]
impl Engine for Api {
    async fn register(&self, request: Request<wire::RegisterRequest>) -> Answer<wire::RegisterResponse> {
        let definition = Definition::from_json(&request.into_inner().document_json)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let registered = self.store.register(&definition).await.map_err(status)?;
        self.definitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&definition.name);
        Ok(Response::new(wire::RegisterResponse {
            definition_id: registered.id,
            version: registered.version,
        }))
    }

    async fn start(&self, request: Request<wire::StartRequest>) -> Answer<wire::StartResponse> {
        let items = request.into_inner().items;
        bounded(items.len())?;
        let mut outcomes = vec![StartOutcome::Unspecified; items.len()];
        let mut places = Vec::with_capacity(items.len());
        let mut instances = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            match self.checked(item).await? {
                Ok((instance, types)) => {
                    places.push((index, instance.id));
                    instances.push((instance, types));
                }
                Err(refused) => outcomes[index] = refused,
            }
        }
        if !instances.is_empty() {
            let (answer, answered) = oneshot::channel();
            let gone = |_| Status::unavailable("the replica is stopping");
            self.starter
                .send(starter::Call { instances, answer })
                .await
                .map_err(|_| gone(()))?;
            let mut started = answered
                .await
                .map_err(|_| gone(()))?
                .map_err(|error| status_of(&error))?;
            for (index, id) in places {
                // An id named twice in one call: the first was new, the next is a repeat.
                outcomes[index] = started
                    .insert(id, StartOutcome::AlreadyExists)
                    .unwrap_or(StartOutcome::AlreadyExists);
            }
        }
        Ok(Response::new(wire::StartResponse {
            outcomes: outcomes.into_iter().map(i32::from).collect(),
        }))
    }

    async fn poll(&self, request: Request<wire::PollRequest>) -> Answer<wire::PollResponse> {
        let poll = request.into_inner();
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

    async fn begin(&self, _request: Request<wire::LeaseRequest>) -> Answer<wire::OutcomeResponse> {
        Err(Status::failed_precondition("begin is for the event-driven mode"))
    }

    async fn extend(&self, request: Request<wire::LeaseRequest>) -> Answer<wire::OutcomeResponse> {
        let request = request.into_inner();
        let lease = Duration::from_millis(u64::from(request.lease_ms));
        self.change(&request.jobs, async |batch| {
            self.store.extend(&attempts(&batch), lease).await
        })
        .await
    }

    async fn release(&self, request: Request<wire::LeaseRequest>) -> Answer<wire::OutcomeResponse> {
        let release = async |batch: Vec<(usize, Attempt)>| {
            let released = self.store.release(&attempts(&batch)).await?;
            self.wakeups
                .ready(released.iter().map(|(_, job_type)| job_type.as_str()));
            Ok(released.into_iter().map(|(job, _)| job).collect())
        };
        self.change(&request.into_inner().jobs, release).await
    }

    async fn complete(&self, request: Request<wire::CompleteRequest>) -> Answer<wire::OutcomeResponse> {
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
        self.change(&request.into_inner().jobs, complete).await
    }

    async fn fail(&self, request: Request<wire::FailRequest>) -> Answer<wire::OutcomeResponse> {
        let failures = request.into_inner().failures;
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

    async fn cancel(&self, request: Request<wire::CancelRequest>) -> Answer<wire::CancelResponse> {
        let wanted = request.into_inner().instance_ids;
        bounded(wanted.len())?;
        let parsed: Vec<Option<InstanceId>> = wanted.iter().map(|id| InstanceId::from_wire(id)).collect();
        let ids: Vec<InstanceId> = parsed.iter().copied().flatten().collect();
        let found = if ids.is_empty() {
            HashMap::new()
        } else {
            self.store.cancel(&ids).await.map_err(status)?
        };
        let answer = |id: &Option<InstanceId>| match id {
            None => CancelOutcome::InvalidId,
            Some(id) => match found.get(id) {
                None => CancelOutcome::NotFound,
                Some(Cancelled::Now) => CancelOutcome::Cancelled,
                Some(Cancelled::AlreadyFinished) => CancelOutcome::AlreadyFinished,
            },
        };
        Ok(Response::new(wire::CancelResponse {
            outcomes: parsed.iter().map(answer).map(i32::from).collect(),
        }))
    }

    async fn list_dead_letters(
        &self,
        request: Request<wire::ListDeadLettersRequest>,
    ) -> Answer<wire::ListDeadLettersResponse> {
        let request = request.into_inner();
        without_nul("reason_contains", &request.reason_contains)?;
        let listed = dead_letters::list(&self.store, &request).await;
        listed.map(Response::new).map_err(status)
    }

    async fn replay_dead_letters(&self, request: Request<wire::DeadLetterSelection>) -> Answer<wire::DeadLetterChange> {
        let request = request.into_inner();
        without_nul("reason_contains", &request.reason_contains)?;
        let replayed = dead_letters::replay(&self.store, &self.wakeups, &request).await;
        replayed.map(Response::new).map_err(status)
    }

    async fn discard_dead_letters(
        &self,
        request: Request<wire::DeadLetterSelection>,
    ) -> Answer<wire::DeadLetterChange> {
        let request = request.into_inner();
        without_nul("reason_contains", &request.reason_contains)?;
        let discarded = dead_letters::discard(&self.store, &request).await;
        discarded.map(Response::new).map_err(status)
    }

    async fn inspect(&self, request: Request<wire::InspectRequest>) -> Answer<wire::InspectResponse> {
        let id = InstanceId::from_wire(&request.into_inner().instance_id)
            .ok_or_else(|| Status::invalid_argument("instance_id: expected 16 bytes"))?;
        let view = self.store.inspect(id).await.map_err(status)?;
        let view = view.ok_or_else(|| Status::not_found(format!("no instance {id}")))?;
        Ok(Response::new(wire::InspectResponse {
            definition: view.definition,
            definition_version: view.version,
            state: view.state,
            step: u32::from(view.step.unsigned_abs()),
            jobs: view.jobs.into_iter().map(job_status).collect(),
            audit: view.audit.into_iter().map(audit_entry).collect(),
            dispatches: Vec::new(),
        }))
    }
}

impl Api {
    /// A start item that can go to the store, or the refusal.
    async fn checked(
        &self,
        item: wire::StartItem,
    ) -> Result<Result<(NewInstance, Arc<[String]>), StartOutcome>, Status> {
        let Some(id) = InstanceId::from_wire(&item.instance_id) else {
            return Ok(Err(StartOutcome::InvalidId));
        };
        if item.payload.len() > PAYLOAD_BYTES_MAX {
            return Ok(Err(StartOutcome::PayloadTooLarge));
        }
        // PostgreSQL's text holds no NUL, and would fail the neighbours too.
        if item.definition.contains('\0') {
            return Ok(Err(StartOutcome::UnknownDefinition));
        }
        let Some((definition, types)) = self.definition(&item.definition).await? else {
            return Ok(Err(StartOutcome::UnknownDefinition));
        };
        let payload = item.payload.to_vec();
        Ok(Ok((
            NewInstance {
                id,
                definition,
                payload,
                delay_ms: i64::from(item.delay_ms),
            },
            types,
        )))
    }
}

/// Job types that are ready as soon as an instance starts; the starter counts each once.
fn first_step_types(definition: &Definition) -> Vec<String> {
    let jobs = definition.steps.first().into_iter().flat_map(|step| &step.jobs);
    jobs.filter(|job| job.delay.is_zero())
        .map(|job| job.job_type.clone())
        .collect()
}

/// PostgreSQL's text holds no NUL: asking again would not help.
fn without_nul(field: &str, text: &str) -> Result<(), Status> {
    if text.contains('\0') {
        return Err(Status::invalid_argument(format!("{field}: holds a NUL character")));
    }
    Ok(())
}

fn bounded(items: usize) -> Result<(), Status> {
    bounded_by(items, JOBS_MAX)
}

fn bounded_by(items: usize, most: usize) -> Result<(), Status> {
    if items <= most {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "found {items} items; one call takes at most {most}"
    )))
}

fn status(error: EngineError) -> Status {
    status_of(&error)
}

/// The caller can't know whether a failed statement took effect: it asks again.
fn status_of(error: &EngineError) -> Status {
    tracing::warn!(%error, "statement failed");
    Status::unavailable(error.to_string())
}
