//! In event-driven mode each transition to `queued` writes its outbox row; in polling mode nothing does.

use std::time::Duration;

use crossover_engine::store::{Attempt, FailedAttempt, Selection, Store};

use super::{LONG_LEASE, assert_outbox_follows_audit, dispatching, jobs_in, start};
use crate::replayed::assert_tables_equal_audit;
use crate::servers::{Database, servers};

/// Begins all that is queued.
async fn begin_all(database: &Database, store: &Store, lease: Duration) -> Vec<Attempt> {
    let queued = jobs_in(database, "queued").await;
    let begun = store.begin(&queued, "worker", lease).await.unwrap();
    assert_eq!(begun.begun.len(), queued.len());
    queued
}

/// The outbox has so many rows, and each transition to `queued` one of them.
async fn assert_rows(database: &Database, rows: i64) {
    assert_eq!(database.number("SELECT count(*) FROM outbox").await, rows);
    assert_outbox_follows_audit(database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transition_to_queued_writes_its_outbox_row() {
    let database = servers().await.database().await;
    let store = dispatching(&database, 1);
    start(&store, &[2, 3], 10, Duration::ZERO).await;
    assert_rows(&database, 20).await;

    let first = begin_all(&database, &store, LONG_LEASE).await;
    store.complete(&first).await.unwrap();
    assert_rows(&database, 50).await;

    let second = begin_all(&database, &store, LONG_LEASE).await;
    let failed = |permanent| {
        move |attempt: &Attempt| FailedAttempt {
            attempt: *attempt,
            permanent,
            reason: "why".to_owned(),
        }
    };
    store
        .fail(&second[..10].iter().map(failed(false)).collect::<Vec<_>>())
        .await
        .unwrap();
    assert_rows(&database, 50).await;
    assert_eq!(store.promote(100).await.unwrap().jobs, 10);
    assert_rows(&database, 60).await;

    store
        .fail(&second[10..15].iter().map(failed(true)).collect::<Vec<_>>())
        .await
        .unwrap();
    assert_eq!(store.replay(&Selection::default(), 100).await.unwrap().0, 5);
    assert_rows(&database, 65).await;

    assert_eq!(store.release(&second[15..20]).await.unwrap().len(), 5);
    assert_rows(&database, 70).await;

    begin_all(&database, &store, Duration::ZERO).await;
    assert_eq!(store.reap(100).await.unwrap().jobs, 20);
    assert_rows(&database, 90).await;

    while !jobs_in(&database, "queued").await.is_empty() {
        begin_all(&database, &store, LONG_LEASE).await;
        store.complete(&jobs_in(&database, "running").await).await.unwrap();
    }
    store.complete(&jobs_in(&database, "running").await).await.unwrap();
    assert_rows(&database, 90).await;
    let open = "SELECT count(*) FROM instance WHERE state <> 'completed'";
    assert_eq!(database.number(open).await, 0);
    assert_tables_equal_audit(&database.pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_job_has_no_outbox_row_before_it_is_due() {
    let database = servers().await.database().await;
    let store = dispatching(&database, 1);
    start(&store, &[3], 5, Duration::from_secs(600)).await;
    assert_eq!(store.promote(100).await.unwrap().jobs, 0);
    assert_rows(&database, 0).await;
    database.execute("UPDATE job SET run_at = now()").await;
    assert_eq!(store.promote(100).await.unwrap().jobs, 15);
    assert_rows(&database, 15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_passes_over_an_instance_that_is_locked() {
    let database = servers().await.database().await;
    let store = dispatching(&database, 1);
    start(&store, &[2], 3, Duration::from_millis(1)).await;
    let mut other = database.pool.begin().await.unwrap();
    let lock = "SELECT FROM instance WHERE id = (SELECT id FROM instance ORDER BY id LIMIT 1) FOR UPDATE";
    sqlx::query(lock).execute(&mut *other).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let page = store.promote(5).await.unwrap();
    assert!(
        page.jobs < 5 && page.more,
        "some were passed over, and others come after them: {page:?}"
    );
    let rest = store.promote(100).await.unwrap();
    assert_eq!((page.jobs + rest.jobs, rest.more), (4, false));
    other.rollback().await.unwrap();
    assert_eq!(store.promote(100).await.unwrap().jobs, 2);
    assert_rows(&database, 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_one_statement_are_in_the_order_of_instances_and_jobs() {
    let database = servers().await.database().await;
    let store = dispatching(&database, 1);
    start(&store, &[5, 5], 100, Duration::ZERO).await;
    let first = begin_all(&database, &store, LONG_LEASE).await;
    store.complete(&first).await.unwrap();
    let disordered = "SELECT count(*) FROM (
            SELECT (instance_id, job_id) < lag((instance_id, job_id)) OVER (PARTITION BY created_at ORDER BY id) AS wrong
            FROM outbox) AS rows
        WHERE wrong";
    assert_eq!(database.number(disordered).await, 0);
    assert_rows(&database, 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polling_mode_writes_no_outbox_rows() {
    let database = servers().await.database().await;
    let store = database.store(1);
    start(&store, &[1, 1], 10, Duration::ZERO).await;
    super::drain(&store, 20).await;
    assert_eq!(database.number("SELECT count(*) FROM outbox").await, 0);
}
