//! From step to step.

use crossover_proto::InstanceId;
use crossover_proto::definition::JobSpec;
use crossover_proto::engine as wire;

use super::system::{LONG_LEASE_MS, System, flow, job, start, start_item};

pub async fn a_single_step_completes_its_instance(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let id = system.start_one("one").await;
    system.complete_one(&system.take_one("work").await).await;
    let trail = system.trail(id).await;
    assert_eq!(
        trail,
        [
            "instance_started",
            "job_queued 1@1",
            "job_claimed 1@1",
            "job_completed 1@1",
            "instance_completed"
        ]
    );
    assert_eq!(system.state(id).await, "completed");
}

pub async fn a_parallel_step_is_joined_before_the_next(system: &System) {
    let parallel = vec![
        JobSpec {
            count: 2,
            ..job("work")
        },
        job("other"),
    ];
    system.register(&flow("join", [parallel, vec![job("after")]])).await;
    let id = system.start_one("join").await;
    let work = system.take("work", 2).await;
    let other = system.take_one("other").await;
    system.complete_one(&work[1]).await;
    system.complete_one(&other).await;
    system.assert_nothing_ready("after").await;
    assert_eq!(system.inspect(id).await.step, 0);
    system.complete_one(&work[0]).await;
    assert_eq!(system.inspect(id).await.step, 1);
    system.complete_one(&system.take_one("after").await).await;
    let trail = system.trail(id).await;
    let expected = [
        "instance_started",
        "job_queued 1@1",
        "job_queued 2@1",
        "job_queued 3@1",
        "job_claimed 1@1",
        "job_claimed 2@1",
        "job_claimed 3@1",
        "job_completed 2@1",
        "job_completed 3@1",
        "job_completed 1@1",
        "job_queued 4@1",
        "job_claimed 4@1",
        "job_completed 4@1",
        "instance_completed",
    ];
    assert_eq!(trail, expected);
}

pub async fn every_job_of_every_step_gets_the_payload(system: &System) {
    system
        .register(&flow(
            "two",
            [
                vec![job("first")],
                vec![JobSpec {
                    count: 2,
                    ..job("second")
                }],
            ],
        ))
        .await;
    let payload = b"any bytes \0\xff".to_vec();
    let item = wire::StartItem {
        payload: payload.clone().into(),
        ..start_item(InstanceId::new(), "two")
    };
    start(&system.client(), vec![item]).await;
    for (step, job_type, count) in [(0, "first", 1), (1, "second", 2)] {
        let jobs = system
            .take_whole(&system.client(), job_type, count as usize, LONG_LEASE_MS)
            .await;
        let shapes: Vec<_> = jobs
            .iter()
            .map(|job| (job.step, job.ordinal, job.payload.to_vec()))
            .collect();
        assert_eq!(
            shapes,
            (0..count)
                .map(|ordinal| (step, ordinal, payload.clone()))
                .collect::<Vec<_>>()
        );
        system
            .complete(&jobs.into_iter().filter_map(|job| job.job).collect::<Vec<_>>())
            .await;
    }
}
