//! Dead letters: listed, brought back, given up.

use crossover_proto::definition::{JobSpec, RetryPolicy};
use crossover_proto::engine as wire;
use crossover_proto::load::Work;

use super::system::{System, flow, job};
use super::workers::{start_work, wait_for_states};

/// More than one page of the API's.
const MASS: u32 = 10_000;

fn all() -> wire::DeadLetterSelection {
    wire::DeadLetterSelection::default()
}

fn only(jobs: &[i64]) -> wire::DeadLetterSelection {
    wire::DeadLetterSelection {
        job_ids: jobs.to_vec(),
        ..all()
    }
}

async fn list(system: &System) -> Vec<wire::DeadLetter> {
    let request = wire::ListDeadLettersRequest::default();
    system
        .client()
        .list_dead_letters(request)
        .await
        .unwrap()
        .into_inner()
        .dead_letters
}

async fn replay(system: &System, selection: wire::DeadLetterSelection) -> u32 {
    system
        .client()
        .replay_dead_letters(selection)
        .await
        .unwrap()
        .into_inner()
        .changed
}

async fn discard(system: &System, selection: wire::DeadLetterSelection) -> u32 {
    system
        .client()
        .discard_dead_letters(selection)
        .await
        .unwrap()
        .into_inner()
        .changed
}

/// Starts one instance of two parallel jobs and lets both fail for good.
async fn two_dead_letters(system: &System) -> (crossover_proto::InstanceId, Vec<i64>) {
    system
        .register(&flow(
            "two",
            [
                vec![JobSpec {
                    count: 2,
                    ..job("work")
                }],
                vec![job("after")],
            ],
        ))
        .await;
    let id = system.start_one("two").await;
    let jobs = system.take("work", 2).await;
    for job in &jobs {
        system.fail(job, true).await;
    }
    (id, jobs.iter().map(|job| job.job_id).collect())
}

pub async fn a_dead_letter_is_listed_with_its_reason(system: &System) {
    let (id, jobs) = two_dead_letters(system).await;
    let letters = list(system).await;
    assert_eq!(letters.iter().map(|letter| letter.job_id).collect::<Vec<_>>(), jobs);
    let first = &letters[0];
    assert_eq!(
        (first.definition.as_str(), first.job_type.as_str(), first.attempt),
        ("two", "work", 1)
    );
    assert_eq!(first.instance_id, id.to_wire().to_vec());
    assert_eq!(first.reason, "as the test wants it");
    let request = wire::ListDeadLettersRequest {
        reason_contains: "nobody said this".to_owned(),
        ..Default::default()
    };
    assert!(
        system
            .client()
            .list_dead_letters(request)
            .await
            .unwrap()
            .into_inner()
            .dead_letters
            .is_empty()
    );
}

pub async fn a_replayed_dead_letter_runs_again_with_a_fresh_retry_budget(system: &System) {
    let retry = RetryPolicy {
        max_attempts: 2,
        initial_backoff: std::time::Duration::ZERO,
        ..RetryPolicy::default()
    };
    system
        .register(&flow("one", [vec![JobSpec { retry, ..job("work") }]]))
        .await;
    let id = system.start_one("one").await;
    for _ in 0..2 {
        system.fail(&system.take_one("work").await, false).await;
    }
    assert_eq!(replay(system, all()).await, 1);
    assert_eq!(system.state(id).await, "running");
    // Attempts 3 and 4: a transient failure is retried again before it is final.
    system.fail(&system.take_one("work").await, false).await;
    let last = system.take_one("work").await;
    assert_eq!(last.attempt, 4);
    system.complete_one(&last).await;
    assert_eq!(system.state(id).await, "completed");
    let trail = system.trail(id).await;
    assert!(
        trail.contains(&"job_replayed 1@3".to_owned()) && trail.contains(&"instance_resumed".to_owned()),
        "{trail:?}"
    );
}

pub async fn an_instance_resumes_with_its_last_dead_letter(system: &System) {
    let (id, jobs) = two_dead_letters(system).await;
    assert_eq!(replay(system, only(&jobs[..1])).await, 1);
    assert_eq!(system.state(id).await, "failed");
    assert_eq!(replay(system, only(&jobs[1..])).await, 1);
    assert_eq!(system.state(id).await, "running");
    for _ in 0..2 {
        system.complete_one(&system.take_one("work").await).await;
    }
    system.complete_one(&system.take_one("after").await).await;
    assert_eq!(system.state(id).await, "completed");
}

pub async fn a_repeated_replay_brings_nothing_back_twice(system: &System) {
    let (id, jobs) = two_dead_letters(system).await;
    let (one, other) = tokio::join!(replay(system, all()), replay(system, all()));
    assert_eq!(one + other, 2);
    assert_eq!(replay(system, only(&jobs)).await, 0);
    assert_eq!(system.state(id).await, "running");
    assert_eq!(
        system.jobs(id).await,
        [("queued".to_owned(), 2), ("queued".to_owned(), 2)]
    );
}

pub async fn a_discarded_dead_letter_is_final(system: &System) {
    let (id, jobs) = two_dead_letters(system).await;
    assert_eq!(discard(system, only(&jobs[..1])).await, 1);
    assert_eq!(discard(system, only(&jobs[..1])).await, 0);
    assert_eq!(replay(system, all()).await, 1);
    assert_eq!(system.state(id).await, "failed", "one of its jobs will never be done");
    let states: Vec<String> = system.jobs(id).await.into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, ["discarded", "queued"]);
    assert!(list(system).await.is_empty());
}

pub async fn a_mass_failure_is_replayed_after_the_handler_is_fixed(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let broken = system
        .add_worker(&["work"], &["--concurrency", "1000", "--batch", "500"])
        .await;
    let work = Work {
        permanent_failure_rate: 1.0,
        ..Work::default()
    };
    for _ in 0..4 {
        start_work(system, "one", u64::from(MASS / 4), &work).await;
    }
    wait_for_states(
        system,
        "SELECT count(*) FROM job WHERE state = 'dead_letter'",
        i64::from(MASS),
    )
    .await;
    system.stop_worker(&broken).await;
    system
        .add_worker(
            &["work"],
            &["--concurrency", "1000", "--batch", "500", "--handler", "fixed"],
        )
        .await;
    let mut replayed = 0;
    loop {
        match replay(system, all()).await {
            0 => break,
            changed => replayed += changed,
        }
    }
    assert_eq!(replayed, MASS);
    wait_for_states(
        system,
        "SELECT count(*) FROM instance WHERE state = 'completed'",
        i64::from(MASS),
    )
    .await;
    let twice = "SELECT count(*) FROM (SELECT job_id FROM audit WHERE event = 'job_completed'
                 GROUP BY job_id HAVING count(*) > 1) AS twice";
    assert_eq!(system.database.number(twice).await, 0);
}

pub async fn a_dead_letter_of_a_cancelled_instance_is_not_replayed(system: &System) {
    let (id, _) = two_dead_letters(system).await;
    system.cancel(id).await;
    assert_eq!(replay(system, all()).await, 0);
    assert_eq!(system.state(id).await, "cancelled");
    system.assert_nothing_ready("work").await;
}
