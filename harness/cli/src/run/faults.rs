//! The timeline of faults: each is injected at its moment, mended after its time, and must be seen to take effect.
//!
//! Whatever happens, [`Timeline::heal`] mends all that is broken; healing twice is harmless.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use crossover_evidence::result::FaultInfo;
use crossover_proto::clock::MonotonicNs;
use crossover_testbed::{LocalPostgres, Signal, Supervisor};
use tokio::task::JoinSet;

use super::meta::Meta;
use super::parts::Parts;
use crate::scenario::{Document, Fault, FaultKind, Target};

/// What faults act on.
#[derive(Clone)]
pub struct Timeline {
    supervisor: Supervisor,
    postgres: Arc<LocalPostgres>,
    parts: Arc<Parts>,
    meta: Meta,
    document: Arc<Document>,
    /// Faults that are injected and not mended, by their place in the scenario.
    open: Arc<Mutex<BTreeSet<usize>>>,
}

impl Timeline {
    /// Nothing is broken yet.
    pub fn new(
        supervisor: Supervisor,
        postgres: Arc<LocalPostgres>,
        parts: Arc<Parts>,
        meta: Meta,
        document: Arc<Document>,
    ) -> Self {
        Self {
            supervisor,
            postgres,
            parts,
            meta,
            document,
            open: Arc::default(),
        }
    }

    /// Runs all faults of the scenario, each at its moment.
    ///
    /// # Errors
    /// If one could not be injected or mended.
    pub async fn run(self, origin: MonotonicNs) -> anyhow::Result<()> {
        // Dropped with this future: once the timeline is ended, no later fault is injected.
        let mut running = JoinSet::new();
        for (index, fault) in self.document.faults.clone().into_iter().enumerate() {
            let timeline = self.clone();
            timeline.meta.update(|meta| meta.faults.push(planned(&fault)))?;
            running.spawn(async move { timeline.one(index, &fault, origin).await });
        }
        while let Some(fault) = running.join_next().await {
            fault??;
        }
        Ok(())
    }

    async fn one(&self, index: usize, fault: &Fault, origin: MonotonicNs) -> anyhow::Result<()> {
        tokio::time::sleep(origin.plus(fault.at).saturating_since(MonotonicNs::now())).await;
        let target = Target::parse(&fault.target, &self.document.topology).map_err(anyhow::Error::msg)?;
        let name = match &target {
            Target::Part(name) => name.clone(),
            Target::Postgres => self.postgres.name().to_owned(),
        };
        let since_origin = || MonotonicNs::now().saturating_since(origin).as_secs_f64();
        let injected_s = since_origin();
        self.meta.event(format!("{} {name}", verb(fault.kind)));
        self.open().insert(index);
        let took_effect = self
            .inject(&target, &name, fault.kind)
            .await
            .with_context(|| format!("fault {} on {name}", verb(fault.kind)))?;
        self.meta.update(|meta| {
            meta.faults[index].injected_s = injected_s;
            meta.faults[index].took_effect = took_effect;
        })?;
        let left = origin.plus(fault.at + fault.lasts).saturating_since(MonotonicNs::now());
        tokio::time::sleep(left).await;
        self.mend(&target, &name, fault.kind)
            .await
            .with_context(|| format!("mending {name}"))?;
        self.open().remove(&index);
        let healed_s = since_origin();
        self.meta.update(|meta| meta.faults[index].healed_s = Some(healed_s))?;
        self.meta.event(format!("{name} mended"));
        Ok(())
    }

    /// Breaks it; true if the break was seen from outside.
    async fn inject(&self, target: &Target, name: &str, kind: FaultKind) -> anyhow::Result<bool> {
        match (target, kind) {
            (Target::Postgres, FaultKind::Kill) => {
                self.postgres.halt(Signal::Kill).await?;
            }
            (Target::Postgres, FaultKind::Terminate) => {
                self.postgres.halt(Signal::Int).await?;
            }
            (Target::Part(_), FaultKind::Kill | FaultKind::Terminate) => {
                let signal = if kind == FaultKind::Kill {
                    Signal::Kill
                } else {
                    Signal::Term
                };
                self.supervisor.signal(name, signal).await?;
                self.supervisor.wait_exit(name, Duration::from_secs(15)).await?;
            }
            (_, FaultKind::Stop) => {
                self.supervisor.signal_tree(name, Signal::Stop).await?;
                return Ok(self.supervisor.pid_of(name).is_some_and(is_stopped));
            }
        }
        Ok(!self.supervisor.is_alive(name))
    }

    async fn mend(&self, target: &Target, name: &str, kind: FaultKind) -> anyhow::Result<()> {
        if kind == FaultKind::Stop {
            return Ok(self.supervisor.signal_tree(name, Signal::Cont).await?);
        }
        if self.supervisor.is_alive(name) {
            return Ok(());
        }
        match target {
            Target::Postgres => {
                self.postgres.start_again().await?;
                Ok(())
            }
            Target::Part(_) => self.parts.start_again(name).await,
        }
    }

    fn open(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Mends what faults have left broken, and nothing else: a part that ended by itself stays so, and is reported.
    pub async fn heal(&self) {
        let open: Vec<usize> = self.open().iter().copied().collect();
        for fault in open.into_iter().filter_map(|index| self.document.faults.get(index)) {
            let Ok(target) = Target::parse(&fault.target, &self.document.topology) else {
                continue;
            };
            let name = match &target {
                Target::Part(name) => name.clone(),
                Target::Postgres => self.postgres.name().to_owned(),
            };
            if let Err(error) = self.mend(&target, &name, fault.kind).await {
                tracing::warn!(%error, name, "could not be mended");
            }
        }
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
    }
}

fn verb(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Kill => "kill",
        FaultKind::Stop => "stop",
        FaultKind::Terminate => "terminate",
    }
}

/// Does the kernel show the process as stopped?
fn is_stopped(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else { return false };
    let stat = procfs::process::Process::new(pid).and_then(|process| process.stat());
    stat.is_ok_and(|stat| stat.state == 'T')
}
