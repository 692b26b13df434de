//! The topics at the end of a run, read whole and written to files (`topics/{partitions,records}.tsv`), and read back for
//! the ledger: what the broker holds, and how far each group came.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use crossover_engine::kafka::Kafka;
use crossover_evidence::snapshot::{Carried, PartitionEnd, TopicRecord, Topics};
use crossover_proto::JobId;
use crossover_proto::event::DispatchedJob;
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

use super::broker::GroupView;
use super::directory::RunDirectory;

/// Auto-commit is every 200 ms; a member that left has committed.
const COMMITTED_WITHIN: Duration = Duration::from_secs(3);

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
                end.group, end.topic, end.partition, end.low, end.high
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
fn settled(view: &mut GroupView) -> anyhow::Result<Vec<PartitionEnd>> {
    let deadline = Instant::now() + COMMITTED_WITHIN;
    loop {
        let looked = view.positions();
        let is_late = Instant::now() > deadline;
        match looked {
            Ok(positions) => {
                let open = |end: &PartitionEnd| {
                    end.high > end.low && end.committed.is_none_or(|committed| committed < end.high)
                };
                let is_whole = positions.len() == view.partition_count();
                if is_whole && (is_late || !positions.iter().any(open)) {
                    return Ok(positions);
                }
                if is_late {
                    let (found, all) = (positions.len(), view.partition_count());
                    bail!(
                        "only {found} of {all} partitions of {} have a leader that answers",
                        view.topic
                    );
                }
            }
            Err(error) if is_late => return Err(error),
            Err(_) => {}
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Reads each partition from its first record to its end, as it was looked up.
fn read_all(view: &GroupView, ends: &[PartitionEnd], place: usize, out: &mut impl Write) -> anyhow::Result<()> {
    view.read(ends, |message| {
        let index = ends.iter().position(|end| end.partition == message.partition());
        index.map_or(Ok(()), |index| write_record(out, place + index, message))
    })
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
    let cannot_read = || format!("can't read {}", path.display());
    let file = BufReader::new(File::open(&path).with_context(cannot_read)?);
    let mut rows = Vec::new();
    for (number, line) in (1..).zip(file.lines()) {
        let line = line.with_context(cannot_read)?;
        let fields: Vec<&str> = line.split('\t').collect();
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
