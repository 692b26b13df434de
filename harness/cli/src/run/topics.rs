//! The topics at the end of a run, read whole and written to files (`topics/{partitions,records}.tsv`), and read back for
//! the ledger: what the broker holds, and how far each group came.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use crossover_engine::kafka::Kafka;
use crossover_evidence::snapshot::{Carried, PartitionEnd, TopicRecord, Topics};
use crossover_proto::JobId;
use crossover_proto::event::DispatchedJob;
use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::broker::{GroupView, Position};
use super::directory::RunDirectory;

/// Auto-commit is every 200 ms; a member that left has committed.
const COMMITTED_WITHIN: Duration = Duration::from_secs(3);
/// A broker that says nothing for this long has no more to say.
const SILENCE: Duration = Duration::from_secs(10);

/// Reads the topics of all job types to their present end and writes the files.
///
/// # Errors
/// If the broker does not answer, or the disk is full.
pub fn save(directory: &RunDirectory, kafka: &Kafka, job_types: &[String]) -> anyhow::Result<()> {
    fs::create_dir_all(directory.file("topics"))?;
    let mut partitions = writer(directory, "partitions")?;
    let mut records = writer(directory, "records")?;
    let mut place = 0;
    for job_type in job_types {
        let mut view = GroupView::new(kafka, job_type)?;
        let ends = settled(&mut view)?;
        for end in &ends {
            let committed = end.committed.unwrap_or(-1);
            writeln!(
                partitions,
                "{}\t{}\t{}\t{}\t{}\t{committed}",
                view.group, end.topic, end.partition, end.low, end.high
            )?;
        }
        read_all(&view, &ends, place, &mut records)?;
        place += ends.len();
    }
    // The partitions last: if they are there, so are the records.
    finish(directory, "records", records)?;
    finish(directory, "partitions", partitions)
}

/// The positions, when the groups have committed what they have read, or after a while as they are.
fn settled(view: &mut GroupView) -> anyhow::Result<Vec<Position>> {
    let deadline = Instant::now() + COMMITTED_WITHIN;
    loop {
        let positions = view.positions()?;
        let open = |end: &Position| end.high > end.low && end.committed.is_none_or(|committed| committed < end.high);
        if !positions.iter().any(open) || Instant::now() > deadline {
            return Ok(positions);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Reads each partition from its first record to its end, as it was looked up.
fn read_all(view: &GroupView, ends: &[Position], place: usize, out: &mut impl Write) -> anyhow::Result<()> {
    let mut list = TopicPartitionList::new();
    let mut open = 0;
    for end in ends.iter().filter(|end| end.high > end.low) {
        list.add_partition_offset(&end.topic, end.partition, Offset::Offset(end.low))?;
        open += 1;
    }
    if open == 0 {
        return Ok(());
    }
    view.client().assign(&list)?;
    let mut done = vec![false; ends.len()];
    let mut heard = Instant::now();
    while open > 0 {
        let Some(message) = view.client().poll(Duration::from_millis(200)) else {
            if heard.elapsed() > SILENCE {
                bail!("the topic {} could not be read to its end", view.topic);
            }
            continue;
        };
        let message = message.with_context(|| format!("reading {}", view.topic))?;
        heard = Instant::now();
        let Some(index) = ends.iter().position(|end| end.partition == message.partition()) else {
            continue;
        };
        // Records may still come in on a kept system: they are not the run's.
        if message.offset() < ends[index].high {
            write_record(out, place + index, &message)?;
        }
        if message.offset() + 1 >= ends[index].high && !done[index] {
            done[index] = true;
            open -= 1;
        }
    }
    view.client().unassign()?;
    Ok(())
}

fn write_record(out: &mut impl Write, place: usize, message: &BorrowedMessage<'_>) -> anyhow::Result<()> {
    let offset = message.offset();
    let bytes = message.payload().unwrap_or_default().to_vec();
    match DispatchedJob::from_record(bytes.into()) {
        Ok(job) => {
            let (outbox, epoch) = job.relay.map_or((0, 0), |stamp| (stamp.outbox_id, stamp.epoch));
            let (job, attempt) = (job.key.job.0, job.key.attempt);
            writeln!(out, "{place}\t{offset}\t{job}\t{attempt}\t{outbox}\t{epoch}")?;
        }
        Err(_) => writeln!(out, "{place}\t{offset}\t0\t0\t0\t0")?,
    }
    Ok(())
}

/// Reads the files back; `None` if the run had no broker, or died before its topics were read.
///
/// # Errors
/// If a file is damaged.
pub fn read(directory: &RunDirectory) -> anyhow::Result<Option<Topics>> {
    if !directory.file("topics/partitions.tsv").is_file() {
        return Ok(None);
    }
    Ok(Some(Topics {
        partitions: lines(directory, "partitions", partition_end)?,
        records: lines(directory, "records", topic_record)?,
    }))
}

fn partition_end(fields: &[&str]) -> Option<PartitionEnd> {
    let [group, topic, partition, low, high, committed] = fields else {
        return None;
    };
    Some(PartitionEnd {
        group: (*group).to_owned(),
        topic: (*topic).to_owned(),
        partition: partition.parse().ok()?,
        low: low.parse().ok()?,
        high: high.parse().ok()?,
        committed: committed.parse().ok().filter(|committed| *committed >= 0),
    })
}

fn topic_record(fields: &[&str]) -> Option<TopicRecord> {
    let [place, offset, job, attempt, outbox, epoch] = fields else {
        return None;
    };
    let job: i64 = job.parse().ok()?;
    Some(TopicRecord {
        partition: place.parse().ok()?,
        offset: offset.parse().ok()?,
        carries: match job {
            0 => None,
            _ => Some(Carried {
                job: JobId(job),
                attempt: attempt.parse().ok()?,
                outbox: outbox.parse().ok()?,
                epoch: epoch.parse().ok()?,
            }),
        },
    })
}

fn lines<T>(directory: &RunDirectory, name: &str, read: impl Fn(&[&str]) -> Option<T>) -> anyhow::Result<Vec<T>> {
    let path = directory.file(&format!("topics/{name}.tsv"));
    let text = fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
    let mut rows = Vec::new();
    let mut fields = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        fields.clear();
        fields.extend(line.split('\t'));
        let row = read(&fields).with_context(|| format!("{} line {number} is damaged", path.display()))?;
        rows.push(row);
    }
    Ok(rows)
}

fn writer(directory: &RunDirectory, name: &str) -> anyhow::Result<BufWriter<File>> {
    let path = directory.file(&format!("topics/{name}.part"));
    let file = File::create(&path).with_context(|| format!("can't make {}", path.display()))?;
    Ok(BufWriter::new(file))
}

fn finish(directory: &RunDirectory, name: &str, mut file: BufWriter<File>) -> anyhow::Result<()> {
    file.flush()?;
    let (half, whole) = (format!("topics/{name}.part"), format!("topics/{name}.tsv"));
    fs::rename(directory.file(&half), directory.file(&whole))?;
    Ok(())
}
