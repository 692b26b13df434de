//! The gRPC API of a replica: checks each item, calls the store once per batch, answers per item.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossover_proto::definition::Definition;
use crossover_proto::engine::engine_server::Engine;
use crossover_proto::engine::{self as wire, CancelOutcome, StartOutcome};
use crossover_proto::history::Recorder;
use crossover_proto::{InstanceId, JobId};
use tokio::sync::{mpsc, oneshot};
use tonic::{Request, Response, Status};

use super::convert::{audit_entry, dispatch, job_status};
use super::wake::Wakeups;
use super::{dead_letters, starter};
use crate::EngineError;
use crate::service::Stop;
use crate::store::{Cancelled, ClaimKind, NewInstance, Store};

/// Largest payload of an instance (bytes): a job row and a broker's message must hold it.
pub const PAYLOAD_BYTES_MAX: usize = 900_000;
/// Largest gRPC message (bytes): a poll of [`POLL_JOBS_MAX`] jobs with the largest payloads fits.
pub const MAX_MESSAGE_BYTES: usize = 512 * 1024 * 1024;
/// Most jobs in one answer to a poll.
pub const POLL_JOBS_MAX: u32 = 500;
/// Most items in one call.
const JOBS_MAX: usize = 5_000;
/// A definition looked up by name is trusted this long: another replica may register a newer version.
const DEFINITION_TTL: Duration = Duration::from_secs(1);

/// A definition as the start needs it: its id, and the job types of its first step.
type Known = (i64, Arc<[String]>, Instant);

pub(super) struct Api {
    pub(super) store: Store,
    pub(super) wakeups: Wakeups,
    pub(super) recorder: Recorder,
    pub(super) claim: ClaimKind,
    starter: mpsc::UnboundedSender<starter::Call>,
    definitions: Mutex<HashMap<String, Known>>,
    pub(super) stop: Stop,
}

pub(super) type Answer<T> = Result<Response<T>, Status>;

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
        self.claims(request.into_inner()).await
    }

    async fn begin(&self, request: Request<wire::LeaseRequest>) -> Answer<wire::OutcomeResponse> {
        self.begins(request.into_inner()).await
    }

    async fn extend(&self, request: Request<wire::LeaseRequest>) -> Answer<wire::OutcomeResponse> {
        self.extensions(request.into_inner()).await
    }

    async fn release(&self, request: Request<wire::LeaseRequest>) -> Answer<wire::OutcomeResponse> {
        self.releases(request.into_inner()).await
    }

    async fn complete(&self, request: Request<wire::CompleteRequest>) -> Answer<wire::OutcomeResponse> {
        self.completions(request.into_inner()).await
    }

    async fn fail(&self, request: Request<wire::FailRequest>) -> Answer<wire::OutcomeResponse> {
        self.failures(request.into_inner()).await
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
        let request = request.into_inner();
        let id = match request.job_id {
            job if job > 0 && request.instance_id.is_empty() => {
                let instance = self.store.instance_of_job(JobId(job)).await.map_err(status)?;
                instance.ok_or_else(|| Status::not_found(format!("no job {job}")))?
            }
            _ => InstanceId::from_wire(&request.instance_id)
                .ok_or_else(|| Status::invalid_argument("instance_id: expected 16 bytes"))?,
        };
        let view = self.store.inspect(id).await.map_err(status)?;
        let view = view.ok_or_else(|| Status::not_found(format!("no instance {id}")))?;
        Ok(Response::new(wire::InspectResponse {
            definition: view.definition,
            definition_version: view.version,
            state: view.state,
            step: u32::from(view.step.unsigned_abs()),
            jobs: view.jobs.into_iter().map(job_status).collect(),
            audit: view.audit.into_iter().map(audit_entry).collect(),
            dispatches: view.dispatches.into_iter().map(dispatch).collect(),
            instance_id: id.to_wire().to_vec().into(),
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
pub(super) fn without_nul(field: &str, text: &str) -> Result<(), Status> {
    if text.contains('\0') {
        return Err(Status::invalid_argument(format!("{field}: holds a NUL character")));
    }
    Ok(())
}

pub(super) fn bounded(items: usize) -> Result<(), Status> {
    bounded_by(items, JOBS_MAX)
}

pub(super) fn bounded_by(items: usize, most: usize) -> Result<(), Status> {
    if items <= most {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "found {items} items; one call takes at most {most}"
    )))
}

pub(super) fn status(error: EngineError) -> Status {
    status_of(&error)
}

/// The caller can't know whether a failed statement took effect: it asks again.
fn status_of(error: &EngineError) -> Status {
    tracing::warn!(%error, "statement failed");
    Status::unavailable(error.to_string())
}
