//! Reads what others count by themselves, once a second: PostgreSQL the cost of each statement, the replicas the time that
//! statements wait for a connection. What was counted between two reads is a difference: nothing falls between them.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crossover_engine::store::statements;
use crossover_evidence::samples::{PoolUse, Sample, StatementUse};
use crossover_proto::clock::MonotonicNs;
use sqlx::Row;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use tokio::time::{Interval, MissedTickBehavior};

use super::metrics::{self, Metrics};
use super::reconnect::Reconnecting;
use super::samplers::Sink;

const EVERY: Duration = Duration::from_secs(1);

const EXTENSION: &str = "/* sample_extension */ CREATE EXTENSION IF NOT EXISTS pg_stat_statements";

const STATEMENTS: &str = "/* sample_statements */
    SELECT query, calls, rows, total_exec_time, shared_blks_hit + shared_blks_read AS blocks, shared_blks_read AS blocks_read
    FROM pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND toplevel";

/// PostgreSQL's class of errors for what is not there, or not loaded: it will not come while we look.
const NEVER: [&str; 3] = ["42P01", "55000", "42501"];

/// Looks until it is aborted, or until the server says that it does not count.
pub(super) async fn look_at_statements(options: PgConnectOptions, make_extension: bool, sink: Sink) {
    let tags = tags();
    let mut tick = ticks();
    let mut server = Reconnecting::new(options);
    let mut is_made = !make_extension;
    loop {
        tick.tick().await;
        let Some(open) = server.get().await else { continue };
        let looked = look(open, &mut is_made, &tags).await;
        match looked {
            Ok(sample) => sink.write(&sample),
            Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| NEVER.contains(&code.as_ref())) => {
                tracing::debug!(%error, "the cost of statements is not counted here");
                return;
            }
            Err(error) => {
                tracing::debug!(%error, "a look at the statements failed");
                server.lost();
            }
        }
    }
}

async fn look(
    connection: &mut PgConnection,
    is_made: &mut bool,
    tags: &HashMap<String, &'static str>,
) -> Result<Sample, sqlx::Error> {
    if !*is_made {
        sqlx::query(EXTENSION).execute(&mut *connection).await?;
        *is_made = true;
    }
    let (at, begun) = (MonotonicNs::now(), Instant::now());
    let rows = sqlx::query(STATEMENTS).fetch_all(&mut *connection).await?;
    let query_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    let mut statements: BTreeMap<&str, StatementUse> = BTreeMap::new();
    for row in &rows {
        let Some(tag) = tags.get(&fingerprint(row.try_get("query")?)) else {
            continue;
        };
        // The same text under two settings is two entries.
        let sum = statements.entry(tag).or_default();
        sum.statement = (*tag).to_owned();
        sum.calls += count(row, "calls")?;
        sum.rows += count(row, "rows")?;
        sum.exec_ms += row.try_get::<f64, _>("total_exec_time")?;
        sum.blocks += count(row, "blocks")?;
        sum.blocks_read += count(row, "blocks_read")?;
    }
    Ok(Sample::Statements {
        at: at.0,
        query_us,
        statements: statements.into_values().collect(),
    })
}

fn count(row: &PgRow, column: &str) -> Result<u64, sqlx::Error> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
}

/// The engine's statements by what is left of them in PostgreSQL's books. A bare `SELECT 1` is anyone's.
fn tags() -> HashMap<String, &'static str> {
    let all = statements().map(|(tag, text)| (fingerprint(text), tag));
    all.filter(|(words, _)| words.contains(' ')).collect()
}

/// PostgreSQL keeps a statement with `$5` in the place of `'queued'` or `NULL`, and from version 18 on without the comment
/// that leads it. So comments, constants and signs are left out.
fn fingerprint(statement: &str) -> String {
    let body = match statement.trim_start().strip_prefix("/*") {
        Some(commented) => commented.split_once("*/").map_or("", |(_, body)| body),
        None => statement,
    };
    // Every second piece is what stands in quotes.
    let outside: String = body.split('\'').step_by(2).collect::<Vec<_>>().join(" ");
    let words = outside.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_');
    let is_constant = |word: &str| {
        ["null", "true", "false"]
            .iter()
            .any(|one| word.eq_ignore_ascii_case(one))
    };
    let kept = words.filter(|word| word.starts_with(|first: char| !first.is_ascii_digit()) && !is_constant(word));
    kept.collect::<Vec<_>>().join(" ")
}

/// Looks until it is aborted. A replica that does not answer is left out of the look.
pub(super) async fn look_at_pools(replicas: Vec<(String, String)>, sink: Sink) {
    let client = Metrics::new();
    let mut tick = ticks();
    loop {
        tick.tick().await;
        let at = MonotonicNs::now();
        let mut seen = Vec::with_capacity(replicas.len());
        for (name, address) in &replicas {
            let page = client.page(address).await;
            let wait = metrics::value(&page, "engine_pool_wait_seconds_sum");
            let held = metrics::value(&page, "engine_connection_held_seconds_sum");
            seen.extend(wait.zip(held).map(|(wait_s, held_s)| PoolUse {
                name: name.clone(),
                wait_s,
                held_s,
            }));
        }
        sink.write(&Sample::Pool {
            at: at.0,
            replicas: seen,
        });
    }
}

fn ticks() -> Interval {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    tick
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_statement_is_known_with_or_without_its_comment_and_its_constants() {
        let ours =
            "/* claim */\n    SELECT id FROM job WHERE job_type = $1 AND state = 'queued' AND run_at = NULL LIMIT 10";
        let kept = "SELECT id FROM job WHERE job_type = $1 AND state = $2 AND run_at = $3 LIMIT $4";
        assert_eq!(fingerprint(ours), fingerprint(kept));
        assert_ne!(fingerprint(ours), fingerprint("SELECT id FROM job WHERE job_type = $1"));
    }

    #[test]
    fn no_two_statements_of_the_engine_look_alike() {
        let all: Vec<_> = statements().collect();
        let alike: HashSet<String> = all.iter().map(|(_, text)| fingerprint(text)).collect();
        assert_eq!(alike.len(), all.len());
    }
}
