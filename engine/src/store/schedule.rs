//! Promotes scheduled jobs that are due.

use sqlx::Row;

use super::dispatch::{counted, to_outbox};
use super::{Page, Store};
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
    SELECT job_type, (SELECT count(*) FROM due) AS looked FROM promoted";

// Outbox ids are drawn, so the instances are locked first. Those that somebody else is working on are passed over, as by
// the reaper: the next round sees them again. `IS TRUE`: a hashed set, see the sweeper.
const PROMOTE_TO_OUTBOX: &str = concat!(
    "/* promote_to_outbox */
    WITH due AS MATERIALIZED (
        SELECT id, instance_id FROM job WHERE run_at <= now() AND state = 'scheduled' ORDER BY run_at LIMIT $1
    ), locked AS MATERIALIZED (
        SELECT id FROM instance
        WHERE id = ANY (ARRAY(SELECT instance_id FROM due)) ORDER BY id FOR UPDATE SKIP LOCKED
    ), picked AS MATERIALIZED (
        SELECT id FROM job
        WHERE id = ANY (ARRAY(SELECT id FROM due WHERE (instance_id IN (SELECT id FROM locked)) IS TRUE))
          AND state = 'scheduled' AND run_at <= now()
        FOR UPDATE SKIP LOCKED
    ), promoted AS (
        UPDATE job SET state = 'queued', run_at = NULL
        WHERE id = ANY (ARRAY(SELECT id FROM picked))
        RETURNING id, instance_id, attempt, job_type, state, step, ordinal, payload",
    to_outbox!("promoted", "$2"),
    "
    ), logged AS (
        INSERT INTO audit (instance_id, job_id, attempt, event)
        SELECT instance_id, id, attempt, 'job_queued' FROM promoted
    )
    SELECT job_type, (SELECT count(*) FROM due) AS looked",
    counted!(),
    " FROM promoted"
);

pub(super) const STATEMENTS: [&str; 2] = [PROMOTE, PROMOTE_TO_OUTBOX];

impl Store {
    /// Makes up to `max` due jobs ready.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn promote(&self, max: u32) -> Result<Page, EngineError> {
        let query = sqlx::query(self.either(PROMOTE, PROMOTE_TO_OUTBOX)).bind(i64::from(max));
        let rows = self.rows_dispatching(query).await?;
        let ready = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        Page::of(&rows, max, ready)
    }
}
