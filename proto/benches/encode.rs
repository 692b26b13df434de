//! The event record of a dispatched job, written and read: `cargo bench --package crossover-proto --bench encode`.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crossover_proto::event::{DispatchedJob, RelayStamp};
use crossover_proto::history::JobKey;
use crossover_proto::{InstanceId, JobId};
use prost::bytes::Bytes;
use uuid::Uuid;

fn job(payload_bytes: usize) -> DispatchedJob {
    DispatchedJob {
        key: JobKey {
            instance: InstanceId(Uuid::from_u128(7)),
            job: JobId(7),
            attempt: 1,
            step: 0,
            ordinal: 0,
        },
        job_type: "work".to_owned(),
        payload: Bytes::from(vec![7; payload_bytes]),
        created_unix_us: 1_700_000_000_000_000,
        source: "replica-1".to_owned(),
        attributes: BTreeMap::new(),
        relay: Some(RelayStamp { outbox_id: 7, epoch: 1 }),
    }
}

fn records(criterion: &mut Criterion) {
    for bytes in [200, 20_000] {
        let mut group = criterion.benchmark_group(format!("event of {bytes} bytes"));
        group.throughput(Throughput::Bytes(bytes as u64));
        let job = job(bytes);
        group.bench_function("encode", |bench| bench.iter(|| black_box(&job).to_record()));
        let record = Bytes::from(job.to_record());
        group.bench_function("decode", |bench| {
            bench.iter(|| DispatchedJob::from_record(record.clone()))
        });
        group.finish();
    }
}

criterion_group!(benches, records);
criterion_main!(benches);
