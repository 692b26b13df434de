//! Promotes scheduled jobs that are due.

use std::collections::HashSet;

use sqlx::Row;

use super::Store;
use crate::EngineError;

const PROMOTE: &str = "/* promote */
    WITH due AS MATERIALIZED (
        SELECT id FROM job WHERE run_at <= now() AND state = 'scheduled' ORDER BY run_at LIMIT $1
        FOR UPDATE SKIP LOCKED
    ), promoted AS (
        UPDATE job SET state = 'queued', run_at = NULL
        WHERE id = ANY (ARRAY(SELECT id FROM due))
        RETURNING id, instance_id, attempt, job_type
    ), logged AS (
        INSERT INTO audit (instance_id, job_id, attempt, event)
        SELECT instance_id, id, attempt, 'job_queued' FROM promoted
    )
    SELECT job_type FROM promoted";

pub(super) const STATEMENTS: [&str; 1] = [PROMOTE];

impl Store {
    /// Makes up to `max` due jobs ready; returns how many, and their job types.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn promote(&self, max: u32) -> Result<(usize, HashSet<String>), EngineError> {
        let rows = sqlx::query(PROMOTE).bind(i64::from(max)).fetch_all(&self.pool).await?;
        let types = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        Ok((rows.len(), types))
    }
}
