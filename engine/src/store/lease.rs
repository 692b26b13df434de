//! Leases: prolong them, give jobs back, and take jobs back whose lease ran out.

use std::collections::HashSet;
use std::time::Duration;

use crossover_proto::JobId;
use sqlx::Row;

use super::dispatch::{counted, to_outbox};
use super::{Attempt, AttemptColumns, Page, Store};
use crate::EngineError;

const EXTEND: &str = "/* extend */
    WITH input AS (
        SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::uuid[]) AS t (job_id, attempt, instance_id)
    ), locked AS MATERIALIZED (
        SELECT id FROM instance WHERE id = ANY ($3) ORDER BY id FOR UPDATE
    )
    UPDATE job SET lease_until = now() + $4 * interval '1 millisecond'
    FROM input
    WHERE (SELECT count(*) FROM locked) > 0
      AND job.id = input.job_id AND job.attempt = input.attempt
      AND job.instance_id IS NOT DISTINCT FROM input.instance_id AND job.state = 'running'
    RETURNING job.id";

macro_rules! release {
    ($tag:literal, $dispatched:expr, $counted:expr) => {
        concat!(
            "/* ",
            $tag,
            " */
    WITH input AS (
        SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::uuid[]) AS t (job_id, attempt, instance_id)
    ), locked AS MATERIALIZED (
        SELECT id FROM instance WHERE id = ANY ($3) ORDER BY id FOR UPDATE
    ), released AS (
        UPDATE job SET state = 'queued', lease_until = NULL, worker = NULL
        FROM input
        WHERE (SELECT count(*) FROM locked) > 0
          AND job.id = input.job_id AND job.attempt = input.attempt
          AND job.instance_id IS NOT DISTINCT FROM input.instance_id AND job.state = 'running'
        RETURNING job.id, job.instance_id, job.attempt, job.job_type",
            $dispatched,
            "
    ), logged AS (
        INSERT INTO audit (instance_id, job_id, attempt, event)
        SELECT instance_id, id, attempt, 'job_released' FROM released
    )
    SELECT id, job_type",
            $counted,
            " FROM released"
        )
    };
}

const RELEASE: &str = release!("release", "", "");
const RELEASE_TO_OUTBOX: &str = release!(
    "release_to_outbox",
    concat!(
        ", job.state, job.step, job.ordinal, job.payload",
        to_outbox!("released", "$4")
    ),
    counted!()
);

// Instances and jobs that somebody else is working on are passed over: the next round sees them again.
macro_rules! reap {
    ($tag:literal, $dispatched:expr, $counted:expr) => {
        concat!(
            "/* ",
            $tag,
            " */
    WITH expired AS MATERIALIZED (
        SELECT id, instance_id FROM job
        WHERE lease_until < now() AND state = 'running' ORDER BY lease_until LIMIT $1
    ), locked AS MATERIALIZED (
        SELECT id, definition_id FROM instance
        WHERE id = ANY (ARRAY(SELECT instance_id FROM expired)) ORDER BY id FOR UPDATE SKIP LOCKED
    ), picked AS MATERIALIZED (
        SELECT id, instance_id FROM job
        WHERE id = ANY (ARRAY(SELECT expired.id FROM expired JOIN locked ON locked.id = expired.instance_id))
          AND state = 'running' AND lease_until < now()
        FOR UPDATE SKIP LOCKED
    ), returned AS (
        UPDATE job
        SET state = CASE WHEN job.attempt - retries_from >= max_attempts THEN 'dead_letter'::job_state ELSE 'queued' END,
            attempt = CASE WHEN job.attempt - retries_from >= max_attempts THEN job.attempt ELSE job.attempt + 1 END,
            lease_until = NULL,
            last_error = 'the lease of ' || coalesce(job.worker, 'a worker') || ' ran out',
            worker = NULL
        FROM picked
        JOIN locked ON locked.id = picked.instance_id
        JOIN definition_job AS spec ON spec.definition_id = locked.definition_id
        WHERE job.id = picked.id
          AND spec.step = job.step AND spec.ordinal = job.ordinal
        RETURNING job.id, job.instance_id, job.job_type, job.state,
                  CASE WHEN job.state = 'queued' THEN job.attempt - 1 ELSE job.attempt END AS expired_attempt",
            $dispatched,
            "
    ), stopped AS (
        UPDATE instance SET state = 'failed'
        FROM (SELECT DISTINCT instance_id FROM returned WHERE state = 'dead_letter') AS dead
        WHERE instance.id = dead.instance_id AND instance.state = 'running'
        RETURNING instance.id
    ), logged AS (
        INSERT INTO audit (instance_id, job_id, attempt, event)
        SELECT instance_id, id, expired_attempt,
               CASE WHEN state = 'queued' THEN 'job_lease_expired'::audit_event ELSE 'job_dead_lettered' END
        FROM returned
        UNION ALL
        SELECT id, NULL, 0, 'instance_failed' FROM stopped
    )
    SELECT job_type, state = 'queued' AS ready, (SELECT count(*) FROM expired) AS looked",
            $counted,
            " FROM returned"
        )
    };
}

const REAP: &str = reap!("reap", "", "");
const REAP_TO_OUTBOX: &str = reap!(
    "reap_to_outbox",
    concat!(
        ", job.attempt, job.step, job.ordinal, job.payload",
        to_outbox!("returned", "$2")
    ),
    counted!()
);

pub(super) const STATEMENTS: [&str; 5] = [EXTEND, RELEASE, RELEASE_TO_OUTBOX, REAP, REAP_TO_OUTBOX];

impl Store {
    /// Prolongs leases that still hold; returns their jobs.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn extend(&self, attempts: &[Attempt], lease: Duration) -> Result<HashSet<JobId>, EngineError> {
        let columns = AttemptColumns::of(attempts.iter());
        let query = sqlx::query(EXTEND)
            .bind(columns.jobs)
            .bind(columns.attempts)
            .bind(columns.instances)
            .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
        let rows = self.rows(query).await?;
        rows.iter().map(|row| Ok(JobId(row.try_get(0)?))).collect()
    }

    /// Gives jobs back on the same attempt; returns each with its job type.
    ///
    /// # Errors
    /// If the database does not answer: the leases run out then.
    pub async fn release(&self, attempts: &[Attempt]) -> Result<Vec<(JobId, String)>, EngineError> {
        let columns = AttemptColumns::of(attempts.iter());
        let query = sqlx::query(self.either(RELEASE, RELEASE_TO_OUTBOX))
            .bind(columns.jobs)
            .bind(columns.attempts)
            .bind(columns.instances);
        let rows = self.rows_dispatching(query).await?;
        rows.iter()
            .map(|row| Ok((JobId(row.try_get(0)?), row.try_get(1)?)))
            .collect()
    }

    /// Takes back up to `max` jobs whose lease ran out.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn reap(&self, max: u32) -> Result<Page, EngineError> {
        let query = sqlx::query(self.either(REAP, REAP_TO_OUTBOX)).bind(i64::from(max));
        let rows = self.rows_dispatching(query).await?;
        let mut ready = HashSet::new();
        for row in &rows {
            if row.try_get::<bool, _>(1)? {
                ready.insert(row.try_get(0)?);
            }
        }
        Page::of(&rows, max, ready)
    }
}
