//! Reads topics to their present end. It joins no group and commits nothing.
//!
//! The client library blocks: everything here is for threads that may wait.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use crossover_engine::kafka::Kafka;
use crossover_testbed::TestbedError;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// A broker that is up answers within milliseconds; one that starts up, within seconds.
const REQUEST: Duration = Duration::from_secs(5);
/// A broker that says nothing for this long has no more to say.
const SILENCE: Duration = Duration::from_secs(10);

/// What is read, or could be, of one partition: the offsets from `low` up to, and without, `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Partition.
    pub partition: i32,
    /// The first offset.
    pub low: i64,
    /// The one after the last.
    pub high: i64,
}

impl Span {
    /// Number of offsets.
    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.high - self.low).unwrap_or(0)
    }
}

/// A client that reads.
pub(super) struct Topics {
    client: BaseConsumer,
    brokers: String,
}

impl Topics {
    /// Connects lazily.
    pub(super) fn new(kafka: &Kafka) -> anyhow::Result<Self> {
        let client = kafka
            .config("crossover-dlq")
            // The library wants one for a consumer; none is joined.
            .set("group.id", "crossover-dlq")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .create()
            .context("the broker's client")?;
        Ok(Self {
            client,
            brokers: kafka.brokers().to_owned(),
        })
    }

    /// The partitions of each topic whose name begins so.
    pub(super) fn beginning_with(&self, start: &str) -> anyhow::Result<BTreeMap<String, Vec<i32>>> {
        let metadata = self.client.fetch_metadata(None, REQUEST).map_err(|error| {
            TestbedError::unavailable(
                format!("the broker at {} does not answer: {error}", self.brokers),
                "was the system cleaned? `./just bench event-driven … --keep` leaves another one running",
            )
        })?;
        let ours = metadata.topics().iter().filter(|topic| topic.name().starts_with(start));
        let with_partitions = ours.map(|topic| {
            let mut partitions: Vec<i32> = topic.partitions().iter().map(|partition| partition.id()).collect();
            partitions.sort_unstable();
            (topic.name().to_owned(), partitions)
        });
        Ok(with_partitions.collect())
    }

    /// What a partition holds now.
    pub(super) fn held(&self, topic: &str, partition: i32) -> anyhow::Result<Span> {
        let offsets = self.client.fetch_watermarks(topic, partition, REQUEST);
        let (low, high) = offsets.with_context(|| format!("looking up the offsets of {topic}:{partition}"))?;
        Ok(Span { partition, low, high })
    }

    /// Cuts off what was written before a time (ms since 1970-01-01 UTC).
    pub(super) fn cut_before(&self, topic: &str, spans: &mut [Span], unix_ms: i64) -> anyhow::Result<()> {
        let mut times = TopicPartitionList::new();
        for span in spans.iter() {
            times.add_partition_offset(topic, span.partition, Offset::Offset(unix_ms))?;
        }
        let found = self.client.offsets_for_times(times, REQUEST);
        let found = found.with_context(|| format!("looking up a time in {topic}"))?;
        for span in spans {
            let first = found.find_partition(topic, span.partition).map(|found| found.offset());
            span.low = match first {
                Some(Offset::Offset(first)) => first.clamp(span.low, span.high),
                // Nothing is as young as that.
                _ => span.high,
            };
        }
        Ok(())
    }

    /// Visits every record in the spans.
    pub(super) fn read(
        &self,
        topic: &str,
        spans: &[Span],
        mut visit: impl FnMut(&BorrowedMessage<'_>),
    ) -> anyhow::Result<()> {
        let mut starts = TopicPartitionList::new();
        let mut open = HashMap::new();
        for span in spans.iter().filter(|span| span.high > span.low) {
            starts.add_partition_offset(topic, span.partition, Offset::Offset(span.low))?;
            open.insert(span.partition, span.high);
        }
        if open.is_empty() {
            return Ok(());
        }
        self.client.assign(&starts)?;
        let mut heard = Instant::now();
        while !open.is_empty() {
            let message = match self.client.poll(Duration::from_millis(200)) {
                None if heard.elapsed() > SILENCE => {
                    bail!("{topic} could not be read to its end: the broker is silent")
                }
                None => continue,
                // The last offsets of a partition need not be records.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    open.remove(&partition);
                    continue;
                }
                Some(message) => message.with_context(|| format!("reading {topic}"))?,
            };
            heard = Instant::now();
            let Some(high) = open.get(&message.partition()).copied() else {
                continue;
            };
            if message.offset() < high {
                visit(&message);
            }
            if message.offset() + 1 >= high {
                open.remove(&message.partition());
            }
        }
        self.client.unassign()?;
        Ok(())
    }
}
