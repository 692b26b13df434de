//! The timeline of faults: each is injected at its moment, mended after its time, and must be seen to take effect.
//!
//! Whatever happens, [`Timeline::heal`] mends all that is broken; healing twice is harmless.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use crossover_evidence::result::FaultInfo;
use crossover_proto::clock::MonotonicNs;
use crossover_testbed::{LocalKafka, LocalPostgres, Signal, Supervisor};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;

use super::meta::Meta;
use super::parts::Parts;
use super::servers::Servers;
use crate::args::Mode;
use crate::scenario::{Document, Fault, FaultKind, Target};

/// What faults act on.
#[derive(Clone)]
pub struct Timeline {
    supervisor: Supervisor,
    servers: Arc<Servers>,
    parts: Arc<Parts>,
    meta: Meta,
    document: Arc<Document>,
    /// Faults that are injected and not mended: what was hit, by the fault's place in the scenario.
    open: Arc<Mutex<BTreeMap<usize, (Hit, FaultKind)>>>,
}

/// What a fault acts on, now that it is known.
#[derive(Debug, Clone)]
enum Hit {
    /// A process of the engine.
    Part(String),
    /// A broker and its process.
    Broker(u32, String),
    /// The database server's process.
    Postgres(String),
}

impl Hit {
    /// Name of the process.
    fn name(&self) -> &str {
        match self {
            Self::Part(name) | Self::Broker(_, name) | Self::Postgres(name) => name,
        }
    }
}

/// Who leads, as the relays have agreed.
const LEADER: &str = "/* harness_leader */ SELECT leader FROM relay_lead";
/// A PostgreSQL that is stopped takes the connection and never answers.
const LEADER_WITHIN: Duration = Duration::from_secs(2);

impl Timeline {
    /// Nothing is broken yet.
    pub fn new(
        supervisor: Supervisor,
        servers: Arc<Servers>,
        parts: Arc<Parts>,
        meta: Meta,
        document: Arc<Document>,
    ) -> Self {
        Self {
            supervisor,
            servers,
            parts,
            meta,
            document,
            open: Arc::default(),
        }
    }

    /// Runs all faults of the scenario that the mode has, each at its moment.
    ///
    /// # Errors
    /// If one could not be injected or mended.
    pub async fn run(self, origin: MonotonicNs) -> anyhow::Result<()> {
        // Dropped with this future: once the timeline is ended, no later fault is injected.
        let mut running = JoinSet::new();
        let mut index = 0;
        for fault in self.document.faults.clone() {
            let target = Target::parse(&fault.target, &self.document.topology).map_err(anyhow::Error::msg)?;
            if self.servers.mode == Mode::Polling && !target.is_in_every_mode() {
                let text = format!("no {} on {}: polling mode has none", verb(fault.kind), fault.target);
                self.meta.event(text);
                continue;
            }
            let timeline = self.clone();
            timeline.meta.update(|meta| meta.faults.push(planned(&fault)))?;
            running.spawn(async move { timeline.one(index, &target, &fault, origin).await });
            index += 1;
        }
        let mut outcome = Ok(());
        // All come to their end: one that can't be mended leaves the others to be.
        while let Some(fault) = running.join_next().await {
            outcome = outcome.and(fault.context("a fault's task panicked").flatten());
        }
        outcome
    }

    /// A fault that finds nothing to hit, or can't be injected, has taken no effect: the report says so.
    async fn one(&self, index: usize, target: &Target, fault: &Fault, origin: MonotonicNs) -> anyhow::Result<()> {
        tokio::time::sleep(origin.plus(fault.at).saturating_since(MonotonicNs::now())).await;
        let hit = match self.hit(target).await {
            Ok(hit) => hit,
            Err(error) => {
                let text = format!("no {} on {}: {error:#}", verb(fault.kind), fault.target);
                self.meta.event(text);
                return Ok(());
            }
        };
        let name = hit.name();
        let since_origin = || MonotonicNs::now().saturating_since(origin).as_secs_f64();
        let injected_s = since_origin();
        self.meta.event(format!("{} {name}", verb(fault.kind)));
        self.open().insert(index, (hit.clone(), fault.kind));
        let injected = self.inject(&hit, fault.kind).await;
        if let Err(error) = &injected {
            self.meta
                .event(format!("{} {name} failed: {error:#}", verb(fault.kind)));
        }
        let took_effect = injected.unwrap_or(false);
        self.meta.update(|meta| {
            meta.faults[index].injected_s = injected_s;
            meta.faults[index].took_effect = took_effect;
        })?;
        let left = origin.plus(fault.at + fault.lasts).saturating_since(MonotonicNs::now());
        tokio::time::sleep(left).await;
        self.mend(&hit, fault.kind)
            .await
            .with_context(|| format!("mending {name}"))?;
        self.open().remove(&index);
        let healed_s = since_origin();
        self.meta.update(|meta| meta.faults[index].healed_s = Some(healed_s))?;
        self.meta.event(format!("{name} mended"));
        Ok(())
    }

