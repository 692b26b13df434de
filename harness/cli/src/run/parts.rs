//! The engine's processes, and the service that handlers call: started, found ready, restarted on the same address, stopped.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use crossover_testbed::links::{KafkaRole, PostgresRole};
use crossover_testbed::{ProcessSpec, Signal, Supervisor};

use super::directory::RunDirectory;
use super::metrics::{self, Metrics};
use super::servers::Servers;
use crate::args::Mode;
use crate::scenario::{Document, StrategyKind, WakeKind};

/// A process that is not ready by then has failed.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How long running handlers may take after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// The service that handlers call; there is one at most.
const DOWNSTREAM: &str = "downstream";

/// What a user sets for the harness. The engine gets what it needs by flags, and by the variables that are given to it: one
/// that is left over would send it to other servers.
const NOT_PASSED_ON: [&str; 4] = [
    "CROSSOVER_KAFKA_CONFIG",
    crossover_external::args::DATABASE_URL,
    "CROSSOVER_DATABASE_URL",
    "CROSSOVER_LOCK_DATABASE_URL",
];

/// One process and how to start it again.
#[derive(Debug, Clone)]
struct Part {
    name: String,
    args: Vec<String>,
    address: Option<String>,
}

/// Replicas, relays and workers of a run, and the service that handlers call.
pub struct Parts {
    supervisor: Supervisor,
    directory: RunDirectory,
    servers: Arc<Servers>,
    program: PathBuf,
    history: bool,
    parts: Mutex<Vec<Part>>,
}

