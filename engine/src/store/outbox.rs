//! The outbox as the relay sees it: who leads, what is to be sent, what was sent.
//!
//! Every statement runs on a connection that the relay hands over: it has few, and each for one purpose.
//!
//! Invariant: a fenced read returns rows only while the epoch that it names is the current one, also if it waited for a
//! new leader's commit: the shared lock on the row makes PostgreSQL look at its newest version.

use std::time::Duration;

use crossover_proto::history::JobKey;
use crossover_proto::{InstanceId, JobId};
use sqlx::{PgConnection, Row};

use crate::EngineError;

/// A row that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its id, from 1.
    pub id: i64,
    /// The job and the attempt that it dispatches.
    pub key: JobKey,
    /// Names the topic.
    pub job_type: String,
    /// What the handler works on.
    pub payload: Vec<u8>,
    /// When the row was written (µs since 1970).
    pub created_unix_us: i64,
    /// The process that wrote it.
    pub source: String,
}

/// What a read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Rows in id order; possibly none.
    Rows(Vec<OutboxRow>),
    /// Another epoch is current: this relay does not lead any more.
    Superseded,
}

/// Where a row's record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentRow {
    /// The row.
    pub id: i64,
    /// Partition of its topic.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
}

/// A row whose record the broker refuses for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// The row.
    pub id: i64,
    /// Its instance, which is locked first.
    pub instance: InstanceId,
    /// Why, for people.
    pub reason: String,
}

const TAKE_LEAD: &str = "/* relay_take_lead */
    UPDATE relay_lead SET epoch = epoch + 1, leader = $1, taken_at = now() RETURNING epoch";

const TRY_LOCK: &str = "/* relay_try_lock */ SELECT pg_try_advisory_lock($1)";

const BEAT: &str = "/* relay_beat */ SELECT 1";

/// A read ends with the row that takes its payloads to this (bytes): the largest ones would fill the memory of a relay.
const READ_BYTES_MAX: i64 = 64 << 20;

