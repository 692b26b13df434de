//! Finds jobs whose record seems to be lost, and dispatches them again.
//!
//! No audit row: the state of the job does not change. That it was dispatched again is known from the outbox.
//!
//! No job is locked, so no begin waits: a job that begins in between gets a second record, which its lease absorbs.

use std::time::Duration;

use crossover_proto::{InstanceId, JobId};
use sqlx::{PgConnection, Row};

use super::{Attempt, AttemptColumns};
use crate::EngineError;

/// A queued job whose last dispatch was sent long ago, or that was never dispatched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StuckJob {
    /// The job and its current attempt.
    pub attempt: Attempt,
    /// Names the topic.
    pub job_type: String,
    /// Partition and offset of the last record; `None` if the attempt has no outbox row (it was queued in polling mode).
    pub record: Option<(i32, i64)>,
}

/// How far a sweep came: queued jobs are looked at by type, and within a type in the order of their ids. The default is
/// before all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    job_type: String,
    job: i64,
}

// A queued job without an outbox row is stuck at once: rows are written with the transition, so none is to come. (Jobs
// queued before the mode was switched have none.) An attempt that was refused for good has a row without a record; its job is
// a dead letter, and not looked at.
//
// `id + 0`: an order that only the index of ready jobs has, and of an attempt's few rows no order that a walk through the
// whole outbox would give.
const STUCK: &str = "/* sweep_stuck */
    WITH looked AS MATERIALIZED (
        SELECT id, instance_id, attempt, job_type FROM job
        WHERE state = 'queued' AND (job_type, id + 0) > ($1, $2)
        ORDER BY job_type, id + 0 LIMIT $4
    ), last AS (
        SELECT job_type, id FROM looked ORDER BY job_type DESC, id DESC LIMIT 1
    ), judged AS (
        SELECT looked.*, latest.partition, latest.record_offset,
               latest.id IS NULL
               OR latest.record_offset IS NOT NULL AND latest.sent_at < now() - $3 * interval '1 millisecond' AS stuck
        FROM looked LEFT JOIN LATERAL (
            SELECT id, sent_at, partition, record_offset FROM outbox
            WHERE job_id = looked.id AND attempt = looked.attempt ORDER BY id + 0 DESC LIMIT 1
        ) AS latest ON true
    )
    SELECT id, attempt, instance_id, job_type, partition, record_offset, stuck, (SELECT count(*) FROM looked) AS looked
    FROM judged
    WHERE stuck OR (job_type, id) = (SELECT job_type, id FROM last)
    ORDER BY job_type, id";

// Instances that somebody is working on are passed over: the next sweep sees their jobs again. Jobs are
// asked for their state (`::text`), and their rows counted, so that only the indexes of their ids can find them: a planner that
// believes hardly any job to be queued or row to be pending would walk through all that are.
const REDISPATCH: &str = "/* sweep_redispatch */
    WITH input AS (
        SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::uuid[]) AS t (job_id, attempt, instance_id)
    ), locked AS MATERIALIZED (
        SELECT id FROM instance WHERE id = ANY ($3) ORDER BY id FOR UPDATE SKIP LOCKED
    )
    INSERT INTO outbox (instance_id, job_id, attempt, step, ordinal, job_type, payload, source)
    SELECT job.instance_id, job.id, job.attempt, job.step, job.ordinal, job.job_type, job.payload, $4
    FROM input JOIN job ON job.id = input.job_id
    WHERE job.attempt = input.attempt AND job.state::text = 'queued'
      AND job.instance_id IN (SELECT id FROM locked)
      AND (SELECT count(*) FILTER (WHERE sent_at IS NULL) FROM outbox WHERE outbox.job_id = job.id) = 0
    ORDER BY job.instance_id, job.id";

pub(super) const STATEMENTS: [&str; 2] = [STUCK, REDISPATCH];

/// Looks at up to `max` queued jobs after a position, and returns those of them that are stuck, with where to go on
/// (`None`: the end was reached).
///
/// # Errors
/// If the database does not answer.
pub async fn stuck(
    connection: &mut PgConnection,
    after: &Position,
    sent_before: Duration,
    max: u32,
) -> Result<(Vec<StuckJob>, Option<Position>), EngineError> {
    let rows = sqlx::query(STUCK)
        .bind(&after.job_type)
        .bind(after.job)
        .bind(i64::try_from(sent_before.as_millis()).unwrap_or(i64::MAX))
        .bind(i64::from(max))
        .fetch_all(connection)
        .await?;
    let mut stuck = Vec::with_capacity(rows.len());
    for row in &rows {
        if row.try_get(6)? {
            stuck.push(StuckJob {
                attempt: Attempt {
                    job: JobId(row.try_get(0)?),
                    attempt: row.try_get(1)?,
                    instance: InstanceId(row.try_get(2)?),
                },
                job_type: row.try_get(3)?,
                record: row.try_get::<Option<i32>, _>(4)?.zip(row.try_get(5)?),
            });
        }
    }
    let next = match rows.last() {
        Some(last) if last.try_get::<i64, _>(7)? >= i64::from(max) => Some(Position {
            job_type: last.try_get(3)?,
            job: last.try_get(0)?,
        }),
        _ => None,
    };
    Ok((stuck, next))
}

/// Writes a new outbox row for each of the jobs that is still queued on its attempt and has no row that is still to be
/// sent; returns how many. The jobs must differ.
///
/// # Errors
/// If the database does not answer: asking again may dispatch a job twice, which the begin of its lease absorbs.
pub async fn redispatch(connection: &mut PgConnection, jobs: &[Attempt], source: &str) -> Result<u64, EngineError> {
    let columns = AttemptColumns::of(jobs.iter());
    let done = sqlx::query(REDISPATCH)
        .bind(columns.jobs)
        .bind(columns.attempts)
        .bind(columns.instances)
        .bind(source)
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}
