//! `every-record-has-its-row`: outbox and topics tell the same story (C02).
//!
//! - Each record that can be read names an outbox row that exists, dispatches the same attempt of the same job, and is
//!   marked as sent. One that nobody can read is counted: what it was can't be told.
//! - Each row that names a partition and offset finds its record there. Of several records of one row (duplicates), one
//!   must be the one that it names.
//!
//! A topic that was deleted, or lost its oldest records to retention, takes that proof away: a row whose place lies
//! outside of what its partition holds, or is held by the record of another row that names the same place, is *gone*, and
//! the verdict `unknown`, never `fail`. Event-driven mode only.

use std::collections::{HashMap, HashSet};

use super::{Check, Examples, fail, pass, unknown};
use crate::ledger::Ledger;
use crate::snapshot::{Carried, OutboxRow, Snapshot, TopicRecord, Topics};
use crate::text::{counted, grouped};

const NAME: &str = "every-record-has-its-row";
/// Most records without a row that the story lists.
const LINES_MAX: usize = 5;

/// What was found.
#[derive(Debug, Default)]
struct Findings {
    /// Records without a row of their own.
    strangers: Examples,
    stranger_lines: Vec<String>,
    /// Records whose row is not marked as sent.
    unmarked: Examples,
    /// Rows whose record is not where they say, though their partition holds that place.
    misplaced: Examples,
    /// Rows whose place the broker no longer holds.
    gone: u64,
    unreadable: u64,
}

pub(super) fn check(ledger: &Ledger<'_>, is_final: bool) -> Check {
    let Some(topics) = ledger.evidence().topics else {
        return unknown(NAME, "the topics were not read".to_owned());
    };
    let found = find(ledger, topics);
    let kinds = [
        ("record without an outbox row of its job and attempt", &found.strangers),
        ("record whose outbox row is not marked as sent", &found.unmarked),
        ("outbox row whose record is not at its place", &found.misplaced),
    ];
    let bad = kinds.iter().filter(|(_, examples)| examples.count() > 0);
    let mut parts: Vec<String> = bad
        .map(|(what, examples)| format!("{} × {what}", grouped(examples.count())))
        .collect();
    let unreadable = match found.unreadable {
        0 => String::new(),
        count => format!("; {} can't be read", counted(count, "record")),
    };
    let broken = found.strangers.count() + found.misplaced.count() > 0;
    if broken || (is_final && found.unmarked.count() > 0) {
        let stories = kinds.iter().flat_map(|(_, examples)| examples.stories(ledger));
        let story = found.stranger_lines.iter().cloned().chain(stories).collect();
        return fail(NAME, format!("{}{unreadable}", parts.join("; ")), story);
    }
    if found.gone > 0 {
        let rows = counted(found.gone, "outbox row");
        parts.push(format!(
            "{rows} can't be held against the topic, which no longer has their records (it was deleted or trimmed)"
        ));
    }
    if !parts.is_empty() {
        return unknown(NAME, format!("{}{unreadable}", parts.join("; ")));
    }
    let (records, rows) = (topics.records.len() as u64, sent_records(ledger));
    pass(
        NAME,
        format!(
            "{} and {} agree{unreadable}",
            counted(records, "record"),
            counted(rows, "sent outbox row")
        ),
    )
}

fn sent_records(ledger: &Ledger<'_>) -> u64 {
    let rows = &ledger.evidence().snapshot.outbox;
    rows.iter().filter(|row| row.record.is_some()).count() as u64
}

fn find(ledger: &Ledger<'_>, topics: &Topics) -> Findings {
    let mut found = Findings {
        unreadable: topics.records.iter().filter(|record| record.carries.is_none()).count() as u64,
        ..Findings::default()
    };
    let snapshot = ledger.evidence().snapshot;
    for record in &topics.records {
        let Some(carried) = record.carries else { continue };
        let own = |row: &&OutboxRow| (row.job, row.attempt) == (carried.job, carried.attempt);
        let place = ledger.job_position(carried.job);
        let row = snapshot.outbox_place(carried.outbox).map(|row| &snapshot.outbox[row]);
        match row.filter(own) {
            Some(row) if row.sent => {}
            Some(_) => found.unmarked.add_job(1, place),
            None => {
                found.strangers.add_job(1, place);
                if found.stranger_lines.len() < LINES_MAX {
                    found
                        .stranger_lines
                        .push(describe(topics, record.partition, record.offset, carried));
                }
            }
        }
    }
    judge_rows(&mut found, ledger, &Places::of(ledger, topics));
    found
}

fn judge_rows(found: &mut Findings, ledger: &Ledger<'_>, places: &Places<'_>) {
    let rows = ledger.evidence().snapshot.outbox.iter().enumerate();
    for (row_place, row) in rows.filter(|(_, row)| row.sent) {
        let job = ledger.job_position(row.job);
        let Some(named) = row.record else {
            // Refused for good: a record of it says otherwise.
            found.misplaced.add_job(u64::from(places.has_record[row_place]), job);
            continue;
        };
        let job_type = job.map(|job| ledger.jobs()[job].job_type);
        match places.look_up(row_place, named, job_type) {
            Place::Holds => {}
            Place::Gone => found.gone += 1,
            Place::HoldsNot => found.misplaced.add_job(1, job),
        }
    }
}

