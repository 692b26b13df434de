//! The five checkpoints of a job's record: outbox row, broker's acknowledgement, topic, consumer group, worker.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossover_engine::kafka::Kafka;
use crossover_evidence::snapshot::PartitionEnd;
use crossover_proto::engine as wire;
use crossover_proto::event::DispatchedJob;
use jiff::Timestamp;
use rdkafka::Message;

use super::from::described;
use super::topics::{Span, Topics};
use crate::run::GroupView;

/// A broker that has just come up looks for its groups for a second or two.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A moment (µs since 1970-01-01 UTC) in words.
pub(super) fn at(unix_us: i64) -> String {
    Timestamp::from_microsecond(unix_us).map_or_else(|_| "?".to_owned(), |at| format!("{at:.6}"))
}

/// Which job, and what the database knows of its way.
pub(super) struct Asked {
    kafka: Kafka,
    job: wire::JobStatus,
    /// In the order of their outbox ids.
    dispatches: Vec<wire::Dispatch>,
    /// (attempt, µs) of each time that it began.
    begun: Vec<(u32, i64)>,
    directory: PathBuf,
}

/// What the broker knows of it.
pub(super) struct Broker {
    /// The group in each partition; none if there is no topic.
    positions: Vec<PartitionEnd>,
    /// The job in the record at (partition, offset); `None` if it is not readable. No entry: there is no such record.
    records: HashMap<(i32, i64), Option<i64>>,
}

fn place_of(dispatch: &wire::Dispatch) -> Option<(i32, i64)> {
    dispatch.partition.zip(dispatch.offset)
}

impl Broker {
    /// Looks the group up, and reads the job's records.
    pub(super) fn look(asked: &Asked) -> anyhow::Result<Self> {
        let topics = Topics::new(&asked.kafka)?;
        let topic = asked.kafka.topic(&asked.job.job_type);
        let mut records = HashMap::new();
        if !topics.beginning_with(&topic)?.contains_key(&topic) {
            return Ok(Self {
                positions: Vec::new(),
                records,
            });
        }
        let mut group = GroupView::new(&asked.kafka, &asked.job.job_type)?;
        let positions = group.positions_by(Instant::now() + ANSWER_WITHIN)?;
        for (partition, offset) in asked.dispatches.iter().filter_map(place_of) {
            let is_there = |at: &PartitionEnd| at.partition == partition && (at.low..at.high).contains(&offset);
            if !positions.iter().any(is_there) {
                continue;
            }
            let span = Span {
                partition,
                low: offset,
                high: offset + 1,
            };
            topics.read(&topic, &[span], |record| {
                let job = DispatchedJob::from_record(record.payload().unwrap_or_default().to_vec().into());
                records.insert((partition, offset), job.ok().map(|job| job.key.job.0));
            })?;
        }
        Ok(Self { positions, records })
    }
}

impl Asked {
    /// `None` if the instance does not have the job.
    pub(super) fn new(instance: &wire::InspectResponse, job: i64, kafka: Kafka, directory: &Path) -> Option<Self> {
        let of_job = |line: &&wire::AuditEntry| line.job_id == job && line.event == "job_claimed";
        let dispatches = instance.dispatches.iter().filter(|dispatch| dispatch.job_id == job);
        Some(Self {
            kafka,
            job: instance.jobs.iter().find(|status| status.job_id == job)?.clone(),
            dispatches: dispatches.cloned().collect(),
            begun: (instance.audit.iter().filter(of_job))
                .map(|line| (line.attempt, line.at_unix_us))
                .collect(),
            directory: directory.to_owned(),
        })
    }

    /// Writes the checkpoints of each dispatch; what the broker did not answer is unknown.
    pub(super) fn write(&self, out: &mut String, broker: Option<&Broker>) -> fmt::Result {
        writeln!(out, "checkpoints of job {}", self.job.job_id)?;
        if self.dispatches.is_empty() {
            writeln!(
                out,
                "  no outbox row: the job was not ready yet, or the row was sent so long ago that it is removed"
            )?;
        }
        for dispatch in &self.dispatches {
            writeln!(out, "  attempt {}, outbox row {}", dispatch.attempt, dispatch.outbox_id)?;
            writeln!(out, "    outbox  {}  written", at(dispatch.created_unix_us))?;
            writeln!(out, "    relay   {}", self.sent(dispatch))?;
            if let Some(place) = place_of(dispatch) {
                let (topic, group) = match broker {
                    Some(broker) => (self.in_topic(broker, place), self.in_group(broker, place)),
                    None => ("unknown".to_owned(), "unknown".to_owned()),
                };
                writeln!(out, "    topic   {topic}")?;
                writeln!(out, "    group   {group}")?;
            }
            writeln!(out, "    worker  {}", self.at_worker(dispatch.attempt))?;
        }
        Ok(())
    }

    fn sent(&self, dispatch: &wire::Dispatch) -> String {
        let sent = at(dispatch.sent_unix_us);
        match place_of(dispatch) {
            Some((partition, offset)) => {
                let topic = self.kafka.topic(&self.job.job_type);
                // When it was noted: a quick worker begins before.
                format!("{sent}  acknowledgement noted: {topic}:{partition}@{offset}")
            }
            None if dispatch.sent_unix_us == 0 => "not sent, or its acknowledgement is not noted yet".to_owned(),
            None => format!("{sent}  refused by the broker for good: the job is a dead letter"),
        }
    }

    fn in_topic(&self, broker: &Broker, place: (i32, i64)) -> String {
        let Some(position) = position(broker, place) else {
            return "no such partition now: the topic was removed, or the partition has no leader".to_owned();
        };
        let held = described(&Span {
            partition: position.partition,
            low: position.low,
            high: position.high,
        });
        match broker.records.get(&place) {
            Some(Some(job)) if *job == self.job.job_id => format!("the record is there (the partition holds {held})"),
            Some(_) => "another record is there: the topic was made again".to_owned(),
            None => format!("the record is gone (the partition holds {held})"),
        }
    }

    fn in_group(&self, broker: &Broker, place: (i32, i64)) -> String {
        let group = self.kafka.group(&self.job.job_type);
        let Some(position) = position(broker, place) else {
            return format!("{group}: no such partition now");
        };
        match position.committed {
            None => format!("{group} has committed nothing in this partition"),
            Some(committed) if committed > place.1 => format!("{group} is past it: committed {committed}"),
            Some(committed) => format!(
                "{group} is not past it: committed {committed}, {} records to go",
                place.1 - committed + 1
            ),
        }
    }

    fn at_worker(&self, attempt: u32) -> String {
        let Some((_, begun)) = self.begun.iter().rev().find(|(begun, _)| *begun == attempt) else {
            return "not begun on this attempt".to_owned();
        };
        let begun = at(*begun);
        let worker = &self.job.worker;
        // The row names the last worker only.
        if attempt != self.job.attempt || worker.is_empty() {
            return format!("{begun}  begun");
        }
        let log = format!("logs/{worker}.log");
        match self.directory.join(&log).is_file() {
            true => format!("{begun}  begun by {worker} ({log})"),
            false => format!("{begun}  begun by {worker}"),
        }
    }
}

fn position(broker: &Broker, (partition, _): (i32, i64)) -> Option<&PartitionEnd> {
    broker.positions.iter().find(|position| position.partition == partition)
}
