//! `duplicate-records`: how many records the topics hold beyond the first of each outbox row.
//!
//! A relay that dies between the broker's acknowledgement and noting it leaves rows that the next one sends again: the
//! topic holds two records of one row, and the begin of the job's lease absorbs the second. Apart from them are
//! *re-dispatches*: another outbox row for the same attempt, because the record seemed lost (the sweeper) or the job was
//! given back. Both are allowed, so they are counted and pass. Event-driven mode only.

use std::collections::{HashMap, HashSet};

use super::{Check, Examples, pass, unknown};
use crate::ledger::{Ledger, Mode};
use crate::snapshot::Topics;
use crate::text::{counted, grouped};

const NAME: &str = "duplicate-records";

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Records beyond the first of their outbox row; `None` if the topics were not read.
    copies: Option<Examples>,
    /// Those of them that a later relay sent.
    by_later_relay: u64,
    records: u64,
    /// Records of a superseded relay, behind those of a later one; `None` if the topics were not read.
    pub(super) superseded: Option<u64>,
    /// Partitions that no longer hold their first records.
    trimmed: u64,
    /// Outbox rows beyond the first of their attempt.
    pub(super) redispatches: Examples,
    /// The jobs of both.
    jobs: HashSet<i64>,
}

impl Findings {
    /// `None` if it can't be told.
    pub(super) fn duplicates(&self) -> Option<u64> {
        self.copies.as_ref().map(Examples::count)
    }

    /// Was there more than one record, or may have been, of one attempt of the job?
    pub(super) fn sent_again(&self, job: i64) -> bool {
        self.jobs.contains(&job)
    }
}

pub(super) fn check(ledger: &Ledger<'_>) -> Check {
    let found = find(ledger);
    let again = match found.redispatches.count() {
        0 => String::new(),
        count => format!("; {} dispatched again by another row", counted(count, "attempt")),
    };
    let Some(copies) = found.duplicates() else {
        return unknown(NAME, format!("the topics were not read{again}"));
    };
    let trimmed = match found.trimmed {
        0 => String::new(),
        count => format!(
            "; the first records of {} are gone: at least",
            counted(count, "partition")
        ),
    };
    let trimmed = match found.superseded {
        None | Some(0) => trimmed,
        Some(count) => format!(
            "; {} of a superseded relay, behind a later one's{trimmed}",
            counted(count, "record")
        ),
    };
    let records = counted(found.records, "record");
    if copies == 0 {
        return pass(NAME, format!("{records}, none of one outbox row twice{again}{trimmed}"));
    }
    let later = grouped(found.by_later_relay);
    pass(
        NAME,
        format!(
            "{} of {records} beyond the first of their outbox row ({later} by a later relay){again}{trimmed}",
            grouped(copies)
        ),
    )
}

pub(super) fn find(ledger: &Ledger<'_>) -> Findings {
    let mut found = Findings::default();
    find_redispatches(&mut found, ledger);
    match ledger.evidence().topics {
        Some(topics) => {
            find_copies(&mut found, ledger);
            found.superseded = Some(superseded(topics));
        }
        // Polling writes no record.
        None if ledger.evidence().mode == Mode::Polling => {
            found.copies = Some(Examples::default());
            found.superseded = Some(0);
        }
        None => {}
    }
    found
}

fn find_redispatches(found: &mut Findings, ledger: &Ledger<'_>) {
    let rows = &ledger.evidence().snapshot.outbox;
    let mut attempts: Vec<(i64, u16)> = rows.iter().map(|row| (row.job.0, row.attempt)).collect();
    attempts.sort_unstable();
    for rows in attempts
        .chunk_by(|left, right| left == right)
        .filter(|rows| rows.len() > 1)
    {
        let job = rows[0].0;
        let place = ledger.job_position(crossover_proto::JobId(job));
        found.redispatches.add_job(rows.len() as u64 - 1, place);
        found.jobs.insert(job);
    }
}

/// What a relay sends after another has begun to send is a lower bound of what it sends after it has lost the lead.
fn superseded(topics: &Topics) -> u64 {
    let mut latest: HashMap<u32, i64> = HashMap::new();
    let mut count = 0;
    // In the order of partition and offset.
    for record in &topics.records {
        let Some(carried) = record.carries else { continue };
        let latest = latest.entry(record.partition).or_default();
        count += u64::from(carried.epoch < *latest);
        *latest = carried.epoch.max(*latest);
    }
    count
}

