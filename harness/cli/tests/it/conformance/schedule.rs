//! Scheduled jobs wait for their `run_at`.

use std::time::{Duration, Instant};

use crossover_proto::InstanceId;
use crossover_proto::definition::JobSpec;
use crossover_proto::engine as wire;

use super::system::{System, flow, job, start, start_item};

const DELAY: Duration = Duration::from_millis(300);

async fn start_delayed(system: &System, definition: &str, delay: Duration) -> InstanceId {
    let id = InstanceId::new();
    let delay_ms = u32::try_from(delay.as_millis()).unwrap();
    let item = wire::StartItem {
        delay_ms,
        ..start_item(id, definition)
    };
    assert_eq!(
        start(&system.client(), vec![item]).await,
        [wire::StartOutcome::Accepted]
    );
    id
}

pub async fn a_delayed_start_waits_for_its_time(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let begun = Instant::now();
    let id = start_delayed(system, "one", DELAY).await;
    assert_eq!(system.jobs(id).await, [("scheduled".to_owned(), 1)]);
    system.assert_nothing_ready("work").await;
    system.complete_one(&system.take_one("work").await).await;
    assert!(begun.elapsed() >= DELAY, "it was ready after {:?}", begun.elapsed());
    let expected = [
        "instance_started",
        "job_scheduled 1@1",
        "job_queued 1@1",
        "job_claimed 1@1",
        "job_completed 1@1",
        "instance_completed",
    ];
    assert_eq!(system.trail(id).await, expected);
}

pub async fn a_job_with_a_delay_waits_after_its_step_has_started(system: &System) {
    let second = vec![
        JobSpec {
            delay: DELAY,
            ..job("late")
        },
        job("early"),
    ];
    system.register(&flow("two", [vec![job("first")], second])).await;
    let id = system.start_one("two").await;
    let first = system.take_one("first").await;
    let before = Instant::now();
    system.complete_one(&first).await;
    assert_eq!(
        system.jobs(id).await[1..],
        [("scheduled".to_owned(), 1), ("queued".to_owned(), 1)]
    );
    system.complete_one(&system.take_one("early").await).await;
    system.complete_one(&system.take_one("late").await).await;
    assert!(before.elapsed() >= DELAY, "it was ready after {:?}", before.elapsed());
    assert_eq!(system.state(id).await, "completed");
}

pub async fn the_delays_of_start_and_job_add_up(system: &System) {
    let delay = Duration::from_hours(1);
    system
        .register(&flow("one", [vec![JobSpec { delay, ..job("work") }]]))
        .await;
    start_delayed(system, "one", delay * 2).await;
    let waits = "SELECT (extract(epoch FROM run_at - at))::bigint FROM job JOIN audit ON job_id = job.id";
    assert_eq!(system.database.number(waits).await, 3 * 3_600);
    system.assert_nothing_ready("work").await;
    assert_eq!(system.make_due().await, 1);
    system.take_one("work").await;
}