// All pending rows from the oldest on are looked at, those in flight too: one that committed late may have any id. What is in
// flight is a hashed subquery: as an array each row would be compared with each of it.
//
// The first rows of those found, as far as they fit: a later row of an instance never comes without its earlier ones. No CTE
// for them, and no ORDER BY at the end: each would copy all rows once more, a fifth of the statement's time.
macro_rules! read {
    ($tag:literal, $fence:literal) => {
        concat!(
            "/* ",
            $tag,
            " */
    WITH fence AS MATERIALIZED (",
            $fence,
            ")
    SELECT sized.* FROM fence LEFT JOIN LATERAL (
        SELECT * FROM (
            SELECT id, instance_id, job_id, attempt, step, ordinal, job_type, payload, source,
                   (extract(epoch FROM created_at) * 1000000)::bigint AS created_us,
                   sum(octet_length(payload)) OVER (ORDER BY place ROWS UNBOUNDED PRECEDING)
                       - octet_length(payload) AS before
            FROM (
                SELECT *, id + 0 AS place FROM outbox
                WHERE sent_at IS NULL AND job_type <> ALL ($3) AND id NOT IN (SELECT unnest($2::bigint[]))
                ORDER BY id + 0 LIMIT $4
            ) AS oldest
        ) AS summed
        WHERE before < $5
    ) AS sized ON true"
        )
    };
}

// The lock of the fence is written, and nothing of it must survive a crash: the commit need not wait for the disk.
const READ: &str = read!(
    "relay_read",
    "SELECT set_config('synchronous_commit', 'off', true) FROM relay_lead WHERE epoch = $1 FOR SHARE"
);
const READ_UNFENCED: &str = read!("relay_read_unfenced", "SELECT WHERE $1::bigint IS NOT NULL");

// Pending in words that the index of the pending rows does not know: with statistics from a moment when few were, the planner
// would walk through all of them to find these.
macro_rules! pending {
    () => {
        "coalesce(outbox.sent_at, 'infinity') = 'infinity'"
    };
}

const MARK_SENT: &str = concat!(
    "/* relay_mark_sent */
    UPDATE outbox SET sent_at = now(), partition = acked.partition, record_offset = acked.record_offset
    FROM unnest($1::bigint[], $2::integer[], $3::bigint[]) AS acked (id, partition, record_offset)
    WHERE outbox.id = acked.id AND ",
    pending!()
);

// The job's instance fails with it, as with any dead letter. A job that is not queued on the attempt any more had another
// record that came through: its row is settled, and nothing else changes. (`::text`: the index of the queued jobs does not
// know it.)
const REFUSE: &str = concat!(
    "/* relay_refuse */
    WITH input AS (
        SELECT * FROM unnest($1::bigint[], $2::text[]) AS t (id, reason)
    ), locked AS MATERIALIZED (
        SELECT id FROM instance WHERE id = ANY ($3) ORDER BY id FOR UPDATE
    ), settled AS (
        UPDATE outbox SET sent_at = now()
        FROM input
        WHERE (SELECT count(*) FROM locked) > 0 AND outbox.id = input.id AND ",
    pending!(),
    "
        RETURNING outbox.job_id, outbox.attempt, input.reason
    ), dying AS MATERIALIZED (
        SELECT job.id, settled.reason
        FROM settled JOIN job ON job.id = settled.job_id
        WHERE job.attempt = settled.attempt AND job.state::text = 'queued'
        ORDER BY job.id FOR UPDATE OF job
    ), dead AS (
        UPDATE job SET state = 'dead_letter', last_error = reason
        FROM dying
        WHERE job.id = dying.id
        RETURNING job.id, job.instance_id, job.attempt
    ), stopped AS (
        UPDATE instance SET state = 'failed'
        FROM (SELECT DISTINCT instance_id FROM dead) AS dead
        WHERE instance.id = dead.instance_id AND instance.state = 'running'
        RETURNING instance.id
    ), logged AS (
        INSERT INTO audit (instance_id, job_id, attempt, event)
        SELECT instance_id, id, attempt, 'job_dead_lettered'::audit_event FROM dead
        UNION ALL
        SELECT id, NULL, 0, 'instance_failed' FROM stopped
    )
    SELECT id FROM dead"
);

// Rows of jobs that are still queued stay: they tell the sweeper where the record is, however long the topic's lag. The job
// is looked up by a subquery, which no planner can turn into a walk through all that are queued.
const REMOVE_SENT: &str = "/* relay_remove_sent */
    WITH oldest AS MATERIALIZED (
        SELECT id, job_id, attempt, sent_at, created_at < now() - $1 * interval '1 millisecond' AS old
        FROM outbox WHERE id > $2 ORDER BY id LIMIT $3
    ), removed AS (
        DELETE FROM outbox
        WHERE id = ANY (ARRAY(
            SELECT id FROM oldest
            WHERE sent_at < now() - $1 * interval '1 millisecond'
              AND coalesce((SELECT job.state <> 'queued' OR job.attempt <> oldest.attempt
                            FROM job WHERE job.id = oldest.job_id), true)))
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM removed) AS removed,
           CASE WHEN (SELECT count(*) FROM oldest) = $3 THEN
               (SELECT CASE WHEN old THEN id END FROM oldest ORDER BY id DESC LIMIT 1) END AS next";

const JOB_TYPES: &str = "/* relay_job_types */ SELECT DISTINCT job_type FROM definition_job ORDER BY 1";

pub(super) const STATEMENTS: [&str; 9] = [
    TAKE_LEAD,
    TRY_LOCK,
    BEAT,
    READ,
    READ_UNFENCED,
    MARK_SENT,
    REFUSE,
    REMOVE_SENT,
    JOB_TYPES,
];

/// Raises the epoch; returns the new one. For the holder of the lock only.
///
/// # Errors
/// If the database does not answer.
pub async fn take_lead(connection: &mut PgConnection, leader: &str) -> Result<i64, EngineError> {
    let row = sqlx::query(TAKE_LEAD).bind(leader).fetch_one(connection).await?;
    Ok(row.try_get(0)?)
}

/// Tries to get the leader's lock for this session; never waits.
///
/// # Errors
/// If the database does not answer.
pub async fn try_lock(connection: &mut PgConnection, key: i64) -> Result<bool, EngineError> {
    let row = sqlx::query(TRY_LOCK).bind(key).fetch_one(connection).await?;
    Ok(row.try_get(0)?)
}

/// A sign of life of the session that holds the lock.
///
/// # Errors
/// If the session is gone, and the lock with it.
pub async fn beat(connection: &mut PgConnection) -> Result<(), EngineError> {
    sqlx::query(BEAT).execute(connection).await?;
    Ok(())
}

/// Reads up to `max` of the oldest pending rows that are not in flight and whose job type is not parked; with an epoch, only
/// while it is the current one. `in_flight` must hold every row that was read before and whose mark has not committed yet.
///
/// # Errors
/// If the database does not answer.
pub async fn read(
    connection: &mut PgConnection,
    epoch: Option<i64>,
    in_flight: &[i64],
    parked: &[String],
    max: u32,
) -> Result<Reading, EngineError> {
    let rows = sqlx::query(if epoch.is_some() { READ } else { READ_UNFENCED })
        .bind(epoch.unwrap_or_default())
        .bind(in_flight)
        .bind(parked)
        .bind(i64::from(max))
        .bind(READ_BYTES_MAX)
        .fetch_all(connection)
        .await?;
    if rows.is_empty() {
        return Ok(Reading::Superseded);
    }
    let rows = rows.iter().filter_map(|row| outbox_row(row).transpose());
    let mut rows: Vec<OutboxRow> = rows.collect::<Result<_, _>>()?;
    // They come in this order, but nothing promises it.
    rows.sort_by_key(|row| row.id);
    Ok(Reading::Rows(rows))
}

/// `None` for the row that only says that the fence holds.
fn outbox_row(row: &sqlx::postgres::PgRow) -> Result<Option<OutboxRow>, sqlx::Error> {
    let Some(id) = row.try_get::<Option<i64>, _>(0)? else {
        return Ok(None);
    };
    let small = |column: usize| row.try_get::<i16, _>(column).map(i16::unsigned_abs);
    Ok(Some(OutboxRow {
        id,
        key: JobKey {
            instance: InstanceId(row.try_get(1)?),
            job: JobId(row.try_get(2)?),
            attempt: small(3)?,
            step: small(4)?,
            ordinal: small(5)?,
        },
        job_type: row.try_get(6)?,
        payload: row.try_get(7)?,
        source: row.try_get(8)?,
        created_unix_us: row.try_get(9)?,
    }))
}

/// Notes acknowledgements; returns how many rows were still pending. The rows must differ.
///
/// # Errors
/// If the database does not answer: the rows may be sent again.
pub async fn mark_sent(connection: &mut PgConnection, sent: &[SentRow]) -> Result<u64, EngineError> {
    // In id order: a relay that was superseded may be marking the same rows.
    let mut sent = sent.to_vec();
    sent.sort_unstable_by_key(|row| row.id);
    let done = sqlx::query(MARK_SENT)
        .bind(sent.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind(sent.iter().map(|row| row.partition).collect::<Vec<_>>())
        .bind(sent.iter().map(|row| row.offset).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

/// Makes the jobs of rows that can never be sent dead letters; returns how many jobs that changed. The rows must differ.
///
/// # Errors
/// If the database does not answer: asking again is harmless.
pub async fn refuse(connection: &mut PgConnection, refused: &[RefusedRow]) -> Result<usize, EngineError> {
    // In id order, as acknowledgements are noted.
    let mut refused: Vec<&RefusedRow> = refused.iter().collect();
    refused.sort_unstable_by_key(|row| row.id);
    let dead = sqlx::query(REFUSE)
        .bind(refused.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind(refused.iter().map(|row| row.reason.clone()).collect::<Vec<_>>())
        .bind(refused.iter().map(|row| row.instance.0).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    Ok(dead.len())
}

/// Looks at up to `max` rows after a row, in id order, and removes those of them that were sent long ago and whose job is
/// not still waiting to begin. Returns how many, and where to go on (`None`: what comes next is too young, or nothing).
///
/// # Errors
/// If the database does not answer.
pub async fn remove_sent(
    connection: &mut PgConnection,
    age: Duration,
    after: i64,
    max: u32,
) -> Result<(u64, Option<i64>), EngineError> {
    let row = sqlx::query(REMOVE_SENT)
        .bind(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
        .bind(after)
        .bind(i64::from(max))
        .fetch_one(connection)
        .await?;
    let removed: i64 = row.try_get("removed")?;
    Ok((removed.unsigned_abs(), row.try_get("next")?))
}

/// All job types of all definitions.
///
/// # Errors
/// If the database does not answer.
pub async fn job_types(connection: &mut PgConnection) -> Result<Vec<String>, EngineError> {
    let rows = sqlx::query(JOB_TYPES).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
