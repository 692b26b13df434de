//! The brokers of a run: started together, halted and started again one by one.
//!
//! Must not decide when to break anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::bench::{self, ProducerBench};
use super::broker::Broker;
use super::kind::BrokerKind;
use super::listeners::BrokerListeners;
use super::options::{KafkaOptions, KafkaStartTimes};
use super::programs::{self, Found, Programs};
use crate::error::{Result, TestbedError};
use crate::owned::OwnedDirectory;
use crate::supervisor::{Exit, Signal, Supervisor};

/// A controlled shutdown moves leaders first; with nobody to move them to, it gives up within this.
const HALT_WITHIN: Duration = Duration::from_secs(60);

/// A Kafka of our own. Dropping it changes nothing: the supervisor owns processes and directories.
///
/// Brokers are named by their `node.id`, from 1.
#[derive(Debug)]
pub struct LocalKafka {
    supervisor: Supervisor,
    kind: BrokerKind,
    version: String,
    brokers: Vec<Broker>,
    settings: BTreeMap<String, String>,
    start_times: KafkaStartTimes,
}

impl LocalKafka {
    /// Makes the brokers and starts them; each takes requests and knows the others when this returns.
    ///
    /// # Errors
    /// `BadInput` for a port that is taken or a setting that is refused; `Unavailable` for a full disk, no Java, or jars
    /// that can't be fetched; `Other` with what its log says if a broker fails.
    pub async fn start(supervisor: &Supervisor, options: &KafkaOptions) -> Result<Self> {
        options.validate()?;
        let finding = Instant::now();
        let Found {
            kind,
            version,
            programs,
        } = programs::find(supervisor, options).await?;
        let find = finding.elapsed();

        let formatting = Instant::now();
        let brokers = make_brokers(supervisor, options, &programs).await?;
        let settings = format_all(supervisor, options, &brokers).await?;
        let format = formatting.elapsed();

        let mut kafka = Self {
            supervisor: supervisor.clone(),
            kind,
            version,
            brokers,
            settings,
            start_times: KafkaStartTimes {
                find,
                format,
                ready: Duration::ZERO,
            },
        };
        kafka.start_times.ready = kafka.launch_all().await?;
        Ok(kafka)
    }

    /// Which broker it is.
    #[must_use]
    pub fn kind(&self) -> BrokerKind {
        self.kind
    }

    /// Its version, as its programs have it.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Ids of the brokers.
    #[must_use]
    pub fn ids(&self) -> Vec<u32> {
        self.brokers.iter().map(|broker| broker.id).collect()
    }

    /// Addresses of each broker, by id in order.
    #[must_use]
    pub fn listeners(&self) -> Vec<BrokerListeners> {
        self.brokers.iter().map(|broker| broker.listeners).collect()
    }

