//! The broker as the harness sees it, past all proxies: topics, groups, offsets. A client of its own: it joins no group and
//! commits nothing.
//!
//! The client library blocks: everything here is for threads that may wait.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use crossover_engine::kafka::Kafka;
use crossover_evidence::snapshot::PartitionEnd;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::reader::{self, Span};

/// One request to a broker that is up takes a millisecond.
const REQUEST: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// A client that looks at one group and its topic.
pub struct GroupView {
    /// The consumer group.
    pub group: String,
    /// Its topic.
    pub topic: String,
    client: BaseConsumer,
    /// All partitions of the topic; none until it was found.
    partitions: Vec<i32>,
}

impl GroupView {
    /// Connects lazily.
    ///
    /// # Errors
    /// If a property of the user's is not one of the client library.
    pub fn new(kafka: &Kafka, job_type: &str) -> anyhow::Result<Self> {
        let (group, topic) = (kafka.group(job_type), kafka.topic(job_type));
        let client = kafka
            .config("crossover-harness")
            .set("group.id", &group)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest")
            .create()
            .context("the broker's client")?;
        Ok(Self {
            group,
            topic,
            client,
            partitions: Vec::new(),
        })
    }

    /// Visits every record that its partitions hold, as they were looked up.
    ///
    /// # Errors
    /// As [`reader::read`].
    pub fn read(
        &self,
        ends: &[PartitionEnd],
        visit: impl FnMut(&BorrowedMessage<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let span = |end: &PartitionEnd| Span {
            partition: end.partition,
            low: end.low,
            high: end.high,
        };
        let spans: Vec<Span> = ends.iter().map(span).collect();
        reader::read(&self.client, &self.topic, &spans, visit)
    }

    /// Waits until the topic is there, with this many partitions.
    ///
    /// # Errors
    /// If it is not in time, or has others.
    pub fn wait_for_topic(&mut self, partitions: u32, deadline: Instant) -> anyhow::Result<()> {
        loop {
            let is_late = Instant::now() > deadline;
            match self.look_up() {
                Err(error) if is_late => return Err(error),
                // A broker that has just started may not answer yet.
                Err(_) | Ok(()) => {}
            }
            match self.partitions.len() {
                0 if is_late => bail!("the relay did not make the topic {} in time", self.topic),
                0 => std::thread::sleep(PAUSE),
                found if found == partitions as usize => return Ok(()),
                found => bail!(
                    "the topic {} has {found} partitions instead of {partitions}",
                    self.topic
                ),
            }
        }
    }

    /// How many partitions the topic had when it was looked up.
    pub fn partition_count(&self) -> usize {
        self.partitions.len()
    }

    /// Where the group stands in each partition: three requests.
    ///
    /// # Errors
    /// If the broker does not answer, or has no such topic.
    pub fn positions(&mut self) -> anyhow::Result<Vec<PartitionEnd>> {
        if self.partitions.is_empty() {
            self.look_up()?;
        }
        ensure!(!self.partitions.is_empty(), "there is no topic {}", self.topic);
        let committed = self.client.committed_offsets(self.list(Offset::Invalid)?, REQUEST)?;
        let low = self.client.offsets_for_times(self.list(Offset::Beginning)?, REQUEST)?;
        let high = self.client.offsets_for_times(self.list(Offset::End)?, REQUEST)?;
        let mut positions = Vec::with_capacity(self.partitions.len());
        for partition in &self.partitions {
            let offset = |list: &TopicPartitionList| {
                let found = list.find_partition(&self.topic, *partition)?;
                match (found.error(), found.offset()) {
                    (Ok(()), Offset::Offset(offset)) => Some(offset),
                    _ => None,
                }
            };
            // A partition without a leader has no offsets now; the next look may have them.
            if let (Some(low), Some(high)) = (offset(&low), offset(&high)) {
                positions.push(PartitionEnd {
                    group: self.group.clone(),
                    topic: self.topic.clone(),
                    partition: *partition,
                    low,
                    high,
                    committed: offset(&committed),
                });
            }
        }
        Ok(positions)
    }

    /// As [`GroupView::positions`], asked again until `deadline`: a group's coordinator may be moving, or not up yet.
    ///
    /// # Errors
    /// The last one.
    pub fn positions_by(&mut self, deadline: Instant) -> anyhow::Result<Vec<PartitionEnd>> {
        loop {
            match self.positions() {
                Err(_) if Instant::now() < deadline => std::thread::sleep(PAUSE),
                looked => return looked,
            }
        }
    }

    /// One request; the topic may not be there yet.
    fn look_up(&mut self) -> anyhow::Result<()> {
        let metadata = self.client.fetch_metadata(Some(&self.topic), REQUEST)?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == self.topic);
        self.partitions = topic
            .filter(|topic| topic.error().is_none())
            .map(|topic| topic.partitions().iter().map(|partition| partition.id()).collect())
            .unwrap_or_default();
        Ok(())
    }

    fn list(&self, offset: Offset) -> anyhow::Result<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for partition in &self.partitions {
            list.add_partition_offset(&self.topic, *partition, offset)?;
        }
        Ok(list)
    }
}
