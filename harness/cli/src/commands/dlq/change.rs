//! Replay and discard, a page at a time.

use std::collections::HashSet;

use anyhow::Context;
use crossover_engine::kafka::Kafka;
use crossover_proto::engine as wire;
use crossover_proto::event::DispatchedJob;
use rdkafka::Message;

use super::from::ReadFrom;
use super::kept::Kept;
use super::topics::{Span, Topics};
use crate::args::{DlqChange, DlqReplay};
use crate::failure::bad_input;

/// Jobs named in one call: half of what the engine changes in one, so each call does all it names.
const NAMED_MAX: usize = 500;

/// Brings dead letters back.
pub(super) async fn replay(args: &DlqReplay) -> anyhow::Result<()> {
    let mut kept = Kept::connect(&args.change.system).await?;
    if let Some(from) = &args.from {
        return replay_from(&mut kept, from, args.change.reason.as_deref().unwrap_or_default()).await;
    }
    let most = count(&mut kept, &args.change).await?;
    let replayed = change_all(&args.change, most, async |page| {
        kept.engine.replay_dead_letters(page).await
    })
    .await?;
    println!("{replayed} brought back");
    Ok(())
}

/// Gives dead letters up.
pub(super) async fn discard(change: &DlqChange) -> anyhow::Result<()> {
    let mut kept = Kept::connect(&change.system).await?;
    let most = count(&mut kept, change).await?;
    let discarded = change_all(change, most, async |page| kept.engine.discard_dead_letters(page).await).await?;
    println!("{discarded} given up");
    Ok(())
}

/// Dead letters that a change is about, now.
async fn count(kept: &mut Kept, change: &DlqChange) -> anyhow::Result<u64> {
    let mut count = 0;
    let reason = change.reason.clone().unwrap_or_default();
    kept.each_dead_letter(&reason, |letter| {
        let meant = change.job.is_empty() || change.job.contains(&letter.job_id);
        count += u64::from(meant);
    })
    .await?;
    Ok(count)
}

/// Repeats a change, a page at a time, for as many as there are now: what fails again meanwhile is not taken up again.
async fn change_all(
    change: &DlqChange,
    most: u64,
    mut page: impl AsyncFnMut(wire::DeadLetterSelection) -> Result<tonic::Response<wire::DeadLetterChange>, tonic::Status>,
) -> anyhow::Result<u64> {
    let selection = wire::DeadLetterSelection {
        job_ids: change.job.clone(),
        reason_contains: change.reason.clone().unwrap_or_default(),
        limit: 0,
    };
    let mut total = 0;
    while total < most {
        let limit = u32::try_from(most - total).unwrap_or(u32::MAX);
        let selection = wire::DeadLetterSelection {
            limit,
            ..selection.clone()
        };
        let changed = page(selection).await?.into_inner().changed;
        if changed == 0 {
            break;
        }
        total += u64::from(changed);
    }
    Ok(total)
}

/// Brings back those jobs of the records read that are dead letters now. Nothing is sent again as it is: each job comes
/// with its next attempt, and one that is done stays done.
async fn replay_from(kept: &mut Kept, from: &ReadFrom, reason: &str) -> anyhow::Result<()> {
    let Some(kafka) = kept.kafka.clone() else {
        return Err(bad_input(format!(
            "{} is a polling system: it has no topic to read from; choose by --all, --reason or --job",
            kept.directory.display()
        )));
    };
    let meant = from.clone();
    let read = tokio::task::spawn_blocking(move || Records::read(&kafka, &meant));
    let records = read.await.context("reading the topic")??;
    println!(
        "{} records of {} read, {} of them unreadable; they name {} jobs",
        records.read,
        records.place,
        records.unreadable,
        records.jobs.len()
    );
    let mut dead = Vec::new();
    kept.each_dead_letter(reason, |letter| {
        if records.jobs.contains(&letter.job_id) {
            dead.push(letter.job_id);
        }
    })
    .await?;
    let mut replayed = 0;
    // Each is named once: what fails again meanwhile is not taken up again.
    for page in dead.chunks(NAMED_MAX) {
        let selection = wire::DeadLetterSelection {
            job_ids: page.to_vec(),
            reason_contains: reason.to_owned(),
            limit: u32::try_from(page.len()).unwrap_or(u32::MAX),
        };
        let answer = kept.engine.replay_dead_letters(selection).await;
        let answer = answer.with_context(|| format!("{replayed} of {} were brought back before", dead.len()))?;
        replayed += u64::from(answer.into_inner().changed);
    }
    println!("{} were dead letters, {replayed} brought back", dead.len());
    let but_for = match reason {
        "" => String::new(),
        reason => format!(", or dead for another reason than {reason:?}"),
    };
    println!(
        "{} skipped: done, given up, or on their way{but_for}",
        records.jobs.len() - dead.len()
    );
    Ok(())
}

/// What was read.
struct Records {
    /// In words.
    place: String,
    read: u64,
    unreadable: u64,
    jobs: HashSet<i64>,
}

impl Records {
    fn read(kafka: &Kafka, from: &ReadFrom) -> anyhow::Result<Self> {
        let topics = Topics::new(kafka)?;
        let spans = from.spans(&topics, kafka)?;
        let mut records = Self {
            place: place(&from.topic, &spans),
            read: 0,
            unreadable: 0,
            jobs: HashSet::new(),
        };
        topics.read(&from.topic, &spans, |record| {
            records.read += 1;
            let bytes = record.payload().unwrap_or_default().to_vec();
            match DispatchedJob::from_record(bytes.into()) {
                Ok(job) => drop(records.jobs.insert(job.key.job.0)),
                Err(_) => records.unreadable += 1,
            }
        })?;
        Ok(records)
    }
}

/// `jobs.work:0@17 to 41`, or the topic with the number of its partitions.
fn place(topic: &str, spans: &[Span]) -> String {
    match spans {
        [one] => format!("{topic}:{}@{}", one.partition, super::from::described(one)),
        many => format!("{topic} ({} partitions)", many.len()),
    }
}