    /// Finds what is to be hit, at the moment of the fault.
    async fn hit(&self, target: &Target) -> anyhow::Result<Hit> {
        let hit = match target {
            Target::Part(name) => Hit::Part(name.clone()),
            Target::Postgres => Hit::Postgres(self.postgres()?.name().to_owned()),
            Target::Broker(id) => Hit::Broker(*id, self.kafka()?.name_of(*id)?.to_owned()),
            Target::RelayLeader => {
                let leader = tokio::time::timeout(LEADER_WITHIN, self.leader()).await;
                Hit::Part(leader.context("PostgreSQL does not say who leads")??)
            }
        };
        // A leader may have died already; nobody has taken over then.
        let name = hit.name();
        anyhow::ensure!(self.supervisor.is_alive(name), "{name} does not run");
        Ok(hit)
    }

    async fn leader(&self) -> anyhow::Result<String> {
        let connected = PgConnection::connect(&self.servers.database.reveal()).await;
        let mut connection = connected.context("PostgreSQL can't be asked who leads")?;
        let leader = sqlx::query_scalar(LEADER).fetch_one(&mut connection).await;
        let _ = connection.close().await;
        leader.context("no relay leads")
    }

    fn kafka(&self) -> anyhow::Result<&LocalKafka> {
        let kafka = self.servers.local().and_then(|local| local.kafka.as_ref());
        kafka.context("there is no broker of ours in this run")
    }

    fn postgres(&self) -> anyhow::Result<&LocalPostgres> {
        let local = self
            .servers
            .local()
            .context("there is no PostgreSQL of ours in this run")?;
        Ok(&local.postgres)
    }

    /// Breaks it; true if the break was seen from outside.
    async fn inject(&self, hit: &Hit, kind: FaultKind) -> anyhow::Result<bool> {
        let name = hit.name();
        match (hit, kind) {
            (_, FaultKind::Stop) => {
                return Ok(self.supervisor.freeze(name).await?);
            }
            (Hit::Postgres(_), FaultKind::Kill) => {
                self.postgres()?.halt(Signal::Kill).await?;
            }
            (Hit::Postgres(_), FaultKind::Terminate) => {
                self.postgres()?.halt(Signal::Int).await?;
            }
            (Hit::Broker(id, _), FaultKind::Kill | FaultKind::Terminate) => {
                self.kafka()?.halt(*id, ending(kind)).await?;
            }
            (Hit::Part(_), FaultKind::Kill | FaultKind::Terminate) => {
                self.supervisor.signal(name, ending(kind)).await?;
                self.supervisor.wait_exit(name, Duration::from_secs(15)).await?;
            }
        }
        Ok(!self.supervisor.is_alive(name))
    }

    async fn mend(&self, hit: &Hit, kind: FaultKind) -> anyhow::Result<()> {
        if kind == FaultKind::Stop {
            // One that has died meanwhile is no more stopped.
            return match self.supervisor.is_alive(hit.name()) {
                true => Ok(self.supervisor.signal_tree(hit.name(), Signal::Cont).await?),
                false => Ok(()),
            };
        }
        if self.supervisor.is_alive(hit.name()) {
            return Ok(());
        }
        match hit {
            Hit::Postgres(_) => {
                self.postgres()?.start_again().await?;
            }
            Hit::Broker(id, _) => {
                self.kafka()?.start_again(*id).await?;
            }
            Hit::Part(name) => self.parts.start_again(name).await?,
        }
        Ok(())
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<usize, (Hit, FaultKind)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Mends what faults have left broken, and nothing else: a part that ended by itself stays so, and is reported.
    pub async fn heal(&self) {
        let open: Vec<(Hit, FaultKind)> = self.open().values().cloned().collect();
        for (hit, kind) in open {
            if let Err(error) = self.mend(&hit, kind).await {
                tracing::warn!(%error, name = hit.name(), "could not be mended");
            }
        }
    }
}

/// The signal that ends a process.
fn ending(kind: FaultKind) -> Signal {
    match kind {
        FaultKind::Kill => Signal::Kill,
        FaultKind::Stop | FaultKind::Terminate => Signal::Term,
    }
}

fn planned(fault: &Fault) -> FaultInfo {
    FaultInfo {
        kind: verb(fault.kind).to_owned(),
        target: fault.target.clone(),
        injected_s: fault.at.as_secs_f64(),
        healed_s: None,
        took_effect: false,
        recovery_s: None,
        // Counted by the report, from the history.
        starts_intended: 0,
        starts_accepted: 0,
    }
}

fn verb(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Kill => "kill",
        FaultKind::Stop => "stop",
        FaultKind::Terminate => "terminate",
    }
}
