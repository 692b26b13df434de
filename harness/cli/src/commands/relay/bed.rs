//! Servers, databases, topics and the relay's process, and what they use.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use crossover_engine::kafka::{Kafka, KafkaArgs};
use crossover_engine::store::{Store, migrate};
use crossover_proto::definition::Definition;
use crossover_testbed::kafka::{BrokerCount, ProducerBench};
use crossover_testbed::{
    ConnectionUrl, KafkaOptions, LocalKafka, LocalPostgres, PostgresOptions, ProcessSpec, Signal, Supervisor, usage,
};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use crate::args::RelayArgs;
use crate::run::{self, Metrics, RunDirectory};

/// Partitions of every topic.
pub const PARTITIONS: i32 = 12;
/// The job type of all rows.
pub const JOB_TYPE: &str = "work";
/// The definition that has a job of that type, and no other.
pub const DEFINITION: &str = "single";
/// A process that is not ready by then has failed.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// Sent rows stay, to be counted.
const RETENTION: &str = "24h";

/// What a run stands on.
pub struct Bed {
    pub postgres: LocalPostgres,
    pub kafka: LocalKafka,
    pub supervisor: Supervisor,
    directory: RunDirectory,
    program: PathBuf,
    metrics: Metrics,
    relay_flags: Vec<String>,
}

/// A process of the engine that runs.
pub struct Part {
    pub name: String,
    pub address: String,
    pub pid: u32,
}

/// CPU time and memory of the parts at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Uses {
    pub at: Instant,
    pub relay_cpu_s: f64,
    pub postgres_cpu_s: f64,
    pub kafka_cpu_s: f64,
}

impl Bed {
    pub async fn start(directory: &RunDirectory, supervisor: &Supervisor, args: &RelayArgs) -> anyhow::Result<Self> {
        let name = directory.path().file_name().unwrap_or_default().to_string_lossy();
        let id = format!("{name}-{}", std::process::id());
        let postgres = LocalPostgres::start(supervisor, &PostgresOptions::new(&id)).await?;
        let kafka = LocalKafka::start(supervisor, &KafkaOptions::new(&id, BrokerCount::One)?).await?;
        Ok(Self {
            postgres,
            kafka,
            supervisor: supervisor.clone(),
            directory: directory.clone(),
            program: std::env::current_exe().context("can't find our own executable")?,
            metrics: Metrics::new(),
            relay_flags: args.relay.clone(),
        })
    }

    /// A fresh database with the engine's schema and the definition of the job type.
    pub async fn database(&self, name: &str) -> anyhow::Result<ConnectionUrl> {
        let url = run::create_database(&self.postgres, name).await?;
        migrate(&url.reveal().parse()?).await?;
        let text = format!(
            r#"{{"name": "{DEFINITION}", "steps": [{{"name": "s", "jobs": [{{"job_type": "{JOB_TYPE}"}}]}}]}}"#
        );
        let definition = Definition::from_json(&text).context("bug: the definition is refused")?;
        Store::new(&url.reveal().parse()?, "crossover-harness", 1)
            .register(&definition)
            .await?;
        Ok(url)
    }

    /// The broker, as the harness and everybody else reaches it.
    pub fn broker(&self, prefix: &str) -> anyhow::Result<Kafka> {
        Ok(Kafka::new(&KafkaArgs {
            broker: vec![self.kafka.bootstrap()],
            topic_prefix: prefix.to_owned(),
            ..KafkaArgs::default()
        })?)
    }

