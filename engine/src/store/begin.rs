//! Begins the lease of jobs that came from the broker.
//!
//! No instance is locked: a begin changes nothing that a join or a cancellation counts on, and creates nothing. It waits
//! for jobs only, in id order, and so do all that hold a job while they wait for another: whoever is waited for holds a
//! job of a higher id than all that the waiter holds. Instances are locked before jobs, so no holder of a job waits for one.
//!
//! Each of the others sees a job as it was before or after, and is right in both: a completion and an extension name a
//! running job, so they follow; a cancellation takes queued and running jobs alike; the reaper passes over what is locked.

use std::collections::HashSet;
use std::time::Duration;

use crossover_proto::history::JobKey;
use crossover_proto::{InstanceId, JobId};
use sqlx::Row;

use super::{Attempt, AttemptColumns, Store};
use crate::EngineError;

/// What a batch of begins did.
#[derive(Debug, Default)]
pub struct Begun {
    /// Jobs that the worker has under lease now: those that it got by this call, and those that it had.
    pub done: HashSet<JobId>,
    /// Those that it got by this call.
    pub begun: Vec<JobKey>,
}

// `held` has the state from before the update, read under the row lock: a second record of a job, or a call that is
// repeated because its answer was lost, prolongs the lease and leaves no trace in the audit log.
const BEGIN: &str = "/* begin */
    WITH input AS (
        SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::uuid[]) AS t (job_id, attempt, instance_id)
    ), held AS MATERIALIZED (
        SELECT job.id, job.state
        FROM input JOIN job ON job.id = input.job_id
        WHERE job.attempt = input.attempt AND job.instance_id IS NOT DISTINCT FROM input.instance_id
          AND (job.state = 'queued' OR job.state = 'running' AND job.worker = $4)
        ORDER BY job.id FOR UPDATE OF job
    ), begun AS (
        UPDATE job SET state = 'running', worker = $4, lease_until = now() + $5 * interval '1 millisecond'
        FROM held
        WHERE job.id = held.id
        RETURNING job.id, job.instance_id, job.attempt, job.step, job.ordinal, held.state = 'queued' AS fresh
    ), logged AS (
        INSERT INTO audit (instance_id, job_id, attempt, event)
        SELECT instance_id, id, attempt, 'job_claimed' FROM begun WHERE fresh
    )
    SELECT * FROM begun";

pub(super) const STATEMENTS: [&str; 1] = [BEGIN];

impl Store {
    /// Begins the attempts that are queued, for `worker`; those that it has begun already stay its own. The jobs must
    /// differ.
    ///
    /// # Errors
    /// If the database does not answer: the outcome is unknown, and asking again settles it.
    pub async fn begin(&self, attempts: &[Attempt], worker: &str, lease: Duration) -> Result<Begun, EngineError> {
        let columns = AttemptColumns::of(attempts.iter());
        let query = sqlx::query(BEGIN)
            .bind(columns.jobs)
            .bind(columns.attempts)
            .bind(columns.instances)
            .bind(worker)
            .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
        let rows = self.rows(query).await?;
        let mut answer = Begun::default();
        answer.done.reserve(rows.len());
        for row in &rows {
            let small = |column: usize| row.try_get::<i16, _>(column).map(i16::unsigned_abs);
            let key = JobKey {
                instance: InstanceId(row.try_get(1)?),
                job: JobId(row.try_get(0)?),
                attempt: small(2)?,
                step: small(3)?,
                ordinal: small(4)?,
            };
            answer.done.insert(key.job);
            if row.try_get(5)? {
                answer.begun.push(key);
            }
        }
        Ok(answer)
    }
}
