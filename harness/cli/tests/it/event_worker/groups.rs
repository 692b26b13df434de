//! Workers that come and go.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crossover_proto::JobId;
use crossover_proto::load::Work;
use crossover_testbed::kafka::Access;

use super::bed::{Bed, SOON, taking};
use crate::conformance::system::Part;
use crate::replayed::assert_tables_equal_audit;
use crate::servers::wait_until;

const JOBS: usize = 2_000;
const PARTITIONS: i32 = 12;

pub async fn a_worker_that_joins_and_leaves_costs_no_second_execution() {
    joins_and_leaves(&[]).await;
}

pub async fn a_group_of_the_new_protocol_does_the_same() {
    joins_and_leaves(&["--group-protocol", "consumer"]).await;
}

async fn joins_and_leaves(args: &[&str]) {
    let bed = Bed::new(PARTITIONS).await;
    let args = [&["--concurrency", "16"], args].concat();
    let stays = bed.worker(&args).await;
    bed.owns(&stays, PARTITIONS).await;
    bed.start("one", JOBS, &taking(Duration::from_millis(80))).await;
    let goes = bed.worker(&args).await;
    let joined = Instant::now();
    bed.owns(&goes, PARTITIONS / 2).await;
    println!("joined after {:?}", joined.elapsed());
    wait_until("it works", SOON, || async { bed.started(&goes).len() > 100 }).await;
    let left = Instant::now();
    bed.terminate(&goes).await;
    println!("left after {:?}", left.elapsed());
    let done = "SELECT count(*) FROM job WHERE state = 'completed'";
    assert!(bed.database.number(done).await < 2_000, "jobs still flow");
    bed.owns(&stays, PARTITIONS).await;
    println!("taken over after {:?}", left.elapsed());
    bed.all_completed(2_000).await;
    bed.all_committed().await;
    assert_executed_once(&bed, &[&stays, &goes]);
    assert_tables_equal_audit(&bed.database.pool).await;
}

fn assert_executed_once(bed: &Bed, workers: &[&Part]) {
    let executions: Vec<JobId> = workers
        .iter()
        .flat_map(|worker| bed.started(worker))
        .map(|key| key.job)
        .collect();
    let jobs: HashSet<JobId> = executions.iter().copied().collect();
    assert_eq!(jobs.len(), JOBS);
    assert_eq!(executions.len(), JOBS, "executions of {JOBS} jobs");
}

pub async fn a_revoked_partition_waits_for_what_runs() {
    let bed = Bed::new(2).await;
    let first = bed.worker(&[]).await;
    bed.owns(&first, 2).await;
    bed.start("one", 40, &taking(Duration::from_millis(1_200))).await;
    let running = "SELECT count(*) FROM job WHERE state = 'running'";
    wait_until("all run", SOON, || async { bed.database.number(running).await == 40 }).await;
    let second = bed.worker(&[]).await;
    bed.owns(&second, 1).await;
    bed.all_completed(40).await;
    bed.all_committed().await;
    assert_eq!(
        bed.metric(&second, "worker_records_received_total").await,
        0.0,
        "nothing came again"
    );
}

pub async fn a_member_that_its_group_refuses_goes_on_when_it_is_allowed_again() {
    is_refused_and_goes_on(&["--session-timeout", "2s"]).await;
}

/// Its client takes a refusal for fatal.
pub async fn a_member_of_the_new_protocol_does_the_same() {
    is_refused_and_goes_on(&["--group-protocol", "consumer"]).await;
}

async fn is_refused_and_goes_on(args: &[&str]) {
    let bed = Bed::new(2).await;
    let worker = bed.worker(args).await;
    bed.owns(&worker, 2).await;
    let kafka = bed.servers.kafka().await;
    assert!(kafka.deny(Access::ReadGroup, &bed.group()).await.unwrap());
    bed.owns(&worker, 0).await;
    bed.start("one", 20, &Work::default()).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let done = "SELECT count(*) FROM job WHERE state <> 'queued'";
    assert_eq!(bed.database.number(done).await, 0);
    let said = bed.log_of(&worker);
    assert!(said.contains("GroupAuthorizationFailed"), "{said}");

    assert!(kafka.permit(Access::ReadGroup, &bed.group()).await.unwrap());
    bed.all_completed(20).await;
    bed.all_committed().await;
    bed.terminate(&worker).await;
    assert_eq!(bed.started(&worker).len(), 20);
    assert_tables_equal_audit(&bed.database.pool).await;
}