/// What is at the place that a row names.
enum Place {
    Holds,
    Gone,
    HoldsNot,
}

/// The records by their places.
struct Places<'a> {
    topics: &'a Topics,
    snapshot: &'a Snapshot,
    /// Which record is how many-th by partition and offset: a topic's reader may have taken its partitions in turn.
    order: Vec<u32>,
    /// By the outbox row's place: was a record of it seen?
    has_record: Vec<bool>,
    /// The topics in which records of a job type were seen.
    topics_of_type: HashMap<u16, HashSet<&'a str>>,
}

impl<'a> Places<'a> {
    fn of(ledger: &Ledger<'a>, topics: &'a Topics) -> Self {
        let snapshot = ledger.evidence().snapshot;
        let mut order: Vec<u32> = (0u32..).zip(&topics.records).map(|(place, _)| place).collect();
        order.sort_by_key(|place| key(&topics.records[*place as usize]));
        let mut places = Self {
            topics,
            snapshot,
            order,
            has_record: vec![false; snapshot.outbox.len()],
            topics_of_type: HashMap::new(),
        };
        for record in &topics.records {
            let Some(carried) = record.carries else { continue };
            if let Some(row) = snapshot.outbox_place(carried.outbox) {
                places.has_record[row] = true;
            }
            let end = topics.partitions.get(record.partition as usize);
            if let (Some(job), Some(end)) = (ledger.job_position(carried.job), end) {
                let seen = places.topics_of_type.entry(ledger.jobs()[job].job_type).or_default();
                seen.insert(&end.topic);
            }
        }
        places
    }

    /// The record at a place; of several the one that was read last.
    fn at(&self, place: (u32, i64)) -> Option<&'a TopicRecord> {
        let record = |place: &u32| &self.topics.records[*place as usize];
        let after = self.order.partition_point(|one| key(record(one)) <= place);
        let last = self.order[..after].last().map(record)?;
        (key(last) == place).then_some(last)
    }

    /// Where several topics have the partition and none is known to be the job type's, the kindest answer counts.
    fn look_up(&self, row: usize, (partition, offset): (i32, i64), job_type: Option<u16>) -> Place {
        let known = job_type.and_then(|job_type| self.topics_of_type.get(&job_type));
        let candidates = (0u32..).zip(&self.topics.partitions).filter(|(_, end)| {
            end.partition == partition && known.is_none_or(|topics| topics.contains(&end.topic[..]))
        });
        let mut answer = None;
        for (place, end) in candidates {
            let found = self.at((place, offset));
            let outbox = found.map(|record| record.carries.map(|carried| carried.outbox));
            match outbox {
                Some(Some(outbox)) if outbox == self.snapshot.outbox[row].id => return Place::Holds,
                // Its own record, perhaps: it can't be read, and is counted.
                Some(None) => return Place::Holds,
                _ if !(end.low..end.high).contains(&offset) => answer = Some(Place::Gone),
                Some(Some(other)) if self.took_the_place(other, row, (partition, offset)) => answer = Some(Place::Gone),
                _ => {
                    answer.get_or_insert(Place::HoldsNot);
                }
            }
        }
        answer.unwrap_or(Place::Gone)
    }

    /// Of a topic that was made again: another row names the same place, and no record of this one is left.
    fn took_the_place(&self, other: i64, row: usize, place: (i32, i64)) -> bool {
        let other = self.snapshot.outbox_place(other);
        other.and_then(|other| self.snapshot.outbox[other].record) == Some(place) && !self.has_record[row]
    }
}

fn key(record: &TopicRecord) -> (u32, i64) {
    (record.partition, record.offset)
}

