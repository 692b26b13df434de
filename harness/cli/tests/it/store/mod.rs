//! The engine's statements on a real PostgreSQL: their plans, and what happens when many run at once.

mod contention;
mod plans;

use std::time::Duration;

use crossover_engine::store::{Attempt, ClaimKind, ClaimedJob, NewInstance, Store};
use crossover_proto::InstanceId;
use crossover_proto::definition::{Definition, JobSpec, RetryPolicy, Step};

/// Rows in one statement, as in production.
const BATCH: usize = 500;
const LONG_LEASE: Duration = Duration::from_secs(600);

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
