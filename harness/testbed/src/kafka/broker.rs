//! One broker: its directory, its process, and whether it is ready.
//!
//! ```text
//!   <base>/crossover-<run>-kafka-1/     ours, marked, removed by the supervisor at the end
//!     server.properties                 holds no secret
//!     data/                             formatted by Kafka's StorageTool
//! ```
//!
//! Must not know the other brokers, beyond their ids.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::listeners::BrokerListeners;
use super::options::KafkaOptions;
use super::probe::{brokers_seen_at, probe_broker};
use super::programs::{KafkaPrograms, Programs};
use super::{properties, redpanda};
use crate::error::{Result, TestbedError};
use crate::logs;
use crate::owned::OwnedDirectory;
use crate::ports::free_port;
use crate::supervisor::{ProcessSpec, Signal, Supervisor};

/// A start takes four seconds on an idle machine; after a crash it reads all segments that were open.
const READY_WITHIN: Duration = Duration::from_secs(180);

/// Starting Java for a moment's work; a second on an idle machine.
const FORMATTED_WITHIN: Duration = Duration::from_secs(60);

/// A start takes seconds, so this is the resolution of what is reported.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a broker that can't go on says, before pages of Java's stacks.
const COMPLAINTS: [&str; 4] = ["Address already in use", "ConfigException", "Exception", "ERROR"];

/// As Kafka's own script starts a broker, but for the heap; and one that is out of memory ends, rather than limp.
const JVM: [&str; 6] = [
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:+ExitOnOutOfMemoryError",
];

/// Times in the log, and not every setting that has its default. The makers' image logs by log4j2, and errors alone unless
/// told otherwise.
const LOGGING: [&str; 4] = [
    "-Dlog4j2.level=INFO",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn",
];

/// A broker that has a directory.
#[derive(Debug)]
pub(super) struct Broker {
    pub id: u32,
    pub name: String,
    pub listeners: BrokerListeners,
    pub log: PathBuf,
    programs: Programs,
    directory: OwnedDirectory,
}

/// A process that was just started.
#[derive(Debug)]
pub(super) struct Launched {
    at: Instant,
    /// Length of the log before, in bytes.
    log_from: usize,
}

impl Broker {
    /// Takes over a directory; the supervisor removes it from now on.
    pub(super) async fn create(
        supervisor: &Supervisor,
        id: u32,
        name: String,
        listeners: BrokerListeners,
        programs: Programs,
        directory: OwnedDirectory,
    ) -> Result<Self> {
        let registered = supervisor.remove_at_end(directory.path()).await;
        registered.inspect_err(|_| drop(fs::remove_dir_all(directory.path())))?;
        let log = supervisor.log_dir().join(format!("{name}.log"));
        Ok(Self {
            id,
            name,
            listeners,
            log,
            programs,
            directory,
        })
    }

    pub(super) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Writes the settings, and makes the data directory; answers the settings.
    pub(super) async fn prepare(
        &self,
        supervisor: &Supervisor,
        cluster_id: &str,
        options: &KafkaOptions,
    ) -> Result<BTreeMap<String, String>> {
        let (all, theirs) = (&options.listeners, &options.settings);
        match &self.programs {
            Programs::Redpanda { .. } => {
                let node = redpanda::node_file(self.id, all, &self.listeners, free_port()?, &self.data())?;
                self.write(&self.settings_file(), &node)?;
                let cluster = redpanda::cluster_file(all.len(), theirs)?;
                self.write(&self.directory.path().join(redpanda::CLUSTER_FILE), &cluster)?;
                Ok(redpanda::effective(all.len(), theirs))
            }
            Programs::Kafka(kafka) => {
                let settings = properties::effective(self.id, &self.listeners, &self.data(), options);
                self.write(&self.settings_file(), &properties::to_file(&settings))?;
                self.format(kafka, supervisor, cluster_id).await?;
                Ok(settings)
            }
        }
    }

    /// The programs of Kafka, for what only Kafka has.
    pub(super) fn kafka(&self) -> Option<&KafkaPrograms> {
        match &self.programs {
            Programs::Kafka(kafka) => Some(kafka),
            Programs::Redpanda { .. } => None,
        }
    }

    fn write(&self, path: &Path, text: &str) -> Result<()> {
        fs::write(path, text).map_err(|error| TestbedError::io("write", path, &error))
    }

    /// Formats the data directory as the supervisor's child `<name>-format`.
    async fn format(&self, kafka: &KafkaPrograms, supervisor: &Supervisor, cluster_id: &str) -> Result<()> {
        let path = self.settings_file();
        let (name, log) = (format!("{}-format", self.name), self.log.with_extension("format.log"));
        let spec = self
            .java(kafka, name.clone(), log.clone())
            // Ready sooner, by a third, than with what is right for a server.
            .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
            .args(LOGGING)
            .args([
                "kafka.tools.StorageTool",
                "format",
                "--cluster-id",
                cluster_id,
                "--config",
            ])
            .args([path.display().to_string()]);
        supervisor.spawn(spec).await?;
        let exit = supervisor.wait_exit(&name, FORMATTED_WITHIN).await?;
        if exit.is_success() {
            return Ok(());
        }
        Err(explain(&format!("Kafka's StorageTool failed: {exit}"), &log, 0))
    }

    pub(super) async fn launch(&self, supervisor: &Supervisor) -> Result<Launched> {
        let launched = Launched {
            at: Instant::now(),
            log_from: logs::length(&self.log),
        };
        supervisor.spawn(self.server()).await?;
        Ok(launched)
    }

