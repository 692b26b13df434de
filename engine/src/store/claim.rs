//! Claims ready jobs: oldest first within a job type, under a lease.

use std::time::Duration;

use crossover_proto::{InstanceId, JobId};
use sqlx::Row;

use super::Store;
use crate::EngineError;

/// How claimers meet at the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ClaimKind {
    /// `FOR UPDATE SKIP LOCKED`: rows that another claimer has locked are passed over.
    SkipLocked,
    /// `FOR UPDATE`: claimers queue for the same rows. A positive control: known row-lock contention.
    Blocking,
}

/// A job under lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedJob {
    /// The job.
    pub id: JobId,
    /// Its instance.
    pub instance: InstanceId,
    /// The attempt that the lease is for.
    pub attempt: i16,
    /// Its step.
    pub step: i16,
    /// Its place in the step.
    pub ordinal: i16,
    /// The instance's payload.
    pub payload: Vec<u8>,
}

macro_rules! claim {
    ($tag:literal, $lock:literal) => {
        concat!(
            "/* ",
            $tag,
            " */
    WITH picked AS MATERIALIZED (
        SELECT id FROM job WHERE job_type = $1 AND state = 'queued' ORDER BY id + 0 LIMIT $2 ",
            $lock,
            "
    ), claimed AS (
        UPDATE job
        SET state = 'running', worker = $3, lease_until = now() + $4 * interval '1 millisecond'
        WHERE id = ANY (ARRAY(SELECT id FROM picked))
        RETURNING id, instance_id, attempt, step, ordinal, payload
    ), logged AS (
        INSERT INTO audit (instance_id, job_id, attempt, event)
        SELECT instance_id, id, attempt, 'job_claimed' FROM claimed
    )
    SELECT * FROM claimed ORDER BY id"
        )
    };
}

const CLAIM: &str = claim!("claim", "FOR UPDATE SKIP LOCKED");
const CLAIM_BLOCKING: &str = claim!("claim_blocking", "FOR UPDATE");

pub(super) const STATEMENTS: [&str; 2] = [CLAIM, CLAIM_BLOCKING];

impl Store {
    /// Claims up to `max` jobs of a type for `worker`.
    ///
    /// # Errors
    /// If the database does not answer: jobs may have been claimed, and come back when their lease runs out.
    pub async fn claim(
        &self,
        kind: ClaimKind,
        job_type: &str,
        max: u32,
        worker: &str,
        lease: Duration,
    ) -> Result<Vec<ClaimedJob>, EngineError> {
        let statement = match kind {
            ClaimKind::SkipLocked => CLAIM,
            ClaimKind::Blocking => CLAIM_BLOCKING,
        };
        let query = sqlx::query(statement)
            .bind(job_type)
            .bind(i64::from(max))
            .bind(worker)
            .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
        let rows = self.rows(query).await?;
        rows.iter()
            .map(|row| {
                Ok(ClaimedJob {
                    id: JobId(row.try_get(0)?),
                    instance: InstanceId(row.try_get(1)?),
                    attempt: row.try_get(2)?,
                    step: row.try_get(3)?,
                    ordinal: row.try_get(4)?,
                    payload: row.try_get(5)?,
                })
            })
            .collect()
    }
}