    /// Makes a topic of [`PARTITIONS`].
    pub async fn make_topic(&self, name: &str) -> anyhow::Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.broker("")?.config("crossover-harness").create()?;
        let new = NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1));
        let made = admin.create_topics([&new], &AdminOptions::new()).await?;
        match made.into_iter().next() {
            Some(Ok(_)) => Ok(()),
            Some(Err((_, code))) => bail!("can't make the topic {name}: {code}"),
            None => bail!("the broker did not answer for the topic {name}"),
        }
    }

    /// Kafka's own producer benchmark on a topic of its own (records/s).
    pub async fn bench_producer(&self, topic: &str, records: u32, record_bytes: u64) -> anyhow::Result<f64> {
        self.make_topic(topic).await?;
        let bench = ProducerBench {
            topic: topic.to_owned(),
            records: u64::from(records),
            record_bytes,
        };
        Ok(self.kafka.bench_producer(&bench).await?)
    }

    /// Starts a relay and waits until it listens; it may lead by then.
    pub async fn relay(&self, leg: &str, database: &ConnectionUrl, flags: &[&str]) -> anyhow::Result<Part> {
        let (broker, prefix, partitions) = (self.kafka.bootstrap(), prefix(leg), PARTITIONS.to_string());
        let mut args = vec!["relay", "--broker", &broker, "--topic-prefix", &prefix];
        args.extend(["--partitions", &partitions, "--retention", RETENTION]);
        args.extend(flags);
        args.extend(self.relay_flags.iter().map(String::as_str));
        self.part(&format!("relay-{leg}"), &args, database).await
    }

    /// Starts a process of the engine, without a history, and waits until it listens.
    pub async fn part(&self, name: &str, args: &[&str], database: &ConnectionUrl) -> anyhow::Result<Part> {
        let (ready, log) = (
            self.directory.file(&format!("ready/{name}")),
            self.directory.file(&format!("logs/{name}.log")),
        );
        let spec = ProcessSpec::new(name, &self.program, &log)
            .args(["engine"].iter().chain(args).copied())
            .args(["--name", name, "--ready-file", &ready.display().to_string()])
            // By environment, so that `ps` never shows the password.
            .env("CROSSOVER_DATABASE_URL", database.reveal())
            .stop(Signal::Term, Duration::from_secs(5));
        let pid = self.supervisor.spawn(spec).await?;
        let begun = Instant::now();
        loop {
            if let Ok(address) = std::fs::read_to_string(&ready) {
                let name = name.to_owned();
                return Ok(Part { name, address, pid });
            }
            if begun.elapsed() > READY_WITHIN {
                bail!(
                    "{name} was not ready within {READY_WITHIN:?}; its log is {}",
                    log.display()
                );
            }
            self.require(name)?;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Fails if a process has ended by itself.
    pub fn require(&self, name: &str) -> anyhow::Result<()> {
        if self.supervisor.is_alive(name) {
            return Ok(());
        }
        let log = self.directory.file(&format!("logs/{name}.log"));
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        let last: Vec<&str> = said.lines().rev().take(4).collect();
        bail!(
            "{name} ended by itself (log {}): {}",
            log.display(),
            last.into_iter().rev().collect::<Vec<_>>().join("\n")
        )
    }

    /// A number of a process's /metrics; 0 if it is not there yet.
    pub async fn metric(&self, part: &Part, series: &str) -> f64 {
        run::metric_value(&self.metrics.page(&part.address).await, series).unwrap_or(0.0)
    }

    pub async fn stop(&self, part: &Part) -> anyhow::Result<()> {
        self.supervisor.stop(&part.name).await?;
        Ok(())
    }

    /// What all have used by now; `None` for a relay that is not started yet.
    pub fn uses(&self, relay: Option<&Part>) -> anyhow::Result<Uses> {
        let tree = |pid: Option<u32>| anyhow::Ok(usage::tree(pid.context("a server does not run")?)?.cpu_s);
        let postgres = self.supervisor.pid_of(self.postgres.name());
        Ok(Uses {
            at: Instant::now(),
            relay_cpu_s: relay.map_or(Ok(0.0), |relay| usage::process(relay.pid).map(|usage| usage.cpu_s))?,
            postgres_cpu_s: tree(postgres)?,
            kafka_cpu_s: tree(self.kafka.pid_of(1))?,
        })
    }
}

impl Part {
    /// Most memory that it ever had (MB).
    pub fn memory_mb_max(&self) -> anyhow::Result<f64> {
        let status = procfs::process::Process::new(i32::try_from(self.pid)?)?.status()?;
        let kib = status
            .vmhwm
            .context("the kernel does not say how much memory a process had")?;
        Ok(kib as f64 / 1_024.0)
    }
}

/// Prefix of the topics of a leg.
pub fn prefix(leg: &str) -> String {
    format!("{leg}.")
}
