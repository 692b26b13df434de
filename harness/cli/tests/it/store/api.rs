//! A replica of each mode: what it answers to the other mode's calls, and a begin over the API.

use crossover_proto::InstanceId;
use crossover_proto::engine::engine_client::EngineClient;
use crossover_proto::engine::{self as wire, Outcome};
use tonic::Code;
use tonic::transport::Channel;

use super::flow;
use crate::conformance::system::{Part, client_of, metrics_of, value_of};
use crate::servers::{Database, servers};

async fn replica(database: &Database, dispatch: &str) -> (Part, EngineClient<Channel>) {
    let name = format!("{}-{dispatch}", database.name);
    let args = ["serve", "--notify", "--dispatch", dispatch];
    let address = servers().await.start_engine(&name, &args, Some(&database.url)).await;
    let part = Part { name, address };
    let client = client_of(&part);
    (part, client)
}

fn poll() -> wire::PollRequest {
    wire::PollRequest {
        job_type: "work".to_owned(),
        max_jobs: 1,
        worker: "test".to_owned(),
        lease_ms: 60_000,
        wait_ms: 0,
    }
}

fn lease(jobs: &[wire::JobRef]) -> wire::LeaseRequest {
    wire::LeaseRequest {
        jobs: jobs.to_vec(),
        worker: "test".to_owned(),
        lease_ms: 60_000,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_of_the_other_mode_is_refused_with_a_remedy() {
    let database = servers().await.database().await;
    let begin = replica(&database, "polling")
        .await
        .1
        .begin(lease(&[]))
        .await
        .unwrap_err();
    assert_eq!(begin.code(), Code::FailedPrecondition);
    assert!(begin.message().contains("--dispatch event-driven"), "{begin}");
    let poll = replica(&database, "event-driven")
        .await
        .1
        .poll(poll())
        .await
        .unwrap_err();
    assert_eq!(poll.code(), Code::FailedPrecondition);
    assert!(poll.message().contains("--dispatch polling"), "{poll}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_begin_answers_per_item_and_an_inspection_shows_the_dispatches() {
    let database = servers().await.database().await;
    let (part, mut replica) = replica(&database, "event-driven").await;
    let document_json = flow(&[2, 1]).to_json();
    replica.register(wire::RegisterRequest { document_json }).await.unwrap();
    let id = InstanceId::new();
    let item = wire::StartItem {
        instance_id: id.to_wire().to_vec().into(),
        definition: "flow".to_owned(),
        payload: Vec::new().into(),
        delay_ms: 0,
    };
    replica.start(wire::StartRequest { items: vec![item] }).await.unwrap();
    let inspect = || wire::InspectRequest {
        instance_id: id.to_wire().to_vec().into(),
        ..Default::default()
    };
    let view = replica.inspect(inspect()).await.unwrap().into_inner();
    let of = |job_id: i64, attempt: u32| wire::JobRef {
        job_id,
        attempt,
        instance_id: id.to_wire().to_vec().into(),
    };
    let jobs: Vec<wire::JobRef> = view.dispatches.iter().map(|row| of(row.job_id, row.attempt)).collect();
    assert_eq!(jobs.len(), 2);
    assert!(
        view.dispatches
            .iter()
            .all(|row| row.created_unix_us > 0 && row.sent_unix_us == 0)
    );
    assert!(
        view.dispatches
            .iter()
            .all(|row| row.partition.is_none() && row.offset.is_none())
    );

    let named = [
        jobs[0].clone(),
        jobs[1].clone(),
        jobs[0].clone(),
        of(jobs[0].job_id, 9),
        of(4_711, 1),
        wire::JobRef::default(),
    ];
    // The latest attempt that is named of a job is the one that is asked for.
    let first = replica.begin(lease(&named[..3])).await.unwrap().into_inner();
    assert_eq!(
        first.outcomes().collect::<Vec<_>>(),
        [Outcome::Done, Outcome::Done, Outcome::StaleAttempt]
    );
    let rest = replica.begin(lease(&named[3..])).await.unwrap().into_inner();
    assert_eq!(
        rest.outcomes().collect::<Vec<_>>(),
        [Outcome::StaleAttempt, Outcome::NotFound, Outcome::Invalid]
    );
    let complete = wire::CompleteRequest {
        jobs: jobs.clone(),
        worker: "test".to_owned(),
    };
    replica.complete(complete).await.unwrap();
    let again = replica.begin(lease(&jobs)).await.unwrap().into_inner();
    assert_eq!(again.outcomes().collect::<Vec<_>>(), [Outcome::AlreadyCompleted; 2]);

    database
        .execute("UPDATE outbox SET sent_at = now(), partition = 1, record_offset = 7 WHERE step = 0")
        .await;
    let view = replica.inspect(inspect()).await.unwrap().into_inner();
    let records: Vec<_> = view.dispatches.iter().map(|row| (row.partition, row.offset)).collect();
    assert_eq!(records, [(Some(1), Some(7)), (Some(1), Some(7)), (None, None)]);
    let events: Vec<_> = view.audit.iter().filter(|entry| entry.event == "job_claimed").collect();
    assert_eq!(events.len(), 2);
    let metrics = metrics_of(&part).await;
    let counted = |series: &str| value_of(&metrics, series);
    assert_eq!(
        (counted("engine_outbox_rows_total"), counted("engine_jobs_begun_total")),
        (3.0, 2.0)
    );
    assert!(
        counted(r#"engine_statement_seconds_count{statement="begin"}"#) > 0.0,
        "{metrics}"
    );
}
