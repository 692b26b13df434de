//! Looks at PostgreSQL and at the processes while the load runs, on connections of its own, and writes a line a look.
//!
//! Each look is one autocommit statement: statistics cached inside a transaction would hide live waits. The samplers
//! carry an `application_name` that their own query leaves out.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use crossover_evidence::samples::{Active, PartUsage, Sample};
use crossover_proto::clock::MonotonicNs;
use crossover_testbed::Supervisor;
use crossover_testbed::affinity;
use crossover_testbed::usage::{self, HostCpu};
use sqlx::Row;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::directory::RunDirectory;
use super::downstream::DownstreamView;
use super::parts::Parts;
use super::reconnect::Reconnecting;
use super::servers::Servers;
use super::{counters, lag};

/// A row waiter waits for the holder's transaction while it holds the tuple lock that names the table; those behind it
/// in the queue wait for that tuple lock. `pg_locks` is read in the same look, and only for backends that wait for a
/// lock: a second look would miss every wait that ended in between.
const ACTIVITY: &str = "/* sample_activity */
    SELECT state = 'active' AS active, coalesce(wait_event_type, 'CPU') AS wait_type, coalesce(wait_event, '') AS event,
           split_part(query, ' ', 2) AS statement, locked.relation::regclass::text AS relation, count(*)::integer AS count
    FROM pg_stat_activity AS activity
    LEFT JOIN LATERAL (
        SELECT coalesce(max(relation) FILTER (WHERE locktype = 'tuple' AND granted),
                        max(relation) FILTER (WHERE NOT granted)) AS relation
        FROM pg_locks WHERE activity.wait_event_type = 'Lock' AND pg_locks.pid = activity.pid
    ) AS locked ON true
    WHERE application_name LIKE 'crossover-engine%'
    GROUP BY 1, 2, 3, 4, 5";

/// The snapshot of a VACUUM holds nothing back; those of other databases concern only what all databases share.
const TABLES: &str = "/* sample_tables */
    SELECT (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'job'),
           (SELECT (1000 * extract(epoch FROM max(clock_timestamp() - xact_start)))::bigint FROM pg_stat_activity
            WHERE backend_xmin IS NOT NULL AND datname = current_database() AND pid <> pg_backend_pid()
              AND backend_type <> 'autovacuum worker')";

/// Seconds between two looks at the sizes of data directories.
const DISK_EVERY: u64 = 5;

/// The running samplers of a run.
pub struct Samplers {
    tasks: Vec<JoinHandle<()>>,
}

/// Appends lines to `samples.jsonl`.
#[derive(Clone)]
pub(super) struct Sink(Arc<Mutex<File>>);

impl Sink {
    /// Goes on with the run's file, or begins it.
    pub(super) fn append(directory: &RunDirectory) -> anyhow::Result<Self> {
        let path = directory.file("samples.jsonl");
        let file = File::options().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("can't write {}", path.display()))?;
        Ok(Self(Arc::new(Mutex::new(file))))
    }

    pub(super) fn write(&self, sample: &Sample) {
        let line = serde_json::to_string(sample)
            .map(|line| line + "\n")
            .unwrap_or_default();
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::warn!(%error, "a sample could not be written");
        }
    }
}

impl Samplers {
    /// Starts looking.
    ///
    /// # Errors
    /// If `samples.jsonl` can't be made.
    pub fn start(
        directory: &RunDirectory,
        servers: &Arc<Servers>,
        supervisor: &Supervisor,
        parts: &Parts,
        activity_hz: u32,
        job_types: &[String],
        downstream: Option<DownstreamView>,
    ) -> anyhow::Result<Self> {
        let sink = Sink::append(directory)?;
        let options: PgConnectOptions = servers.database.reveal().parse().context("the database URL")?;
        let options = options.application_name("crossover-sampler");
        let period = Duration::from_secs(1) / activity_hz;
        let activity = tokio::spawn(look_at_postgres(options.clone(), sink.clone(), period));
        let usage = tokio::spawn(look_at_processes(supervisor.clone(), servers.clone(), sink.clone()));
        let counted = tokio::spawn(counters::look_at_statements(
            options.clone(),
            servers.counts_statements(),
            sink.clone(),
        ));
        let pools = tokio::spawn(counters::look_at_pools(parts.replica_metrics(), sink.clone()));
        let mut tasks = vec![activity, usage, counted, pools];
        if let Some(view) = downstream {
            tasks.push(tokio::spawn(view.watch(sink.clone())));
        }
        if let Some(broker) = servers.broker()? {
            tasks.push(tokio::spawn(lag::look_at_outbox(options, sink.clone())));
            tasks.push(tokio::spawn(lag::look_at_groups(broker, job_types.to_vec(), sink)));
        }
        Ok(Self { tasks })
    }

