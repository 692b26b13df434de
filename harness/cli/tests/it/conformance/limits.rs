//! Bounds of a call.

use crossover_proto::InstanceId;
use crossover_proto::engine as wire;
use tonic::{Code, Response, Status};

use super::system::{System, flow, job, start_item};

/// One more than a call takes.
const TOO_MANY: usize = 5_001;

pub async fn a_call_of_too_many_items_is_refused(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let jobs = vec![wire::JobRef::default(); TOO_MANY];
    let leases = wire::LeaseRequest {
        jobs: jobs.clone(),
        worker: String::new(),
        lease_ms: 1,
    };
    let items = (0..TOO_MANY).map(|_| start_item(InstanceId::new(), "one")).collect();
    let mut client = system.client();
    refused("start", TOO_MANY - 1, client.start(wire::StartRequest { items }).await);
    refused("extend", TOO_MANY - 1, client.extend(leases.clone()).await);
    refused("release", TOO_MANY - 1, client.release(leases).await);
    refused(
        "complete",
        TOO_MANY - 1,
        client
            .complete(wire::CompleteRequest {
                jobs,
                worker: String::new(),
            })
            .await,
    );
    let failures = vec![wire::Failure::default(); TOO_MANY];
    refused(
        "fail",
        TOO_MANY - 1,
        client
            .fail(wire::FailRequest {
                failures,
                worker: String::new(),
            })
            .await,
    );
    let instance_ids = vec![vec![0; 16].into(); TOO_MANY];
    refused(
        "cancel",
        TOO_MANY - 1,
        client.cancel(wire::CancelRequest { instance_ids }).await,
    );
    assert_eq!(system.database.number("SELECT count(*) FROM instance").await, 0);
}

pub fn refused<T: std::fmt::Debug>(call: &str, most: usize, answer: Result<Response<T>, Status>) {
    let status = answer.expect_err(call);
    assert_eq!(status.code(), Code::InvalidArgument, "{call}: {status}");
    let expected = format!("found {} items; one call takes at most {most}", most + 1);
    assert!(status.message().contains(&expected), "{call}: {status}");
}
