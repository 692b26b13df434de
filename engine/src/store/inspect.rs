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
    /// In the order of their ids; none in polling mode.
    pub dispatches: Vec<DispatchLine>,
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

/// One outbox row.
#[derive(Debug, Clone)]
pub struct DispatchLine {
    /// Its id.
    pub id: i64,
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: i16,
    /// Unix time of the transaction's start (µs).
    pub created_us: i64,
    /// Unix time of the statement that noted the broker's acknowledgement (µs).
    pub sent_us: Option<i64>,
    /// Partition and offset of the record.
    pub record: Option<(i32, i64)>,
}

const INSTANCE: &str = "/* inspect */
    SELECT name, version, instance.state::text AS state, step
    FROM instance JOIN definition ON definition.id = definition_id WHERE instance.id = $1";

const INSTANCE_OF_JOB: &str = "/* inspect_instance_of_job */
    SELECT instance_id FROM job WHERE id = $1";

const JOBS: &str = "/* inspect_jobs */
    SELECT id, job_type, step, ordinal, state::text AS state, attempt, worker, last_error
    FROM job WHERE instance_id = $1 ORDER BY id";

const AUDIT: &str = "/* inspect_audit */
    SELECT (extract(epoch FROM at) * 1000000)::bigint AS at_us, event::text AS event, job_id, attempt
    FROM audit WHERE instance_id = $1 ORDER BY id";

const DISPATCHES: &str = "/* inspect_dispatches */
    SELECT id, job_id, attempt, (extract(epoch FROM created_at) * 1000000)::bigint AS created_us,
           (extract(epoch FROM sent_at) * 1000000)::bigint AS sent_us, partition, record_offset
    FROM outbox WHERE job_id = ANY (ARRAY(SELECT id FROM job WHERE instance_id = $1)) ORDER BY id + 0";

pub(super) const STATEMENTS: [&str; 5] = [INSTANCE, INSTANCE_OF_JOB, JOBS, AUDIT, DISPATCHES];

impl Store {
    /// The instance that a job belongs to.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn instance_of_job(&self, job: JobId) -> Result<Option<InstanceId>, EngineError> {
        let row = self.row(sqlx::query(INSTANCE_OF_JOB).bind(job.0)).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.map(InstanceId))
    }

    /// Looks an instance up.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn inspect(&self, id: InstanceId) -> Result<Option<InstanceView>, EngineError> {
        let Some(row) = self.row(sqlx::query(INSTANCE).bind(id.0)).await? else {
            return Ok(None);
        };
        let jobs = self.rows(sqlx::query(JOBS).bind(id.0)).await?;
        let audit = self.rows(sqlx::query(AUDIT).bind(id.0)).await?;
        let dispatches = self.rows(sqlx::query(DISPATCHES).bind(id.0)).await?;
        Ok(Some(InstanceView {
            definition: row.try_get("name")?,
            version: row.try_get("version")?,
            state: row.try_get("state")?,
            step: row.try_get("step")?,
            jobs: jobs.iter().map(job_view).collect::<Result<_, _>>()?,
            audit: audit.iter().map(audit_line).collect::<Result<_, _>>()?,
            dispatches: dispatches.iter().map(dispatch_line).collect::<Result<_, _>>()?,
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

fn dispatch_line(row: &sqlx::postgres::PgRow) -> Result<DispatchLine, sqlx::Error> {
    let partition: Option<i32> = row.try_get("partition")?;
    Ok(DispatchLine {
        id: row.try_get("id")?,
        job: JobId(row.try_get("job_id")?),
        attempt: row.try_get("attempt")?,
        created_us: row.try_get("created_us")?,
        sent_us: row.try_get("sent_us")?,
        record: partition.zip(row.try_get("record_offset")?),
    })
}
