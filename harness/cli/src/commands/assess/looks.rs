//! The loop of looks: one small statement a tick, counters every few seconds, until the time is up or somebody stops it.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Context;
use crossover_evidence::assess::{
    ConnectionCounts, Holder, HolderKind, LiveActive, LiveSample, StatementCounts, TableCounts, WINDOWS,
};
use crossover_testbed::TestbedError;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::args::AssessArgs;
use super::session::Session;
use super::sql;
use super::table::Found;
use crate::run::{Progress, Reconnecting, RunDirectory};

/// File of the looks, a line each.
pub const SAMPLES: &str = "samples.jsonl";

/// Time between two looks at the counters; less if a window is shorter.
const STATE_EVERY: Duration = Duration::from_secs(5);
/// A server that answers nothing for this long has broken the look, whatever its own time-outs say.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// What was seen.
pub struct Watched {
    pub samples: Vec<LiveSample>,
    /// `pg_stat_statements` at the beginning and at the end, if it is there.
    pub statements: Option<(Vec<StatementCounts>, Vec<StatementCounts>)>,
    pub duration: Duration,
    pub interrupted: bool,
}

/// Looks until the time is up, or until Ctrl-C.
///
/// # Errors
/// If no look got an answer, or the looks can't be written.
pub async fn watch(
    session: Session,
    found: &Found,
    args: &AssessArgs,
    directory: &RunDirectory,
    mut interrupted: watch::Receiver<bool>,
    progress: &Progress,
) -> anyhow::Result<Watched> {
    let path = directory.file(SAMPLES);
    let file = File::create(&path).with_context(|| format!("can't make {}", path.display()))?;
    let mut looking = Looking {
        server: Reconnecting::with(session.options, session.connection),
        is_checked: true,
        found,
        began: Instant::now(),
        file,
        samples: Vec::new(),
    };
    let statements = looking.statements().await;
    looking.began = Instant::now();
    let interrupted = tokio::select! {
        ended = looking.look_on(args, progress) => ended.map(|()| false)?,
        _ = interrupted.wait_for(|stop| *stop) => true,
    };
    let duration = looking.began.elapsed();
    // The last state closes the last window.
    let last = looking.state().await;
    looking.keep(last)?;
    if !looking
        .samples
        .iter()
        .any(|sample| matches!(sample, LiveSample::Activity { .. }))
    {
        return Err(no_look(&looking.samples, interrupted));
    }
    let after = match statements {
        Some(_) => looking.statements().await,
        None => None,
    };
    looking.server.close().await;
    Ok(Watched {
        samples: looking.samples,
        statements: statements.zip(after),
        duration,
        interrupted,
    })
}

fn no_look(samples: &[LiveSample], interrupted: bool) -> anyhow::Error {
    let error = samples.iter().rev().find_map(|sample| match sample {
        LiveSample::Failed { error, .. } => Some(error.as_str()),
        _ => None,
    });
    match error {
        None if interrupted => anyhow::anyhow!("interrupted before the first look"),
        error => TestbedError::unavailable(
            format!("not one look got an answer: {}", error.unwrap_or("the server is gone")),
            "see whether the server is up, and assess again",
        )
        .into(),
    }
}

struct Looking<'a> {
    server: Reconnecting,
    /// The session at hand was asked whether it is read-only and may see: a server that was away may come back as another.
    is_checked: bool,
    found: &'a Found,
    began: Instant,
    file: File,
    samples: Vec<LiveSample>,
}

