//! Tells why a completion or failure changed nothing.

use std::collections::HashMap;

use crossover_proto::JobId;
use sqlx::Row;

use super::Store;
use crate::EngineError;

/// Where a job stands, for a caller whose call changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobOutcome {
    /// It has completed.
    pub completed: bool,
    /// Its current attempt.
    pub attempt: i16,
}

const OUTCOME: &str = "/* outcome */
    SELECT id, state = 'completed' AS completed, attempt FROM job WHERE id = ANY ($1)";

pub(super) const STATEMENTS: [&str; 1] = [OUTCOME];

impl Store {
    /// Looks the jobs up; unknown ones are absent.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn outcomes(&self, jobs: &[JobId]) -> Result<HashMap<JobId, JobOutcome>, EngineError> {
        let ids: Vec<i64> = jobs.iter().map(|job| job.0).collect();
        let query = sqlx::query(OUTCOME).bind(ids);
        let rows = self.rows(query).await?;
        rows.iter()
            .map(|row| {
                let outcome = JobOutcome {
                    completed: row.try_get("completed")?,
                    attempt: row.try_get("attempt")?,
                };
                Ok((JobId(row.try_get("id")?), outcome))
            })
            .collect()
    }
}
