//! Dead letters: list them, bring them back (replay), give them up (discard).
//!
//! Invariant: a replay names only what is a dead letter under the lock of its instance, so a job that was replayed,
//! discarded or cancelled meanwhile is left alone, and replaying twice brings nothing back twice.

use std::collections::HashSet;

use crossover_proto::{InstanceId, JobId};
use sqlx::postgres::PgRow;
use sqlx::{Connection, Row};

use super::Store;
use super::dispatch::{PgQuery, counted, to_outbox};
use crate::EngineError;

/// A job that failed for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The job.
    pub job: JobId,
    /// Its instance.
    pub instance: InstanceId,
    /// Name of its definition.
    pub definition: String,
    /// Its type.
    pub job_type: String,
    /// The attempt that failed last.
    pub attempt: i16,
    /// Why.
    pub reason: String,
}

/// Which dead letters: all conditions that are set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only these jobs; empty for any.
    pub jobs: Vec<JobId>,
    /// Only those whose reason contains this text; empty for any.
    pub reason_contains: String,
}

const LIST: &str = "/* dead_letters */
    SELECT job.id, instance_id, name, job_type, attempt, coalesce(last_error, '') AS reason
    FROM job
    JOIN instance ON instance.id = instance_id
    JOIN definition ON definition.id = definition_id
    WHERE job.state = 'dead_letter' AND instance.state <> 'cancelled' AND job.id > $1
      AND position($2 IN coalesce(last_error, '')) > 0
    ORDER BY job.id LIMIT $3";

const LOCK: &str = "/* dead_letters_lock */
    WITH chosen AS MATERIALIZED (
        SELECT instance_id FROM job
        WHERE state = 'dead_letter' AND (cardinality($1::bigint[]) = 0 OR id = ANY ($1))
          AND position($2 IN coalesce(last_error, '')) > 0
        ORDER BY id LIMIT $3
    )
    SELECT id FROM instance WHERE id = ANY (ARRAY(SELECT instance_id FROM chosen)) ORDER BY id FOR UPDATE";

// As the one above, without those of cancelled instances: nothing of them runs again.
const REPLAY_LOCK: &str = "/* replay_lock */
    WITH chosen AS MATERIALIZED (
        SELECT instance_id FROM job JOIN instance ON instance.id = instance_id
        WHERE job.state = 'dead_letter' AND instance.state <> 'cancelled'
          AND (cardinality($1::bigint[]) = 0 OR job.id = ANY ($1))
          AND position($2 IN coalesce(last_error, '')) > 0
        ORDER BY job.id LIMIT $3
    )
    SELECT id FROM instance WHERE id = ANY (ARRAY(SELECT instance_id FROM chosen)) ORDER BY id FOR UPDATE";