    /// `bootstrap.servers` of the harness: past all proxies.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        let addresses = self
            .brokers
            .iter()
            .map(|broker| broker.listeners.harness.address().to_string());
        addresses.collect::<Vec<_>>().join(",")
    }

    /// Addresses of the brokers whose processes run, past all proxies.
    pub(super) fn addresses_alive(&self) -> Vec<String> {
        let alive = self.brokers.iter().filter(|one| self.supervisor.is_alive(&one.name));
        alive.map(|one| one.listeners.harness.address().to_string()).collect()
    }

    /// Name of a broker's process at the supervisor.
    ///
    /// # Errors
    /// `BadInput` if there is no such broker.
    pub fn name_of(&self, id: u32) -> Result<&str> {
        self.broker(id).map(|broker| broker.name.as_str())
    }

    /// Process id of a broker, if it runs.
    #[must_use]
    pub fn pid_of(&self, id: u32) -> Option<u32> {
        self.broker(id)
            .ok()
            .and_then(|broker| self.supervisor.pid_of(&broker.name))
    }

    /// Data directory of a broker.
    ///
    /// # Errors
    /// `BadInput` if there is no such broker.
    pub fn data_directory(&self, id: u32) -> Result<PathBuf> {
        self.broker(id).map(Broker::data)
    }

    /// Log of a broker.
    ///
    /// # Errors
    /// `BadInput` if there is no such broker.
    pub fn log(&self, id: u32) -> Result<&Path> {
        self.broker(id).map(|broker| broker.log.as_path())
    }

    /// The settings of broker 1 that differ from the broker's defaults; those of others differ in place alone.
    #[must_use]
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// How long the start took.
    #[must_use]
    pub fn start_times(&self) -> KafkaStartTimes {
        self.start_times
    }

    /// Ends a broker: by [`Signal::Term`] (orderly) or [`Signal::Kill`] (a crash).
    ///
    /// # Errors
    /// `BadInput` for another signal, which would end nothing; `Other` if it does not run, or does not end.
    pub async fn halt(&self, id: u32, signal: Signal) -> Result<Exit> {
        let name = self.name_of(id)?;
        match signal {
            Signal::Kill => self.supervisor.signal_tree(name, signal).await?,
            Signal::Term | Signal::Int => self.supervisor.signal(name, signal).await?,
            // Java prints its threads on SIGQUIT, and goes on.
            Signal::Quit | Signal::Stop | Signal::Cont => {
                return Err(TestbedError::BadInput(format!(
                    "{signal:?} does not end a Kafka; use Term or Kill"
                )));
            }
        }
        self.supervisor.wait_exit(name, HALT_WITHIN).await
    }

    /// Starts a broker again after a halt, on the same directory and ports; answers the time until it takes requests. A
    /// majority of all must run, or come up meanwhile: else see [`LocalKafka::start_all_again`].
    ///
    /// # Errors
    /// `Other`, with what its log says, if it does not start.
    pub async fn start_again(&self, id: u32) -> Result<Duration> {
        let broker = self.broker(id)?;
        let launched = broker.launch(&self.supervisor).await?;
        broker.ready(&self.supervisor, &launched, &[id]).await
    }

    /// Starts all brokers that do not run; answers the time until each knows all the others.
    ///
    /// # Errors
    /// `Other`, with what a log says, if one does not start.
    pub async fn start_all_again(&self) -> Result<Duration> {
        self.launch_all().await
    }

    /// [`LocalKafka::halt`] and [`LocalKafka::start_again`]; answers the time from the launch until it takes requests.
    ///
    /// # Errors
    /// As both.
    pub async fn restart(&self, id: u32, signal: Signal) -> Result<Duration> {
        self.halt(id, signal).await?;
        self.start_again(id).await
    }

    /// Stops a broker where it is; connections stay open and nobody answers any more when this returns.
    ///
    /// # Errors
    /// `Other` if it does not run.
    pub async fn freeze(&self, id: u32) -> Result<()> {
        self.supervisor.freeze(self.name_of(id)?).await.map(drop)
    }

    /// The end of [`LocalKafka::freeze`].
    ///
    /// # Errors
    /// `Other` if it does not run.
    pub async fn thaw(&self, id: u32) -> Result<()> {
        self.supervisor.signal_tree(self.name_of(id)?, Signal::Cont).await
    }

    /// What Kafka's own producer benchmark reaches (records/s), with `acks=all` and its other defaults.
    ///
    /// # Errors
    /// `BadInput` if the broker is not Kafka, which has it; `Other`, with what it says, if it fails.
    pub async fn bench_producer(&self, bench: &ProducerBench) -> Result<f64> {
        let broker = self.broker(1)?;
        bench::run(&self.supervisor, broker, &self.bootstrap(), bench).await
    }

    fn broker(&self, id: u32) -> Result<&Broker> {
        self.brokers.iter().find(|broker| broker.id == id).ok_or_else(|| {
            let ids = self.ids();
            TestbedError::BadInput(format!("there is no broker {id}; there are {ids:?}"))
        })
    }

    async fn launch_all(&self) -> Result<Duration> {
        let (start, all) = (Instant::now(), self.ids());
        let mut launches = Vec::new();
        for broker in &self.brokers {
            if !self.supervisor.is_alive(&broker.name) {
                launches.push((broker, broker.launch(&self.supervisor).await?));
            }
        }
        for (broker, launched) in &launches {
            broker.ready(&self.supervisor, launched, &all).await?;
        }
        Ok(start.elapsed())
    }
}

async fn make_brokers(supervisor: &Supervisor, options: &KafkaOptions, programs: &Programs) -> Result<Vec<Broker>> {
    let mut brokers = Vec::new();
    for (id, listeners) in (1..).zip(&options.listeners) {
        let name = format!("{}-{id}", options.name);
        let directory = OwnedDirectory::create(&options.base, &options.run_id, &name)?;
        brokers.push(Broker::create(supervisor, id, name, *listeners, programs.clone(), directory).await?);
    }
    Ok(brokers)
}

/// One after another: each is a Java that starts on all cores. Answers the settings of the first.
async fn format_all(
    supervisor: &Supervisor,
    options: &KafkaOptions,
    brokers: &[Broker],
) -> Result<BTreeMap<String, String>> {
    let (cluster_id, mut first) = (cluster_id(), None);
    for broker in brokers {
        let settings = broker.prepare(supervisor, &cluster_id, options).await?;
        first = first.or(Some(settings));
    }
    first.ok_or_else(|| TestbedError::BadInput("a Kafka of no brokers was asked for; give one or three".to_owned()))
}

/// 16 random bytes in Base64 without padding, as Kafka wants it: the last of 22 letters holds two bits only.
fn cluster_id() -> String {
    use rand::distr::{Alphanumeric, SampleString};
    Alphanumeric.sample_string(&mut rand::rng(), 21) + "A"
}
