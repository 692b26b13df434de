//! Many at once: nothing is handed out twice, handled twice, lost, or deadlocked.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossover_engine::store::{ClaimKind, Store};

use super::{LONG_LEASE, assert_outbox_follows_audit, claim, start};
use crate::replayed::assert_tables_equal_audit;
use crate::servers::{Database, servers};

/// Nothing here takes longer than a second or two.
const WITHIN: Duration = Duration::from_secs(30);

/// Runs `work` in `count` tasks at once, each with a pool of its own, as replicas have; answers what each gave.
pub(super) async fn at_once<T, F>(database: &Database, count: usize, work: impl Fn(usize, Store) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..count)
        .map(|number| tokio::spawn(work(number, database.store(1))))
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(tokio::time::timeout(WITHIN, task).await.unwrap().unwrap());
    }
    answers
}

async fn claims_never_hand_out_a_job_twice(kind: ClaimKind) {
    const JOBS: usize = 4_000;
    let database = servers().await.database().await;
    start(&database.store(1), &[1], JOBS, Duration::ZERO).await;
    let claimed = Arc::new(AtomicUsize::new(0));
    let claimers = at_once(&database, 8, |number, store| {
        let claimed = claimed.clone();
        async move {
            let mut mine = Vec::new();
            // A blocking claim may come back with less than there is: its rows went to the one it waited for.
            while claimed.load(Ordering::Relaxed) < JOBS {
                let jobs = store
                    .claim(kind, "work", 37, &format!("worker-{number}"), LONG_LEASE)
                    .await
                    .unwrap();
                claimed.fetch_add(jobs.len(), Ordering::Relaxed);
                mine.extend(jobs.into_iter().map(|job| job.id));
            }
            mine
        }
    })
    .await;
    let busy = claimers.iter().filter(|mine| !mine.is_empty()).count();
    assert!(busy > 1, "claimers did not meet");
    let all: Vec<_> = claimers.into_iter().flatten().collect();
    assert_eq!(all.len(), JOBS);
    assert_eq!(
        all.iter().collect::<HashSet<_>>().len(),
        JOBS,
        "a job was handed out twice"
    );
    assert_tables_equal_audit(&database.pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_at_once_never_hand_out_a_job_twice() {
    claims_never_hand_out_a_job_twice(ClaimKind::SkipLocked).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocking_claims_at_once_never_hand_out_a_job_twice() {
    claims_never_hand_out_a_job_twice(ClaimKind::Blocking).await;
}

/// Runs a round of housekeeping by four replicas at once until `jobs` were handled.
async fn by_four_replicas<F>(database: &Database, jobs: usize, round: impl Fn(Store) -> F + Copy + Send + 'static)
where
    F: Future<Output = usize> + Send + 'static,
{
    let handled = Arc::new(AtomicUsize::new(0));
    at_once(database, 4, |_, store| {
        let handled = handled.clone();
        async move {
            // A round passes over what another one works on, so an empty one is not the end.
            while handled.load(Ordering::Relaxed) < jobs {
                handled.fetch_add(round(store.clone()).await, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    assert_eq!(handled.load(Ordering::Relaxed), jobs, "a job was handled twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_reapers_at_once_take_each_job_back_once() {
    let database = servers().await.database().await;
    let store = database.store(1);
    start(&store, &[4], 500, Duration::ZERO).await;
    assert_eq!(claim(&store, 2_000, Duration::ZERO).await.len(), 2_000);
    by_four_replicas(
        &database,
        2_000,
        |store| async move { store.reap(50).await.unwrap().jobs },
    )
    .await;
    let expired = "SELECT count(*) FROM audit WHERE event = 'job_lease_expired'";
    assert_eq!(database.number(expired).await, 2_000);
    assert_eq!(
        database
            .number("SELECT count(*) FROM job WHERE state = 'queued' AND attempt = 2")
            .await,
        2_000
    );
    assert_tables_equal_audit(&database.pool).await;
}

async fn promoters_promote_each_job_once(in_mode: fn(Store) -> Store) -> Database {
    let database = servers().await.database().await;
    start(&database.store(1), &[4], 500, Duration::from_millis(1)).await;
    let promote = move |store| async move { in_mode(store).promote(50).await.unwrap().jobs };
    by_four_replicas(&database, 2_000, promote).await;
    let queued = "SELECT count(*) FROM audit WHERE event = 'job_queued'";
    assert_eq!(database.number(queued).await, 2_000);
    let ready = "SELECT count(*) FROM job WHERE state = 'queued' AND run_at IS NULL";
    assert_eq!(database.number(ready).await, 2_000);
    assert_tables_equal_audit(&database.pool).await;
    database
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_promoters_at_once_promote_each_job_once() {
    promoters_promote_each_job_once(|store| store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_promoters_at_once_dispatch_each_job_once() {
    let database = promoters_promote_each_job_once(|store| store.dispatching_to_outbox("test")).await;
    assert_outbox_follows_audit(&database).await;
}
