//! Completes jobs, joins parallel steps, and creates the next step's jobs: all in one statement.
//!
//! `remaining` of the instance is the join. After the update, `remaining` equals the width of the current step exactly
//! when this statement moved the instance to that step: at least one job was counted off, so a step that was not
//! finished has less than its width left.

use std::collections::HashSet;

use crossover_proto::{InstanceId, JobId};
use sqlx::Row;

use super::dispatch::{counted, to_outbox};
use super::{Attempt, AttemptColumns, Store};
use crate::EngineError;

/// What a batch of completions did.
#[derive(Debug, Default)]
pub struct Completion {
    /// Jobs that this call completed.
    pub done: HashSet<JobId>,
    /// Steps whose jobs this call created, one entry per (instance, step, job type).
    pub created: Vec<CreatedStep>,
}

/// Jobs of one type that a completion created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedStep {
    /// The instance.
    pub instance: InstanceId,
    /// The new step.
    pub step: i16,
    /// The job type.
    pub job_type: String,
    /// Is any of them ready at once?
    pub ready: bool,
}

macro_rules! complete {
    ($tag:literal, $dispatched:expr, $counted:expr) => {
        concat!(
            "/* ",
            $tag,
            " */
    WITH input AS (
        SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::uuid[]) AS t (job_id, attempt, instance_id)
    ), locked AS MATERIALIZED (
        SELECT id FROM instance WHERE id = ANY ($3) ORDER BY id FOR UPDATE
    ), done AS (
        UPDATE job SET state = 'completed', lease_until = NULL
        FROM input
        WHERE (SELECT count(*) FROM locked) > 0
          AND job.id = input.job_id AND job.attempt = input.attempt
          AND job.instance_id IS NOT DISTINCT FROM input.instance_id AND job.state = 'running'
        RETURNING job.id, job.instance_id, job.attempt
    ), counted AS (
        SELECT instance_id, count(*) AS jobs FROM done GROUP BY instance_id
    ), advanced AS (
        UPDATE instance
        SET remaining = CASE WHEN remaining > jobs THEN remaining - jobs
                             ELSE coalesce(step_widths[step + 2], 0) END,
            step = CASE WHEN remaining > jobs OR step + 1 = cardinality(step_widths) THEN step ELSE step + 1 END,
            state = CASE WHEN remaining > jobs OR step + 1 < cardinality(step_widths) THEN state ELSE 'completed' END
        FROM counted, definition
        WHERE instance.id = counted.instance_id AND definition.id = instance.definition_id
        RETURNING instance.id, definition_id, step, instance.state, payload, remaining = step_widths[step + 1] AS moved
    ), created AS (
        INSERT INTO job (instance_id, step, ordinal, attempt, job_type, payload, state, run_at)
        SELECT advanced.id, advanced.step, spec.ordinal, 1, spec.job_type, advanced.payload,
               CASE WHEN spec.delay_ms > 0 THEN 'scheduled'::job_state ELSE 'queued' END,
               CASE WHEN spec.delay_ms > 0 THEN now() + spec.delay_ms * interval '1 millisecond' END
        FROM advanced
        JOIN definition_job AS spec ON spec.definition_id = advanced.definition_id AND spec.step = advanced.step
        WHERE advanced.moved
        ORDER BY advanced.id, spec.ordinal
        RETURNING id, instance_id, step, job_type, state",
            $dispatched,
            "
    ), logged AS (
        INSERT INTO audit (instance_id, job_id, attempt, event)
        SELECT instance_id, id, attempt, 'job_completed'::audit_event FROM done
        UNION ALL
        SELECT id, NULL, 0, 'instance_completed' FROM advanced WHERE state = 'completed'
        UNION ALL
        SELECT instance_id, id, 1, CASE WHEN state = 'queued' THEN 'job_queued'::audit_event ELSE 'job_scheduled' END
        FROM created
    )
    SELECT id AS job_id, NULL::uuid AS instance_id, NULL::smallint AS step, NULL::text AS job_type, NULL::boolean AS ready",
            $counted,
            "
    FROM done
    UNION ALL
    SELECT NULL, instance_id, step, job_type, bool_or(state = 'queued')",
            $counted,
            " FROM created GROUP BY 2, 3, 4"
        )
    };
}

const COMPLETE: &str = complete!("complete", "", "");
const COMPLETE_TO_OUTBOX: &str = complete!(
    "complete_to_outbox",
    concat!(", attempt, ordinal, payload", to_outbox!("created", "$4")),
    counted!()
);

pub(super) const STATEMENTS: [&str; 2] = [COMPLETE, COMPLETE_TO_OUTBOX];

impl Store {
    /// Completes the attempts that are still current. The jobs must differ from each other.
    ///
    /// # Errors
    /// If the database does not answer: the outcome is unknown, and asking again settles it.
    pub async fn complete(&self, attempts: &[Attempt]) -> Result<Completion, EngineError> {
        let columns = AttemptColumns::of(attempts.iter());
        let query = sqlx::query(self.either(COMPLETE, COMPLETE_TO_OUTBOX))
            .bind(columns.jobs)
            .bind(columns.attempts)
            .bind(columns.instances);
        let rows = self.rows_dispatching(query).await?;
        let mut completion = Completion::default();
        completion.done.reserve(rows.len());
        for row in &rows {
            match row.try_get::<Option<i64>, _>(0)? {
                Some(job) => {
                    completion.done.insert(JobId(job));
                }
                None => completion.created.push(CreatedStep {
                    instance: InstanceId(row.try_get(1)?),
                    step: row.try_get(2)?,
                    job_type: row.try_get(3)?,
                    ready: row.try_get(4)?,
                }),
            }
        }
        Ok(completion)
    }
}
