//! What an act costs to be recorded, and a record to be read: `cargo bench --package crossover-proto --bench record`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::{Event, HistoryWriter, JobKey, Record, read_file};
use crossover_proto::{InstanceId, JobId};
use uuid::Uuid;

fn record(number: u64) -> Record {
    let key = JobKey {
        instance: InstanceId(Uuid::from_u128(u128::from(number))),
        job: JobId(i64::try_from(number).unwrap_or(i64::MAX)),
        attempt: 1,
        step: 0,
        ordinal: 0,
    };
    Record {
        at: MonotonicNs(number),
        event: Event::Started(key),
    }
}

/// `record one` holds the `write` of each record; `record 500` is a batch in one `write`.
fn history(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("there is room for a history");
    let writer = HistoryWriter::create(directory.path(), "bench").expect("a history can be begun");
    criterion.bench_function("encode a record", |bench| bench.iter(|| black_box(record(7)).encode()));
    let frame = record(7).encode();
    criterion.bench_function("decode a record", |bench| {
        bench.iter(|| Record::decode(black_box(&frame)))
    });
    let mut group = criterion.benchmark_group("record");
    for size in [1_u64, 500] {
        let records: Vec<Record> = (0..size).map(record).collect();
        group.throughput(Throughput::Elements(size));
        group.bench_function(size.to_string(), |bench| {
            bench.iter(|| writer.append(records.iter().copied()).expect("the disk has room"));
        });
    }
    group.finish();
    let reading = HistoryWriter::create(directory.path(), "read").expect("a history can be begun");
    reading.append((0..10_000).map(record)).expect("the disk has room");
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("10000", |bench| {
        bench.iter(|| read_file(reading.path()).expect("it was just written"))
    });
    group.finish();
}

criterion_group!(benches, history);
criterion_main!(benches);
