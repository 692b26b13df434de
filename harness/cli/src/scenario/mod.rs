//! Scenario files: what a run is made of. The dispatch mode is not in the file: a scenario runs in any mode.

mod file;
mod sweep;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::ValueEnum;
use crossover_engine::command::Wake;
use crossover_engine::serve::POLL_JOBS_MAX;
use crossover_engine::store::ClaimKind;
use crossover_evidence::load::{LoadError, Phase, Workload, validate_phases};
use serde::{Deserialize, Serialize};

pub use file::{Scenario, kept_trace, load, reload};
pub use sweep::{Point, without_sweep};

/// The file's content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// One line for people.
    pub title: String,
    /// Claims of the seed that it bears on.
    #[serde(default)]
    pub claims: Vec<String>,
    /// Fixes the plan.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// How many of each part.
    #[serde(default)]
    pub topology: Topology,
    /// Settings of the engine that both modes share.
    #[serde(default)]
    pub engine: EngineSettings,
    /// Settings of the polling mode.
    #[serde(default)]
    pub polling: Polling,
    /// Settings of PostgreSQL beyond the testbed's own.
    #[serde(default)]
    pub postgres: BTreeMap<String, String>,
    /// What is started.
    pub workload: Workload,
    /// When it is started: phases, one after the other.
    pub load: Vec<Phase>,
    /// What is broken, and when.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// How long the rest may take after the load.
    #[serde(default)]
    pub drain: Drain,
    /// How often is looked.
    #[serde(default)]
    pub samplers: Samplers,
    /// The same statements driven by `pgbench` just before, for scale.
    #[serde(default)]
    pub reference: Option<Reference>,
    /// What must hold.
    #[serde(default)]
    pub hypotheses: Vec<Hypothesis>,
    /// Run it once for each combination of values.
    #[serde(default)]
    pub sweep: Vec<SweepKey>,
}

fn default_seed() -> u64 {
    42
}

/// How many of each part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topology {
    /// Engine replicas.
    pub replicas: u32,
    /// Worker processes.
    pub workers: u32,
    /// Jobs that one worker holds at once.
    pub worker_concurrency: u32,
    /// Connections of one replica to PostgreSQL.
    pub replica_connections: u32,
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            replicas: 1,
            workers: 1,
            worker_concurrency: 64,
            replica_connections: 8,
        }
    }
}

/// Settings of the engine that both modes share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineSettings {
    /// How long a job is held without a sign of life.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// How often leases and scheduled jobs are looked at.
    #[serde(with = "humantime_serde")]
    pub housekeeping_interval: Duration,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            housekeeping_interval: Duration::from_millis(200),
        }
    }
}

/// Settings of the polling mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Polling {
    /// Time between polls that found nothing more.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// Jobs asked for in one poll.
    pub batch: u32,
    /// What ends the wait between polls: `interval` or `notify`.
    pub wake: WakeKind,
    /// How claimers meet at the same rows: `skip-locked` or `blocking`.
    pub claim: Claim,
}

impl Default for Polling {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(500),
            batch: 100,
            wake: WakeKind::Interval,
            claim: Claim::SkipLocked,
        }
    }
}

/// As the worker's `--wake`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WakeKind {
    /// The tick alone.
    Interval,
    /// LISTEN/NOTIFY, or the interval at the latest.
    Notify,
}

/// As the replica's `--claim`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// `FOR UPDATE SKIP LOCKED`.
    SkipLocked,
    /// `FOR UPDATE`, as a positive control.
    Blocking,
}

impl WakeKind {
    /// The flag's value.
    pub fn flag(self) -> String {
        flag_of(match self {
            Self::Interval => Wake::Interval,
            Self::Notify => Wake::Notify,
        })
    }
}

impl Claim {
    /// The flag's value.
    pub fn flag(self) -> String {
        flag_of(match self {
            Self::SkipLocked => ClaimKind::SkipLocked,
            Self::Blocking => ClaimKind::Blocking,
        })
    }
}

fn flag_of(value: impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

/// Something is broken at a moment of the load, and mended after a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What is done.
    pub kind: FaultKind,
    /// To which part: `worker:1`, `replica:2` or `postgres`.
    pub target: String,
    /// From the start of the load.
    #[serde(with = "humantime_serde")]
    pub at: Duration,
    /// Until it is mended: started again, or continued.
    #[serde(default = "one_second", rename = "for", with = "humantime_serde")]
    pub lasts: Duration,
}

/// What is done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// SIGKILL; started again when mended.
    Kill,
    /// SIGSTOP; continued when mended.
    Stop,
    /// SIGTERM; started again when mended. For PostgreSQL: a fast shutdown.
    Terminate,
}

fn one_second() -> Duration {
    Duration::from_secs(1)
}

/// The time after the load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Drain {
    /// What has not finished by then stays unfinished.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
        }
    }
}

/// How often is looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Samplers {
    /// Looks at pg_stat_activity per second, 10 to 100.
    pub activity_hz: u32,
}

impl Default for Samplers {
    fn default() -> Self {
        Self { activity_hz: 20 }
    }
}

/// The same statements driven by `pgbench` just before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Jobs to claim and complete.
    pub jobs: u32,
    /// Jobs in one statement.
    pub batch: u32,
    /// Connections.
    pub clients: u32,
}

/// A number of `result.json` that must lie within bounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hypothesis {
    /// What is expected, in words.
    pub text: String,
    /// `KEY=VALUE, …`: it is expected only where the scenario's keys have these values (at some points of a sweep).
    pub when: Option<String>,
    /// Path in `result.json`, such as `latency_ms.dispatch.p50` or `phases.steady.lock_wait_share`.
    pub metric: String,
    /// Smallest value that holds.
    pub at_least: Option<f64>,
    /// Largest value that holds.
    pub at_most: Option<f64>,
}

