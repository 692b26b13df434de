//! The sweeper's statements: which queued jobs are stuck, and their second dispatch.

use std::time::Duration;

use crossover_engine::store::sweep::{Position, StuckJob, redispatch, stuck};
use crossover_engine::store::{Attempt, NewInstance};
use crossover_proto::InstanceId;
use crossover_proto::definition::{Definition, JobSpec, RetryPolicy, Step};
use sqlx::PgConnection;

use super::{LONG_LEASE, connect, dispatching, jobs_in, start};
use crate::replayed::assert_tables_equal_audit;
use crate::servers::{Database, servers};

const BOUND: Duration = Duration::from_secs(30);

async fn all_stuck(connection: &mut PgConnection) -> Vec<StuckJob> {
    let (found, next) = stuck(connection, &Position::default(), BOUND, 1_000).await.unwrap();
    assert_eq!(next, None);
    found
}

/// All rows were sent so long ago (s), each to the offset of its id.
async fn sent(database: &Database, ago_s: i32) {
    sqlx::query("UPDATE outbox SET sent_at = now() - $1 * interval '1 s', partition = 3, record_offset = id")
        .bind(ago_s)
        .execute(&database.pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queued_job_is_stuck_once_its_last_record_was_sent_long_ago() {
    let database = servers().await.database().await;
    let store = dispatching(&database, 1);
    start(&store, &[1], 3, Duration::ZERO).await;
    let jobs = jobs_in(&database, "queued").await;
    let mut connection = connect(&database).await;
    assert_eq!(all_stuck(&mut connection).await, [], "the rows are still to be sent");
    sent(&database, 29).await;
    assert_eq!(all_stuck(&mut connection).await, [], "the records are young");
    sent(&database, 31).await;
    // One began, and one came back.
    store.begin(&jobs[..2], "worker", LONG_LEASE).await.unwrap();
    store.release(&jobs[1..2]).await.unwrap();
    let found = all_stuck(&mut connection).await;
    let record = database
        .number("SELECT max(record_offset) FROM outbox WHERE sent_at IS NOT NULL")
        .await;
    assert_eq!(
        found,
        [StuckJob {
            attempt: jobs[2],
            job_type: "work".to_owned(),
            record: Some((3, record)),
        }]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_was_queued_in_polling_mode_is_stuck_at_once() {
    let database = servers().await.database().await;
    start(&database.store(1), &[1], 2, Duration::ZERO).await;
    let jobs = jobs_in(&database, "queued").await;
    let mut connection = connect(&database).await;
    let found = all_stuck(&mut connection).await;
    assert_eq!(found.iter().map(|stuck| stuck.attempt).collect::<Vec<_>>(), jobs);
    assert!(found.iter().all(|stuck| stuck.record.is_none()));
    assert_eq!(redispatch(&mut connection, &jobs, "relay").await.unwrap(), 2);
    assert_eq!(all_stuck(&mut connection).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_goes_on_where_it_was_over_all_job_types() {
    let database = servers().await.database().await;
    let store = dispatching(&database, 1);
    let job = |job_type: &str| JobSpec {
        job_type: job_type.to_owned(),
        count: 5,
        delay: Duration::ZERO,
        retry: RetryPolicy::default(),
    };
    let three = Definition {
        name: "three".to_owned(),
        steps: vec![Step {
            name: "all".to_owned(),
            jobs: ["b", "a", "c"].map(job).to_vec(),
        }],
    };
    let definition = store.register(&three).await.unwrap().id;
    let instance = |_| NewInstance {
        id: InstanceId::new(),
        definition,
        payload: Vec::new(),
        delay_ms: 0,
    };
    store.start((0..10).map(instance).collect()).await.unwrap();
    // Of each type's jobs every other is stuck.
    sent(&database, 60).await;
    database
        .execute("UPDATE outbox SET sent_at = now() WHERE job_id % 2 = 0")
        .await;
    let mut connection = connect(&database).await;
    let (mut found, mut looks) = (Vec::new(), 0);
    let mut position = Some(Position::default());
    while let Some(after) = position {
        let (more, next) = stuck(&mut connection, &after, BOUND, 20).await.unwrap();
        found.extend(more);
        position = next;
        looks += 1;
    }
    assert_eq!((found.len(), looks), (75, 8));
    let keys: Vec<_> = found
        .iter()
        .map(|stuck| (stuck.job_type.as_str(), stuck.attempt.job))
        .collect();
    assert!(
        keys.is_sorted() && keys.windows(2).all(|two| two[0] != two[1]),
        "{keys:?}"
    );
    assert!(found.iter().all(|stuck| stuck.attempt.job.0 % 2 == 1), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_queued_job_without_a_pending_row_is_dispatched_again() {
    let database = servers().await.database().await;
    let store = dispatching(&database, 1);
    start(&store, &[1], 5, Duration::ZERO).await;
    let jobs: Vec<Attempt> = jobs_in(&database, "queued").await;
    let mut connection = connect(&database).await;
    assert_eq!(
        redispatch(&mut connection, &jobs, "relay").await.unwrap(),
        0,
        "all are pending"
    );
    sent(&database, 60).await;
    // One runs, one is on another attempt, one's instance is locked.
    store.begin(&jobs[..1], "worker", LONG_LEASE).await.unwrap();
    let mut named = jobs.clone();
    named[1].attempt = 2;
    let mut other = database.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM instance WHERE id = $1 FOR UPDATE")
        .bind(jobs[2].instance.0)
        .execute(&mut *other)
        .await
        .unwrap();
    assert_eq!(redispatch(&mut connection, &named, "relay").await.unwrap(), 2);
    other.rollback().await.unwrap();
    assert_eq!(redispatch(&mut connection, &named, "relay").await.unwrap(), 1);
    let again = "SELECT count(*) FROM outbox JOIN job ON job.id = job_id
        WHERE source = 'relay' AND sent_at IS NULL AND job.payload = outbox.payload AND job.ordinal = outbox.ordinal";
    assert_eq!(database.number(again).await, 3);
    assert_tables_equal_audit(&database.pool).await;
}
