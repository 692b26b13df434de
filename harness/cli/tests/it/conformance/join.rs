//! The join of a parallel step, when its last two jobs complete at the same moment.

use crossover_proto::engine::{JobRef, Outcome};

use super::system::{Client, LONG_LEASE_MS, System, client_of, complete, flow, job};

/// Tries: each instance is one.
const INSTANCES: usize = 10_000;
/// Instances that two calls complete at the same moment. Small enough that the calls meet at many of their instances, large
/// enough that the whole takes seconds.
const BATCH: usize = 100;

pub async fn the_last_two_completions_of_a_step_at_once_never_lose_the_join(system: &System) {
    system
        .register(&flow("join", [vec![job("left"), job("right")], vec![job("after")]]))
        .await;
    let replicas = [system.client(), client_of(&system.add_replica().await)];
    system.start_many("join", INSTANCES).await;
    let mut left = system.take_from(&replicas[0], "left", INSTANCES, LONG_LEASE_MS).await;
    let mut right = system.take_from(&replicas[1], "right", INSTANCES, LONG_LEASE_MS).await;
    // Jobs of different instances come in any order, where they come by way of a broker.
    left.sort_unstable_by(|one, other| one.instance_id.cmp(&other.instance_id));
    right.sort_unstable_by(|one, other| one.instance_id.cmp(&other.instance_id));
    for (left, right) in left.chunks(BATCH).zip(right.chunks(BATCH)) {
        // The same instances, named in opposite order, in two processes.
        let right: Vec<JobRef> = right.iter().rev().cloned().collect();
        tokio::join!(complete_all(&replicas[0], left), complete_all(&replicas[1], &right));
    }
    let created = system.database.number("SELECT count(*) FROM job WHERE step = 1").await;
    assert_eq!(usize::try_from(created).unwrap(), INSTANCES, "one job after each join");
    let waiting = "SELECT count(*) FROM instance WHERE step = 1 AND remaining = 1 AND state = 'running'";
    assert_eq!(
        usize::try_from(system.database.number(waiting).await).unwrap(),
        INSTANCES
    );
}

async fn complete_all(client: &Client, jobs: &[JobRef]) {
    let outcomes = complete(client, jobs).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{outcomes:?}");
}
