//! A job is completed once.

use crossover_proto::engine::{JobRef, Outcome};

use super::system::{System, flow, job};

/// A lease that is lost at once.
const SHORT_LEASE_MS: u32 = 1;

pub async fn a_second_completion_answers_already_completed(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let id = system.start_one("one").await;
    let job = system.take_one("work").await;
    system.complete_one(&job).await;
    let trail = system.trail(id).await;
    assert_eq!(
        system.complete(std::slice::from_ref(&job)).await,
        [Outcome::AlreadyCompleted]
    );
    assert_eq!(system.fail(&job, true).await, Outcome::AlreadyCompleted);
    assert_eq!(
        system.release(std::slice::from_ref(&job)).await,
        [Outcome::AlreadyCompleted]
    );
    assert_eq!(system.trail(id).await, trail);
}

pub async fn a_job_named_twice_in_one_call_completes_once(system: &System) {
    system
        .register(&flow("two", [vec![job("work")], vec![job("after")]]))
        .await;
    let id = system.start_one("two").await;
    let job = system.take_one("work").await;
    let outcomes = system.complete(&[job.clone(), job]).await;
    assert_eq!(outcomes, [Outcome::Done, Outcome::AlreadyCompleted]);
    assert_eq!(
        system.jobs(id).await,
        [("completed".to_owned(), 1), ("queued".to_owned(), 1)]
    );
}

pub async fn a_completion_of_a_lost_lease_is_stale_and_changes_nothing(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let id = system.start_one("one").await;
    let lost = system
        .take_from(&system.client(), "work", 1, SHORT_LEASE_MS)
        .await
        .remove(0);
    let current = system.take_one("work").await;
    assert_eq!((lost.attempt, current.attempt), (1, 2));
    let before = system.inspect(id).await;
    assert_eq!(
        system.complete(std::slice::from_ref(&lost)).await,
        [Outcome::StaleAttempt]
    );
    assert_eq!(system.fail(&lost, true).await, Outcome::StaleAttempt);
    assert_eq!(
        system.release(std::slice::from_ref(&lost)).await,
        [Outcome::StaleAttempt]
    );
    assert_eq!(system.inspect(id).await, before);
    system.complete_one(&current).await;
    assert_eq!(
        system.complete(std::slice::from_ref(&lost)).await,
        [Outcome::AlreadyCompleted]
    );
}

pub async fn the_current_attempt_completes_though_a_lost_one_is_named_beside_it(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let orders: [fn(JobRef, JobRef) -> [JobRef; 2]; 2] =
        [|lost, current| [lost, current], |lost, current| [current, lost]];
    for order in orders {
        system.start_one("one").await;
        let lost = system
            .take_from(&system.client(), "work", 1, SHORT_LEASE_MS)
            .await
            .remove(0);
        let current = system.take_one("work").await;
        let named = order(lost, current.clone());
        let outcomes = system.complete(&named).await;
        for (job, outcome) in named.iter().zip(outcomes) {
            // The lost one sees the job as the current one left it.
            let expected = if *job == current {
                Outcome::Done
            } else {
                Outcome::AlreadyCompleted
            };
            assert_eq!(outcome, expected, "attempt {} of {named:?}", job.attempt);
        }
    }
}

pub async fn a_bad_reference_is_answered_alone(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    system.start_many("one", 2).await;
    let jobs = system.take("work", 2).await;
    let bad = [
        JobRef {
            job_id: i64::MAX,
            ..jobs[0].clone()
        },
        JobRef {
            instance_id: vec![1, 2, 3].into(),
            ..jobs[0].clone()
        },
        JobRef {
            attempt: 70_000,
            ..jobs[0].clone()
        },
        // A job of another instance.
        JobRef {
            instance_id: jobs[0].instance_id.clone(),
            ..jobs[1].clone()
        },
    ];
    let named: Vec<JobRef> = bad.into_iter().chain([jobs[0].clone()]).collect();
    let expected = [
        Outcome::NotFound,
        Outcome::Invalid,
        Outcome::Invalid,
        Outcome::StaleAttempt,
        Outcome::Done,
    ];
    assert_eq!(system.complete(&named).await, expected);
    system.complete_one(&jobs[1]).await;
}
