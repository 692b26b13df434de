//! The engine's statements on a real PostgreSQL: their plans, and what happens when many run at once.

mod api;
mod begin;
mod contention;
mod dispatch;
mod outbox;
mod plans;
mod pool;
mod storm;
mod sweep;

use std::time::Duration;

use crossover_engine::store::{Attempt, ClaimKind, ClaimedJob, NewInstance, Store};
use crossover_proto::definition::{Definition, JobSpec, RetryPolicy, Step};
use crossover_proto::{InstanceId, JobId};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

use crate::servers::{Database, engine_url};

/// Rows in one statement, as in production.
const BATCH: usize = 500;
const LONG_LEASE: Duration = Duration::from_secs(600);

/// The engine's statements in event-driven mode.
fn dispatching(database: &Database, connections: u32) -> Store {
    database.store(connections).dispatching_to_outbox("test")
}

/// A connection with the session settings of the engine, as a relay has; what it plans, it plans anew.
async fn connect(database: &Database) -> PgConnection {
    let options: PgConnectOptions = engine_url(&database.url).options("crossover-test");
    options.connect().await.unwrap()
}

/// Steps of jobs of type `work`, `widths` of them; failures are forgiven a thousand times and retried at once.
fn flow(widths: &[u32]) -> Definition {
    let retry = RetryPolicy {
        max_attempts: 1_000,
        initial_backoff: Duration::ZERO,
        multiplier: 1.0,
        max_backoff: Duration::ZERO,
        jitter: 0.0,
    };
    let job = |count| JobSpec {
        job_type: "work".to_owned(),
        count,
        delay: Duration::ZERO,
        retry: retry.clone(),
    };
    let step = |(number, width): (u32, &u32)| Step {
        name: format!("step-{number}"),
        jobs: vec![job(*width)],
    };
    Definition {
        name: "flow".to_owned(),
        steps: (1..).zip(widths).map(step).collect(),
    }
}

/// Registers [`flow`] and starts instances of it, due after `delay`.
async fn start(store: &Store, widths: &[u32], count: usize, delay: Duration) -> Vec<InstanceId> {
    let definition = store.register(&flow(widths)).await.unwrap().id;
    let delay_ms = i64::try_from(delay.as_millis()).unwrap();
    let ids: Vec<InstanceId> = (0..count).map(|_| InstanceId::new()).collect();
    for batch in ids.chunks(BATCH) {
        let new = batch.iter().map(|id| NewInstance {
            id: *id,
            definition,
            payload: vec![7; 64],
            delay_ms,
        });
        assert_eq!(store.start(new.collect()).await.unwrap().len(), batch.len());
    }
    ids
}

async fn claim(store: &Store, max: usize, lease: Duration) -> Vec<Attempt> {
    let max = u32::try_from(max).unwrap();
    let jobs = store
        .claim(ClaimKind::SkipLocked, "work", max, "test", lease)
        .await
        .unwrap();
    jobs.iter().map(attempt_of).collect()
}

fn attempt_of(job: &ClaimedJob) -> Attempt {
    Attempt {
        job: job.id,
        attempt: job.attempt,
        instance: job.instance,
    }
}

/// Claims and completes `count` jobs.
async fn drain(store: &Store, count: usize) {
    let mut left = count;
    while left > 0 {
        let claimed = claim(store, left.min(BATCH), LONG_LEASE).await;
        assert!(!claimed.is_empty(), "{left} jobs are missing");
        left -= store.complete(&claimed).await.unwrap().done.len();
    }
}

/// The current attempts of all jobs in a state, in the order of their ids.
async fn jobs_in(database: &Database, state: &str) -> Vec<Attempt> {
    let rows: Vec<(i64, i16, uuid::Uuid)> =
        sqlx::query_as("SELECT id, attempt, instance_id FROM job WHERE state = $1::job_state ORDER BY id")
            .bind(state)
            .fetch_all(&database.pool)
            .await
            .unwrap();
    let attempt = |(job, attempt, instance)| Attempt {
        job: JobId(job),
        attempt,
        instance: InstanceId(instance),
    };
    rows.into_iter().map(attempt).collect()
}

/// Each transition to `queued` has written one outbox row, with the fields of its job; and nothing else has, but for a sweeper.
async fn assert_outbox_follows_audit(database: &Database) {
    let differing = "WITH queued AS (
            SELECT job_id, CASE WHEN event = 'job_lease_expired' THEN attempt + 1 ELSE attempt END AS attempt
            FROM audit WHERE event IN ('job_queued', 'job_released', 'job_lease_expired', 'job_replayed')
        ), dispatched AS (SELECT job_id, attempt FROM outbox WHERE source <> 'sweeper')
        SELECT count(*) FROM (
            (TABLE queued EXCEPT ALL TABLE dispatched) UNION ALL (TABLE dispatched EXCEPT ALL TABLE queued)
        ) AS differing";
    assert_eq!(database.number(differing).await, 0, "transitions and outbox differ");
    let strange = "SELECT count(*) FROM outbox LEFT JOIN job ON job.id = job_id
        WHERE (job.instance_id, job.step, job.ordinal, job.job_type, job.payload)
            IS DISTINCT FROM (outbox.instance_id, outbox.step, outbox.ordinal, outbox.job_type, outbox.payload)
           OR source NOT IN ('test', 'sweeper')";
    assert_eq!(
        database.number(strange).await,
        0,
        "an outbox row has other fields than its job"
    );
}
