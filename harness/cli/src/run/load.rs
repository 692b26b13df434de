//! The open-loop generator: arrivals follow the plan, whatever the system does.
//!
//! The generator's thread waits for each intended moment and makes the call; nothing that the system does can hold it. Each arrival is a call of its own; only those that share one intended moment (a burst) go together. Each call
//! records `Sent` right before it is made and `Answered` after. A call without an answer is unknown, and is asked again
//! with the same id, from the first moment on, until there is one ([`Load::settle_meanwhile`]); asking again records
//! only its answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use crossover_evidence::load::Workload;
use crossover_evidence::plan::{Arrival, Plan, keys};
use crossover_proto::InstanceId;
use crossover_proto::clock::MonotonicNs;
use crossover_proto::engine::StartItem;
use crossover_proto::history::{Event, Outcome, Recorder};

use tokio::task::JoinHandle;

use super::alarm::Alarm;
use super::clients::Clients;
use super::generator::Generator;

/// Instances in one call of a burst, of the prefill and of the settling.
const BATCH: usize = 500;
/// Longest wait in which a stop goes unnoticed.
const LOOK_FOR_STOP: Duration = Duration::from_millis(100);
/// Pause between two rounds of settling.
const SETTLE_PAUSE: Duration = Duration::from_millis(250);

/// Counts so far.
#[derive(Debug, Default)]
pub struct Counts {
    /// Calls made.
    pub sent: AtomicU64,
    /// Known to be accepted.
    pub accepted: AtomicU64,
    /// Known to be refused.
    pub rejected: AtomicU64,
    /// Without an answer so far.
    pub unknown: AtomicU64,
    /// Calls under way.
    pub open: AtomicU64,
}

/// The generator of one run.
#[derive(Clone)]
pub struct Load {
    plan: Arc<Plan>,
    workload: Arc<Workload>,
    /// Of each topic: decides which ids fall on the hot one.
    partitions: u32,
    clients: Clients,
    recorder: Recorder,
    counts: Arc<Counts>,
    unsettled: Arc<Mutex<Vec<(u64, InstanceId)>>>,
    rounds: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    broken: Arc<Mutex<Option<std::io::Error>>>,
}

impl Load {
    /// Ready to start.
    pub fn new(plan: Plan, workload: Workload, partitions: u32, clients: Clients, recorder: Recorder) -> Self {
        Self {
            plan: Arc::new(plan),
            workload: Arc::new(workload),
            partitions,
            clients,
            recorder,
            counts: Arc::default(),
            unsettled: Arc::default(),
            rounds: Arc::default(),
            stop: Arc::default(),
            broken: Arc::default(),
        }
    }

    /// Counts so far.
    pub fn counts(&self) -> Arc<Counts> {
        self.counts.clone()
    }

    /// No further arrival is sent.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Inserts the prefilled instances, in batches; all must be accepted.
    ///
    /// # Errors
    /// If one is not, or the history can't be written.
    pub async fn prefill(&self) -> anyhow::Result<()> {
        let numbered: Vec<(u64, InstanceId)> = self
            .plan
            .prefill
            .iter()
            .enumerate()
            .map(|(index, arrival)| (self.plan.prefill_number(index), self.id_for(arrival)))
            .collect();
        for batch in numbered.chunks(BATCH) {
            let intended = MonotonicNs::now();
            let sent = batch.iter().map(|(arrival, instance)| Event::Sent {
                instance: *instance,
                intended,
                arrival: *arrival,
            });
            self.recorder.record_all(MonotonicNs::now(), sent)?;
            let items = batch
                .iter()
                .filter_map(|(arrival, instance)| self.item(*arrival, *instance))
                .collect();
            let outcomes = self.clients.start(0, items).await;
            self.answered(batch, &outcomes)?;
            anyhow::ensure!(
                outcomes.iter().all(|outcome| *outcome == Outcome::Done),
                "the prefill was not accepted"
            );
        }
        Ok(())
    }

    /// Sends the timeline; returns when its last call is made.
    ///
    /// # Errors
    /// If the history can't be written.
    pub async fn drive(&self, generator: &Generator, origin: MonotonicNs) -> anyhow::Result<()> {
        let load = self.clone();
        generator.first(async move { load.pace(origin).await }).await??;
        self.check()
    }

