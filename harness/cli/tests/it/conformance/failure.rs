//! Failed attempts: retries and dead letters.

use std::time::{Duration, Instant};

use crossover_proto::definition::{JobSpec, RetryPolicy};
use crossover_proto::engine::{self as wire, Outcome};
use sqlx::Row;

use super::system::{System, fail, flow, job};

fn retried(retry: RetryPolicy) -> JobSpec {
    JobSpec { retry, ..job("work") }
}

fn waits(initial: Duration, multiplier: f64, max: Duration, jitter: f64) -> RetryPolicy {
    RetryPolicy {
        max_attempts: 10,
        initial_backoff: initial,
        multiplier,
        max_backoff: max,
        jitter,
    }
}

/// Time until the only scheduled job is due, from the moment at which it was scheduled (hours).
async fn backoff_hours(system: &System) -> f64 {
    let query = "SELECT (extract(epoch FROM run_at - (SELECT at FROM audit ORDER BY id DESC LIMIT 1)) / 3600)::float8
                 FROM job WHERE state = 'scheduled'";
    sqlx::query(query)
        .fetch_one(&system.database.pool)
        .await
        .unwrap()
        .get(0)
}

pub async fn a_transient_failure_is_retried_after_a_backoff(system: &System) {
    let backoff = Duration::from_millis(300);
    system
        .register(&flow("one", [vec![retried(waits(backoff, 2.0, backoff, 0.0))]]))
        .await;
    let id = system.start_one("one").await;
    let first = system.take_one("work").await;
    let failed = Instant::now();
    assert_eq!(system.fail(&first, false).await, Outcome::Done);
    assert_eq!(system.jobs(id).await, [("scheduled".to_owned(), 2)]);
    system.assert_nothing_ready("work").await;
    let second = system.take_one("work").await;
    assert!(failed.elapsed() >= backoff, "it came back after {:?}", failed.elapsed());
    assert_eq!((second.job_id, second.attempt), (first.job_id, 2));
    system.complete_one(&second).await;
    let expected = [
        "instance_started",
        "job_queued 1@1",
        "job_claimed 1@1",
        "job_retried 1@1",
        "job_queued 1@2",
        "job_claimed 1@2",
        "job_completed 1@2",
        "instance_completed",
    ];
    assert_eq!(system.trail(id).await, expected);
}

pub async fn the_backoff_grows_by_its_factor_up_to_its_bound(system: &System) {
    let hours = Duration::from_hours;
    system
        .register(&flow("one", [vec![retried(waits(hours(1), 2.0, hours(6), 0.0))]]))
        .await;
    system.start_one("one").await;
    for expected in [1.0, 2.0, 4.0, 6.0, 6.0] {
        system.fail(&system.take_one("work").await, false).await;
        let hours = backoff_hours(system).await;
        assert!((hours - expected).abs() < 0.001, "{hours} h, not {expected} h");
        assert_eq!(system.make_due().await, 1);
    }
}

pub async fn jitter_shortens_the_backoff_by_no_more_than_its_share(system: &System) {
    let hour = Duration::from_hours(1);
    system
        .register(&flow("one", [vec![retried(waits(hour, 1.0, hour, 0.5))]]))
        .await;
    system.start_many("one", 50).await;
    for job in system.take("work", 50).await {
        system.fail(&job, false).await;
    }
    let query = "SELECT (extract(epoch FROM min(run_at - at)) / 3600)::float8,
                        (extract(epoch FROM max(run_at - at)) / 3600)::float8
                 FROM job JOIN audit ON audit.job_id = job.id AND event = 'job_retried'";
    let row = sqlx::query(query).fetch_one(&system.database.pool).await.unwrap();
    let (least, most): (f64, f64) = (row.get(0), row.get(1));
    assert!(
        (0.5..0.65).contains(&least) && (0.85..=1.0).contains(&most),
        "{least} h to {most} h"
    );
}

