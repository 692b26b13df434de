//! Lists dead letters and, in event-driven mode, the records that no worker could read.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Context;
use crossover_engine::kafka::Kafka;
use crossover_proto::engine as wire;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

use super::kept::Kept;
use super::topics::{Span, Topics};
use crate::args::DlqSelection;

/// Lines of dead letters; the counts by reason are of all.
const LINES_MAX: usize = 20;
/// Lines of unreadable records; the counts by topic are of all.
const RECORD_LINES_MAX: u16 = 5;

/// Writes the list.
pub(super) async fn list(selection: &DlqSelection) -> anyhow::Result<()> {
    let mut kept = Kept::connect(&selection.system).await?;
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    let mut first: Vec<wire::DeadLetter> = Vec::new();
    kept.each_dead_letter(&selection.reason, |letter| {
        *reasons.entry(letter.reason.clone()).or_default() += 1;
        if first.len() < LINES_MAX {
            first.push(letter);
        }
    })
    .await?;
    write_letters(&first, &reasons)?;
    // The jobs first: they are known though the broker may be away.
    let Some(kafka) = kept.kafka else { return Ok(()) };
    let looked = tokio::task::spawn_blocking(move || Unreadable::look(&kafka)).await;
    write_unreadable(&looked.context("reading the dead-letter topics")??)
}

fn write_letters(first: &[wire::DeadLetter], reasons: &BTreeMap<String, u64>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for letter in first {
        let wire::DeadLetter {
            job_id,
            job_type,
            attempt,
            definition,
            reason,
            ..
        } = letter;
        writeln!(
            out,
            "job {job_id}  {definition}/{job_type}  attempt {attempt}  {reason}"
        )?;
    }
    let total: u64 = reasons.values().sum();
    if total > LINES_MAX as u64 {
        writeln!(out, "… and {} more", total - LINES_MAX as u64)?;
    }
    writeln!(out, "{total} dead letters")?;
    for (reason, count) in reasons {
        writeln!(out, "  {count:>8}  {reason}")?;
    }
    Ok(())
}

/// What is in the dead-letter topics.
struct Unreadable {
    /// By topic.
    counts: BTreeMap<String, u64>,
    /// The oldest, a line each.
    first: Vec<String>,
}

impl Unreadable {
    fn look(kafka: &Kafka) -> anyhow::Result<Self> {
        let topics = Topics::new(kafka)?;
        let mut counts = BTreeMap::new();
        let mut lines: Vec<(i64, String)> = Vec::new();
        for (topic, partitions) in topics.beginning_with(&kafka.dead_letter_topic(""))? {
            let held = partitions.iter().map(|partition| topics.held(&topic, *partition));
            let mut spans: Vec<Span> = held.collect::<Result<_, _>>()?;
            let count: u64 = spans.iter().map(Span::len).sum();
            for span in &mut spans {
                span.high = span.high.min(span.low + i64::from(RECORD_LINES_MAX));
            }
            topics.read(&topic, &spans, |record| {
                lines.push((record.timestamp().to_millis().unwrap_or_default(), line_of(record)));
            })?;
            counts.insert(topic, count);
        }
        lines.sort();
        lines.truncate(RECORD_LINES_MAX.into());
        Ok(Self {
            counts,
            first: lines.into_iter().map(|(_, line)| line).collect(),
        })
    }
}

/// Where the copy is, where the record came from, and why no worker read it.
fn line_of(record: &BorrowedMessage<'_>) -> String {
    let header = |name: &str| {
        let all = record.headers().into_iter().flat_map(|headers| headers.iter());
        // The worker writes its own behind those that the record had.
        let last = all.filter(|header| header.key == name).last();
        let text = last.and_then(|header| Some(String::from_utf8_lossy(header.value?).into_owned()));
        text.unwrap_or_else(|| "?".to_owned())
    };
    format!(
        "{}:{}@{}  from {}:{}@{}  {}",
        record.topic(),
        record.partition(),
        record.offset(),
        header("crossover.origin.topic"),
        header("crossover.origin.partition"),
        header("crossover.origin.offset"),
        header("crossover.error")
    )
}

fn write_unreadable(unreadable: &Unreadable) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let total: u64 = unreadable.counts.values().sum();
    writeln!(out, "{total} records that no worker could read")?;
    if total == 0 {
        return Ok(());
    }
    for (topic, count) in unreadable.counts.iter().filter(|(_, count)| **count > 0) {
        writeln!(out, "  {count:>8}  {topic}")?;
    }
    for line in &unreadable.first {
        writeln!(out, "  {line}")?;
    }
    if total > unreadable.first.len() as u64 {
        writeln!(out, "  … and {} more", total - unreadable.first.len() as u64)?;
    }
    writeln!(
        out,
        "These are copies and block nothing; there is nothing to replay. A job whose record this was is queued still, and the \
         relay sends it again `redispatch_after` later.\nIf it comes back here, its writer is newer than the workers: bring \
         them to its version. A record of no job needs nothing."
    )?;
    Ok(())
}
