//! Many at once: nothing is handed out twice, handled twice, lost, or deadlocked.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossover_engine::EngineError;
use crossover_engine::store::{Attempt, ClaimKind, FailedAttempt, Selection, Store};
use crossover_proto::InstanceId;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::{LONG_LEASE, attempt_of, claim, start};
use crate::replayed::assert_tables_equal_audit;
use crate::servers::{Database, servers};

/// Nothing here takes longer than a second or two.
const WITHIN: Duration = Duration::from_secs(30);

/// Runs `work` in `count` tasks at once, each with a pool of its own, as replicas have; answers what each gave.
async fn at_once<T, F>(database: &Database, count: usize, work: impl Fn(usize, Store) -> F) -> Vec<T>
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
async fn by_four_replicas<F>(database: &Database, jobs: usize, round: fn(Store) -> F)
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
    by_four_replicas(&database, 2_000, |store| async move { store.reap(50).await.unwrap().0 }).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_promoters_at_once_promote_each_job_once() {
    let database = servers().await.database().await;
    let store = database.store(1);
    start(&store, &[4], 500, Duration::from_millis(1)).await;
    by_four_replicas(
        &database,
        2_000,
        |store| async move { store.promote(50).await.unwrap().0 },
    )
    .await;
    assert_eq!(
        database
            .number("SELECT count(*) FROM audit WHERE event = 'job_queued'")
            .await,
        2_000
    );
    assert_eq!(
        database
            .number("SELECT count(*) FROM job WHERE state = 'queued' AND run_at IS NULL")
            .await,
        2_000
    );
    assert_tables_equal_audit(&database.pool).await;
}

/// What the tasks of a storm share.
struct Storm {
    instances: Vec<InstanceId>,
    /// Attempts that somebody was given at some time: most are lost by now, and named all the same.
    given: Mutex<Vec<Attempt>>,
    changed: AtomicU64,
}

impl Storm {
    /// Some of the attempts, the newest more often, in no order.
    fn some(&self, random: &mut rand::rngs::SmallRng, count: usize) -> Vec<Attempt> {
        let given = self.given.lock().unwrap();
        let newest = given.len().saturating_sub(count * 3);
        let mut some: Vec<Attempt> = given[newest..].to_vec();
        drop(given);
        some.shuffle(random);
        some.truncate(count);
        // A statement takes each job once.
        let mut seen = HashSet::new();
        some.retain(|attempt| seen.insert(attempt.job));
        some
    }

    /// One call, drawn by lot.
    async fn act(
        &self,
        store: &Store,
        kind: ClaimKind,
        random: &mut rand::rngs::SmallRng,
    ) -> Result<usize, EngineError> {
        let lot = random.random_range(0..100);
        let some = self.some(random, 40);
        Ok(match lot {
            0..30 => {
                // Half of the leases are lost at once.
                let lease = if random.random() { LONG_LEASE } else { Duration::ZERO };
                let jobs = store.claim(kind, "work", 30, "test", lease).await?;
                self.given.lock().unwrap().extend(jobs.iter().map(attempt_of));
                jobs.len()
            }
            30..50 => store.complete(&some).await?.done.len(),
            50..60 => {
                let failed = |attempt| FailedAttempt {
                    attempt,
                    permanent: random.random_ratio(1, 20),
                    reason: String::new(),
                };
                store
                    .fail(&some.into_iter().map(failed).collect::<Vec<_>>())
                    .await?
                    .len()
            }
            60..70 => store.extend(&some, LONG_LEASE).await?.len(),
            70..75 => store.release(&some).await?.len(),
            75..85 => store.reap(40).await?.0,
            85..92 => store.promote(40).await?.0,
            92..94 => store.replay(&Selection::default(), 3).await?.0,
            94..95 => store.discard(&Selection::default(), 1).await?,
            _ => {
                let mut cancelled: Vec<InstanceId> = self.instances.clone();
                cancelled.shuffle(random);
                store.cancel(&cancelled[..2]).await?.len()
            }
        })
    }
}

async fn a_storm_gives_no_deadlock(kind: ClaimKind) {
    const TASKS: usize = 8;
    const ACTS: usize = 250;
    let database = servers().await.database().await;
    let instances = start(&database.store(1), &[6, 6, 6], 200, Duration::ZERO).await;
    let storm = Arc::new(Storm {
        instances,
        given: Mutex::default(),
        changed: AtomicU64::new(0),
    });
    let errors = at_once(&database, TASKS, |number, store| {
        let storm = storm.clone();
        async move {
            // Drawn from the task's number: a failure can be looked for again.
            let mut random = rand::rngs::SmallRng::seed_from_u64(number as u64);
            let mut errors = Vec::new();
            for _ in 0..ACTS {
                match storm.act(&store, kind, &mut random).await {
                    Ok(changed) => drop(storm.changed.fetch_add(changed as u64, Ordering::Relaxed)),
                    Err(error) => errors.push(error.to_string()),
                }
            }
            errors
        }
    })
    .await;
    let errors: Vec<String> = errors.into_iter().flatten().collect();
    assert!(
        errors.is_empty(),
        "{} of {} calls failed: {:#?}",
        errors.len(),
        TASKS * ACTS,
        &errors[..1]
    );
    let events = "SELECT count(DISTINCT event) FROM audit WHERE job_id IS NOT NULL";
    println!(
        "{} rows changed, {} kinds of events",
        storm.changed.load(Ordering::Relaxed),
        database.number(events).await
    );
    // All kinds but `job_scheduled`, which only a delay gives.
    assert_eq!(database.number(events).await, 10, "the storm did not do everything");
    assert_tables_equal_audit(&database.pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_all_calls_on_the_same_instances_gives_no_deadlock() {
    a_storm_gives_no_deadlock(ClaimKind::SkipLocked).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_with_blocking_claims_gives_no_deadlock() {
    a_storm_gives_no_deadlock(ClaimKind::Blocking).await;
}
