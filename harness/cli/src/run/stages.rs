//! The stages of a run, in order: set up, load, drain, and what is read at the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use crossover_engine::store::migrate;
use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::Recorder;
use crossover_testbed::Supervisor;
use tokio::sync::watch;

use super::downstream::DownstreamView;
use super::meta::Meta;
use super::parts::Parts;
use super::samplers::{Samplers, Sink};
use super::servers::Servers;
use super::{
    Clients, Generator, Load, Options, Progress, RunDirectory, assigned, broker, drain, faults, record_cost_ns,
    reference, snapshot, testbed, topics,
};
use crate::args::Mode;
use crate::scenario::Scenario;

/// Topics are made and groups are formed by then, or something is wrong.
const JOINED_WITHIN: Duration = Duration::from_secs(30);
/// Time between the moment that all is ready and the first arrival's second.
const LEAD: Duration = Duration::from_millis(200);

/// The stages of a run, in order.
pub(super) struct Stages<'a> {
    pub scenario: &'a Scenario,
    pub options: &'a Options,
    pub directory: &'a RunDirectory,
    pub meta: &'a Meta,
    pub supervisor: &'a Supervisor,
    pub progress: &'a Progress,
}

impl Stages<'_> {
    /// All of them; what is measured is on disk after each.
    pub async fn all(&self, interrupted: watch::Receiver<bool>) -> anyhow::Result<()> {
        let mut stop = interrupted.clone();
        let up = tokio::select! {
            up = self.set_up() => Some(up?),
            _ = stop.wait_for(|stop| *stop) => None,
        };
        let Some((servers, parts)) = up else {
            return self.meta.update(|meta| meta.interrupted = true);
        };
        let parts = Arc::new(parts);
        let running: Vec<String> = self.supervisor.pids().into_iter().map(|(name, _)| name).collect();
        let was_interrupted = self.under_load(&servers, &parts, interrupted).await?;
        // Faults are mended by now: what is missing died by itself, and what was measured is not what was asked for.
        for reason in parts.broken(&running) {
            self.meta.update(|meta| meta.invalid_reasons.push(reason))?;
        }
        self.note_superseded(&parts).await?;
        if !self.options.keep {
            parts.stop().await;
        }
        // Nothing calls the service any more, unless all is kept running: what it has counted now is the whole.
        if let Some(view) = DownstreamView::new(&parts, &self.scenario.document) {
            match view.look().await {
                Some(sample) => Sink::append(self.directory)?.write(&sample),
                None => self
                    .meta
                    .event("the downstream service could not be asked what it had counted"),
            }
        }
        if let Some(broker) = servers.broker()? {
            self.progress.stage("reading the topics");
            let (directory, types) = (self.directory.clone(), self.job_types());
            let saved = tokio::task::spawn_blocking(move || topics::save(&directory, &broker, &types)).await?;
            // The database is still to be read: what needs the topics is not checked.
            if let Err(error) = saved {
                self.meta.event(format!("the topics could not be read: {error:#}"));
            }
        }
        self.progress.stage("reading the database");
        let moment = snapshot::save(self.directory, &servers.database).await?;
        self.meta.update(|meta| {
            meta.finished = true;
            meta.snapshot_ns = Some(moment.0);
            meta.interrupted = was_interrupted;
        })
    }

    /// Servers, schema, replicas, definitions, relays, prefill, and workers unless there is a backlog to start on.
    async fn set_up(&self) -> anyhow::Result<(Arc<Servers>, Parts)> {
        let document = &self.scenario.document;
        self.meta
            .update(|meta| meta.record_ns = record_cost_ns(self.directory.path()).ok())?;
        let servers = testbed::start(self.supervisor, self.meta, document, self.options, self.progress).await?;
        let servers = Arc::new(servers);
        if let Some(reference) = &document.reference {
            self.progress.stage("pgbench with the same statements");
            let path = self.directory.path();
            let measured = match servers.local() {
                Some(local) => reference::measure(&local.postgres, self.scenario, reference, path).await?,
                None => Err("pgbench is only run on a PostgreSQL of ours".to_owned()),
            };
            match measured {
                Ok(rate) => self.meta.update(|meta| meta.reference_jobs_per_s = Some(rate))?,
                Err(reason) => self.meta.event(format!("no reference: {reason}")),
            }
        }
        self.progress.stage("starting the engine");
        migrate(&servers.database.reveal().parse()?).await?;
        let parts = Parts::new(self.supervisor, self.directory, &servers, self.options.history)?;
        let replicas = parts.start_replicas(document).await?;
        testbed::add_startup(self.meta, &[("engine replicas", replicas)])?;
        let clients = Clients::new(&parts.replica_addresses())?;
        clients.warm().await?;
        for entry in &document.workload.definitions {
            clients.register(&entry.definition).await?;
        }
        if servers.mode == Mode::EventDriven {
            self.start_relays(&servers, &parts).await?;
        }
        parts.start_downstream(document).await?;
        if self.scenario.plan.prefill.is_empty() {
            self.start_workers(&servers, &parts).await?;
        } else {
            self.prefill(&servers, clients).await?;
        }
        Ok((servers, parts))
    }

    /// Relays, and the topics that the leader makes.
    async fn start_relays(&self, servers: &Servers, parts: &Parts) -> anyhow::Result<()> {
        let begun = Instant::now();
        parts.start_relays(&self.scenario.document).await?;
        if let Some(kafka) = servers.broker()? {
            let (types, partitions) = (self.job_types(), self.scenario.document.event_driven.partitions);
            let wait = move |job_type: &String| {
                broker::GroupView::new(&kafka, job_type)?.wait_for_topic(partitions, Instant::now() + JOINED_WITHIN)
            };
            tokio::task::spawn_blocking(move || types.iter().try_for_each(wait)).await??;
        }
        testbed::add_startup(self.meta, &[("relays and topics", begun.elapsed())])
    }

    /// Workers; in event-driven mode they are ready when their groups are formed.
    async fn start_workers(&self, servers: &Servers, parts: &Parts) -> anyhow::Result<()> {
        let begun = Instant::now();
        parts.start_workers(&self.scenario.document).await?;
        if servers.mode == Mode::EventDriven {
            let (workers, partitions) = (parts.worker_addresses(), self.scenario.document.event_driven.partitions);
            let deadline = Instant::now() + JOINED_WITHIN;
            if !assigned::wait(&workers, &self.job_types(), partitions, deadline).await {
                self.meta.event(format!(
                    "not all workers had joined their groups {JOINED_WITHIN:?} after they started: the load began without them"
                ));
            }
        }
        testbed::add_startup(self.meta, &[("workers", begun.elapsed())])
    }

    /// A relay that gave up the lead for good is what a split lock is to show, and a fault of the testbed anywhere else.
    async fn note_superseded(&self, parts: &Parts) -> anyhow::Result<()> {
        let superseded = parts.superseded_relays().await;
        self.meta.update(|meta| {
            meta.relays_superseded = superseded.len() as u64;
            if !self.scenario.document.event_driven.split_lock {
                meta.invalid_reasons.extend(superseded.iter().map(|address| {
                    format!("the relay at {address} had the lead taken while it held the lock, and competes no more; its log says why")
                }));
            }
        })
    }

    async fn prefill(&self, servers: &Servers, clients: Clients) -> anyhow::Result<()> {
        let count = self.scenario.plan.prefill.len();
        self.progress.stage(&format!("prefilling {count} instances"));
        let (plan, workload) = (self.scenario.plan.clone(), self.scenario.document.workload.clone());
        let partitions = self.scenario.document.event_driven.partitions;
        Load::new(plan, workload, partitions, clients, self.recorder("prefill")?)
            .prefill()
            .await?;
        testbed::settle_statistics(&servers.database).await
    }

    fn job_types(&self) -> Vec<String> {
        self.scenario.document.job_types().into_iter().collect()
    }

    /// Load, faults and samplers together; then heal, settle, drain. True if it was interrupted.
    async fn under_load(
        &self,
        servers: &Arc<Servers>,
        parts: &Arc<Parts>,
        interrupted: watch::Receiver<bool>,
    ) -> anyhow::Result<bool> {
        let document = Arc::new(self.scenario.document.clone());
        let generator = Generator::start()?;
        self.meta
            .update(|meta| meta.generator_realtime = Some(generator.refused().is_none()))?;
        if let Some(refused) = generator.refused() {
            self.meta.event(format!(
                "the generator waits for a processor like all others: {refused}"
            ));
        }
        let clients = generator.clients(&parts.replica_addresses())?;
        clients.warm().await?;
        let plan = self.scenario.plan.clone();
        let (workload, partitions) = (document.workload.clone(), document.event_driven.partitions);
        let load = Load::new(plan, workload, partitions, clients, self.recorder("load")?);
        let samplers = Samplers::start(
            self.directory,
            servers,
            self.supervisor,
            parts,
            document.samplers.activity_hz,
            &self.job_types(),
            DownstreamView::new(parts, &document),
        )?;
        // A backlog's workers are started below, and may claim at once.
        let lead = if self.scenario.plan.arrivals.is_empty() {
            Duration::ZERO
        } else {
            LEAD
        };
        let origin = MonotonicNs::now().plus(lead);
        self.meta.update(|meta| meta.origin_ns = Some(origin.0))?;
        let shown = self
            .progress
            .follow(self.directory, &self.scenario.plan, load.counts(), origin);
        let timeline = faults::Timeline::new(
            self.supervisor.clone(),
            servers.clone(),
            parts.clone(),
            self.meta.clone(),
            document.clone(),
            origin,
            self.scenario.plan.duration(),
        );
        // A backlog is begun at the start of the load, not before.
        if !self.scenario.plan.prefill.is_empty() {
            parts.start_workers(&document).await?;
        }
        let settling = load.settle_meanwhile(&generator);
        let faults = tokio::spawn(timeline.clone().run());
        let ending = self
            .until_load_ends(&load, &generator, faults, origin, interrupted.clone())
            .await;
        timeline.heal().await;
        self.meta.update(|meta| meta.load_end_ns = Some(MonotonicNs::now().0))?;
        let was_interrupted = ending?;
        let drain = if was_interrupted {
            Duration::from_secs(2)
        } else {
            document.drain.timeout
        };
        self.drain(&load, servers, Instant::now() + drain, interrupted.clone())
            .await?;
        self.meta.update(|meta| meta.end_ns = Some(MonotonicNs::now().0))?;
        settling.abort();
        shown.abort();
        samplers.stop();
        // One that came during the drain cut it short.
        Ok(was_interrupted || *interrupted.borrow())
    }

    async fn until_load_ends(
        &self,
        load: &Load,
        generator: &Generator,
        mut faults: tokio::task::JoinHandle<anyhow::Result<()>>,
        origin: MonotonicNs,
        mut interrupted: watch::Receiver<bool>,
    ) -> anyhow::Result<bool> {
        let whole = async {
            load.drive(generator, origin).await?;
            // The last phase lasts to its end, even if its last arrival came early.
            let end = origin.plus(self.scenario.plan.duration());
            tokio::time::sleep(end.saturating_since(MonotonicNs::now())).await;
            (&mut faults).await.context("a fault's task panicked")?
        };
        let ended = tokio::select! {
            ended = whole => ended.map(|()| false),
            _ = interrupted.wait_for(|stop| *stop) => {
                load.stop();
                self.progress.note("interrupted: mending, stopping, and reporting what was measured");
                Ok(true)
            }
        };
        // However the load ended, no fault comes after it.
        if !faults.is_finished() {
            faults.abort();
            let _ = faults.await;
        }
        ended
    }

    async fn drain(
        &self,
        load: &Load,
        servers: &Servers,
        deadline: Instant,
        mut interrupted: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let drained = async {
            load.settle(deadline).await?;
            drain::wait(&servers.database, deadline).await
        };
        let already = *interrupted.borrow();
        let drained = tokio::select! {
            drained = drained => drained?,
            // The interrupt that ended the load has had its short drain; one that comes now ends the drain.
            _ = interrupted.wait_for(|stop| *stop), if !already => false,
        };
        self.meta.update(|meta| meta.drained = drained)?;
        if !drained {
            self.meta.event("not drained: jobs were left when the time was up");
        }
        Ok(())
    }

    fn recorder(&self, name: &str) -> anyhow::Result<Recorder> {
        if !self.options.history {
            return Ok(Recorder::off());
        }
        Recorder::create(&self.directory.file("history"), name).context("can't make the load's history")
    }
}
