//! Starting instances.

use crossover_engine::serve::PAYLOAD_BYTES_MAX;
use crossover_proto::InstanceId;
use crossover_proto::engine::{self as wire, StartOutcome};

use super::system::{System, client_of, flow, job, start, start_item};

pub async fn a_start_is_accepted_once_and_a_repeat_answers_already_exists(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let item = start_item(InstanceId::new(), "one");
    assert_eq!(
        start(&system.client(), vec![item.clone()]).await,
        [StartOutcome::Accepted]
    );
    assert_eq!(start(&system.client(), vec![item]).await, [StartOutcome::AlreadyExists]);
    assert_eq!(system.database.number("SELECT count(*) FROM job").await, 1);
}

pub async fn an_id_named_twice_in_one_call_starts_once(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let item = start_item(InstanceId::new(), "one");
    let outcomes = start(
        &system.client(),
        vec![item.clone(), start_item(InstanceId::new(), "one"), item],
    )
    .await;
    assert_eq!(
        outcomes,
        [
            StartOutcome::Accepted,
            StartOutcome::Accepted,
            StartOutcome::AlreadyExists
        ]
    );
    assert_eq!(system.database.number("SELECT count(*) FROM job").await, 2);
}

pub async fn an_id_in_two_calls_at_once_starts_once(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let other = client_of(&system.add_replica().await);
    let first = system.client();
    for _ in 0..10 {
        let items: Vec<_> = (0..100).map(|_| start_item(InstanceId::new(), "one")).collect();
        let backwards = items.iter().rev().cloned().collect();
        // Three callers: two meet in one replica, the third in another.
        let calls = (
            start(&first, items.clone()),
            start(&first, items),
            start(&other, backwards),
        );
        let (one, two, mut three) = tokio::join!(calls.0, calls.1, calls.2);
        three.reverse();
        for answers in one
            .iter()
            .zip(&two)
            .zip(&three)
            .map(|((one, two), three)| [one, two, three])
        {
            let accepted = answers
                .iter()
                .filter(|answer| ***answer == StartOutcome::Accepted)
                .count();
            let repeated = answers
                .iter()
                .filter(|answer| ***answer == StartOutcome::AlreadyExists)
                .count();
            assert_eq!((accepted, repeated), (1, 2), "{answers:?}");
        }
    }
    assert_eq!(system.database.number("SELECT count(*) FROM job").await, 1_000);
}

pub async fn a_bad_start_is_answered_alone(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let good = || start_item(InstanceId::new(), "one");
    let items = vec![
        good(),
        start_item(InstanceId::new(), "nobody registered this"),
        wire::StartItem {
            instance_id: vec![7; 15].into(),
            ..good()
        },
        wire::StartItem {
            payload: vec![0; PAYLOAD_BYTES_MAX + 1].into(),
            ..good()
        },
        wire::StartItem {
            payload: vec![0; PAYLOAD_BYTES_MAX].into(),
            ..good()
        },
    ];
    let expected = [
        StartOutcome::Accepted,
        StartOutcome::UnknownDefinition,
        StartOutcome::InvalidId,
        StartOutcome::PayloadTooLarge,
        StartOutcome::Accepted,
    ];
    assert_eq!(start(&system.client(), items).await, expected);
    assert_eq!(system.database.number("SELECT count(*) FROM instance").await, 2);
}
