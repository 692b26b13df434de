//! Jobs on their way through a worker.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crossover_proto::JobId;
use crossover_proto::definition::{JobSpec, RetryPolicy};
use crossover_proto::history::Event;
use crossover_proto::load::Work;
use crossover_testbed::Signal;

use super::bed::{Bed, SOON, WORK, taking};
use crate::conformance::system::{flow, job};
use crate::replayed::assert_tables_equal_audit;
use crate::servers::wait_until;

pub async fn jobs_run_to_completion_and_every_offset_is_committed() {
    let bed = Bed::new(6).await;
    bed.make_topic(&bed.topic("wide"), 6).await;
    let retry = RetryPolicy {
        max_attempts: 50,
        initial_backoff: Duration::from_millis(1),
        ..RetryPolicy::default()
    };
    let wide = JobSpec {
        count: 3,
        retry: retry.clone(),
        ..job("wide")
    };
    let narrow = JobSpec { retry, ..job(WORK) };
    bed.register(&flow("flow", [vec![wide], vec![narrow.clone()], vec![narrow]]))
        .await;
    let workers = [
        bed.worker_of(&["wide", WORK], &[]).await,
        bed.worker_of(&["wide", WORK], &[]).await,
    ];
    let work = Work {
        transient_failure_rate: 0.2,
        ..taking(Duration::from_millis(1))
    };
    bed.start("flow", 200, &work).await;
    bed.all_completed(200).await;
    bed.all_committed().await;
    let retried = "SELECT count(*) FROM audit WHERE event = 'job_retried'";
    assert!(bed.database.number(retried).await > 50);
    for worker in workers {
        assert!(
            bed.metric(&worker, "worker_records_received_total").await > 0.0,
            "both work"
        );
        bed.terminate(&worker).await;
    }
    assert_tables_equal_audit(&bed.database.pool).await;
}

pub async fn jobs_of_one_instance_run_in_their_order_and_never_two_at_once() {
    let bed = Bed::new(3).await;
    let eight = JobSpec { count: 8, ..job(WORK) };
    bed.define("parallel", vec![eight]).await;
    let worker = bed.worker(&[]).await;
    bed.start("parallel", 20, &taking(Duration::from_millis(3))).await;
    bed.all_completed(20).await;

    let (mut last, mut running, mut most) = (HashMap::new(), HashSet::new(), 0);
    for record in bed.history(&worker) {
        match record.event {
            Event::Started(key) => {
                assert!(running.insert(key.instance), "two jobs of {} at once", key.instance.0);
                let before = last.insert(key.instance, key.job);
                assert!(before < Some(key.job), "{:?} after {before:?}", key.job);
            }
            Event::Finished(key, _) => assert!(running.remove(&key.instance)),
            _ => {}
        }
        most = most.max(running.len());
    }
    assert!(most > 1, "other instances run meanwhile");
    let received: Vec<JobId> = received_of(&bed, &worker, 0);
    assert_eq!(received.len(), 160);
}

/// The jobs in the order of receipt, from a place on.
fn received_of(bed: &Bed, worker: &crate::conformance::system::Part, from: usize) -> Vec<JobId> {
    let received = |record: crossover_proto::history::Record| match record.event {
        Event::Received(key) => Some(key.job),
        _ => None,
    };
    bed.history(worker)
        .into_iter()
        .filter_map(received)
        .skip(from)
        .collect()
}

pub async fn a_full_window_pauses_its_partition_and_bounds_what_is_held() {
    let bed = Bed::new(1).await;
    let worker = bed.worker(&["--partition-window", "40", "--concurrency", "4"]).await;
    bed.start("one", 600, &taking(Duration::from_millis(10))).await;
    let (begun, mut paused, mut done) = (Instant::now(), 0, 0);
    while done < 600 {
        assert!(begun.elapsed() < SOON, "{done} of 600");
        let window = bed.metric(&worker, "worker_window_records").await;
        assert!(window <= 40.0, "{window} records in a window of 40");
        paused += i32::from(bed.metric(&worker, "worker_partitions_paused").await == 1.0);
        assert!(bed.metric(&worker, "worker_jobs_held").await <= 4.0);
        let query = "SELECT count(*) FROM instance WHERE state = 'completed'";
        done = bed.database.number(query).await;
    }
    assert!(paused > 0, "it was paused");
    bed.all_committed().await;
    assert_eq!(bed.metric(&worker, "worker_jobs_held").await, 0.0);
    assert_eq!(received_of(&bed, &worker, 0).len(), 600, "each record came once");
}

pub async fn a_topic_that_is_made_later_is_found() {
    let bed = Bed::without_topics(2).await;
    let worker = bed.worker(&[]).await;
    bed.define("one", vec![job(WORK)]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let made = Instant::now();
    bed.make_topic(&bed.topic(WORK), 2).await;
    bed.owns(&worker, 2).await;
    println!("found after {:?}", made.elapsed());
    bed.relay();
    let id = bed.start_one(&Work::default()).await;
    bed.completed(id).await;
}

pub async fn a_topic_that_is_made_again_is_read_from_its_start() {
    let bed = Bed::new(1).await;
    let worker = bed.worker(&[]).await;
    bed.start("one", 5, &Work::default()).await;
    bed.all_completed(5).await;
    bed.all_committed().await;
    // Before the worker has looked for its topics again.
    bed.delete_topic(&bed.topic(WORK)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    make_again(&bed).await;
    read_again(&bed, 8).await;
    // After it has found that there is none; and before it sees the new one, that is as long as the old. The group still
    // has the old one's offset.
    bed.delete_topic(&bed.topic(WORK)).await;
    bed.owns(&worker, 0).await;
    bed.signal(&worker, Signal::Stop).await;
    make_again(&bed).await;
    wait_until("three records are in it", SOON, || async {
        bed.offsets().await[0].1 == 3
    })
    .await;
    bed.signal(&worker, Signal::Cont).await;
    read_again(&bed, 11).await;
    bed.terminate(&worker).await;
}

async fn make_again(bed: &Bed) {
    bed.make_topic(&bed.topic(WORK), 1).await;
    bed.start("one", 3, &Work::default()).await;
}

async fn read_again(bed: &Bed, done: i64) {
    let begun = Instant::now();
    bed.all_completed(done).await;
    println!("read again after {:?}", begun.elapsed());
    bed.all_committed().await;
    assert_eq!(bed.offsets().await, [(3, 3)]);
}