/// A key and the values that it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepKey {
    /// Path in this file, such as `polling.interval`.
    pub key: String,
    /// At least one.
    pub values: Vec<toml::Value>,
}

impl Document {
    /// Checks what the types can't.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn validate(&self) -> Result<(), LoadError> {
        self.workload.validate()?;
        validate_phases(&self.load)?;
        within("topology.replicas", self.topology.replicas, 1..=64)?;
        within("topology.workers", self.topology.workers, 1..=256)?;
        within(
            "topology.worker_concurrency",
            self.topology.worker_concurrency,
            1..=100_000,
        )?;
        within(
            "topology.replica_connections",
            self.topology.replica_connections,
            1..=100,
        )?;
        within("polling.batch", self.polling.batch, 1..=POLL_JOBS_MAX)?;
        within("samplers.activity_hz", self.samplers.activity_hz, 10..=100)?;
        lasting(
            "polling.interval",
            self.polling.interval,
            Duration::from_millis(1),
            Duration::from_secs(60),
        )?;
        lasting(
            "engine.lease",
            self.engine.lease,
            Duration::from_millis(300),
            Duration::from_hours(1),
        )?;
        let housekeeping = self.engine.housekeeping_interval;
        lasting(
            "engine.housekeeping_interval",
            housekeeping,
            Duration::from_millis(10),
            Duration::from_secs(60),
        )?;
        lasting(
            "drain.timeout",
            self.drain.timeout,
            Duration::from_secs(1),
            Duration::from_hours(24),
        )?;
        self.validate_faults()?;
        let settings = serde_json::to_value(self).unwrap_or_default();
        for (index, hypothesis) in self.hypotheses.iter().enumerate() {
            hypothesis.validate_when(index, &settings)?;
            if hypothesis.at_least.is_none() && hypothesis.at_most.is_none() {
                return refuse(
                    format!("hypotheses[{index}]"),
                    "found neither at_least nor at_most; give at least one",
                );
            }
        }
        for (index, sweep) in self.sweep.iter().enumerate() {
            if sweep.values.is_empty() {
                return refuse(
                    format!("sweep[{index}].values"),
                    "found none; a sweep needs at least one value",
                );
            }
        }
        Ok(())
    }

    fn validate_faults(&self) -> Result<(), LoadError> {
        let timed = self.load.iter().filter_map(|phase| phase.duration).sum::<Duration>();
        let traced = self.load.iter().any(|phase| phase.file.is_some());
        for (index, fault) in self.faults.iter().enumerate() {
            Target::parse(&fault.target, &self.topology).map_err(|problem| LoadError {
                place: format!("faults[{index}].target"),
                problem,
            })?;
            if !traced && fault.at + fault.lasts > timed {
                let (at, lasts) = (
                    humantime::format_duration(fault.at),
                    humantime::format_duration(fault.lasts),
                );
                let timed = humantime::format_duration(timed);
                let problem = format!("found {at} for {lasts}; it must end within the load, which lasts {timed}");
                return refuse(format!("faults[{index}].at"), problem);
            }
        }
        Ok(())
    }
}

impl Hypothesis {
    /// A key that is not there would never have the value, and the hypothesis would never be judged.
    fn validate_when(&self, index: usize, settings: &serde_json::Value) -> Result<(), LoadError> {
        let Some(when) = &self.when else { return Ok(()) };
        let place = format!("hypotheses[{index}].when");
        for condition in when.split(',') {
            let Some((key, _)) = condition.split_once('=') else {
                return refuse(place, "expected KEY=VALUE, as in polling.claim=blocking");
            };
            let known = key.trim().split('.').try_fold(settings, |value, step| value.get(step));
            if known.is_none() {
                return refuse(place, format!("found {when:?}; a scenario has no key {:?}", key.trim()));
            }
        }
        Ok(())
    }
}

/// What a fault acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A worker or replica, by the name of its process.
    Part(String),
    /// The database server.
    Postgres,
}

impl Target {
    /// Reads `worker:1`, `replica:2` or `postgres`.
    ///
    /// # Errors
    /// What was found and what the topology allows.
    pub fn parse(text: &str, topology: &Topology) -> Result<Self, String> {
        let allowed = || {
            format!(
                "found {text:?}; allowed are postgres, replica:1 to replica:{} and worker:1 to worker:{}",
                topology.replicas, topology.workers
            )
        };
        if text == "postgres" {
            return Ok(Self::Postgres);
        }
        let (role, number) = text.split_once(':').ok_or_else(allowed)?;
        let number: u32 = number.parse().map_err(|_| allowed())?;
        let count = match role {
            "worker" => topology.workers,
            "replica" => topology.replicas,
            _ => return Err(allowed()),
        };
        if (1..=count).contains(&number) {
            Ok(Self::Part(format!("{role}-{number}")))
        } else {
            Err(allowed())
        }
    }
}

fn within(place: &str, found: u32, allowed: std::ops::RangeInclusive<u32>) -> Result<(), LoadError> {
    if allowed.contains(&found) {
        return Ok(());
    }
    refuse(
        place.to_owned(),
        format!("found {found}; allowed is {} to {}", allowed.start(), allowed.end()),
    )
}

fn lasting(place: &str, found: Duration, least: Duration, most: Duration) -> Result<(), LoadError> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    let words = [found, least, most].map(humantime::format_duration);
    refuse(
        place.to_owned(),
        format!("found {}; allowed is {} to {}", words[0], words[1], words[2]),
    )
}

fn refuse<T>(place: String, problem: impl Into<String>) -> Result<T, LoadError> {
    Err(LoadError {
        place,
        problem: problem.into(),
    })
}
