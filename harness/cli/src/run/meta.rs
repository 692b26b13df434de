//! `run.json`: what the harness knows of a run beyond history, samples and database. Rewritten at each stage.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use crossover_evidence::result::{FaultInfo, TestbedInfo};
use crossover_proto::clock::MonotonicNs;
use serde::{Deserialize, Serialize};

use super::Options;
use super::directory::RunDirectory;
use crate::scenario::Scenario;

/// Where a run's brokers are, for who looks at a kept system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerAddress {
    /// `host:port`, separated by commas.
    pub bootstrap: String,
    /// Begins the names of all topics and groups.
    pub prefix: String,
    /// File of the user's properties, for brokers that are theirs.
    #[serde(default)]
    pub kafka_config: Option<PathBuf>,
    /// How many brokers there are; unknown of an old run.
    #[serde(default)]
    pub brokers: Option<usize>,
}

/// The file's content.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunMeta {
    /// The directory's name.
    pub id: String,
    /// Scenario name.
    pub scenario: String,
    /// Dispatch mode.
    pub mode: String,
    /// The command that repeats it.
    pub command: String,
    /// Commit of this tool.
    pub git_commit: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Servers and machine; absent until they are up.
    pub testbed: Option<TestbedInfo>,
    /// The brokers, as the harness reaches them; none in polling mode, and until they are up.
    #[serde(default)]
    pub kafka: Option<BrokerAddress>,
    /// What removes by hand what the run made on the user's servers.
    #[serde(default)]
    pub by_hand: Vec<String>,
    /// Start of the load (CLOCK_MONOTONIC, ns); absent until then.
    pub origin_ns: Option<u64>,
    /// End of the load's last phase.
    pub load_end_ns: Option<u64>,
    /// End of the drain.
    pub end_ns: Option<u64>,
    /// The drain ended with nothing left to do.
    #[serde(default)]
    pub drained: bool,
    /// When the database was copied: what a kept system did later is not the run's.
    #[serde(default)]
    pub snapshot_ns: Option<u64>,
    /// Relays that had the lead taken while they held their lock, at the end of the load.
    #[serde(default)]
    pub relays_superseded: u64,
    /// Everything was done that the stages ask for.
    pub finished: bool,
    /// Ctrl-C.
    pub interrupted: bool,
    /// A history was recorded.
    pub history: bool,
    /// Reasons found while it ran; the report adds its own.
    pub invalid_reasons: Vec<String>,
    /// Cost of one record (ns).
    pub record_ns: Option<f64>,
    /// Is the generator's thread a real-time one?
    pub generator_realtime: Option<bool>,
    /// `pgbench` with the same statements (jobs/s).
    pub reference_jobs_per_s: Option<f64>,
    /// Faults, in order.
    pub faults: Vec<FaultInfo>,
    /// Things that happened: (ns, text).
    pub events: Vec<(u64, String)>,
}

impl RunMeta {
    /// Reads the file.
    ///
    /// # Errors
    /// If there is none, or it is damaged.
    pub fn read(directory: &RunDirectory) -> anyhow::Result<Self> {
        super::left::read_json(directory, "run.json")
    }

    /// What is known before anything starts.
    pub fn new(directory: &RunDirectory, scenario: &Scenario, options: &Options) -> Self {
        Self {
            id: directory.name(),
            scenario: scenario.name.clone(),
            mode: options.mode.name().to_owned(),
            command: options.command.clone(),
            git_commit: git_commit(),
            started_at: now(),
            testbed: None,
            kafka: None,
            by_hand: Vec::new(),
            origin_ns: None,
            load_end_ns: None,
            end_ns: None,
            drained: false,
            snapshot_ns: None,
            relays_superseded: 0,
            finished: false,
            interrupted: false,
            history: options.history,
            // Of the program that measures, not of the one that writes the report.
            invalid_reasons: build_doubt(),
            record_ns: None,
            generator_realtime: None,
            reference_jobs_per_s: None,
            faults: Vec::new(),
            events: Vec::new(),
        }
    }
}

/// The one reason that running again does not lift.
pub const DEBUG_BUILD: &str = "debug build: its speed says nothing";

/// Why the numbers of this build may not be used; empty for a release build.
pub fn build_doubt() -> Vec<String> {
    if cfg!(debug_assertions) {
        vec![DEBUG_BUILD.to_owned()]
    } else {
        Vec::new()
    }
}

/// This moment in UTC, RFC 3339.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The checkout's commit, `-dirty` if files differ from it; `None` outside a checkout.
pub fn git_commit() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The shared, saved form: each change is on disk before it is answered.
#[derive(Debug, Clone)]
pub struct Meta {
    inner: Arc<Mutex<RunMeta>>,
    directory: RunDirectory,
}

impl Meta {
    /// Begins with this content.
    pub fn new(meta: RunMeta, directory: RunDirectory) -> Self {
        Self {
            inner: Arc::new(Mutex::new(meta)),
            directory,
        }
    }

    /// Changes the content and saves it.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn update(&self, change: impl FnOnce(&mut RunMeta)) -> anyhow::Result<()> {
        let mut meta = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut meta);
        self.directory.write_json("run.json", &*meta)
    }

    /// A copy of the content.
    pub fn get(&self) -> RunMeta {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that something happened now.
    pub fn event(&self, text: impl Into<String>) {
        let event = (MonotonicNs::now().0, text.into());
        if let Err(error) = self.update(|meta| meta.events.push(event)) {
            tracing::warn!(%error, "an event could not be saved");
        }
    }
}
