//! How the store lends its connections: the same one again, none that died, none that was left half-way, and a queue in turn.

use std::time::{Duration, Instant};

use crossover_engine::store::Store;
use crossover_proto::InstanceId;
use sqlx::{Connection, PgConnection, PgTransaction};

use super::{connect, start};
use crate::servers::{Database, engine_url, servers};

/// A store whose connections the test can tell from its own.
fn store(database: &Database, connections: u32) -> Store {
    Store::new(&engine_url(&database.url), "crossover-pool", connections)
}

async fn backends(database: &Database) -> i64 {
    let count = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'crossover-pool' AND datname = current_database()";
    database.number(count).await
}

async fn end_backends(database: &Database) {
    let end = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
        WHERE application_name = 'crossover-pool' AND datname = current_database()";
    database.number(end).await;
}

/// Holds all instances, so that a statement waits for them.
async fn locked(holder: &mut PgConnection) -> PgTransaction<'_> {
    let mut transaction = holder.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM instance FOR UPDATE")
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction
}

async fn look(store: &Store) -> bool {
    store.inspect(InstanceId::new()).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_follow_each_other_share_one_connection() {
    let database = servers().await.database().await;
    let store = store(&database, 8);
    start(&store, &[1], 100, Duration::ZERO).await;
    for _ in 0..100 {
        assert!(look(&store).await);
    }
    // A transaction's connection is tested before it is lent again, and a statement may come meanwhile.
    let count = backends(&database).await;
    assert!((1..=2).contains(&count), "{count} connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_died_fails_one_statement_and_is_replaced() {
    let database = servers().await.database().await;
    let store = store(&database, 1);
    assert!(look(&store).await);
    end_backends(&database).await;
    assert!(!look(&store).await, "nobody looked before the statement");
    for _ in 0..10 {
        assert!(look(&store).await);
    }
    assert_eq!(backends(&database).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_was_given_up_half_way_takes_its_connection_out_of_turn() {
    let database = servers().await.database().await;
    let store = store(&database, 1);
    let ids = start(&store, &[1], 1, Duration::ZERO).await;
    let mut holder = connect(&database).await;
    let transaction = locked(&mut holder).await;
    let cancelled = tokio::time::timeout(Duration::from_millis(300), store.cancel(&ids)).await;
    assert!(cancelled.is_err(), "the row is locked");
    transaction.rollback().await.unwrap();
    // The only connection there may be: the next statement has its own answer, not the rest of that one's.
    assert!(store.inspect(ids[0]).await.unwrap().is_some());
    assert!(store.inspect(InstanceId::new()).await.unwrap().is_none());
    assert!(backends(&database).await <= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_statements_than_connections_wait_for_their_turn_and_no_more_connections_are_made() {
    let database = servers().await.database().await;
    let store = store(&database, 2);
    let looks = (0..200).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { look(&store).await })
    });
    for done in looks.collect::<Vec<_>>() {
        assert!(done.await.unwrap());
    }
    assert_eq!(backends(&database).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_too_long_for_a_connection_is_told() {
    let database = servers().await.database().await;
    let store = store(&database, 1);
    let ids = start(&store, &[1], 1, Duration::ZERO).await;
    let mut holder = connect(&database).await;
    let transaction = locked(&mut holder).await;
    let waiting = {
        let store = store.clone();
        tokio::spawn(async move { store.cancel(&ids).await })
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    let asked = Instant::now();
    let error = store.inspect(InstanceId::new()).await.unwrap_err().to_string();
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    assert!(error.contains("pool timed out"), "{error}");
    transaction.rollback().await.unwrap();
    waiting.await.unwrap().unwrap();
    assert!(look(&store).await);
}

#[test]
fn a_store_may_outlive_its_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(async {
        let store = store(&servers().await.database().await, 2);
        assert!(look(&store).await);
        store
    });
    drop(runtime);
    drop(store);
}
