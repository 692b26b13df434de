//! Records failed attempts: a retry with backoff, or a dead letter.

use std::collections::HashSet;

use crossover_proto::JobId;
use sqlx::Row;

use super::{Attempt, AttemptColumns, Store};
use crate::EngineError;

/// A failed attempt and why.
#[derive(Debug, Clone)]
pub struct FailedAttempt {
    /// Which attempt.
    pub attempt: Attempt,
    /// No retry can help.
    pub permanent: bool,
    /// For people; kept with the job.
    pub reason: String,
}

/// Longest reason that is kept (characters).
const REASON_CHARS_MAX: usize = 2_000;

// Backoff: initial × multiplier^(attempt − 1), at most max, less a random share up to jitter.
const FAIL: &str = "/* fail */
    WITH input AS (
        SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::uuid[], $4::boolean[], $5::text[])
            AS t (job_id, attempt, instance_id, permanent, reason)
    ), locked AS MATERIALIZED (
        SELECT id FROM instance WHERE id = ANY ($3) ORDER BY id FOR UPDATE
    ), failed AS (
        UPDATE job
        SET state = CASE WHEN permanent OR job.attempt - retries_from >= max_attempts THEN 'dead_letter'::job_state ELSE 'scheduled' END,
            attempt = CASE WHEN permanent OR job.attempt - retries_from >= max_attempts THEN job.attempt ELSE job.attempt + 1 END,
            run_at = CASE WHEN permanent OR job.attempt - retries_from >= max_attempts THEN NULL ELSE now()
                + least(initial_backoff_ms * multiplier ^ least(job.attempt - retries_from - 1, 60), max_backoff_ms)
                * (1 - jitter * random()) * interval '1 millisecond' END,
            lease_until = NULL,
            last_error = reason
        FROM input
        JOIN instance ON instance.id = input.instance_id
        JOIN definition_job AS spec ON spec.definition_id = instance.definition_id
        WHERE (SELECT count(*) FROM locked) > 0
          AND job.id = input.job_id AND job.attempt = input.attempt
          AND job.instance_id IS NOT DISTINCT FROM input.instance_id AND job.state = 'running'
          AND spec.step = job.step AND spec.ordinal = job.ordinal
        RETURNING job.id, job.instance_id, input.attempt, job.state
    ), stopped AS (
        UPDATE instance SET state = 'failed'
        FROM (SELECT DISTINCT instance_id FROM failed WHERE state = 'dead_letter') AS dead
        WHERE instance.id = dead.instance_id AND instance.state = 'running'
        RETURNING instance.id
    ), logged AS (
        INSERT INTO audit (instance_id, job_id, attempt, event)
        SELECT instance_id, id, attempt,
               CASE WHEN state = 'dead_letter' THEN 'job_dead_lettered'::audit_event ELSE 'job_retried' END
        FROM failed
        UNION ALL
        SELECT id, NULL, 0, 'instance_failed' FROM stopped
    )
    SELECT id FROM failed";

pub(super) const STATEMENTS: [&str; 1] = [FAIL];

impl Store {
    /// Records the failures of attempts that are still current; returns their jobs. The jobs must differ.
    ///
    /// # Errors
    /// If the database does not answer: the outcome is unknown, and asking again settles it.
    pub async fn fail(&self, failures: &[FailedAttempt]) -> Result<HashSet<JobId>, EngineError> {
        let mut failures: Vec<&FailedAttempt> = failures.iter().collect();
        // The order of the columns.
        failures.sort_unstable_by_key(|failure| failure.attempt.job);
        let columns = AttemptColumns::of(failures.iter().map(|failure| &failure.attempt));
        let permanent: Vec<bool> = failures.iter().map(|failure| failure.permanent).collect();
        let reasons: Vec<String> = failures.iter().map(|failure| shortened(&failure.reason)).collect();
        let query = sqlx::query(FAIL)
            .bind(columns.jobs)
            .bind(columns.attempts)
            .bind(columns.instances)
            .bind(permanent)
            .bind(reasons);
        let rows = self.rows(query).await?;
        rows.iter().map(|row| Ok(JobId(row.try_get(0)?))).collect()
    }
}

/// PostgreSQL's text holds no NUL.
fn shortened(reason: &str) -> String {
    reason.chars().filter(|c| *c != '\0').take(REASON_CHARS_MAX).collect()
}
