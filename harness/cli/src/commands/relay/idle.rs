//! Commit → consumer, one row at a time, while nothing else happens.
//!
//! One process writes and reads, so both ends are read from one monotonic clock. Rows come at random intervals, of 50 ms in
//! the mean: no interval of the relay's is ever in step with them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use crossover_engine::kafka::Kafka;
use crossover_engine::store::{NOTIFY_CHANNEL, statements};
use crossover_evidence::latency::Latency;
use crossover_proto::InstanceId;
use crossover_proto::engine::StartItem;
use crossover_proto::history::Outcome;
use crossover_testbed::ConnectionUrl;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sqlx::{Connection, PgConnection};
use tokio::sync::mpsc;

use super::bed::{Bed, DEFINITION, JOB_TYPE, PARTITIONS, prefix};
use super::result::{Idle, Used};
use crate::args::RelayArgs;
use crate::run::Clients;

/// Pauses between two rows (µs).
const PAUSES_US: std::ops::Range<u64> = 25_000..75_000;
/// Rows before those that count: connections, statements, the broker's code.
const WARM_UP: u32 = 40;
/// A row that has not come by then is counted as one that never did.
const COMES_WITHIN: Duration = Duration::from_secs(10);
/// How soon the reader sees that it is to end; a record ends its wait at once.
const READER_WAIT: Duration = Duration::from_millis(100);

const INSERT: &str = "INSERT INTO outbox (instance_id, job_id, step, ordinal, attempt, job_type, source, payload)
    VALUES ($1, $2, 0, 0, 1, $3, 'harness', $4)";

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Leg {
    pub name: &'static str,
    /// Of its database, topics and processes.
    place: &'static str,
    strategy: &'static str,
    writer: WriterKind,
}

#[derive(Debug, Clone, Copy)]
enum WriterKind {
    /// The harness commits a row, as a replica would; then it sends the NOTIFY, or nothing to a relay that polls.
    Row { notify: bool },
    /// A replica is called to start an instance.
    Replica,
}

pub const LEGS: [Leg; 3] = [
    Leg {
        name: "a row, then NOTIFY",
        place: "idle_notify",
        strategy: "notify",
        writer: WriterKind::Row { notify: true },
    },
    Leg {
        name: "a call to a replica",
        place: "idle_replica",
        strategy: "notify",
        writer: WriterKind::Replica,
    },
    Leg {
        name: "a row, the relay polls",
        place: "idle_poll",
        strategy: "poll",
        writer: WriterKind::Row { notify: false },
    },
];

/// Measures one leg, in a database and a topic of its own.
pub async fn measure(bed: &Bed, args: &RelayArgs, leg: Leg) -> anyhow::Result<Idle> {
    let database = bed.database(leg.place).await?;
    let broker = bed.broker(&prefix(leg.place))?;
    bed.make_topic(&broker.topic(JOB_TYPE)).await?;
    let relay = bed.relay(leg.place, &database, &["--strategy", leg.strategy]).await?;
    let mut reader = Reader::start(&broker)?;
    let mut writer = Writer::open(bed, leg, &database, args.payload_bytes).await?;

    write(&mut writer, WARM_UP, &mut Written::default()).await?;
    let mut written = Written::default();
    let before = bed.uses(Some(&relay))?;
    write(&mut writer, args.samples, &mut written).await?;
    let uses = Used::between(before, bed.uses(Some(&relay))?);
    let latency = reader.latency_of(&written.begun).await;
    reader.end().await?;
    let relay_memory_mb_max = relay.memory_mb_max()?;
    writer.close(bed).await?;
    bed.stop(&relay).await?;
    Ok(Idle {
        name: leg.name.to_owned(),
        measures: leg.measures().to_owned(),
        latency_ms: latency.percentiles(),
        call_ms: matches!(leg.writer, WriterKind::Replica).then(|| written.calls.percentiles()),
        uses,
        relay_memory_mb_max,
    })
}

impl Leg {
    fn measures(self) -> &'static str {
        match self.writer {
            WriterKind::Row { .. } => {
                "from the reply to the commit, in the harness, to the return of the consumer's poll, in the harness"
            }
            WriterKind::Replica => {
                "from before the call that starts an instance, so with the call and the commit, to the return of the \
                 consumer's poll"
            }
        }
    }
}

/// What was written, and when it began to count.
#[derive(Default)]
struct Written {
    begun: HashMap<InstanceId, Instant>,
    calls: Latency,
}

async fn write(writer: &mut Writer, rows: u32, written: &mut Written) -> anyhow::Result<()> {
    for _ in 0..rows {
        tokio::time::sleep(Duration::from_micros(rand::random_range(PAUSES_US))).await;
        let instance = InstanceId::new();
        let begun = writer.write(instance, &mut written.calls).await?;
        written.begun.insert(instance, begun);
    }
    Ok(())
}

enum Writer {
    Row {
        rows: PgConnection,
        /// As in a replica: never in the transaction, nor on its connection.
        notices: Option<PgConnection>,
        payload: Vec<u8>,
        last_job: i64,
    },
    Replica {
        part: super::bed::Part,
        clients: Clients,
        payload: Vec<u8>,
    },
}

