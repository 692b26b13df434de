//! The engine's hot statements on a real PostgreSQL, in batches as in production: `cargo bench --package crossover --bench
//! statements`. Figures of a shared machine: ratios compare, absolute times hardly do.
#![expect(clippy::unwrap_used, reason = "a bench that can't go on may panic")]

#[path = "../tests/it/servers.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod servers;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crossover_engine::store::outbox::{Reading, SentRow, mark_sent, read};
use crossover_engine::store::{Attempt, ClaimKind, NewInstance, Store};
use crossover_proto::InstanceId;
use crossover_proto::definition::{Definition, JobSpec, RetryPolicy, Step};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::runtime::Runtime;

use crate::servers::{Database, engine_url, servers};

const BATCH: u32 = 500;
const LEASE: Duration = Duration::from_secs(600);

/// A database, its statements, and a relay's connection.
struct Bed {
    _database: Database,
    store: Store,
    relay: PgConnection,
    definition: i64,
}

impl Bed {
    async fn new(dispatching: bool) -> Self {
        let database = servers().await.database().await;
        let store = database.store(2);
        let store = if dispatching {
            store.dispatching_to_outbox("bench")
        } else {
            store
        };
        let options: PgConnectOptions = engine_url(&database.url).options("crossover-bench");
        let job = JobSpec {
            job_type: "work".to_owned(),
            count: 1,
            delay: Duration::ZERO,
            retry: RetryPolicy::default(),
        };
        let definition = Definition {
            name: "single".to_owned(),
            steps: vec![Step {
                name: "work".to_owned(),
                jobs: vec![job],
            }],
        };
        Self {
            definition: store.register(&definition).await.unwrap().id,
            relay: options.connect().await.unwrap(),
            store,
            _database: database,
        }
    }

    /// A batch of jobs that are ready.
    async fn start(&self) {
        let new = (0..BATCH).map(|_| NewInstance {
            id: InstanceId::new(),
            definition: self.definition,
            payload: vec![7; 200],
            delay_ms: 0,
        });
        assert_eq!(self.store.start(new.collect()).await.unwrap().len(), BATCH as usize);
    }

    async fn claim(&self) -> Vec<Attempt> {
        let jobs = self
            .store
            .claim(ClaimKind::SkipLocked, "work", BATCH, "bench", LEASE)
            .await
            .unwrap();
        assert_eq!(jobs.len(), BATCH as usize);
        let attempt = |job: &crossover_engine::store::ClaimedJob| Attempt {
            job: job.id,
            attempt: job.attempt,
            instance: job.instance,
        };
        jobs.iter().map(attempt).collect()
    }

    async fn complete(&self, attempts: &[Attempt]) {
        let done = self.store.complete(attempts).await.unwrap().done;
        assert_eq!(done.len(), attempts.len());
    }

    /// What a relay does in PostgreSQL for a batch: read it, and mark it sent.
    async fn relay(&mut self) {
        let Reading::Rows(rows) = read(&mut self.relay, None, &[], &[], BATCH).await.unwrap() else {
            panic!("superseded without a fence");
        };
        assert_eq!(rows.len(), BATCH as usize);
        let sent: Vec<SentRow> = rows
            .iter()
            .map(|row| SentRow {
                id: row.id,
                partition: 0,
                offset: row.id,
            })
            .collect();
        assert_eq!(mark_sent(&mut self.relay, &sent).await.unwrap(), u64::from(BATCH));
    }
}

/// Only the statement is timed; what it needs is made before each turn, and removed from its way after.
fn statements(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group(format!("{BATCH} jobs"));
    group.throughput(Throughput::Elements(BATCH.into())).sample_size(20);
    let bed = runtime.block_on(Bed::new(false));
    group.bench_function("claim", |bench| {
        bench.iter_custom(|turns| {
            runtime.block_on(async {
                let mut took = Duration::ZERO;
                for _ in 0..turns {
                    bed.start().await;
                    let begun = Instant::now();
                    let attempts = bed.claim().await;
                    took += begun.elapsed();
                    bed.complete(&attempts).await;
                }
                took
            })
        });
    });
    group.bench_function("complete", |bench| {
        bench.iter_custom(|turns| {
            runtime.block_on(async {
                let mut took = Duration::ZERO;
                for _ in 0..turns {
                    bed.start().await;
                    let attempts = bed.claim().await;
                    let begun = Instant::now();
                    bed.complete(&attempts).await;
                    took += begun.elapsed();
                }
                took
            })
        });
    });
    let mut dispatching = runtime.block_on(Bed::new(true));
    group.bench_function("relay batch", |bench| {
        bench.iter_custom(|turns| {
            runtime.block_on(async {
                let mut took = Duration::ZERO;
                for _ in 0..turns {
                    dispatching.start().await;
                    let begun = Instant::now();
                    dispatching.relay().await;
                    took += begun.elapsed();
                }
                took
            })
        });
    });
    group.finish();
}

criterion_group!(benches, statements);
criterion_main!(benches);