fn describe(topics: &Topics, partition: u32, offset: i64, carried: Carried) -> String {
    let end = topics.partitions.get(partition as usize);
    let place = end.map_or_else(String::new, |end| format!("{} partition {}", end.topic, end.partition));
    let Carried {
        job,
        attempt,
        outbox,
        epoch,
    } = carried;
    format!("{place} offset {offset}: job {job}, attempt {attempt}, outbox row {outbox}, epoch {epoch}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Verdict;
    use crate::scene::Scene;

    fn drained() -> Scene {
        let mut scene = Scene::event_driven(&[3]);
        scene.start_many(2);
        scene.drain();
        scene
    }

    fn checked(scene: &Scene, verdict: Verdict, detail: &str) -> Check {
        let check = check(&scene.ledger(), true);
        assert_eq!(check.verdict, verdict, "{check:?}");
        assert!(check.detail.contains(detail), "{}", check.detail);
        check
    }

    #[test]
    fn outbox_and_topics_that_agree_pass() {
        checked(&drained(), Verdict::Pass, "6 records and 6 sent outbox rows agree");
    }

    #[test]
    fn duplicates_pass_if_one_of_them_is_the_one_that_the_row_names() {
        let mut scene = Scene::event_driven(&[3]);
        scene.start();
        scene.relay_dies();
        scene.drain();
        checked(&scene, Verdict::Pass, "6 records and 3 sent outbox rows agree");
        // The row may name the first as well as the last.
        scene.snapshot.outbox[0].record = Some((1, 0));
        checked(&scene, Verdict::Pass, "agree");
        scene.snapshot.outbox[0].record = Some((1, 1));
        checked(&scene, Verdict::Fail, "1 × outbox row whose record is not at its place");
    }

    #[test]
    fn a_record_without_a_row_fails_and_is_named() {
        let mut scene = drained();
        scene.snapshot.outbox.remove(0);
        let check = checked(&scene, Verdict::Fail, "1 × record without an outbox row");
        assert_eq!(
            check.story[0],
            "jobs.work partition 1 offset 0: job 1, attempt 1, outbox row 1, epoch 1"
        );
    }

    #[test]
    fn a_record_of_another_attempt_than_its_row_or_without_a_stamp_fails() {
        let mut scene = drained();
        scene.snapshot.outbox[0].attempt = 2;
        checked(&scene, Verdict::Fail, "1 × record without an outbox row");
        let mut scene = drained();
        let carried = scene.topics.as_mut().unwrap().records[0].carries.as_mut().unwrap();
        carried.outbox = 0;
        checked(&scene, Verdict::Fail, "1 × record without an outbox row");
    }

    #[test]
    fn a_record_of_a_row_that_is_not_marked_fails_after_the_drain() {
        let mut scene = drained();
        scene.snapshot.outbox[4].sent = false;
        scene.snapshot.outbox[4].record = None;
        checked(
            &scene,
            Verdict::Fail,
            "1 × record whose outbox row is not marked as sent",
        );
        let open = check(&scene.ledger(), false);
        assert_eq!(open.verdict, Verdict::Unknown);
    }

    #[test]
    fn a_row_marked_as_sent_whose_record_is_missing_or_elsewhere_fails() {
        let mut scene = drained();
        let records = &mut scene.topics.as_mut().unwrap().records;
        let place = records.iter().position(|record| record.offset == 1).unwrap();
        records.remove(place);
        checked(&scene, Verdict::Fail, "1 × outbox row whose record is not at its place");
        let mut scene = drained();
        scene.snapshot.outbox[0].record = Some((1, 2));
        checked(&scene, Verdict::Fail, "1 × outbox row whose record is not at its place");
    }

    #[test]
    fn a_row_refused_for_good_has_no_record() {
        let mut scene = drained();
        scene.snapshot.outbox[0].record = None;
        checked(&scene, Verdict::Fail, "1 × outbox row whose record is not at its place");
        scene
            .topics
            .as_mut()
            .unwrap()
            .records
            .retain(|record| record.carries.unwrap().outbox != 1);
        checked(&scene, Verdict::Pass, "5 records and 5 sent outbox rows agree");
    }

    #[test]
    fn records_that_nobody_can_read_are_counted() {
        let mut scene = drained();
        scene.topics.as_mut().unwrap().records[0].carries = None;
        checked(&scene, Verdict::Pass, "1 record can't be read");
    }

    #[test]
    fn rows_whose_records_were_trimmed_are_not_held_against_the_run() {
        let mut scene = drained();
        scene.trim(1);
        checked(
            &scene,
            Verdict::Unknown,
            "2 outbox rows can't be held against the topic",
        );
    }

    #[test]
    fn a_topic_that_was_deleted_takes_the_proof_away_without_failing() {
        let mut scene = drained();
        let topics = scene.topics.as_mut().unwrap();
        topics.records.clear();
        topics.partitions.iter_mut().for_each(|partition| partition.high = 0);
        checked(
            &scene,
            Verdict::Unknown,
            "6 outbox rows can't be held against the topic",
        );
        scene.topics.as_mut().unwrap().partitions.clear();
        checked(
            &scene,
            Verdict::Unknown,
            "6 outbox rows can't be held against the topic",
        );
    }

    #[test]
    fn a_topic_that_was_made_again_has_other_rows_at_the_old_places() {
        let mut scene = drained();
        let topics = scene.topics.as_mut().unwrap();
        topics.records.clear();
        for partition in &mut topics.partitions {
            (partition.high, partition.committed) = (0, None);
        }
        scene.start_many(2);
        scene.drain();
        checked(
            &scene,
            Verdict::Unknown,
            "6 outbox rows can't be held against the topic",
        );
    }

    #[test]
    fn topics_that_nobody_read_are_no_evidence() {
        let mut scene = drained();
        scene.topics = None;
        checked(&scene, Verdict::Unknown, "the topics were not read");
    }
}
