//! Real workers.

use std::time::Duration;

use crossover_proto::InstanceId;
use crossover_proto::definition::{JobSpec, RetryPolicy};
use crossover_proto::engine::{self as wire, StartOutcome};
use crossover_proto::load::service_time::Distribution;
use crossover_proto::load::{ServiceTime, Work};
use crossover_testbed::Signal;
use prost::Message;

use super::system::{Part, SOON, System, flow, job, start, start_item};
use crate::servers::wait_until;

/// Starts instances whose handlers do as `work` says; answers their ids.
pub async fn start_work(system: &System, definition: &str, count: u64, work: &Work) -> Vec<InstanceId> {
    let ids: Vec<InstanceId> = (0..count).map(|_| InstanceId::new()).collect();
    let item = |(seed, id): (u64, &InstanceId)| wire::StartItem {
        payload: Work { seed, ..work.clone() }.encode_to_vec().into(),
        ..start_item(*id, definition)
    };
    let outcomes = start(&system.client(), (0..).zip(&ids).map(item).collect()).await;
    assert!(outcomes.iter().all(|outcome| *outcome == StartOutcome::Accepted));
    ids
}

/// Handlers that take exactly so long.
fn taking(time: Duration) -> Work {
    let mean_us = u64::try_from(time.as_micros()).unwrap();
    let service = ServiceTime {
        distribution: Distribution::Constant.into(),
        mean_us,
        sigma: 0.0,
    };
    Work {
        service: Some(service),
        ..Work::default()
    }
}

pub async fn wait_for_states(system: &System, query: &'static str, count: i64) {
    wait_until(query, SOON, || async { system.database.number(query).await == count }).await;
}

async fn terminate(system: &System, worker: &Part) {
    let supervisor = &system.servers.supervisor;
    supervisor.signal(&worker.name, Signal::Term).await.unwrap();
    let exit = supervisor.wait_exit(&worker.name, SOON).await.unwrap();
    assert_eq!(exit.code, Some(0), "{}", system.log_of(worker));
}

pub async fn workers_run_whole_workflows(system: &System) {
    let retry = RetryPolicy {
        max_attempts: 50,
        initial_backoff: Duration::from_millis(1),
        ..RetryPolicy::default()
    };
    let first = JobSpec {
        count: 3,
        retry: retry.clone(),
        ..job("wide")
    };
    let second = JobSpec { retry, ..job("narrow") };
    system
        .register(&flow("flow", [vec![first], vec![second.clone()], vec![second]]))
        .await;
    system.add_replica().await;
    for _ in 0..2 {
        system.add_worker(&["wide", "narrow"], &[]).await;
    }
    let work = Work {
        transient_failure_rate: 0.2,
        ..taking(Duration::from_millis(1))
    };
    start_work(system, "flow", 200, &work).await;
    wait_for_states(system, "SELECT count(*) FROM instance WHERE state = 'completed'", 200).await;
    assert_eq!(
        system
            .database
            .number("SELECT count(*) FROM job WHERE state = 'completed'")
            .await,
        1_000
    );
    assert!(
        system
            .database
            .number("SELECT count(*) FROM audit WHERE event = 'job_retried'")
            .await
            > 50
    );
}

pub async fn a_stopped_worker_finishes_what_it_runs(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let worker = system.add_worker(&["work"], &["--grace", "10s"]).await;
    start_work(system, "one", 20, &taking(Duration::from_millis(400))).await;
    wait_for_states(system, "SELECT count(*) FROM job WHERE state = 'running'", 20).await;
    terminate(system, &worker).await;
    assert_eq!(
        system
            .database
            .number("SELECT count(*) FROM job WHERE state = 'completed'")
            .await,
        20
    );
    assert_eq!(
        system
            .database
            .number("SELECT count(*) FROM audit WHERE event = 'job_released'")
            .await,
        0
    );
    start_work(system, "one", 1, &Work::default()).await;
    system.take_one("work").await;
}

pub async fn a_stopped_worker_gives_back_what_its_grace_does_not_cover(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let worker = system.add_worker(&["work"], &["--grace", "300ms"]).await;
    let slow = start_work(system, "one", 5, &taking(Duration::from_secs(300))).await;
    wait_for_states(system, "SELECT count(*) FROM job WHERE state = 'running'", 5).await;
    terminate(system, &worker).await;
    for id in slow {
        assert_eq!(system.jobs(id).await, [("queued".to_owned(), 1)]);
        let expected = [
            "instance_started",
            "job_queued 1@1",
            "job_claimed 1@1",
            "job_released 1@1",
        ];
        assert_eq!(system.trail(id).await, expected);
    }
}

pub async fn a_payload_that_is_no_instruction_is_a_dead_letter(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    system.add_worker(&["work"], &[]).await;
    let id = InstanceId::new();
    let item = wire::StartItem {
        payload: vec![0xff; 9].into(),
        ..start_item(id, "one")
    };
    start(&system.client(), vec![item]).await;
    wait_until("the instance failed", SOON, || async {
        system.state(id).await == "failed"
    })
    .await;
    let view = system.inspect(id).await;
    assert_eq!((view.jobs[0].state.as_str(), view.jobs[0].attempt), ("dead_letter", 1));
    assert!(
        view.jobs[0]
            .last_error
            .contains("the payload is not a load instruction"),
        "{}",
        view.jobs[0].last_error
    );
}
