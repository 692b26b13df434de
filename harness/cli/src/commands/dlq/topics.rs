//! Reads topics to their present end. It joins no group and commits nothing.
//!
//! The client library blocks: everything here is for threads that may wait.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use crossover_engine::kafka::Kafka;
use crossover_testbed::TestbedError;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

pub(super) use crate::run::Span;
use crate::run::read_spans;

/// A broker that is up answers within milliseconds; one that starts up, within seconds.
const REQUEST: Duration = Duration::from_secs(5);

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
        read_spans(&self.client, topic, spans, |message| {
            visit(message);
            Ok(())
        })
    }
}