impl Writer {
    async fn open(bed: &Bed, leg: Leg, database: &ConnectionUrl, payload_bytes: u32) -> anyhow::Result<Self> {
        let payload = vec![b'x'; payload_bytes as usize];
        let connect = || async { PgConnection::connect(&database.reveal()).await };
        match leg.writer {
            WriterKind::Row { notify } => Ok(Self::Row {
                rows: connect().await?,
                notices: match notify {
                    true => Some(connect().await?),
                    false => None,
                },
                payload,
                last_job: 0,
            }),
            WriterKind::Replica => {
                let flags = ["serve", "--dispatch", "event-driven", "--notify"];
                let part = bed.part("replica-idle", &flags, database).await?;
                let clients = Clients::new(&[format!("http://{}", part.address)])?;
                clients.warm().await?;
                Ok(Self::Replica { part, clients, payload })
            }
        }
    }

    /// Writes one; answers the moment from which it counts.
    async fn write(&mut self, instance: InstanceId, calls: &mut Latency) -> anyhow::Result<Instant> {
        match self {
            Self::Row {
                rows,
                notices,
                payload,
                last_job,
            } => {
                *last_job += 1;
                sqlx::query(INSERT)
                    .bind(instance.0)
                    .bind(*last_job)
                    .bind(JOB_TYPE)
                    .bind(&*payload)
                    .execute(rows)
                    .await?;
                let committed = Instant::now();
                if let Some(notices) = notices {
                    let notify = statements().find(|(tag, _)| *tag == "notify");
                    let (_, notify) = notify.context("bug: no statement notify")?;
                    sqlx::query(notify)
                        .bind(NOTIFY_CHANNEL)
                        .bind(JOB_TYPE)
                        .execute(notices)
                        .await?;
                }
                Ok(committed)
            }
            Self::Replica { clients, payload, .. } => {
                let item = StartItem {
                    instance_id: instance.to_wire().to_vec().into(),
                    definition: DEFINITION.to_owned(),
                    payload: payload.clone().into(),
                    delay_ms: 0,
                };
                let begun = Instant::now();
                let outcomes = clients.start(0, vec![item]).await;
                calls.record(begun.elapsed());
                ensure!(outcomes == [Outcome::Done], "the replica answered {outcomes:?}");
                Ok(begun)
            }
        }
    }

    async fn close(self, bed: &Bed) -> anyhow::Result<()> {
        match self {
            Self::Row { rows, notices, .. } => {
                rows.close().await?;
                if let Some(notices) = notices {
                    notices.close().await?;
                }
                Ok(())
            }
            Self::Replica { part, .. } => bed.stop(&part).await,
        }
    }
}

/// A consumer on a thread of its own.
struct Reader {
    came: mpsc::UnboundedReceiver<(InstanceId, Instant)>,
    ended: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Reader {
    fn start(broker: &Kafka) -> anyhow::Result<Self> {
        let topic = broker.topic(JOB_TYPE);
        // It joins no group and commits nothing.
        let consumer: BaseConsumer = broker
            .config("crossover-harness")
            .set("group.id", "crossover-harness")
            .set("enable.auto.commit", "false")
            .create()
            .context("the broker's client")?;
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(&topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        let (sender, came) = mpsc::unbounded_channel();
        let ended = Arc::<AtomicBool>::default();
        let end = ended.clone();
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                // An error of a moment: a row that it hides is missed, and counted.
                let Some(Ok(message)) = consumer.poll(READER_WAIT) else {
                    continue;
                };
                let at = Instant::now();
                let key = message.key().and_then(InstanceId::from_wire);
                if key.is_some_and(|key| sender.send((key, at)).is_err()) {
                    break;
                }
            }
        });
        Ok(Self {
            came,
            ended,
            thread: Some(thread),
        })
    }

    /// Waits for what was written. What never comes is censored.
    async fn latency_of(&mut self, begun: &HashMap<InstanceId, Instant>) -> Latency {
        let mut latency = Latency::new();
        let mut left = begun.clone();
        let all = async {
            while !left.is_empty()
                && let Some((instance, at)) = self.came.recv().await
            {
                if let Some(begun) = left.remove(&instance) {
                    latency.record(at.saturating_duration_since(begun));
                }
            }
        };
        // Late: what is left is counted below.
        let _ = tokio::time::timeout(COMES_WITHIN, all).await;
        left.iter().for_each(|_| latency.record_censored());
        latency
    }
}

impl Reader {
    /// Ends the consumer before its broker ends, which it would complain about.
    async fn end(mut self) -> anyhow::Result<()> {
        self.ended.store(true, Ordering::Relaxed);
        let thread = self.thread.take();
        let ended = tokio::task::spawn_blocking(move || thread.map(std::thread::JoinHandle::join)).await?;
        ensure!(!matches!(ended, Some(Err(_))), "bug: the reader panicked");
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}