    async fn pace(&self, origin: MonotonicNs) -> anyhow::Result<()> {
        let alarm = Alarm::new().context("no timer for the load")?;
        let mut first = 0u64;
        for group in self
            .plan
            .arrivals
            .chunk_by(|a, b| a.offset_us == b.offset_us)
            .flat_map(|group| group.chunks(BATCH))
        {
            let intended = origin.plus(Duration::from_micros(group[0].offset_us));
            if !self.wait_until(intended, &alarm).await? {
                break;
            }
            let numbered: Vec<(u64, InstanceId)> = (first..)
                .zip(group)
                .map(|(number, arrival)| (number, self.id_for(arrival)))
                .collect();
            first += group.len() as u64;
            self.counts.open.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(self.clone().send(numbered, intended));
            // Where many are due, each is on its way before the next one is made.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// False if the load was stopped meanwhile.
    async fn wait_until(&self, moment: MonotonicNs, alarm: &Alarm) -> std::io::Result<bool> {
        while !self.stop.load(Ordering::Relaxed) {
            let now = MonotonicNs::now();
            if now >= moment {
                return Ok(true);
            }
            alarm.wait_until(moment.min(now.plus(LOOK_FOR_STOP))).await?;
        }
        Ok(false)
    }

    async fn send(self, numbered: Vec<(u64, InstanceId)>, intended: MonotonicNs) {
        let turn = numbered.first().map_or(0, |(number, _)| *number);
        let items = numbered
            .iter()
            .filter_map(|(number, instance)| self.item(*number, *instance))
            .collect();
        let sent = numbered.iter().map(|(number, instance)| Event::Sent {
            instance: *instance,
            intended,
            arrival: *number,
        });
        let outcome = async {
            self.recorder.record_all(MonotonicNs::now(), sent)?;
            self.counts.sent.fetch_add(numbered.len() as u64, Ordering::Relaxed);
            let outcomes = self.clients.start(turn, items).await;
            self.answered(&numbered, &outcomes)
        };
        if let Err(error) = outcome.await {
            self.fail(error);
        }
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Asks for unknown outcomes again while the load goes on, as a client would; until the task is aborted.
    pub fn settle_meanwhile(&self, generator: &Generator) -> JoinHandle<()> {
        let load = self.clone();
        generator.handle().spawn(async move {
            loop {
                tokio::time::sleep(SETTLE_PAUSE).await;
                if let Err(error) = load.settle_round().await {
                    load.fail(error);
                    return;
                }
            }
        })
    }

    /// Waits until no outcome is unknown, or until `deadline`; [`Load::settle_meanwhile`] does the asking.
    ///
    /// # Errors
    /// If the history can't be written.
    pub async fn settle(&self, deadline: Instant) -> anyhow::Result<()> {
        while Instant::now() < deadline {
            let open = self.counts.open.load(Ordering::Relaxed) + self.counts.unknown.load(Ordering::Relaxed);
            if open == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.check()
    }

    /// One batch of unknown outcomes, asked again.
    async fn settle_round(&self) -> std::io::Result<()> {
        loop {
            let batch: Vec<(u64, InstanceId)> = {
                let mut unsettled = self.unsettled.lock().unwrap_or_else(PoisonError::into_inner);
                let count = unsettled.len().min(BATCH);
                unsettled.drain(..count).collect()
            };
            let Some((turn, _)) = batch.first() else { return Ok(()) };
            let items = batch
                .iter()
                .filter_map(|(arrival, instance)| self.item(*arrival, *instance))
                .collect();
            // Another replica than the one that did not answer, in the long run.
            let turn = turn + self.rounds.fetch_add(1, Ordering::Relaxed);
            let outcomes = self.clients.start(turn, items).await;
            self.answered(&batch, &outcomes)?;
            self.counts.unknown.fetch_sub(batch.len() as u64, Ordering::Relaxed);
            if outcomes.contains(&Outcome::Unknown) {
                return Ok(());
            }
        }
    }

    fn fail(&self, error: std::io::Error) {
        self.stop();
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn check(&self) -> anyhow::Result<()> {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner).take();
        broken.map_or(Ok(()), |error| {
            Err(error).context("the load's history can't be written")
        })
    }

    /// Records the answers, counts them, and keeps the unknown ones for the settling.
    fn answered(&self, batch: &[(u64, InstanceId)], outcomes: &[Outcome]) -> std::io::Result<()> {
        let events = batch
            .iter()
            .zip(outcomes)
            .map(|((_, instance), outcome)| Event::Answered {
                instance: *instance,
                outcome: *outcome,
            });
        self.recorder.record_all(MonotonicNs::now(), events)?;
        for (item, outcome) in batch.iter().zip(outcomes) {
            let count = match outcome {
                Outcome::Done | Outcome::Already => &self.counts.accepted,
                Outcome::Unknown => {
                    self.unsettled
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(*item);
                    &self.counts.unknown
                }
                _ => &self.counts.rejected,
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn id_for(&self, arrival: &Arrival) -> InstanceId {
        keys::instance_id(arrival.hot, self.partitions, InstanceId::new)
    }

    fn item(&self, number: u64, instance: InstanceId) -> Option<StartItem> {
        let arrival = self.plan.arrival(number)?;
        let entry = self.workload.definitions.get(usize::from(arrival.definition))?;
        Some(StartItem {
            instance_id: instance.to_wire().to_vec().into(),
            definition: entry.definition.name.clone(),
            payload: self.plan.payload(arrival, &self.workload).into(),
            delay_ms: 0,
        })
    }
}
