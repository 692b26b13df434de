//! Claims and long polls.

use std::time::{Duration, Instant};

use crossover_engine::serve::POLL_JOBS_MAX;
use crossover_proto::engine as wire;
use crossover_testbed::Signal;
use tonic::Code;

use super::limits::refused;
use super::system::{
    Client, Part, SOON, System, asking, client_of, flow, job, metrics_of, poll, start, start_item, value_of,
};
use crate::servers::wait_until;

/// Far longer than a wake-up takes, and what a poll without one would take.
const WAIT_MS: u32 = 30_000;
/// A wake-up takes milliseconds: one NOTIFY and one claim.
const WOKEN_WITHIN: Duration = Duration::from_secs(3);

/// Starts a long poll and returns once it waits: its first look has found nothing.
async fn waiting_poll(part: &Part, job_type: &str) -> tokio::task::JoinHandle<Result<Vec<wire::Job>, tonic::Status>> {
    let mut client: Client = client_of(part);
    let request = wire::PollRequest {
        wait_ms: WAIT_MS,
        ..asking(job_type)
    };
    let task = tokio::spawn(async move { Ok(client.poll(request).await?.into_inner().jobs) });
    let looks = || async {
        value_of(
            &metrics_of(part).await,
            r#"engine_statement_seconds_count{statement="claim"}"#,
        ) >= 1.0
    };
    wait_until("the poll has looked once", SOON, looks).await;
    task
}

pub async fn a_long_poll_wakes_for_a_job_that_another_replica_made_ready(system: &System) {
    system
        .register(&flow("two", [vec![job("first")], vec![job("second")]]))
        .await;
    let other = system.add_replica().await;
    let waiting = waiting_poll(&other, "second").await;
    let id = system.start_one("two").await;
    let first = system.take_one("first").await;
    let begun = Instant::now();
    system.complete_one(&first).await;
    let jobs = waiting.await.unwrap().unwrap();
    assert!(begun.elapsed() < WOKEN_WITHIN, "it woke after {:?}", begun.elapsed());
    assert_eq!(jobs[0].job.as_ref().unwrap().instance_id, id.to_wire().to_vec());
}

pub async fn a_long_poll_wakes_for_a_job_that_is_due(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let other = system.add_replica().await;
    let waiting = waiting_poll(&other, "work").await;
    let item = wire::StartItem {
        delay_ms: 200,
        ..start_item(crossover_proto::InstanceId::new(), "one")
    };
    let begun = Instant::now();
    start(&system.client(), vec![item]).await;
    assert_eq!(waiting.await.unwrap().unwrap().len(), 1);
    assert!(begun.elapsed() < WOKEN_WITHIN, "it woke after {:?}", begun.elapsed());
}

pub async fn a_claim_takes_the_oldest_first(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    system.start_many("one", 50).await;
    let claim = async |max_jobs| {
        let jobs = poll(
            &system.client(),
            wire::PollRequest {
                max_jobs,
                ..asking("work")
            },
        )
        .await;
        jobs.into_iter().map(|job| job.job.unwrap()).collect::<Vec<_>>()
    };
    let mut jobs = claim(20).await;
    // What comes back is the oldest again.
    system.release(&jobs.split_off(15)).await;
    jobs.extend(claim(20).await);
    jobs.extend(claim(100).await);
    let ids: Vec<i64> = jobs.iter().map(|job| job.job_id).collect();
    assert!(ids.len() == 50 && ids.is_sorted(), "{ids:?}");
}

pub async fn a_claim_takes_its_own_type_only(system: &System) {
    system.register(&flow("two", [vec![job("this"), job("that")]])).await;
    system.start_many("two", 5).await;
    let jobs = poll(
        &system.client(),
        wire::PollRequest {
            max_jobs: 100,
            ..asking("that")
        },
    )
    .await;
    assert!(
        jobs.len() == 5 && jobs.iter().all(|job| job.job_type == "that" && job.ordinal == 1),
        "{jobs:?}"
    );
    system.assert_nothing_ready("that").await;
    system.assert_nothing_ready("no such type").await;
}

pub async fn a_stopping_replica_lets_go_of_long_polls(system: &System) {
    let other = system.add_replica().await;
    let waiting = waiting_poll(&other, "work").await;
    let begun = Instant::now();
    system
        .servers
        .supervisor
        .signal(&other.name, Signal::Term)
        .await
        .unwrap();
    let status = waiting.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    system.servers.supervisor.wait_exit(&other.name, SOON).await.unwrap();
    assert!(begun.elapsed() < WOKEN_WITHIN, "it took {:?}", begun.elapsed());
}

/// Its answer carries payloads: it takes fewer than other calls do.
pub async fn a_poll_for_too_many_jobs_is_refused(system: &System) {
    let mut client = system.client();
    let poll = |max_jobs| wire::PollRequest {
        max_jobs,
        ..asking("work")
    };
    refused(
        "poll",
        POLL_JOBS_MAX as usize,
        client.poll(poll(POLL_JOBS_MAX + 1)).await,
    );
    assert!(client.poll(poll(POLL_JOBS_MAX)).await.is_ok());
}
