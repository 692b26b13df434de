//! The producer: records in, delivery reports out.
//!
//! Order within a partition is never broken by a producer of ours, because no record is ever left out and followed by
//! others: `message.timeout.ms=0` (nothing times out: a broker that is away leaves the records waiting, in order),
//! idempotence with its unlimited retries, and `enable.gapless.guarantee` (a record that is refused for good fails all
//! that follow it; without it, librdkafka would renumber them and send on). The pump then settles everything and makes
//! a new producer: see `begin_again`. A new producer's first records are the business of [`super::partitions`].
//!
//! An acknowledgement that names no offset is none: librdkafka gives it where it infers from a later batch that an earlier
//! one must be in the log. Such a record is sent again; at worst it is there twice.
//!
//! It must not know the outbox.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossover_proto::clock::MonotonicNs;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig, ThreadedProducer};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::EngineError;
use crate::kafka::Kafka;

/// librdkafka's default: just below the broker's default for the largest batch.
pub(super) const BATCH_BYTES_MAX: u32 = 1_000_000;
/// Batches are made no smaller than this, however often a broker refuses larger ones that does not say its limit.
pub(super) const BATCH_BYTES_MIN: u32 = 1_024;

/// A new producer asks for metadata after each of these.
const HURRY_MS: [u64; 6] = [2, 4, 8, 16, 32, 64];
const HURRY_WITHIN: Duration = Duration::from_millis(100);

/// How a producer gathers records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Batching {
    /// In batches of at most so many bytes.
    Bytes(u32),
    /// Each record is a batch: a refusal for size means that record, and no neighbour.
    Single,
}

/// What became of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivery {
    /// The outbox row.
    pub(super) id: i64,
    /// When the report came.
    pub(super) at: MonotonicNs,
    /// Partition and offset, or why not.
    pub(super) outcome: Result<(i32, i64), RDKafkaErrorCode>,
}

/// A producer and what it reports.
pub(super) struct Sender {
    /// `None` once it was ended.
    producer: Option<ThreadedProducer<Reports>>,
    /// Hurries its start.
    hurry: Option<JoinHandle<()>>,
    ending: Arc<AtomicBool>,
    inbox: Arc<Inbox>,
    batching: Batching,
}

#[derive(Debug, Default)]
struct Inbox {
    deliveries: Mutex<Vec<Delivery>>,
    arrived: Notify,
}

struct Reports(Arc<Inbox>);

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Connection attempts to an absent broker come twice a second.
        tracing::debug!(?level, facility, message, "producer");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "producer");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, id: usize) {
        let outcome = match result {
            Ok(message) if message.offset() >= 0 => Ok((message.partition(), message.offset())),
            Ok(_) => Err(RDKafkaErrorCode::NoOffset),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        let delivery = Delivery {
            id: i64::try_from(id).unwrap_or(i64::MAX),
            at: MonotonicNs::now(),
            outcome,
        };
        let mut deliveries = self.0.deliveries.lock().unwrap_or_else(PoisonError::into_inner);
        deliveries.push(delivery);
        if deliveries.len() == 1 {
            self.0.arrived.notify_one();
        }
    }
}

impl Sender {
    /// Makes a producer. It connects by itself, whenever the broker is there.
    pub(super) fn new(kafka: &Kafka, name: &str, linger: Duration, batching: Batching) -> Result<Self, EngineError> {
        let mut config = kafka.config(name);
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("message.timeout.ms", "0")
            .set("linger.ms", (linger.as_secs_f64() * 1_000.0).to_string())
            // The window limits what is queued: by rows, and by bytes. librdkafka's own limits are beyond it.
            .set("queue.buffering.max.messages", "0")
            .set("queue.buffering.max.kbytes", "2097151")
            // The broker's limit decides: payloads are limited to 900,000 bytes where jobs are made.
            .set("message.max.bytes", "8000000")
            // A topic that came into being by itself would have the wrong partitions; and a missing one is reported within
            // this time, while its neighbours wait in the window.
            .set("allow.auto.create.topics", "false")
            .set("topic.metadata.propagation.max.ms", "2000")
            // A link that swallows packets is given up within ten seconds, not sixty.
            .set("socket.timeout.ms", "10000")
            .set("socket.connection.setup.timeout.ms", "5000");
        match batching {
            Batching::Bytes(bytes) => config.set("batch.size", bytes.to_string()),
            Batching::Single => config.set("batch.num.messages", "1"),
        };
        let inbox = Arc::<Inbox>::default();
        let producer: ThreadedProducer<Reports> = config
            .create_with_context(Reports(inbox.clone()))
            .map_err(|error| EngineError::Kafka(format!("the producer's settings are refused: {error}")))?;
        let ending = Arc::<AtomicBool>::default();
        let hurry = spawn_blocking({
            let (producer, ending) = (producer.clone(), ending.clone());
            move || hurry(&producer, &ending)
        });
        Ok(Self {
            producer: Some(producer),
            hurry: Some(hurry),
            ending,
            inbox,
            batching,
        })
    }

