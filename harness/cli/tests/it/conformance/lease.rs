//! Leases: lost, prolonged, given back.

use std::time::Duration;

use crossover_proto::definition::{JobSpec, RetryPolicy};
use crossover_proto::engine::Outcome;

use super::system::{LONG_LEASE_MS, SOON, System, flow, job};
use crate::servers::wait_until;

pub async fn a_lease_that_runs_out_brings_the_job_back_with_the_next_attempt(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let id = system.start_one("one").await;
    let first = system.take_from(&system.client(), "work", 1, 1).await.remove(0);
    let second = system.take_one("work").await;
    assert_eq!((second.job_id, second.attempt), (first.job_id, 2));
    assert!(
        system.inspect(id).await.jobs[0]
            .last_error
            .contains("the lease of test ran out")
    );
    system.complete_one(&second).await;
    let expected = [
        "instance_started",
        "job_queued 1@1",
        "job_claimed 1@1",
        "job_lease_expired 1@1",
        "job_claimed 1@2",
        "job_completed 1@2",
        "instance_completed",
    ];
    assert_eq!(system.trail(id).await, expected);
}

pub async fn a_lease_that_runs_out_on_the_last_attempt_is_a_dead_letter(system: &System) {
    let retry = RetryPolicy {
        max_attempts: 1,
        ..RetryPolicy::default()
    };
    system
        .register(&flow("one", [vec![JobSpec { retry, ..job("work") }]]))
        .await;
    let id = system.start_one("one").await;
    system.take_from(&system.client(), "work", 1, 1).await;
    wait_until("the instance failed", SOON, || async {
        system.state(id).await == "failed"
    })
    .await;
    let expected = [
        "instance_started",
        "job_queued 1@1",
        "job_claimed 1@1",
        "job_dead_lettered 1@1",
        "instance_failed",
    ];
    assert_eq!(system.trail(id).await, expected);
}

pub async fn an_extended_lease_does_not_run_out(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    system.start_many("one", 2).await;
    let lease = Duration::from_secs(1);
    let lease_ms = u32::try_from(lease.as_millis()).unwrap();
    let jobs = system.take_from(&system.client(), "work", 2, lease_ms).await;
    assert_eq!(system.extend(&jobs[..1], LONG_LEASE_MS).await, [Outcome::Done]);
    // The other one's lease shows that time has passed.
    let back = system.take_one("work").await;
    assert_eq!((back.job_id, back.attempt), (jobs[1].job_id, 2));
    system.complete_one(&jobs[0]).await;
}

pub async fn a_lost_lease_can_not_be_extended(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    system.start_one("one").await;
    let lost = system.take_from(&system.client(), "work", 1, 1).await;
    let current = system.take("work", 1).await;
    assert_eq!(system.extend(&lost, LONG_LEASE_MS).await, [Outcome::StaleAttempt]);
    assert_eq!(system.extend(&current, LONG_LEASE_MS).await, [Outcome::Done]);
    system.complete(&current).await;
    assert_eq!(
        system.extend(&current, LONG_LEASE_MS).await,
        [Outcome::AlreadyCompleted]
    );
}

pub async fn a_released_job_comes_back_on_the_same_attempt(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let id = system.start_one("one").await;
    let taken = system.take("work", 1).await;
    assert_eq!(system.release(&taken).await, [Outcome::Done]);
    assert_eq!(
        system.release(&taken).await,
        [Outcome::StaleAttempt],
        "there is no lease to give back"
    );
    let again = system.take("work", 1).await;
    assert_eq!(again, taken);
    let expected = [
        "instance_started",
        "job_queued 1@1",
        "job_claimed 1@1",
        "job_released 1@1",
        "job_claimed 1@1",
    ];
    assert_eq!(system.trail(id).await, expected);
}