    /// Stops looking.
    pub fn stop(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn look_at_postgres(options: PgConnectOptions, sink: Sink, period: Duration) {
    let mut tick = tokio::time::interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut server = Reconnecting::new(options);
    let mut tables_at = Instant::now();
    loop {
        tick.tick().await;
        // The server is away: the samples have a gap, and so have the charts.
        let Some(open) = server.get().await else { continue };
        let mut looked = activity(open).await;
        if looked.is_ok() && tables_at.elapsed() >= Duration::from_secs(1) {
            tables_at = Instant::now();
            match tables(open).await {
                Ok(sample) => sink.write(&sample),
                Err(error) => looked = Err(error),
            }
        }
        match looked {
            Ok(sample) => sink.write(&sample),
            Err(error) => {
                tracing::debug!(%error, "a look at PostgreSQL failed");
                server.lost();
            }
        }
    }
}

async fn activity(connection: &mut PgConnection) -> Result<Sample, sqlx::Error> {
    let at = MonotonicNs::now();
    let begun = Instant::now();
    let rows = sqlx::query(ACTIVITY).fetch_all(&mut *connection).await?;
    let query_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    let mut connections = 0;
    let mut active = Vec::new();
    for row in &rows {
        let count = u32::try_from(row.try_get::<i32, _>("count")?).unwrap_or(0);
        connections += count;
        if row.try_get::<Option<bool>, _>("active")? == Some(true) {
            active.push(Active {
                wait_type: row.try_get("wait_type")?,
                event: row.try_get("event")?,
                relation: row.try_get("relation")?,
                statement: row.try_get("statement")?,
                count,
            });
        }
    }
    Ok(Sample::Activity {
        at: at.0,
        query_us,
        connections,
        active,
    })
}

async fn tables(connection: &mut PgConnection) -> Result<Sample, sqlx::Error> {
    let row = sqlx::query(TABLES).fetch_one(connection).await?;
    let [dead, oldest] = [row.try_get::<Option<i64>, _>(0)?, row.try_get::<Option<i64>, _>(1)?];
    let known = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0);
    Ok(Sample::Tables {
        at: MonotonicNs::now().0,
        dead_tuples: known(dead),
        oldest_snapshot_ms: known(oldest),
    })
}

async fn look_at_processes(supervisor: Supervisor, servers: Arc<Servers>, sink: Sink) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut host: Option<HostCpu> = None;
    let mut disks = HashMap::new();
    for look in 0_u64.. {
        tick.tick().await;
        if look % DISK_EVERY == 0 {
            let directories = servers.data_directories();
            // Walking through a directory may take a while: kept off the threads that time the load.
            disks = tokio::task::spawn_blocking(move || disk_use(&directories))
                .await
                .unwrap_or_default();
        }
        let of_part = |name: &str, pid| {
            let disk_mb = disks.get(name).copied();
            part(name, pid, disk_mb)
        };
        let pids = supervisor.pids();
        let mut parts: Vec<PartUsage> = pids.iter().filter_map(|(name, pid)| of_part(name, *pid)).collect();
        parts.extend(of_part("harness", std::process::id()));
        let now = HostCpu::sample().ok();
        let host_busy = host.zip(now).map(|(before, now)| now.since(before).busy);
        host = now;
        sink.write(&Sample::Usage {
            at: MonotonicNs::now().0,
            parts,
            host_busy,
        });
    }
}

/// Size of each part's data directory (MiB).
fn disk_use(directories: &[(String, PathBuf)]) -> HashMap<String, f64> {
    let size = |(name, path): &(String, PathBuf)| (name.clone(), tree_bytes(path) as f64 / 1_048_576.0);
    directories.iter().map(size).collect()
}

/// Files that vanish meanwhile count for nothing.
fn tree_bytes(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => tree_bytes(&entry.path()),
        // What it takes, not how long it is: Kafka's indexes are made with room.
        Ok(data) => data.blocks() * 512,
        Err(_) => 0,
    };
    entries.map(size).sum()
}

/// A server counts with its children; the harness without the parts that are its supervisor's.
fn part(name: &str, pid: u32, disk_mb: Option<f64>) -> Option<PartUsage> {
    let usage = if name == "harness" {
        usage::process(pid)
    } else {
        usage::tree(pid)
    };
    let usage = usage.ok()?;
    Some(PartUsage {
        name: name.to_owned(),
        cpu_s: usage.cpu_s,
        memory_mb: usage.resident_bytes as f64 / 1_048_576.0,
        disk_mb,
        processors: affinity::processors(pid),
    })
}