impl Looking<'_> {
    async fn look_on(&mut self, args: &AssessArgs, progress: &Progress) -> anyhow::Result<()> {
        let state_every = STATE_EVERY.min(args.duration / WINDOWS);
        let mut tick = tokio::time::interval(args.interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut next_state = Duration::ZERO;
        loop {
            tick.tick().await;
            let elapsed = self.began.elapsed();
            if elapsed >= args.duration {
                return Ok(());
            }
            if elapsed >= next_state {
                next_state += state_every;
                let state = self.state().await;
                self.keep(state)?;
                progress.stage(&told(&self.samples, elapsed, args.duration));
            }
            let activity = self.activity().await;
            self.keep(activity)?;
        }
    }

    async fn activity(&mut self) -> LiveSample {
        let (at, found) = (self.at_ms(), self.found);
        self.ask(at, async |connection| activity(connection, found, at).await)
            .await
    }

    async fn state(&mut self) -> LiveSample {
        let (at, found) = (self.at_ms(), self.found);
        self.ask(at, async |connection| state(connection, found, at).await)
            .await
    }

    /// One look, whatever becomes of it; after one that failed, the next is on another connection.
    async fn ask(
        &mut self,
        at_ms: u64,
        look: impl AsyncFnOnce(&mut PgConnection) -> Result<LiveSample, sqlx::Error>,
    ) -> LiveSample {
        let is_checked = self.is_checked;
        let asked = async {
            let connection = self.server.get().await.ok_or("no connection")?;
            if !is_checked {
                check(connection).await?;
            }
            look(connection).await.map_err(|error| error.to_string())
        };
        let answered: Result<LiveSample, String> = match tokio::time::timeout(ANSWERED_WITHIN, asked).await {
            Ok(answered) => answered,
            Err(_) => Err(format!("no answer within {ANSWERED_WITHIN:?}")),
        };
        self.is_checked = answered.is_ok();
        answered.unwrap_or_else(|error| {
            self.server.lost();
            LiveSample::Failed { at_ms, error }
        })
    }

    /// `None` where the extension is not there, or not loaded.
    async fn statements(&mut self) -> Option<Vec<StatementCounts>> {
        let pattern = &self.found.pattern;
        let connection = self.server.get().await?;
        let counted = tokio::time::timeout(ANSWERED_WITHIN, statements(connection, pattern)).await;
        match counted {
            Ok(Ok(counted)) => counted,
            Ok(Err(error)) => {
                tracing::debug!(%error, "pg_stat_statements can't be read");
                None
            }
            Err(_) => {
                self.server.lost();
                self.is_checked = false;
                None
            }
        }
    }

    fn keep(&mut self, sample: LiveSample) -> anyhow::Result<()> {
        let line = serde_json::to_string(&sample)? + "\n";
        self.file.write_all(line.as_bytes()).context("can't write the looks")?;
        self.samples.push(sample);
        Ok(())
    }

    fn at_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A session that was made again: is it as the first one was?
async fn check(connection: &mut PgConnection) -> Result<(), String> {
    let row = sqlx::query(sql::SESSION).fetch_one(connection).await;
    let row = row.map_err(|error| error.to_string())?;
    let is = |name: &str| row.try_get::<bool, _>(name).map_err(|error| error.to_string());
    if is("is_standby")? {
        return Err("the server that answers now is a standby".to_owned());
    }
    if !is("is_read_only")? || !is("may_see")? {
        return Err("the session that was made again is not read-only, or may not see what others do".to_owned());
    }
    Ok(())
}

/// The line that is seen meanwhile.
fn told(samples: &[LiveSample], elapsed: Duration, of: Duration) -> String {
    let waiting = |sample: &LiveSample| match sample {
        LiveSample::Activity { active, .. } => {
            let waiters = active.iter().filter(|group| group.waits_for_row());
            Some(waiters.map(|group| group.count).sum::<u32>())
        }
        _ => None,
    };
    let waiting: Vec<u32> = samples.iter().filter_map(waiting).collect();
    let mut states = samples.iter().rev().filter_map(|sample| match sample {
        LiveSample::State { at_ms, table, .. } => Some((*at_ms, table.writes())),
        _ => None,
    });
    let rate = states
        .next()
        .zip(states.next())
        .map_or_else(String::new, |(last, before)| {
            let seconds = (last.0 - before.0).max(1) as f64 / 1_000.0;
            format!(
                ", {:.0} rows written/s",
                last.1.saturating_sub(before.1) as f64 / seconds
            )
        });
    format!(
        "{} s of {} s: {} looks, {} with row-lock waiters{rate}",
        elapsed.as_secs(),
        of.as_secs(),
        waiting.len(),
        waiting.iter().filter(|count| **count > 0).count()
    )
}

async fn activity(connection: &mut PgConnection, found: &Found, at_ms: u64) -> Result<LiveSample, sqlx::Error> {
    let begun = Instant::now();
    let rows = sqlx::query(sql::ACTIVITY)
        .bind(&found.relations)
        .bind(&found.pattern)
        .fetch_all(connection)
        .await?;
    let query_us = micros(begun);
    let (mut hidden, mut active) = (0, Vec::new());
    for row in &rows {
        let count = u32::try_from(row.try_get::<i32, _>("count")?).unwrap_or(0);
        if row.try_get("is_hidden")? {
            hidden += count;
            continue;
        }
        active.push(LiveActive {
            wait_type: row.try_get("wait_type")?,
            event: row.try_get("event")?,
            statement: row.try_get("statement")?,
            names_table: row.try_get("names_table")?,
            relation: row.try_get("relation")?,
            on_table: row.try_get("on_table")?,
            count,
        });
    }
    Ok(LiveSample::Activity {
        at_ms,
        query_us,
        hidden,
        active,
    })
}

async fn state(connection: &mut PgConnection, found: &Found, at_ms: u64) -> Result<LiveSample, sqlx::Error> {
    let begun = Instant::now();
    let table = sqlx::query(sql::TABLE)
        .bind(&found.relations)
        .fetch_one(&mut *connection)
        .await?;
    let connections = sqlx::query(sql::CONNECTIONS).fetch_one(&mut *connection).await?;
    let holders = sqlx::query(sql::HOLDERS).fetch_all(connection).await?;
    let query_us = micros(begun);
    let counted = |name: &str| count(&table, name);
    let of = |name: &str| {
        let count: i32 = connections.try_get(name)?;
        Ok::<_, sqlx::Error>(u32::try_from(count).unwrap_or(0))
    };
    Ok(LiveSample::State {
        at_ms,
        query_us,
        table: TableCounts {
            inserted: counted("inserted")?,
            updated: counted("updated")?,
            deleted: counted("deleted")?,
            live: counted("live")?,
            dead: counted("dead")?,
            seq_scans: counted("seq_scans")?,
            seq_rows_read: counted("seq_rows_read")?,
            autovacuums: counted("autovacuums")?,
            last_autovacuum_s: table.try_get("last_autovacuum_s")?,
        },
        connections: ConnectionCounts {
            total: of("total")?,
            active: of("active")?,
            idle: of("idle")?,
            idle_in_transaction: of("idle_in_transaction")?,
        },
        holders: holders.iter().map(holder).collect::<Result<_, _>>()?,
    })
}

fn holder(row: &PgRow) -> Result<Holder, sqlx::Error> {
    let kind = match row.try_get::<String, _>("kind")?.as_str() {
        "transaction" => HolderKind::Transaction,
        "prepared-transaction" => HolderKind::PreparedTransaction,
        "replication-slot" => HolderKind::ReplicationSlot,
        _ => HolderKind::Standby,
    };
    let horizon: Option<i64> = row.try_get("horizon")?;
    Ok(Holder {
        kind,
        name: row.try_get("name")?,
        pid: row.try_get("pid")?,
        state: row.try_get("state")?,
        age_s: row.try_get("age_s")?,
        horizon_transactions: horizon.and_then(|age| u64::try_from(age).ok()),
    })
}

async fn statements(connection: &mut PgConnection, pattern: &str) -> Result<Option<Vec<StatementCounts>>, sqlx::Error> {
    let schema: Option<String> = sqlx::query_scalar(sql::STATEMENTS_SCHEMA)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(schema) = schema else { return Ok(None) };
    // A name of the server's own, quoted by it.
    let text = sql::STATEMENTS.replace("{schema}", &schema);
    let rows = sqlx::query(AssertSqlSafe(text))
        .bind(pattern)
        .fetch_all(connection)
        .await?;
    let one = |row: &PgRow| {
        Ok::<_, sqlx::Error>(StatementCounts {
            id: row.try_get("queryid")?,
            text: row.try_get("text")?,
            calls: count(row, "calls")?,
            total_ms: row.try_get("total_ms")?,
            rows: count(row, "rows")?,
            blocks: count(row, "blocks")?,
        })
    };
    Ok(Some(rows.iter().map(one).collect::<Result<_, _>>()?))
}

/// Counters are never negative; there are none of a table that was dropped meanwhile.
fn count(row: &PgRow, name: &str) -> Result<u64, sqlx::Error> {
    let count: Option<i64> = row.try_get(name)?;
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}

fn micros(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)
}
