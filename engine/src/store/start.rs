//! Starts instances: the instance, the jobs of its first step and their audit rows, all or none.

use std::collections::HashSet;

use crossover_proto::InstanceId;
use sqlx::Row;

use super::Store;
use super::dispatch::{counted, to_outbox};
use crate::EngineError;

/// An instance to start.
#[derive(Debug, Clone)]
pub struct NewInstance {
    /// The client's id.
    pub id: InstanceId,
    /// Id of the definition.
    pub definition: i64,
    /// Handed to every job.
    pub payload: Vec<u8>,
    /// The first step waits this long (ms).
    pub delay_ms: i64,
}

macro_rules! start {
    ($tag:literal, $dispatched:expr, $counted:expr) => {
        concat!(
            "/* ",
            $tag,
            " */
    WITH input AS (
        SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bigint[]) AS t (id, definition_id, payload, delay_ms)
    ), started AS (
        INSERT INTO instance (id, definition_id, state, step, remaining, payload)
        SELECT input.id, definition.id, 'running', 0, definition.step_widths[1], input.payload
        FROM input JOIN definition ON definition.id = input.definition_id
        ORDER BY input.id
        ON CONFLICT (id) DO NOTHING
        RETURNING id, definition_id, payload
    ), created AS (
        INSERT INTO job (instance_id, step, ordinal, attempt, job_type, payload, state, run_at)
        SELECT started.id, 0, spec.ordinal, 1, spec.job_type, started.payload,
               CASE WHEN spec.delay_ms + input.delay_ms > 0 THEN 'scheduled'::job_state ELSE 'queued' END,
               CASE WHEN spec.delay_ms + input.delay_ms > 0
                    THEN now() + (spec.delay_ms + input.delay_ms) * interval '1 millisecond' END
        FROM started
        JOIN input ON input.id = started.id
        JOIN definition_job AS spec ON spec.definition_id = started.definition_id AND spec.step = 0
        ORDER BY started.id, spec.ordinal
        RETURNING id, instance_id, state",
            $dispatched,
            "
    ), logged AS (
        INSERT INTO audit (instance_id, job_id, attempt, event)
        SELECT id, NULL, 0::smallint, 'instance_started'::audit_event FROM started
        UNION ALL
        SELECT instance_id, id, 1::smallint,
               CASE WHEN state = 'queued' THEN 'job_queued'::audit_event ELSE 'job_scheduled' END
        FROM created
    )
    SELECT id",
            $counted,
            " FROM started"
        )
    };
}

const START: &str = start!("start", "", "");
const START_TO_OUTBOX: &str = start!(
    "start_to_outbox",
    concat!(
        ", attempt, step, ordinal, job_type, payload",
        to_outbox!("created", "$5")
    ),
    counted!()
);

pub(super) const STATEMENTS: [&str; 2] = [START, START_TO_OUTBOX];

impl Store {
    /// Starts the instances; returns those that are new. The ids must differ from each other.
    ///
    /// # Errors
    /// If the database does not answer: the outcome is unknown, and asking again settles it.
    pub async fn start(&self, instances: Vec<NewInstance>) -> Result<HashSet<InstanceId>, EngineError> {
        let ids: Vec<_> = instances.iter().map(|instance| instance.id.0).collect();
        let definitions: Vec<_> = instances.iter().map(|instance| instance.definition).collect();
        let delays: Vec<_> = instances.iter().map(|instance| instance.delay_ms).collect();
        let payloads: Vec<_> = instances.into_iter().map(|instance| instance.payload).collect();
        let query = sqlx::query(self.either(START, START_TO_OUTBOX))
            .bind(ids)
            .bind(definitions)
            .bind(payloads)
            .bind(delays);
        let rows = self.rows_dispatching(query).await?;
        rows.iter().map(|row| Ok(InstanceId(row.try_get("id")?))).collect()
    }
}
