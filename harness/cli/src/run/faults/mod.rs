//! The timeline of faults: each is injected at its moment, mended after its time, and must be seen to take effect.
//!
//! | module | owns |
//! |---|---|
//! | this | the moments, what is broken now, and that all of it is mended |
//! | [`hit`] | what a fault acts on, found at its moment |
//! | [`process`] | signals to processes, and their start afterwards |
//! | [`link`] | proxies, and the probes that show what they do |
//! | [`postgres`] | sessions, connections and snapshots |
//! | [`downstream`] | the service that handlers call |
//! | [`topic`] | topics and who leads them |
//!
//! Whatever happens, [`Timeline::heal`] mends all that is broken; healing twice is harmless.

mod downstream;
mod hit;
mod link;
mod postgres;
mod process;
mod topic;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use crossover_evidence::result::FaultInfo;
use crossover_proto::clock::MonotonicNs;
use crossover_testbed::{LocalKafka, LocalPostgres, Supervisor};
use tokio::task::JoinSet;

use super::meta::Meta;
use super::parts::Parts;
use super::servers::{Local, Servers};
use crate::args::Mode;
use crate::scenario::{Action, Document, Fault, PostgresFault, moments};
use hit::Hit;
use postgres::Held;

/// What faults act on.
#[derive(Clone)]
pub struct Timeline {
    supervisor: Supervisor,
    servers: Arc<Servers>,
    parts: Arc<Parts>,
    meta: Meta,
    document: Arc<Document>,
    /// The start of the load.
    origin: MonotonicNs,
    /// How long the load lasts.
    length: Duration,
    /// What is injected and not mended, by the fault's place in the report.
    open: Arc<Mutex<BTreeMap<usize, Hit>>>,
    /// A connection for the fault that ends sessions: later there may be none to be had.
    ahead: Arc<Held>,
}

/// One injection of a fault.
#[derive(Debug, Clone)]
struct Injection {
    fault: Fault,
    action: Action,
    /// When, from the start of the load.
    at: Duration,
    /// Decides what `any` means.
    draw: u64,
}

impl Timeline {
    /// Nothing is broken yet.
    pub fn new(
        supervisor: Supervisor,
        servers: Arc<Servers>,
        parts: Arc<Parts>,
        meta: Meta,
        document: Arc<Document>,
        origin: MonotonicNs,
        length: Duration,
    ) -> Self {
        Self {
            supervisor,
            servers,
            parts,
            meta,
            document,
            origin,
            length,
            open: Arc::default(),
            ahead: Arc::default(),
        }
    }

    /// Runs all faults of the scenario that the mode has, each at its moments.
    ///
    /// # Errors
    /// If one could not be mended.
    pub async fn run(self) -> anyhow::Result<()> {
        // Dropped with this future: once the timeline is ended, no later fault is injected.
        let mut running = JoinSet::new();
        let injections = self.plan()?;
        let ends_sessions =
            |injection: &Injection| matches!(injection.action, Action::Postgres(PostgresFault::TerminateBackends));
        if injections.iter().any(ends_sessions) {
            postgres::connect_ahead(&self.servers.database, &self.ahead).await?;
        }
        for (index, injection) in injections.into_iter().enumerate() {
            let timeline = self.clone();
            timeline
                .meta
                .update(|meta| meta.faults.push(planned(&injection.fault, injection.at)))?;
            running.spawn(async move { timeline.one(index, &injection).await });
        }
        let mut outcome = Ok(());
        // All come to their end: one that can't be mended leaves the others to be.
        while let Some(fault) = running.join_next().await {
            outcome = outcome.and(fault.context("a fault's task panicked").flatten());
        }
        outcome
    }

    /// All injections that the mode has, in order of time.
    fn plan(&self) -> anyhow::Result<Vec<Injection>> {
        let mut injections = Vec::new();
        for (place, fault) in self.document.faults.iter().enumerate() {
            let action = fault.action(&self.document.topology);
            let action = action.map_err(|(key, problem)| anyhow::anyhow!("faults[{place}].{key}: {problem}"))?;
            if self.servers.mode == Mode::Polling && !action.is_in_every_mode() {
                let text = format!("no {} on {}: polling mode has none", fault.kind, fault.target);
                self.meta.event(text);
                continue;
            }
            let of_fault = moments(fault, place, self.document.seed, self.length).into_iter();
            injections.extend(of_fault.map(|moment| Injection {
                fault: fault.clone(),
                action: action.clone(),
                at: moment.at,
                draw: moment.draw,
            }));
        }
        injections.sort_by_key(|injection| injection.at);
        Ok(injections)
    }