impl Parts {
    /// No process yet.
    ///
    /// # Errors
    /// If our own executable can't be found.
    pub fn new(
        supervisor: &Supervisor,
        directory: &RunDirectory,
        servers: &Arc<Servers>,
        history: bool,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            supervisor: supervisor.clone(),
            directory: directory.clone(),
            servers: servers.clone(),
            program: std::env::current_exe().context("can't find our own executable")?,
            history,
            parts: Mutex::default(),
        })
    }

    /// Starts the replicas and waits until each listens; answers the slowest start.
    ///
    /// # Errors
    /// If one ends or is not ready in time; with the end of its log.
    pub async fn start_replicas(&self, document: &Document) -> anyhow::Result<Duration> {
        let mut args = vec![
            "engine".to_owned(),
            "serve".to_owned(),
            "--connections".to_owned(),
            document.topology.replica_connections.to_string(),
            "--claim".to_owned(),
            document.polling.claim.flag(),
            "--housekeeping-interval".to_owned(),
            humantime::format_duration(document.engine.housekeeping_interval).to_string(),
        ];
        let notify = match self.servers.mode {
            Mode::Polling => document.polling.wake == WakeKind::Notify,
            Mode::EventDriven => {
                args.extend(["--dispatch", "event-driven"].map(str::to_owned));
                document.event_driven.strategy == StrategyKind::Notify
            }
        };
        if notify {
            args.push("--notify".to_owned());
        }
        let of_replica = |number: u32| (format!("replica-{number}"), args.clone());
        self.start_all((1..=document.topology.replicas).map(of_replica).collect())
            .await
    }

    /// Starts the relays, of which one leads; answers the slowest start.
    ///
    /// # Errors
    /// As [`Parts::start_replicas`].
    pub async fn start_relays(&self, document: &Document) -> anyhow::Result<Duration> {
        let settings = &document.event_driven;
        let flags = [
            ("--strategy", settings.strategy.flag()),
            ("--interval", time(settings.interval)),
            ("--batch", settings.batch.to_string()),
            ("--window", settings.window.to_string()),
            ("--linger", time(settings.linger)),
            ("--partitions", settings.partitions.to_string()),
            ("--replication", self.servers.replication().to_string()),
            ("--redispatch-after", time(settings.redispatch_after)),
            // Never before the run's check.
            ("--retention", "24h".to_owned()),
        ];
        let mut args = ["engine", "relay"].map(str::to_owned).to_vec();
        args.extend(flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
        args.extend(self.broker_flags(KafkaRole::Relay));
        if !settings.fenced {
            args.push("--unfenced".to_owned());
        }
        let of_relay = |number: u32| {
            let lock = ["--lock-key".to_owned(), number.to_string()];
            let own = lock.into_iter().filter(|_| settings.split_lock);
            (format!("relay-{number}"), args.iter().cloned().chain(own).collect())
        };
        self.start_all((1..=document.topology.relays).map(of_relay).collect())
            .await
    }

    /// Starts the service that handlers call, if the scenario has one: workers are told where it is.
    ///
    /// # Errors
    /// As [`Parts::start_replicas`].
    pub async fn start_downstream(&self, document: &Document) -> anyhow::Result<()> {
        let Some(settings) = &document.downstream else {
            return Ok(());
        };
        let args = [
            DOWNSTREAM.to_owned(),
            "--capacity".to_owned(),
            settings.capacity.to_string(),
            "--service-time".to_owned(),
            time(settings.service_time),
        ];
        self.start_all(vec![(DOWNSTREAM.to_owned(), args.to_vec())]).await?;
        Ok(())
    }

    /// Starts the workers, each knowing all replicas; answers the slowest start.
    ///
    /// # Errors
    /// As [`Parts::start_replicas`].
    pub async fn start_workers(&self, document: &Document) -> anyhow::Result<Duration> {
        let mut flags = vec![
            ("--concurrency", document.topology.worker_concurrency.to_string()),
            ("--lease", time(document.engine.lease)),
            ("--grace", time(GRACE)),
        ];
        flags.extend(match self.servers.mode {
            Mode::Polling => [
                ("--batch", document.polling.batch.to_string()),
                ("--interval", time(document.polling.interval)),
                ("--wake", document.polling.wake.flag()),
            ]
            .to_vec(),
            Mode::EventDriven => [
                ("--dispatch", "event-driven".to_owned()),
                ("--partition-window", document.event_driven.partition_window.to_string()),
                ("--group-protocol", document.event_driven.group_protocol.flag()),
                ("--session-timeout", time(document.event_driven.session_timeout)),
            ]
            .to_vec(),
        });
        flags.extend(
            document
                .job_types()
                .into_iter()
                .map(|job_type| ("--job-type", job_type)),
        );
        flags.extend(self.downstream_flags(document));
        let mut args = ["engine", "worker"].map(str::to_owned).to_vec();
        args.extend(flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
        args.extend(self.broker_flags(KafkaRole::Worker));
        let addresses = self.replica_addresses();
        // A worker uses the first replica that answers: each begins with another.
        let of_worker = |number: u32| {
            let mut addresses = addresses.clone();
            let first = (number as usize - 1) % addresses.len().max(1);
            addresses.rotate_left(first);
            let flags = addresses
                .into_iter()
                .flat_map(|address| ["--engine".to_owned(), address]);
            (format!("worker-{number}"), args.iter().cloned().chain(flags).collect())
        };
        self.start_all((1..=document.topology.workers).map(of_worker).collect())
            .await
    }

    /// Addresses of the replicas, as `http://host:port`.
    pub fn replica_addresses(&self) -> Vec<String> {
        let addresses = self.addresses("replica-").into_iter();
        addresses.map(|address| format!("http://{address}")).collect()
    }

    /// Name and address of each replica's metrics, as `host:port`.
    pub fn replica_metrics(&self) -> Vec<(String, String)> {
        let parts = self.list();
        let replicas = parts.iter().filter(|part| part.name.starts_with("replica-"));
        replicas
            .filter_map(|part| Some((part.name.clone(), part.address.clone()?)))
            .collect()
    }

    /// Addresses of the workers' metrics, as `host:port`.
    pub fn worker_addresses(&self) -> Vec<String> {
        self.addresses("worker-")
    }

    /// Address of the service that handlers call, as `host:port`; `None` if there is none.
    pub fn downstream_address(&self) -> Option<String> {
        self.addresses(DOWNSTREAM).pop()
    }

    fn addresses(&self, role: &str) -> Vec<String> {
        let parts = self.list();
        let of_role = parts.iter().filter(|part| part.name.starts_with(role));
        of_role.filter_map(|part| part.address.clone()).collect()
    }

    /// Starts a part again after its exit, on the address that it had.
    ///
    /// # Errors
    /// As [`Parts::start_replicas`].
    pub async fn start_again(&self, name: &str) -> anyhow::Result<()> {
        let known = self.list().iter().find(|part| part.name == name).cloned();
        let mut part = known.with_context(|| format!("no part {name}"))?;
        if let Some(address) = part.address {
            part.args.extend(["--listen".to_owned(), address]);
        }
        self.spawn(name, part.args).await?;
        self.ready(name, Instant::now()).await?;
        Ok(())
    }

    /// What ended by itself: of our parts, and of the servers of ours that are named.
    pub fn broken(&self, servers: &[String]) -> Vec<String> {
        let parts: Vec<String> = self.list().iter().map(|part| part.name.clone()).collect();
        let others = servers.iter().filter(|name| !parts.contains(name));
        let ended = parts
            .iter()
            .chain(others)
            .filter(|name| !self.supervisor.is_alive(name));
        ended
            .map(|name| format!("{name} ended by itself during the run; its log is logs/{name}.log"))
            .collect()
    }

    /// Relays that had the lead taken while they held the lock, and compete no more; by address.
    pub async fn superseded_relays(&self) -> Vec<String> {
        let metrics = Metrics::new();
        let mut superseded = Vec::new();
        for address in self.addresses("relay-") {
            let page = metrics.page(&address).await;
            if metrics::value(&page, "relay_lock_misconfigured").is_some_and(|flag| flag > 0.0) {
                superseded.push(address);
            }
        }
        superseded
    }

    /// Stops workers, then relays, then replicas, each with its grace time: what workers give back still finds a replica. The
    /// service that handlers call goes on: it is still to be asked what it has counted.
    pub async fn stop(&self) {
        for role in ["worker-", "relay-", "replica-"] {
            let names: Vec<String> = self.list().iter().map(|part| part.name.clone()).collect();
            let of_role: Vec<String> = names.into_iter().filter(|name| name.starts_with(role)).collect();
            for name in &of_role {
                // Asked together, so that their grace times run together; one that is gone is stopped.
                let _ = self.supervisor.signal(name, Signal::Term).await;
            }
            for name in of_role.iter().filter(|name| self.supervisor.is_alive(name)) {
                if let Err(error) = self.supervisor.stop(name).await {
                    tracing::warn!(%error, name, "could not be stopped");
                }
            }
        }
    }

    /// Starts processes by name and flags; answers when the last is ready.
    async fn start_all(&self, all: Vec<(String, Vec<String>)>) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        for (name, args) in &all {
            self.spawn(name, args.clone()).await?;
            self.list().push(Part {
                name: name.clone(),
                args: args.clone(),
                address: None,
            });
        }
        let mut slowest = Duration::ZERO;
        for (name, _) in &all {
            let address = self.ready(name, begun).await?;
            slowest = slowest.max(begun.elapsed());
            if let Some(part) = self.list().iter_mut().find(|part| part.name == *name) {
                part.address = Some(address);
            }
        }
        Ok(slowest)
    }

    /// None without the service.
    fn downstream_flags(&self, document: &Document) -> Vec<(&'static str, String)> {
        let (Some(settings), Some(address)) = (&document.downstream, self.downstream_address()) else {
            return Vec::new();
        };
        let limits = settings.limits().map(|limit| ("--downstream-limit", limit));
        let mut flags = vec![
            ("--downstream", format!("http://{address}")),
            ("--downstream-timeout", time(settings.timeout)),
        ];
        flags.extend(limits);
        flags
    }

    /// None in polling mode.
    fn broker_flags(&self, role: KafkaRole) -> Vec<String> {
        let Some(kafka) = self.servers.brokers_of(role) else {
            return Vec::new();
        };
        let brokers = kafka.broker.into_iter().map(|broker| ("--broker", broker));
        let config = kafka
            .kafka_config
            .map(|path| ("--kafka-config", path.display().to_string()));
        let prefix = ("--topic-prefix", kafka.topic_prefix);
        let flags = brokers.chain(config).chain([prefix]);
        flags.flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
    }

    fn list(&self) -> MutexGuard<'_, Vec<Part>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn spawn(&self, name: &str, args: Vec<String>) -> anyhow::Result<()> {
        let ready_file = self.ready_file(name);
        // A restarted part must not be found ready by its predecessor's file.
        let _ = std::fs::remove_file(&ready_file);
        let mut all = args;
        all.extend(["--name".to_owned(), name.to_owned()]);
        all.extend(["--ready-file".to_owned(), ready_file.display().to_string()]);
        if self.history && name != DOWNSTREAM {
            all.extend([
                "--history".to_owned(),
                self.directory.file("history").display().to_string(),
            ]);
        }
        let log = self.directory.file(&format!("logs/{name}.log"));
        let mut spec = ProcessSpec::new(name, &self.program, log)
            .args(all)
            .without_env(NOT_PASSED_ON)
            .stop(Signal::Term, GRACE * 2);
        // By environment, so that `ps` never shows the password; workers get none at all, not even the user's.
        if name.starts_with("replica-") {
            let database = self.servers.database_of(PostgresRole::Replicas)?;
            spec = spec.env("CROSSOVER_DATABASE_URL", database.reveal());
        } else if name.starts_with("relay-") {
            let (work, lock) = (PostgresRole::RelayWork, PostgresRole::RelayLock);
            spec = spec
                .env("CROSSOVER_DATABASE_URL", self.servers.database_of(work)?.reveal())
                .env("CROSSOVER_LOCK_DATABASE_URL", self.servers.database_of(lock)?.reveal());
        } else {
            spec = spec.without_env(["PGPASSWORD"]);
        }
        self.supervisor.spawn(spec).await?;
        Ok(())
    }

    async fn ready(&self, name: &str, begun: Instant) -> anyhow::Result<String> {
        let file = self.ready_file(name);
        loop {
            if let Ok(address) = std::fs::read_to_string(&file) {
                return Ok(address);
            }
            if !self.supervisor.is_alive(name) {
                bail!("{name} ended before it was ready:\n{}", self.log_tail(name));
            }
            if begun.elapsed() > READY_WITHIN {
                bail!("{name} was not ready within {READY_WITHIN:?}:\n{}", self.log_tail(name));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn ready_file(&self, name: &str) -> PathBuf {
        self.directory.file(&format!("ready/{name}"))
    }

    fn log_tail(&self, name: &str) -> String {
        let log = std::fs::read_to_string(self.directory.file(&format!("logs/{name}.log"))).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

fn time(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}