fn find_copies(found: &mut Findings, ledger: &Ledger<'_>) {
    let topics = ledger.evidence().topics;
    let readable = topics
        .iter()
        .flat_map(|topics| &topics.records)
        .filter_map(|record| record.carries);
    let stamped = readable.filter(|carried| carried.outbox > 0);
    let mut sendings: Vec<(i64, i64, i64)> = stamped.map(|one| (one.outbox, one.epoch, one.job.0)).collect();
    sendings.sort_unstable();
    let mut copies = Examples::default();
    for sent in sendings
        .chunk_by(|left, right| left.0 == right.0)
        .filter(|sent| sent.len() > 1)
    {
        let (_, first_epoch, job) = sent[0];
        copies.add_job(sent.len() as u64 - 1, ledger.job_position(crossover_proto::JobId(job)));
        found.by_later_relay += sent.iter().filter(|(_, epoch, _)| *epoch > first_epoch).count() as u64;
        found.jobs.insert(job);
    }
    found.records = topics.map_or(0, |topics| topics.records.len() as u64);
    found.trimmed = topics
        .iter()
        .flat_map(|topics| &topics.partitions)
        .filter(|one| one.low > 0)
        .count() as u64;
    found.copies = Some(copies);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Verdict;
    use crate::scene::Scene;

    #[test]
    fn a_topic_with_every_row_once_has_no_duplicates() {
        let mut scene = Scene::event_driven(&[3]);
        scene.start();
        scene.drain();
        let check = check(&scene.ledger());
        assert_eq!(check.verdict, Verdict::Pass);
        assert_eq!(check.detail, "3 records, none of one outbox row twice");
    }

    #[test]
    fn what_a_dead_relay_had_sent_is_counted_when_the_next_one_sends_it_again() {
        let mut scene = Scene::event_driven(&[3]);
        scene.start();
        scene.relay_dies();
        scene.drain();
        let found = find(&scene.ledger());
        assert_eq!((found.duplicates(), found.by_later_relay), (Some(3), 3));
        assert_eq!(found.redispatches.count(), 0);
        assert_eq!(
            check(&scene.ledger()).detail,
            "3 of 6 records beyond the first of their outbox row (3 by a later relay)"
        );
    }

    #[test]
    fn what_a_superseded_relay_sends_behind_a_later_one_is_counted() {
        let mut scene = Scene::event_driven(&[3]);
        scene.start_many(2);
        scene.relay_dies();
        scene.drain();
        assert_eq!(
            find(&scene.ledger()).superseded,
            Some(0),
            "the first had sent all before"
        );
        let records = &mut scene.topics.as_mut().unwrap().records;
        let last = records.last_mut().unwrap().carries.as_mut().unwrap();
        last.epoch = 1;
        let found = find(&scene.ledger());
        assert_eq!(found.superseded, Some(1));
        let detail = check(&scene.ledger()).detail;
        assert!(
            detail.contains("1 record of a superseded relay, behind a later one's"),
            "{detail}"
        );
    }

    #[test]
    fn a_re_dispatch_is_no_duplicate_and_counted_apart() {
        let mut scene = Scene::event_driven(&[2]);
        scene.start();
        scene.relay();
        scene.redispatch(0);
        scene.drain();
        let ledger = scene.ledger();
        let found = find(&ledger);
        assert_eq!((found.duplicates(), found.redispatches.count()), (Some(0), 1));
        assert!(found.sent_again(1) && !found.sent_again(2));
        assert_eq!(
            check(&ledger).detail,
            "3 records, none of one outbox row twice; 1 attempt dispatched again by another row"
        );
    }

    #[test]
    fn a_retry_is_no_re_dispatch() {
        let mut scene = Scene::event_driven(&[1]);
        scene.start();
        scene.fail_next(true);
        scene.drain();
        assert_eq!(find(&scene.ledger()).redispatches.count(), 0);
    }

    #[test]
    fn topics_that_nobody_read_give_no_number() {
        let mut scene = Scene::event_driven(&[1]);
        scene.start();
        scene.drain();
        scene.topics = None;
        assert_eq!(find(&scene.ledger()).duplicates(), None);
        assert_eq!(check(&scene.ledger()).verdict, Verdict::Unknown);
        assert_eq!(
            find(&Scene::new(&[1]).ledger()).duplicates(),
            Some(0),
            "polling has no records"
        );
    }

    #[test]
    fn a_trimmed_topic_gives_a_lower_bound() {
        let mut scene = Scene::event_driven(&[2]);
        scene.start();
        scene.drain();
        scene.trim(1);
        let detail = check(&scene.ledger()).detail;
        assert!(
            detail.ends_with("the first records of 2 partitions are gone: at least"),
            "{detail}"
        );
    }
}
