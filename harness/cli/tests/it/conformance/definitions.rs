//! Registering definitions.

use crossover_proto::definition::JobSpec;
use crossover_proto::engine as wire;
use tonic::Code;

use super::system::{System, client_of, flow, job};

pub async fn the_same_document_keeps_its_version_and_a_changed_one_gets_the_next(system: &System) {
    let definition = flow("flow", [vec![job("work")]]);
    let first = system.register(&definition).await;
    assert_eq!(first.version, 1);
    assert_eq!(system.register(&definition).await, first);
    let changed = system
        .register(&flow("flow", [vec![job("work")], vec![job("more")]]))
        .await;
    assert_eq!(changed.version, 2);
    assert_ne!(changed.definition_id, first.definition_id);
    assert_eq!(system.register(&flow("other", [vec![job("work")]])).await.version, 1);
}

pub async fn an_invalid_document_is_refused_with_its_place(system: &System) {
    let cases = [
        ("{", "EOF"),
        (r#"{"name":"n","steps":[]}"#, "steps: found none"),
        (
            r#"{"name":"n","steps":[{"name":"a","jobs":[{"job_type":"t","count":0}]}]}"#,
            "steps[0].jobs[0].count: found 0",
        ),
        (
            r#"{"name":"n","steps":[{"name":"a","jobs":[{"job_type":"t"}],"colour":1}]}"#,
            "steps[0].colour: unknown field",
        ),
    ];
    for (document, expected) in cases {
        let request = wire::RegisterRequest {
            document_json: document.to_owned(),
        };
        let status = system.client().register(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(
            status.message().contains(expected),
            "{document}\n  gave {}",
            status.message()
        );
    }
    assert_eq!(system.database.number("SELECT count(*) FROM definition").await, 0);
}

pub async fn registrations_of_one_document_at_once_make_one_version(system: &System) {
    let other = client_of(&system.add_replica().await);
    let document = flow(
        "flow",
        [vec![JobSpec {
            count: 3,
            ..job("work")
        }]],
    )
    .to_json();
    let calls = (0..16).map(|number| {
        let mut client = if number % 2 == 0 {
            system.client()
        } else {
            other.clone()
        };
        let request = wire::RegisterRequest {
            document_json: document.clone(),
        };
        tokio::spawn(async move { client.register(request).await.unwrap().into_inner() })
    });
    let calls: Vec<_> = calls.collect();
    for call in calls {
        assert_eq!(call.await.unwrap().version, 1);
    }
    assert_eq!(system.database.number("SELECT count(*) FROM definition_job").await, 3);
}

pub async fn an_instance_runs_the_version_that_it_was_started_with(system: &System) {
    system
        .register(&flow("flow", [vec![job("work")], vec![job("then")]]))
        .await;
    let old = system.start_one("flow").await;
    system.register(&flow("flow", [vec![job("work")]])).await;
    let new = system.start_one("flow").await;
    let jobs = system.take("work", 2).await;
    system.complete(&jobs).await;
    assert_eq!(system.state(new).await, "completed");
    assert_eq!(system.state(old).await, "running");
    system.complete_one(&system.take_one("then").await).await;
    let (old, new) = (system.inspect(old).await, system.inspect(new).await);
    assert_eq!((old.state.as_str(), old.definition_version), ("completed", 1));
    assert_eq!((new.state.as_str(), new.definition_version), ("completed", 2));
}
