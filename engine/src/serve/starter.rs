//! Starts instances for many callers at once: what arrives while a statement is under way goes into the next one.
//!
//! A lone call waits for nobody; under load the batch grows by itself to what one commit's time brings in. A batch
//! that fails answers "unknown" to each of its callers, who ask again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crossover_proto::InstanceId;
use crossover_proto::clock::MonotonicNs;
use crossover_proto::engine::StartOutcome;
use crossover_proto::history::{Event, Recorder};
use metrics::{counter, histogram};
use tokio::sync::{mpsc, oneshot};

use super::wake::Wakeups;
use crate::EngineError;
use crate::batches::call_in_batches;
use crate::store::{NewInstance, Store};

/// Instances in one statement; the last call that goes in may exceed it.
const BATCH_MAX: usize = 500;

/// One caller's valid items; each definition's first-step job types ride along for the wake-up.
pub(super) struct Call {
    pub(super) instances: Vec<(NewInstance, Arc<[String]>)>,
    pub(super) answer: oneshot::Sender<Result<HashMap<InstanceId, StartOutcome>, Arc<EngineError>>>,
}

/// Runs the starter; it ends when all senders are gone.
pub(super) fn spawn(store: Store, wakeups: Wakeups, recorder: Recorder) -> mpsc::UnboundedSender<Call> {
    // Bounded by the callers that wait: each holds its items until it is answered.
    let (sender, receiver) = mpsc::unbounded_channel::<Call>();
    let size = |call: &Call| call.instances.len();
    tokio::spawn(call_in_batches(receiver, BATCH_MAX, size, move |calls| {
        let (store, wakeups, recorder) = (store.clone(), wakeups.clone(), recorder.clone());
        async move { run(&store, &wakeups, &recorder, calls).await }
    }));
    sender
}

async fn run(store: &Store, wakeups: &Wakeups, recorder: &Recorder, calls: Vec<Call>) {
    // The same id may come in two calls at once: one statement takes each once.
    let mut seen = HashSet::new();
    let mut instances = Vec::new();
    let mut types: HashMap<InstanceId, Arc<[String]>> = HashMap::new();
    let mut answers = Vec::with_capacity(calls.len());
    for call in calls {
        let ids: Vec<InstanceId> = call.instances.iter().map(|(instance, _)| instance.id).collect();
        answers.push((ids, call.answer));
        for (instance, job_types) in call.instances {
            if seen.insert(instance.id) {
                types.insert(instance.id, job_types);
                instances.push(instance);
            }
        }
    }
    let mut outcome = start(store, recorder, instances).await;
    if let Ok(started) = &outcome {
        let ready: HashSet<&str> = started
            .iter()
            .filter_map(|id| types.get(id))
            .flat_map(|of| of.iter().map(String::as_str))
            .collect();
        wakeups.ready(ready.iter().copied());
    }
    for (ids, answer) in answers {
        let reply = match &mut outcome {
            Ok(started) => Ok(answers_of(ids, started)),
            Err(error) => Err(error.clone()),
        };
        // A caller that hung up will ask again.
        let _ = answer.send(reply);
    }
}

/// The first caller to name a new id is the one that started it; its answer stands though it names the id again.
fn answers_of(ids: Vec<InstanceId>, started: &mut HashSet<InstanceId>) -> HashMap<InstanceId, StartOutcome> {
    let mut answers = HashMap::with_capacity(ids.len());
    for id in ids {
        answers.entry(id).or_insert_with(|| said(started.remove(&id)));
    }
    answers
}

fn said(new: bool) -> StartOutcome {
    if new {
        StartOutcome::Accepted
    } else {
        StartOutcome::AlreadyExists
    }
}

async fn start(
    store: &Store,
    recorder: &Recorder,
    instances: Vec<NewInstance>,
) -> Result<HashSet<InstanceId>, Arc<EngineError>> {
    let count = instances.len();
    let before = MonotonicNs::now();
    let started = store.start(instances).await.map_err(Arc::new)?;
    let after = MonotonicNs::now();
    let created = started.iter().map(|instance| Event::Created {
        instance: *instance,
        step: 0,
        before,
    });
    recorder
        .record_all(after, created)
        .map_err(|error| Arc::new(EngineError::History(error)))?;
    counter!("engine_instances_started_total").increment(started.len() as u64);
    histogram!("engine_start_batch_instances").record(count as f64);
    histogram!("engine_statement_seconds", "statement" => "start").record(after.saturating_since(before).as_secs_f64());
    Ok(started)
}
