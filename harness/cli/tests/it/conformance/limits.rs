//! Bounds of a call.

use crossover_proto::InstanceId;
use crossover_proto::engine as wire;
use tonic::{Code, Response, Status};

use super::system::{System, asking, flow, job, start_item};

/// One more than a call takes.
const TOO_MANY: usize = 5_001;

pub async fn a_call_of_too_many_items_is_refused(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let jobs = vec![wire::JobRef::default(); TOO_MANY];
    let leases = wire::LeaseRequest { jobs: jobs.clone(), worker: String::new(), lease_ms: 1 };
    let items = (0..TOO_MANY).map(|_| start_item(InstanceId::new(), "one")).collect();
    let max_jobs = u32::try_from(TOO_MANY).unwrap();
    let mut client = system.client();
    refused("poll", client.poll(wire::PollRequest { max_jobs, ..asking("work") }).await);
    refused("start", client.start(wire::StartRequest { items }).await);
    refused("extend", client.extend(leases.clone()).await);
    refused("release", client.release(leases).await);
    refused("complete", client.complete(wire::CompleteRequest { jobs, worker: String::new() }).await);
    let failures = vec![wire::Failure::default(); TOO_MANY];
    refused("fail", client.fail(wire::FailRequest { failures, worker: String::new() }).await);
    let instance_ids = vec![vec![0; 16].into(); TOO_MANY];
    refused("cancel", client.cancel(wire::CancelRequest { instance_ids }).await);
    assert_eq!(system.database.number("SELECT count(*) FROM instance").await, 0);
}

fn refused<T: std::fmt::Debug>(call: &str, answer: Result<Response<T>, Status>) {
    let status = answer.expect_err(call);
    assert_eq!(status.code(), Code::InvalidArgument, "{call}: {status}");
    assert!(status.message().contains("found 5001 items; one call takes at most 5000"), "{call}: {status}");
}
