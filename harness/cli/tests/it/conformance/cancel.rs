//! Cancelling instances.

use crossover_proto::definition::JobSpec;
use crossover_proto::engine::{self as wire, CancelOutcome, Outcome};

use super::system::{System, client_of, complete, flow, job};

pub async fn a_cancel_ends_all_unfinished_jobs(system: &System) {
    let late = JobSpec {
        delay: std::time::Duration::from_hours(1),
        ..job("late")
    };
    system
        .register(&flow(
            "four",
            [
                vec![job("done"), job("running"), job("queued"), late],
                vec![job("after")],
            ],
        ))
        .await;
    let id = system.start_one("four").await;
    system.complete_one(&system.take_one("done").await).await;
    system.take_one("running").await;
    assert_eq!(system.cancel(id).await, CancelOutcome::Cancelled);
    let states: Vec<String> = system.jobs(id).await.into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, ["completed", "cancelled", "cancelled", "cancelled"]);
    assert_eq!(system.state(id).await, "cancelled");
    system.assert_nothing_ready("queued").await;
    let trail = system.trail(id).await;
    let mut cancelled = trail[trail.len() - 4..].to_vec();
    cancelled.sort();
    assert_eq!(
        cancelled,
        [
            "instance_cancelled",
            "job_cancelled 2@1",
            "job_cancelled 3@1",
            "job_cancelled 4@1"
        ]
    );
}

pub async fn a_finished_instance_answers_already_finished(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let id = system.start_one("one").await;
    system.complete_one(&system.take_one("work").await).await;
    let trail = system.trail(id).await;
    assert_eq!(system.cancel(id).await, CancelOutcome::AlreadyFinished);
    assert_eq!(system.trail(id).await, trail);
    let id = system.start_one("one").await;
    assert_eq!(system.cancel(id).await, CancelOutcome::Cancelled);
    let trail = system.trail(id).await;
    assert_eq!(system.cancel(id).await, CancelOutcome::AlreadyFinished);
    assert_eq!(system.trail(id).await, trail);
}

pub async fn a_failed_instance_can_be_cancelled(system: &System) {
    system.register(&flow("two", [vec![job("bad"), job("good")]])).await;
    let id = system.start_one("two").await;
    system.fail(&system.take_one("bad").await, true).await;
    assert_eq!(system.cancel(id).await, CancelOutcome::Cancelled);
    let states: Vec<String> = system.jobs(id).await.into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, ["dead_letter", "cancelled"]);
}

pub async fn a_bad_cancel_is_answered_alone(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let good = system.start_one("one").await.to_wire().to_vec();
    let unknown = crossover_proto::InstanceId::new().to_wire().to_vec();
    let request = wire::CancelRequest {
        instance_ids: vec![vec![1].into(), unknown.into(), good.into()],
    };
    let answer = system.client().cancel(request).await.unwrap().into_inner();
    let expected = [
        CancelOutcome::InvalidId,
        CancelOutcome::NotFound,
        CancelOutcome::Cancelled,
    ];
    assert_eq!(answer.outcomes().collect::<Vec<_>>(), expected);
}

pub async fn a_report_of_a_cancelled_job_is_stale(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let id = system.start_one("one").await;
    let job = system.take_one("work").await;
    system.cancel(id).await;
    let trail = system.trail(id).await;
    assert_eq!(
        system.complete(std::slice::from_ref(&job)).await,
        [Outcome::StaleAttempt]
    );
    assert_eq!(system.fail(&job, false).await, Outcome::StaleAttempt);
    assert_eq!(
        system.extend(std::slice::from_ref(&job), 1_000).await,
        [Outcome::StaleAttempt]
    );
    assert_eq!(system.release(&[job]).await, [Outcome::StaleAttempt]);
    assert_eq!(system.trail(id).await, trail);
}

pub async fn cancels_and_completions_at_once_agree(system: &System) {
    system
        .register(&flow("two", [vec![job("work")], vec![job("after")]]))
        .await;
    let other = client_of(&system.add_replica().await);
    let mut won = [0, 0];
    for _ in 0..20 {
        let ids = system.start_many("two", 50).await;
        let jobs = system.take("work", 50).await;
        let backwards = ids.iter().rev().map(|id| id.to_wire().to_vec().into()).collect();
        let mut canceller = other.clone();
        let request = wire::CancelRequest {
            instance_ids: backwards,
        };
        // Half each way, so that each wins some.
        let (early, late) = jobs.split_at(25);
        let client = system.client();
        let completing = async { [complete(&client, early).await, complete(&client, late).await].concat() };
        let (cancelled, completed) = tokio::join!(canceller.cancel(request), completing);
        // Nothing is finished before its second step: every cancel takes effect, before the completion or after it.
        assert!(
            cancelled
                .unwrap()
                .into_inner()
                .outcomes()
                .all(|outcome| outcome == CancelOutcome::Cancelled)
        );
        for outcome in completed {
            assert!(matches!(outcome, Outcome::Done | Outcome::StaleAttempt), "{outcome:?}");
            won[usize::from(outcome == Outcome::Done)] += 1;
        }
    }
    let open = "SELECT count(*) FROM job WHERE state IN ('scheduled', 'queued', 'running')";
    assert_eq!(
        system.database.number(open).await,
        0,
        "no job outlives its instance; completions won {won:?}"
    );
}