    pub(super) fn batching(&self) -> Batching {
        self.batching
    }

    /// Hands a record over; it is copied.
    pub(super) fn send(
        &self,
        topic: &str,
        partition: i32,
        key: &[u8],
        record: &[u8],
        id: i64,
    ) -> Result<(), RDKafkaErrorCode> {
        let opaque = usize::try_from(id).map_err(|_| RDKafkaErrorCode::InvalidArgument)?;
        let record = BaseRecord::with_opaque_to(topic, opaque)
            .partition(partition)
            .key(key)
            .payload(record);
        let Some(producer) = &self.producer else {
            return Err(RDKafkaErrorCode::Fail);
        };
        let sent = producer.send(record);
        sent.map_err(|(error, _)| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail))
    }

    /// Reports since the last call; waits for one. May be dropped and called again.
    pub(super) async fn deliveries(&self) -> Vec<Delivery> {
        loop {
            let deliveries = self.inbox.take();
            if !deliveries.is_empty() {
                return deliveries;
            }
            self.inbox.arrived.notified().await;
        }
    }

    /// Fails all records that were not sent yet; what is on its way settles.
    pub(super) fn purge_unsent(&self) {
        if let Some(producer) = &self.producer {
            purge_unsent(producer);
        }
    }

    /// Ends the producer: nothing of it is on its way any more when this returns. Takes up to a second, off the async
    /// threads. Answers the last reports.
    pub(super) async fn end(&mut self) -> Vec<Delivery> {
        if let Some(ending) = self.begin_end() {
            // A panic in it is logged by the runtime.
            let _ = ending.await;
        }
        self.inbox.take()
    }

    /// Ends the producer, of which nothing is on its way any more: nobody has to wait.
    pub(super) fn end_settled(&mut self) {
        drop(self.begin_end());
    }

    fn begin_end(&mut self) -> Option<JoinHandle<()>> {
        self.purge_unsent();
        self.ending.store(true, Ordering::Relaxed);
        let (producer, hurry) = (self.producer.take()?, self.hurry.take()?);
        Some(tokio::spawn(async move {
            // It has the producer, too: the last one ends it.
            let _ = hurry.await;
            // What the broker has refused for the moment since then would be sent again.
            purge_unsent(&producer);
            let _ = spawn_blocking(move || drop(producer)).await;
        }))
    }
}

fn purge_unsent(producer: &ThreadedProducer<Reports>) {
    producer.purge(PurgeConfig::default().queue().non_blocking());
}

/// librdkafka asks for a producer's id when it has first heard of the brokers: on its bootstrap connection, which it drops at
/// that moment for the broker's own, so it fails, and is tried again half a second later, or with the next metadata.
fn hurry(producer: &ThreadedProducer<Reports>, ending: &AtomicBool) {
    for pause in HURRY_MS.map(Duration::from_millis) {
        std::thread::sleep(pause);
        if ending.load(Ordering::Relaxed) {
            return;
        }
        // All that matters is that an answer comes.
        let _ = producer.client().fetch_metadata(None, HURRY_WITHIN);
    }
}

impl Inbox {
    fn take(&self) -> Vec<Delivery> {
        std::mem::take(&mut *self.deliveries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
