//! `relay.json`: the figures of a run.

use anyhow::Context;
use crossover_evidence::result::{Percentiles, TestbedInfo};
use crossover_testbed::disk;
use serde::Serialize;

use super::bed::{Bed, PARTITIONS, Uses};
use crate::args::RelayArgs;
use crate::run::{self, RunDirectory};

/// Raised when a key changes its meaning or goes; new keys don't raise it.
const VERSION: u32 = 1;

/// All of a run.
#[derive(Debug, Serialize)]
pub struct RelayReport {
    pub version: u32,
    /// The directory's name.
    pub id: String,
    /// The command that repeats it.
    pub command: String,
    pub git_commit: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Why the figures may not be used; empty if they may.
    pub invalid_reasons: Vec<String>,
    pub interrupted: bool,
    /// PostgreSQL and the machine; absent if the servers did not start.
    pub testbed: Option<TestbedInfo>,
    pub payload_bytes: u32,
    pub instances: u32,
    pub partitions: i32,
    /// Flags of the relay beyond its defaults.
    pub relay_flags: Vec<String>,
    /// Mean size of a record without its key: the reference sends records of this size.
    pub record_bytes_mean: f64,
    /// One before the first backlog, and one after each.
    pub references: Vec<Reference>,
    pub backlogs: Vec<Backlog>,
    pub idle: Vec<Idle>,
}

/// Kafka's own producer benchmark.
#[derive(Debug, Serialize)]
pub struct Reference {
    pub records: u32,
    pub record_bytes: u64,
    pub records_per_s: f64,
}

/// A backlog sent.
#[derive(Debug, Serialize)]
pub struct Backlog {
    pub rows: u32,
    /// From the lead's `taken_at` to the last `sent_at`, by PostgreSQL's clock.
    pub elapsed_s: f64,
    pub rows_per_s: f64,
    /// Mean of the references just before and just after.
    pub reference_records_per_s: Option<f64>,
    /// `rows_per_s` as a share of it.
    pub share_of_reference: Option<f64>,
    /// From the start of the relay's process until nothing was pending.
    pub uses: Used,
    pub relay_memory_mb_max: f64,
    pub verification: Verification,
}

/// The topic held against the outbox.
#[derive(Debug, Default, Serialize)]
pub struct Verification {
    pub records: u64,
    /// Rows without a record.
    pub missing: u64,
    /// Records beyond the first of their row.
    pub duplicates: u64,
    /// Records that no worker could read.
    pub unreadable: u64,
    /// Records before an earlier row's of the same instance, or in another partition than it.
    pub out_of_order: u64,
    /// Rows that are not marked, or whose mark names a place where their record is not.
    pub wrong_marks: u64,
}

/// One row at a time.
#[derive(Debug, Serialize)]
pub struct Idle {
    /// What was measured.
    pub name: String,
    /// From which moment to which.
    pub measures: String,
    pub latency_ms: Percentiles,
    /// Of that, the call itself; only where a replica is called.
    pub call_ms: Option<Percentiles>,
    pub uses: Used,
    pub relay_memory_mb_max: f64,
}

/// CPU time over a stretch.
#[derive(Debug, Serialize)]
pub struct Used {
    pub elapsed_s: f64,
    pub relay_cpu_s: f64,
    pub postgres_cpu_s: f64,
    pub kafka_cpu_s: f64,
}

impl Used {
    pub fn between(before: Uses, after: Uses) -> Self {
        Self {
            elapsed_s: after.at.duration_since(before.at).as_secs_f64(),
            relay_cpu_s: after.relay_cpu_s - before.relay_cpu_s,
            postgres_cpu_s: after.postgres_cpu_s - before.postgres_cpu_s,
            kafka_cpu_s: after.kafka_cpu_s - before.kafka_cpu_s,
        }
    }
}

impl Verification {
    pub fn holds(&self) -> bool {
        self.missing + self.duplicates + self.unreadable + self.out_of_order + self.wrong_marks == 0
    }
}

impl RelayReport {
    pub fn new(directory: &RunDirectory, args: &RelayArgs, git_commit: Option<String>, doubt: Vec<String>) -> Self {
        let id = directory.path().file_name().unwrap_or_default();
        Self {
            version: VERSION,
            id: id.to_string_lossy().into_owned(),
            command: command(args),
            git_commit,
            started_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            invalid_reasons: doubt,
            interrupted: false,
            testbed: None,
            payload_bytes: args.payload_bytes,
            instances: args.instances,
            partitions: PARTITIONS,
            relay_flags: args.relay.clone(),
            record_bytes_mean: 0.0,
            references: Vec::new(),
            backlogs: Vec::new(),
            idle: Vec::new(),
        }
    }

    /// Notes what the servers are.
    pub async fn describe(&mut self, bed: &Bed) -> anyhow::Result<()> {
        self.testbed = Some(run::describe(&bed.supervisor, &bed.postgres).await?);
        let kafka = bed.kafka.data_directory(1).context("a Kafka without a broker")?;
        for (server, path) in [("PostgreSQL", bed.postgres.data_directory()), ("Kafka", kafka)] {
            let found = disk::file_system(&path)?;
            if found.is_memory {
                self.invalid_reasons.push(format!(
                    "{server}'s directory lies in memory ({}): set CROSSOVER_DATA_DIR to a disk",
                    found.name
                ));
            }
        }
        Ok(())
    }

    /// Each backlog against the references beside it.
    pub fn share_backlogs(&mut self) {
        for (place, backlog) in self.backlogs.iter_mut().enumerate() {
            if let [before, after, ..] = self.references.get(place..).unwrap_or_default() {
                let mean = f64::midpoint(before.records_per_s, after.records_per_s);
                backlog.reference_records_per_s = Some(mean);
                backlog.share_of_reference = Some(backlog.rows_per_s / mean);
            }
        }
    }

    /// Nothing lost, sent twice or reordered, and no mark wrong; no single row that never came.
    pub fn is_verified(&self) -> bool {
        self.backlogs.iter().all(|backlog| backlog.verification.holds())
            && self.idle.iter().all(|idle| idle.latency_ms.censored == 0)
    }
}

/// As a person would type it.
fn command(args: &RelayArgs) -> String {
    let mut command = "./just relay".to_owned();
    for rows in &args.rows {
        command.push_str(&format!(" --rows {rows}"));
    }
    let (bytes, instances) = (args.payload_bytes, args.instances);
    let (records, samples) = (args.reference_records, args.samples);
    command.push_str(&format!(
        " --payload-bytes {bytes} --instances {instances} --reference-records {records} --samples {samples}"
    ));
    if !args.relay.is_empty() {
        command.push_str(&format!(" -- {}", args.relay.join(" ")));
    }
    command
}
