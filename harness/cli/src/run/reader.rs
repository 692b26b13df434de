//! Reads records of a topic from one offset to another, in no group. A broker that stumbles is waited for.
//!
//! The client library blocks: everything here is for threads that may wait.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::bail;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// A broker that gives no record for this long has no more to give; one that was restarted is back by then.
const SILENCE: Duration = Duration::from_secs(10);

/// What is read, or could be, of one partition: the offsets from `low` up to, and without, `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Partition.
    pub partition: i32,
    /// The first offset.
    pub low: i64,
    /// The one after the last.
    pub high: i64,
}

impl Span {
    /// Number of offsets.
    pub fn len(&self) -> u64 {
        u64::try_from(self.high - self.low).unwrap_or(0)
    }
}

/// Visits every record in the spans. The client must have `enable.partition.eof`.
///
/// # Errors
/// If the broker gives no record for [`SILENCE`], with its last complaint; or the first of the visitor's.
pub fn read(
    client: &BaseConsumer,
    topic: &str,
    spans: &[Span],
    mut visit: impl FnMut(&BorrowedMessage<'_>) -> anyhow::Result<()>,
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
    client.assign(&starts)?;
    let mut heard = Instant::now();
    let mut complaint = "it is silent".to_owned();
    while !open.is_empty() {
        if heard.elapsed() > SILENCE {
            bail!("{topic} could not be read to its end: the broker gave no record for {SILENCE:?}: {complaint}");
        }
        let message = match client.poll(Duration::from_millis(200)) {
            None => continue,
            // The last offsets of a partition need not be records.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
                continue;
            }
            // The client tells all that it stumbles over, and goes on by itself.
            Some(Err(error)) => {
                complaint = error.to_string();
                continue;
            }
            Some(Ok(message)) => message,
        };
        heard = Instant::now();
        let Some(high) = open.get(&message.partition()).copied() else {
            continue;
        };
        // Records may still come in: they are not asked for.
        if message.offset() < high {
            visit(&message)?;
        }
        if message.offset() + 1 >= high {
            open.remove(&message.partition());
        }
    }
    client.unassign()?;
    Ok(())
}