    /// Injects it, and mends it when its time is over. A fault that finds nothing to hit, or can't be injected, has taken no
    /// effect: the report, where its place is `index`, says so.
    async fn one(&self, index: usize, injection: &Injection) -> anyhow::Result<()> {
        let fault = &injection.fault;
        self.sleep_until(injection.at).await;
        let hit = match self.hit(&injection.action, injection.draw).await {
            Ok(hit) => hit,
            Err(error) => {
                let text = format!("no {} on {}: {error:#}", fault.kind, fault.target);
                self.meta.event(text);
                return Ok(());
            }
        };
        let injected_s = self.since_origin_s();
        self.meta.event(format!("{} {hit}", fault.kind));
        self.open().insert(index, hit.clone());
        let injected = self.inject(&hit, fault.lasts()).await;
        if let Err(error) = &injected {
            self.meta.event(format!("{} {hit} failed: {error:#}", fault.kind));
        }
        let took_effect = injected.unwrap_or(false);
        self.meta.update(|meta| {
            let fault = &mut meta.faults[index];
            fault.injected_s = injected_s;
            fault.took_effect = took_effect;
            fault.hit = Some(hit.to_string());
        })?;
        self.sleep_until(injection.at + fault.lasts()).await;
        self.close(index, &hit).await
    }

    async fn sleep_until(&self, at: Duration) {
        tokio::time::sleep(self.origin.plus(at).saturating_since(MonotonicNs::now())).await;
    }

    fn since_origin_s(&self) -> f64 {
        MonotonicNs::now().saturating_since(self.origin).as_secs_f64()
    }

    /// Mends what is broken, and notes when.
    async fn close(&self, index: usize, hit: &Hit) -> anyhow::Result<()> {
        self.mend(hit).await.with_context(|| format!("mending {hit}"))?;
        self.open().remove(&index);
        let healed_s = self.since_origin_s();
        self.meta.update(|meta| meta.faults[index].healed_s = Some(healed_s))?;
        self.meta.event(format!("{hit} mended"));
        Ok(())
    }

    /// Breaks it; true if the break was seen from outside, in the time that it lasts.
    async fn inject(&self, hit: &Hit, lasts: Duration) -> anyhow::Result<bool> {
        match hit {
            Hit::Processes(fault, processes) => self.signal_all(*fault, processes).await,
            Hit::Links(fault, links) => self.spoil(fault, links).await,
            Hit::Sessions => postgres::terminate_sessions(&self.servers.database, &self.ahead).await,
            Hit::Connections(held) => postgres::take_connections(&self.servers.database, held).await,
            Hit::Snapshot(held) => postgres::hold_snapshot(&self.servers.database, held).await,
            Hit::Topic(fault, topic) => topic::inject(&self.broker()?, *fault, topic).await,
            Hit::Downstream(fault) => self.make_sick(*fault, lasts).await,
            Hit::Denied(access, name) => Ok(self.kafka()?.deny(*access, name).await?),
        }
    }

    async fn mend(&self, hit: &Hit) -> anyhow::Result<()> {
        match hit {
            Hit::Processes(fault, processes) => self.start_all_again(*fault, processes).await,
            Hit::Links(fault, links) => self.clear(fault, links).await,
            Hit::Sessions => Ok(()),
            Hit::Connections(held) | Hit::Snapshot(held) => {
                held.release().await;
                Ok(())
            }
            Hit::Topic(fault, topic) => topic::mend(&self.broker()?, *fault, topic).await,
            Hit::Downstream(fault) => self.make_well(*fault).await,
            Hit::Denied(access, name) => {
                let heeded = self.kafka()?.permit(*access, name).await?;
                ensure!(heeded, "the broker still refuses it, though no rule is left");
                Ok(())
            }
        }
    }

    fn local(&self) -> anyhow::Result<&Local> {
        self.servers.local().context("there are no servers of ours in this run")
    }

    fn kafka(&self) -> anyhow::Result<&LocalKafka> {
        let kafka = self.local()?.kafka.as_ref();
        kafka.context("there is no broker of ours in this run")
    }

    fn postgres(&self) -> anyhow::Result<&LocalPostgres> {
        Ok(&self.local()?.postgres)
    }

    fn broker(&self) -> anyhow::Result<crossover_engine::kafka::Kafka> {
        self.servers.broker()?.context("there is no broker in this run")
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<usize, Hit>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Mends what faults have left broken, and nothing else: a part that ended by itself stays so, and is reported.
    pub async fn heal(&self) {
        let mut open: Vec<(usize, Hit)> = self.open().iter().map(|(index, hit)| (*index, hit.clone())).collect();
        // What a process needs to start comes before it: connections, links, servers.
        open.sort_by_key(|(_, hit)| hit.rank());
        for (index, hit) in open {
            if let Err(error) = self.close(index, &hit).await {
                tracing::warn!("while all is mended: {error:#}");
            }
        }
    }
}

fn planned(fault: &Fault, at: Duration) -> FaultInfo {
    FaultInfo {
        kind: fault.kind.to_string(),
        target: fault.target.clone(),
        injected_s: at.as_secs_f64(),
        // The rest is for the report to find, from the history.
        ..FaultInfo::default()
    }
}