// A statement of its own, after the locks: whether an instance has other dead letters left must be read in a snapshot
// that sees what another replay of the same instance did while the lock was waited for.
macro_rules! replay {
    ($tag:literal, $lock:literal, $dispatched:expr, $counted:expr) => {
        concat!(
            "/* ",
            $tag,
            " */
    WITH replayed AS (
        UPDATE job
        SET state = 'queued', attempt = attempt + 1, retries_from = attempt, worker = NULL, last_error = NULL
        WHERE id = ANY (ARRAY(
                SELECT id FROM job
                WHERE instance_id = ANY ($4) AND state = 'dead_letter'
                  AND instance_id <> ALL (ARRAY(
                      SELECT id FROM instance WHERE id = ANY ($4) AND state = 'cancelled'))
                  AND (cardinality($1::bigint[]) = 0 OR id = ANY ($1))
                  AND position($2 IN coalesce(last_error, '')) > 0
                ORDER BY id LIMIT $3",
            $lock,
            "))
        RETURNING id, instance_id, attempt, job_type",
            $dispatched,
            "
    ), resumed AS (
        UPDATE instance SET state = 'running'
        WHERE id = ANY (ARRAY(SELECT instance_id FROM replayed)) AND state = 'failed'
          AND NOT EXISTS (
              SELECT 1 FROM job AS other
              WHERE other.instance_id = instance.id AND other.state IN ('dead_letter', 'discarded')
                AND other.id <> ALL (ARRAY(SELECT id FROM replayed)))
        RETURNING id
    ), logged AS (
        INSERT INTO audit (instance_id, job_id, attempt, event)
        SELECT instance_id, id, attempt, 'job_replayed'::audit_event FROM replayed
        UNION ALL
        SELECT id, NULL, 0, 'instance_resumed' FROM resumed
    )
    SELECT job_type",
            $counted,
            " FROM replayed"
        )
    };
}

const REPLAY: &str = replay!("replay", "", "", "");
// Locked in id order: a begin may wait for one of the jobs and hold another, which it saw before both were dead letters.
const REPLAY_TO_OUTBOX: &str = replay!(
    "replay_to_outbox",
    " FOR UPDATE",
    concat!(", state, step, ordinal, payload", to_outbox!("replayed", "$5")),
    counted!()
);

const DISCARD: &str = "/* discard */
    WITH discarded AS (
        UPDATE job SET state = 'discarded'
        WHERE id = ANY (ARRAY(
                SELECT id FROM job
                WHERE instance_id = ANY ($4) AND state = 'dead_letter'
                  AND (cardinality($1::bigint[]) = 0 OR id = ANY ($1))
                  AND position($2 IN coalesce(last_error, '')) > 0
                ORDER BY id LIMIT $3))
        RETURNING id, instance_id, attempt, job_type
    ), logged AS (
        INSERT INTO audit (instance_id, job_id, attempt, event)
        SELECT instance_id, id, attempt, 'job_discarded' FROM discarded
    )
    SELECT job_type FROM discarded";

pub(super) const STATEMENTS: [&str; 6] = [LIST, LOCK, REPLAY_LOCK, REPLAY, REPLAY_TO_OUTBOX, DISCARD];

impl Store {
    /// Lists dead letters after a job, oldest first.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn dead_letters(
        &self,
        after: JobId,
        reason_contains: &str,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, EngineError> {
        let query = sqlx::query(LIST)
            .bind(after.0)
            .bind(reason_contains)
            .bind(i64::from(limit));
        let rows = self.rows(query).await?;
        rows.iter()
            .map(|row| {
                Ok(DeadLetter {
                    job: JobId(row.try_get("id")?),
                    instance: InstanceId(row.try_get("instance_id")?),
                    definition: row.try_get("name")?,
                    job_type: row.try_get("job_type")?,
                    attempt: row.try_get("attempt")?,
                    reason: row.try_get("reason")?,
                })
            })
            .collect()
    }

    /// Brings up to `limit` dead letters of instances that are not cancelled back; returns how many, and the job types that are ready again.
    ///
    /// # Errors
    /// If the database does not answer: asking again is harmless.
    pub async fn replay(&self, selection: &Selection, limit: u32) -> Result<(usize, HashSet<String>), EngineError> {
        let replay = self.either(REPLAY, REPLAY_TO_OUTBOX);
        let rows = self
            .change(REPLAY_LOCK, replay, selection, limit, Self::with_source)
            .await?;
        self.count_outbox_rows(&rows)?;
        let types = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        Ok((rows.len(), types))
    }

    /// Gives up to `limit` dead letters up; returns how many.
    ///
    /// # Errors
    /// If the database does not answer: asking again is harmless.
    pub async fn discard(&self, selection: &Selection, limit: u32) -> Result<usize, EngineError> {
        Ok(self
            .change(LOCK, DISCARD, selection, limit, |_, query| query)
            .await?
            .len())
    }

    async fn change(
        &self,
        lock: &'static str,
        statement: &'static str,
        selection: &Selection,
        limit: u32,
        last: for<'q> fn(&'q Self, PgQuery<'q>) -> PgQuery<'q>,
    ) -> Result<Vec<PgRow>, EngineError> {
        let jobs: Vec<i64> = selection.jobs.iter().map(|job| job.0).collect();
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        let locked = sqlx::query(lock)
            .bind(&jobs)
            .bind(&selection.reason_contains)
            .bind(i64::from(limit))
            .fetch_all(&mut *transaction)
            .await?;
        let instances = locked
            .iter()
            .map(|row| row.try_get(0))
            .collect::<Result<Vec<uuid::Uuid>, _>>()?;
        let query = sqlx::query(statement)
            .bind(&jobs)
            .bind(&selection.reason_contains)
            .bind(i64::from(limit))
            .bind(instances);
        let changed = last(self, query).fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(changed)
    }
}
