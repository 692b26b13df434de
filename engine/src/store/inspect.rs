//! "Where is my job?": an instance, its jobs, and its audit trail.

use crossover_proto::{InstanceId, JobId};
use sqlx::Row;

use super::Store;
use crate::EngineError;

/// An instance as people want to see it.
#[derive(Debug, Clone)]
pub struct InstanceView {
    /// Name of its definition.
    pub definition: String,
    /// Version of its definition.
    pub version: i32,
    /// Its state.
    pub state: String,
    /// Current step, from 0.
    pub step: i16,
    /// In the order of creation.
    pub jobs: Vec<JobView>,
    /// In the order of the transitions.
    pub audit: Vec<AuditLine>,
}

/// One of its jobs.
#[derive(Debug, Clone)]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// Its type.
    pub job_type: String,
    /// Its step.
    pub step: i16,
    /// Its place in the step.
    pub ordinal: i16,
    /// Its state.
    pub state: String,
    /// Its current attempt.
    pub attempt: i16,
    /// The last worker that claimed it.
    pub worker: Option<String>,
    /// Why its last attempt failed.
    pub last_error: Option<String>,
}

/// One transition.
#[derive(Debug, Clone)]
pub struct AuditLine {
    /// Unix time of the transaction's start (µs).
    pub at_us: i64,
    /// What happened.
    pub event: String,
    /// The job; `None` for the instance itself.
    pub job: Option<JobId>,
    /// The attempt; 0 for the instance itself.
    pub attempt: i16,
}

const INSTANCE: &str = "/* inspect */
    SELECT name, version, instance.state::text AS state, step
    FROM instance JOIN definition ON definition.id = definition_id WHERE instance.id = $1";

const JOBS: &str = "/* inspect_jobs */
    SELECT id, job_type, step, ordinal, state::text AS state, attempt, worker, last_error
    FROM job WHERE instance_id = $1 ORDER BY id";

const AUDIT: &str = "/* inspect_audit */
    SELECT (extract(epoch FROM at) * 1000000)::bigint AS at_us, event::text AS event, job_id, attempt
    FROM audit WHERE instance_id = $1 ORDER BY id";

pub(super) const STATEMENTS: [&str; 3] = [INSTANCE, JOBS, AUDIT];

impl Store {
    /// Looks an instance up.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn inspect(&self, id: InstanceId) -> Result<Option<InstanceView>, EngineError> {
        let Some(row) = sqlx::query(INSTANCE).bind(id.0).fetch_optional(&self.pool).await? else {
            return Ok(None);
        };
        let jobs = sqlx::query(JOBS).bind(id.0).fetch_all(&self.pool).await?;
        let audit = sqlx::query(AUDIT).bind(id.0).fetch_all(&self.pool).await?;
        Ok(Some(InstanceView {
            definition: row.try_get("name")?,
            version: row.try_get("version")?,
            state: row.try_get("state")?,
            step: row.try_get("step")?,
            jobs: jobs.iter().map(job_view).collect::<Result<_, _>>()?,
            audit: audit.iter().map(audit_line).collect::<Result<_, _>>()?,
        }))
    }
}

fn job_view(row: &sqlx::postgres::PgRow) -> Result<JobView, sqlx::Error> {
    Ok(JobView {
        id: JobId(row.try_get("id")?),
        job_type: row.try_get("job_type")?,
        step: row.try_get("step")?,
        ordinal: row.try_get("ordinal")?,
        state: row.try_get("state")?,
        attempt: row.try_get("attempt")?,
        worker: row.try_get("worker")?,
        last_error: row.try_get("last_error")?,
    })
}

fn audit_line(row: &sqlx::postgres::PgRow) -> Result<AuditLine, sqlx::Error> {
    Ok(AuditLine {
        at_us: row.try_get("at_us")?,
        event: row.try_get("event")?,
        job: row.try_get::<Option<i64>, _>("job_id")?.map(JobId),
        attempt: row.try_get("attempt")?,
    })
}
