//! What dies, and what must not get lost with it.

use std::time::Duration;

use crossover_proto::load::Work;

use super::bed::{Bed, SOON, WORK, taking};
use crate::replayed::assert_tables_equal_audit;
use crate::servers::{CROSSOVER, wait_until};

pub async fn a_record_before_the_one_that_is_done_comes_again_after_a_kill() {
    let bed = Bed::new(1).await;
    let first = bed.worker(&["--lease", "2s"]).await;
    bed.owns(&first, 1).await;
    let slow = bed.start_one(&taking(Duration::from_secs(4))).await;
    let quick = bed.start_one(&Work::default()).await;
    bed.completed(quick).await;
    // Longer than the interval of commits: what may be committed has been.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(bed.offsets().await, [(0, 2)]);
    assert_eq!(bed.state(slow).await, "running");
    bed.kill(&first).await;

    let second = bed.worker(&["--lease", "2s"]).await;
    bed.completed(slow).await;
    bed.all_committed().await;
    // Both records again, and the next attempt of the slow job.
    assert_eq!(bed.metric(&second, "worker_records_received_total").await, 3.0);
    let attempts: Vec<u16> = bed.started(&second).iter().map(|key| key.attempt).collect();
    assert_eq!(attempts, [2], "the first was refused: its lease was the other's");
    assert_tables_equal_audit(&bed.database.pool).await;
}

/// Where another engine left 116 of 3,050 jobs stuck for ever.
pub async fn no_job_is_stuck_when_the_replica_is_killed_and_started_again() {
    const JOBS: i64 = 3_050;
    let bed = Bed::new(6).await;
    let workers = [bed.worker(&[]).await, bed.worker(&[]).await];
    bed.start("one", 3_050, &taking(Duration::from_millis(2))).await;
    let done = "SELECT count(*) FROM job WHERE state = 'completed'";
    for share in [4, 2] {
        wait_until("a part is done", SOON, || async {
            bed.database.number(done).await > JOBS / share
        })
        .await;
        bed.kill_replicas().await;
        let at = bed.database.number(done).await;
        assert!(at < JOBS, "it was killed while jobs ran");
        tokio::time::sleep(Duration::from_millis(700)).await;
        bed.start_replica_again().await;
    }
    bed.all_completed(JOBS).await;
    bed.all_committed().await;
    let mut executions = 0;
    for worker in workers {
        bed.terminate(&worker).await;
        executions += bed.started(&worker).len();
    }
    assert_eq!(executions, 3_050, "executions of {JOBS} jobs");
    assert_tables_equal_audit(&bed.database.pool).await;
}

pub async fn a_stopped_worker_finishes_what_it_runs_and_gives_the_rest_back() {
    let bed = Bed::new(2).await;
    let first = bed.worker(&["--grace", "4s", "--concurrency", "12"]).await;
    bed.owns(&first, 2).await;
    let brief = bed.start("one", 6, &taking(Duration::from_millis(1_500))).await;
    let long = bed.start("one", 6, &taking(Duration::from_secs(300))).await;
    let running = "SELECT count(*) FROM job WHERE state = 'running'";
    wait_until("the slots are taken", SOON, || async {
        bed.database.number(running).await == 12
    })
    .await;
    // No slots for these: they go to somebody else.
    bed.start("one", 20, &Work::default()).await;
    wait_until("they are in hand", SOON, || async {
        bed.metric(&first, "worker_records_received_total").await == 32.0
    })
    .await;
    bed.terminate(&first).await;
    for id in brief {
        assert_eq!(bed.state(id).await, "completed");
    }
    let released = "SELECT count(*) FROM audit WHERE event = 'job_released'";
    assert_eq!(bed.database.number(released).await, 6);
    let second = bed.worker(&[]).await;
    bed.all_completed(26).await;
    wait_until("the long ones run again", SOON, || async {
        bed.database.number(running).await == 6
    })
    .await;
    let again = bed.started(&second);
    assert_eq!(again.iter().filter(|key| long.contains(&key.instance)).count(), 6);
    assert!(again.iter().all(|key| key.attempt == 1));
    assert_eq!(bed.started(&first).len() + again.len(), 12 + 26);
}

pub async fn a_worker_without_a_broker_says_what_is_missing() {
    let output = tokio::process::Command::new(CROSSOVER)
        .args([
            "engine",
            "worker",
            "--dispatch",
            "event-driven",
            "--name",
            "w",
            "--job-type",
            WORK,
        ])
        .args(["--engine", "http://127.0.0.1:1"])
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no broker is given; pass --broker host:port"), "{said}");
}