pub async fn a_failure_of_the_last_attempt_is_a_dead_letter(system: &System) {
    let retry = RetryPolicy {
        max_attempts: 2,
        initial_backoff: Duration::ZERO,
        ..RetryPolicy::default()
    };
    system
        .register(&flow("one", [vec![retried(retry)], vec![job("after")]]))
        .await;
    let id = system.start_one("one").await;
    for _ in 0..2 {
        assert_eq!(system.fail(&system.take_one("work").await, false).await, Outcome::Done);
    }
    let expected = [
        "instance_started",
        "job_queued 1@1",
        "job_claimed 1@1",
        "job_retried 1@1",
        "job_queued 1@2",
        "job_claimed 1@2",
        "job_dead_lettered 1@2",
        "instance_failed",
    ];
    assert_eq!(system.trail(id).await, expected);
    assert_eq!(system.jobs(id).await, [("dead_letter".to_owned(), 2)]);
    assert_eq!(system.state(id).await, "failed");
}

pub async fn a_permanent_failure_is_a_dead_letter_at_once(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let id = system.start_one("one").await;
    assert_eq!(system.fail(&system.take_one("work").await, true).await, Outcome::Done);
    let expected = [
        "instance_started",
        "job_queued 1@1",
        "job_claimed 1@1",
        "job_dead_lettered 1@1",
        "instance_failed",
    ];
    assert_eq!(system.trail(id).await, expected);
    let view = system.inspect(id).await;
    assert_eq!(
        (view.state.as_str(), view.jobs[0].state.as_str()),
        ("failed", "dead_letter")
    );
    assert_eq!(view.jobs[0].last_error, "as the test wants it");
}

pub async fn siblings_of_a_dead_letter_still_complete(system: &System) {
    let parallel = vec![JobSpec {
        count: 3,
        ..job("work")
    }];
    system.register(&flow("three", [parallel, vec![job("after")]])).await;
    let id = system.start_one("three").await;
    let jobs = system.take("work", 3).await;
    system.fail(&jobs[1], true).await;
    assert_eq!(
        system.complete(&[jobs[0].clone(), jobs[2].clone()]).await,
        [Outcome::Done, Outcome::Done]
    );
    let states: Vec<String> = system.jobs(id).await.into_iter().map(|(state, _)| state).collect();
    assert_eq!(
        states,
        ["completed", "dead_letter", "completed"],
        "and no job of the next step"
    );
    assert_eq!(system.state(id).await, "failed");
}

pub async fn a_second_report_of_a_failure_is_stale(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let id = system.start_one("one").await;
    let job = system.take_one("work").await;
    assert_eq!(system.fail(&job, true).await, Outcome::Done);
    let trail = system.trail(id).await;
    assert_eq!(system.fail(&job, false).await, Outcome::StaleAttempt);
    assert_eq!(system.complete(&[job]).await, [Outcome::StaleAttempt]);
    assert_eq!(system.trail(id).await, trail);
}

pub async fn a_reason_of_any_text_is_kept(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let ids = system.start_many("one", 2).await;
    let mut jobs = system.take("work", 2).await;
    // Jobs of different instances come in any order, where they come by way of a broker.
    jobs.sort_unstable_by_key(|job| job.job_id);
    let reasons = ["quote ' backslash \\ nul \0 snowman ☃".to_owned(), "é".repeat(100_000)];
    let failure = |(job, reason): (&wire::JobRef, &String)| wire::Failure {
        job: Some(job.clone()),
        permanent: true,
        reason: reason.clone(),
    };
    let outcomes = fail(&system.client(), jobs.iter().zip(&reasons).map(failure).collect()).await;
    assert_eq!(outcomes, [Outcome::Done, Outcome::Done]);
    assert_eq!(
        system.inspect(ids[0]).await.jobs[0].last_error,
        "quote ' backslash \\ nul  snowman ☃"
    );
    assert!(
        reasons[1].starts_with(&system.inspect(ids[1]).await.jobs[0].last_error),
        "the beginning of it"
    );
}