    fn server(&self) -> ProcessSpec {
        let (name, log, settings) = (
            self.name.clone(),
            self.log.clone(),
            self.settings_file().display().to_string(),
        );
        match &self.programs {
            Programs::Redpanda { program, image } => ProcessSpec::new(name, program, log)
                .image(Some(image.clone()))
                .clear_env()
                .directory(self.directory.path())
                .stop(Signal::Kill, Duration::from_secs(1))
                .args(["--redpanda-cfg".to_owned(), settings])
                .args(redpanda::FLAGS),
            Programs::Kafka(kafka) => self
                .java(kafka, name, log)
                .args(JVM)
                .args([format!("-Xms{}m", kafka.heap_mb), format!("-Xmx{}m", kafka.heap_mb)])
                .args(LOGGING)
                .args(["kafka.Kafka".to_owned(), settings]),
        }
    }

    /// Waits until it answers on the harness's listener, and names all of `wanted` (ids) as alive.
    pub(super) async fn ready(&self, supervisor: &Supervisor, launched: &Launched, wanted: &[u32]) -> Result<Duration> {
        let deadline = launched.at + READY_WITHIN;
        loop {
            if self.names(wanted).await {
                return Ok(launched.at.elapsed());
            }
            let log = self.log.display();
            if !supervisor.is_alive(&self.name) {
                let what = format!("{} ended while it started (log {log})", self.name);
                return Err(explain(&what, &self.log, launched.log_from));
            }
            if Instant::now() > deadline {
                let name = &self.name;
                return Err(TestbedError::Other(format!(
                    "{name} is not ready after {READY_WITHIN:?}: it does not name brokers {wanted:?}; its log is {log}"
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn names(&self, wanted: &[u32]) -> bool {
        let address = self.listeners.harness.address().to_string();
        if probe_broker(&address).await.is_err() {
            return false;
        }
        let seen = brokers_seen_at(&address).await.unwrap_or_default();
        wanted
            .iter()
            .all(|id| seen.iter().any(|broker| u32::try_from(broker.id) == Ok(*id)))
    }

    fn settings_file(&self) -> PathBuf {
        let name = match self.programs {
            Programs::Kafka(_) => "server.properties",
            Programs::Redpanda { .. } => "redpanda.yaml",
        };
        self.directory.path().join(name)
    }

    /// Java with Kafka's jars and nothing of our environment, where variables of Java would mislead it. At the end of a run
    /// the data goes anyway, so it is killed: an orderly stop takes a second or two.
    pub(super) fn java(&self, kafka: &KafkaPrograms, name: String, log: PathBuf) -> ProcessSpec {
        let jars = format!("{}/*", kafka.libs.display());
        let mut spec = ProcessSpec::new(name, &kafka.java, log).clear_env();
        if kafka.image.is_none() {
            // An image has its own.
            spec = spec.env("PATH", std::env::var("PATH").unwrap_or_default());
        }
        spec.image(kafka.image.clone())
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .directory(self.directory.path())
            .stop(Signal::Kill, Duration::from_secs(1))
            .args(["-cp", &jars, "-Djava.awt.headless=true"])
    }
}

/// What the log says about an end, by the first complaint in it; a port or setting came from the caller.
fn explain(what: &str, log: &std::path::Path, from: usize) -> TestbedError {
    let complaint = COMPLAINTS
        .iter()
        .find_map(|sign| logs::first_line_with(log, from, &[sign]));
    let message = format!("{what}: {}", complaint.unwrap_or_else(|| logs::tail(log)));
    if message.contains("Address already in use") || message.contains("ConfigException") {
        TestbedError::BadInput(message)
    } else {
        TestbedError::Other(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(base: &Path, programs: Programs) -> Broker {
        Broker {
            id: 1,
            name: "kafka-1".to_owned(),
            listeners: BrokerListeners::draw().unwrap(),
            log: base.join("kafka-1.log"),
            programs,
            directory: OwnedDirectory::create(base, "r1", "kafka-1").unwrap(),
        }
    }

    #[test]
    fn redpanda_is_started_from_its_image_in_its_directory_and_never_for_developers() {
        let base = tempfile::tempdir().unwrap();
        let programs = Programs::Redpanda {
            program: "/opt/redpanda/bin/redpanda".into(),
            image: "redpanda:1".to_owned(),
        };
        let broker = broker(base.path(), programs);
        let (spec, own) = (broker.server(), base.path().join("crossover-r1-kafka-1"));
        assert_eq!(spec.image.as_deref(), Some("redpanda:1"));
        assert_eq!(spec.program, Path::new("/opt/redpanda/bin/redpanda"));
        assert_eq!(spec.directory.as_deref(), Some(own.as_path()));
        let settings = own.join("redpanda.yaml").display().to_string();
        assert_eq!(spec.args[..2], ["--redpanda-cfg".to_owned(), settings]);
        let all = spec.args.join(" ");
        assert!(!all.contains("fsync") && !all.contains("mode"), "{all}");
        assert!(spec.env.is_empty(), "the image's PATH stays");
    }

    #[test]
    fn kafka_in_an_image_keeps_the_images_path_and_on_the_machine_ours() {
        let base = tempfile::tempdir().unwrap();
        let of = |image: Option<&str>| {
            Programs::Kafka(KafkaPrograms {
                java: "java".into(),
                libs: "/opt/kafka/libs".into(),
                heap_mb: 512,
                image: image.map(str::to_owned),
            })
        };
        let mut broker = broker(base.path(), of(Some("kafka:1")));
        let spec = broker.server();
        assert_eq!(spec.image.as_deref(), Some("kafka:1"));
        assert!(!spec.env.contains_key("PATH") && spec.args.contains(&"/opt/kafka/libs/*".to_owned()));
        broker.programs = of(None);
        assert!(broker.server().image.is_none() && broker.server().env.contains_key("PATH"));
    }
}
