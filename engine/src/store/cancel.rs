//! Cancels instances and their unfinished jobs.

use std::collections::HashMap;

use crossover_proto::InstanceId;
use sqlx::{Connection, Row};

use super::Store;
use crate::EngineError;

/// What cancelling an instance found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It is cancelled now.
    Now,
    /// It had finished before; nothing changed.
    AlreadyFinished,
}

const LOCK: &str = "/* cancel_lock */
    SELECT id, state IN ('running', 'failed') AS open FROM instance WHERE id = ANY ($1) ORDER BY id FOR UPDATE";

// A statement of its own: its snapshot must see jobs that a completion created while the lock was waited for. A finished
// instance has no unfinished job.
const CANCEL: &str = "/* cancel */
    WITH stopped AS (
        UPDATE instance SET state = 'cancelled' WHERE id = ANY ($1) AND state IN ('running', 'failed') RETURNING id
    ), unfinished AS MATERIALIZED (
        SELECT id FROM job
        WHERE instance_id = ANY ($1) AND state IN ('scheduled', 'queued', 'running') ORDER BY id FOR UPDATE
    ), cancelled AS (
        UPDATE job SET state = 'cancelled', lease_until = NULL, run_at = NULL
        WHERE id = ANY (ARRAY(SELECT id FROM unfinished))
        RETURNING id, instance_id, attempt
    )
    INSERT INTO audit (instance_id, job_id, attempt, event)
    SELECT id, NULL, 0::smallint, 'instance_cancelled'::audit_event FROM stopped
    UNION ALL
    SELECT instance_id, id, attempt, 'job_cancelled' FROM cancelled";

pub(super) const STATEMENTS: [&str; 2] = [LOCK, CANCEL];

impl Store {
    /// Cancels those that are not finished; ids that are not there are absent from the answer.
    ///
    /// # Errors
    /// If the database does not answer: the outcome is unknown, and asking again settles it.
    pub async fn cancel(&self, ids: &[InstanceId]) -> Result<HashMap<InstanceId, Cancelled>, EngineError> {
        let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        let rows = sqlx::query(LOCK).bind(&ids).fetch_all(&mut *transaction).await?;
        sqlx::query(CANCEL).bind(&ids).execute(&mut *transaction).await?;
        transaction.commit().await?;
        rows.iter()
            .map(|row| {
                let found = if row.try_get("open")? {
                    Cancelled::Now
                } else {
                    Cancelled::AlreadyFinished
                };
                Ok((InstanceId(row.try_get("id")?), found))
            })
            .collect()
    }
}
