//! The begin of a lease on a job that came from the broker.

use std::time::Duration;

use crossover_engine::store::Attempt;
use rand::SeedableRng;
use rand::seq::SliceRandom;

use super::contention::at_once;
use super::{LONG_LEASE, dispatching, jobs_in, start};
use crate::replayed::assert_tables_equal_audit;
use crate::servers::{Database, servers};

async fn claimed(database: &Database) -> i64 {
    database
        .number("SELECT count(*) FROM audit WHERE event = 'job_claimed'")
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queued_job_begins_once_and_a_repeat_prolongs_its_lease() {
    let database = servers().await.database().await;
    let store = dispatching(&database, 1);
    start(&store, &[2], 1, Duration::ZERO).await;
    let jobs = jobs_in(&database, "queued").await;
    let first = store.begin(&jobs[..1], "a", Duration::from_secs(10)).await.unwrap();
    assert_eq!((first.done.len(), first.begun.len()), (1, 1));
    let key = first.begun[0];
    assert_eq!((key.job, key.instance, key.attempt), (jobs[0].job, jobs[0].instance, 1));
    assert_eq!((key.step, key.ordinal), (0, 0));

    let both = store.begin(&jobs, "a", LONG_LEASE).await.unwrap();
    assert_eq!(both.done.len(), 2);
    assert_eq!(both.begun.iter().map(|key| key.job).collect::<Vec<_>>(), [jobs[1].job]);
    assert_eq!(both.begun[0].ordinal, 1);
    assert_eq!(claimed(&database).await, 2);
    let prolonged = "SELECT count(*) FROM job WHERE state = 'running' AND worker = 'a'
        AND lease_until > now() + interval '1 minute'";
    assert_eq!(database.number(prolonged).await, 2);
    assert_tables_equal_audit(&database.pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_can_not_begin_is_left_alone() {
    let database = servers().await.database().await;
    let store = dispatching(&database, 1);
    let instances = start(&store, &[1], 5, Duration::ZERO).await;
    let jobs = jobs_in(&database, "queued").await;
    let at = |instance: usize| *jobs.iter().find(|job| job.instance == instances[instance]).unwrap();
    // Another's, completed, cancelled, scheduled, and one that is named wrongly.
    store.begin(&[at(0), at(1)], "other", LONG_LEASE).await.unwrap();
    store.complete(&[at(1)]).await.unwrap();
    store.cancel(&[instances[2]]).await.unwrap();
    database
        .execute("UPDATE job SET attempt = attempt + 1 WHERE state = 'queued'")
        .await;
    let before = database.number("SELECT sum(hashtext(job::text)) FROM job").await;
    let wrong = Attempt {
        attempt: 2,
        instance: instances[0],
        ..at(4)
    };
    let begun = store
        .begin(&[at(0), at(1), at(2), at(3), wrong], "me", LONG_LEASE)
        .await
        .unwrap();
    assert!(begun.done.is_empty() && begun.begun.is_empty(), "{begun:?}");
    assert_eq!(
        database.number("SELECT sum(hashtext(job::text)) FROM job").await,
        before
    );
    assert_eq!(claimed(&database).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_begin_the_same_jobs_at_once_get_each_once() {
    const JOBS: usize = 1_000;
    let database = servers().await.database().await;
    start(&dispatching(&database, 1), &[4], JOBS / 4, Duration::ZERO).await;
    let jobs = jobs_in(&database, "queued").await;
    let begun = at_once(&database, 6, |number, store| {
        let mut jobs = jobs.clone();
        jobs.shuffle(&mut rand::rngs::SmallRng::seed_from_u64(number as u64));
        async move {
            let mut mine = 0;
            for batch in jobs.chunks(100) {
                let begun = store.begin(batch, &format!("worker-{number}"), LONG_LEASE).await;
                mine += begun.unwrap().begun.len();
            }
            mine
        }
    })
    .await;
    assert_eq!(begun.iter().sum::<usize>(), JOBS, "{begun:?}");
    assert_eq!(claimed(&database).await, 1_000);
    assert_tables_equal_audit(&database.pool).await;
}
