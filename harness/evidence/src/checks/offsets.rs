//! `offsets-at-end`: after the drain, every group has committed the end of every partition that holds records.
//!
//! An offset short of the end means that the next member of the group reads records again, or that some were never read.
//! An offset beyond the end belongs to a topic that was deleted and made again: what was read of the new one can't be
//! told; nor where no partition holds a record though some were sent. Event-driven mode only.

use super::{Check, fail, pass, unknown};
use crate::ledger::Ledger;
use crate::snapshot::PartitionEnd;
use crate::text::{counted, grouped};

const NAME: &str = "offsets-at-end";

pub(super) fn check(ledger: &Ledger<'_>, is_final: bool) -> Check {
    let Some(topics) = ledger.evidence().topics else {
        return unknown(NAME, "the topics were not read".to_owned());
    };
    let holding: Vec<&PartitionEnd> = topics.partitions.iter().filter(|one| one.high > one.low).collect();
    let of = counted(holding.len() as u64, "partition");
    let short: Vec<&PartitionEnd> = holding
        .iter()
        .copied()
        .filter(|one| one.committed.is_none_or(|committed| committed < one.high))
        .collect();
    let beyond = holding.iter().filter(|one| one.committed > Some(one.high)).count() as u64;
    if !short.is_empty() {
        let behind: u64 = short.iter().map(|one| one.behind()).sum();
        let detail = format!(
            "{} of {of} with records not committed to the end: {} left",
            grouped(short.len() as u64),
            counted(behind, "record")
        );
        return if is_final {
            fail(NAME, detail, short.into_iter().map(describe).collect())
        } else {
            unknown(NAME, format!("the run was not drained: {detail}"))
        };
    }
    if beyond > 0 {
        let beyond = grouped(beyond);
        return unknown(
            NAME,
            format!("{beyond} of {of} with records committed beyond the end: the topic was deleted and made again"),
        );
    }
    let rows = &ledger.evidence().snapshot.outbox;
    let sent = rows.iter().filter(|row| row.record.is_some()).count() as u64;
    if holding.is_empty() && sent > 0 {
        return unknown(
            NAME,
            format!(
                "no partition holds a record, but the outbox has {}: the topics were deleted or trimmed",
                counted(sent, "sent row")
            ),
        );
    }
    pass(NAME, format!("{of} with records, all committed to the end"))
}

fn describe(partition: &PartitionEnd) -> String {
    let PartitionEnd {
        group,
        topic,
        partition,
        low,
        high,
        committed,
    } = partition;
    let committed = committed.map_or_else(
        || "nothing committed".to_owned(),
        |offset| format!("committed {offset}"),
    );
    format!("{group}: {topic} partition {partition}: {committed}, records {low} to {high}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Verdict;
    use crate::scene::Scene;

    fn drained() -> Scene {
        let mut scene = Scene::event_driven(&[2]);
        scene.start();
        scene.drain();
        scene
    }

    #[test]
    fn offsets_at_the_end_pass_and_an_empty_partition_needs_none() {
        let check = check(&drained().ledger(), true);
        assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
        assert_eq!(check.detail, "1 partition with records, all committed to the end");
    }

    #[test]
    fn an_offset_short_of_the_end_fails_and_names_its_partition() {
        let mut scene = drained();
        scene.topics.as_mut().unwrap().partitions[1].committed = Some(1);
        let short = check(&scene.ledger(), true);
        assert_eq!(short.verdict, Verdict::Fail);
        assert_eq!(
            short.detail,
            "1 of 1 partition with records not committed to the end: 1 record left"
        );
        assert_eq!(
            short.story,
            ["workers.work: jobs.work partition 1: committed 1, records 0 to 2"]
        );
        assert_eq!(check(&scene.ledger(), false).verdict, Verdict::Unknown);
        scene.topics.as_mut().unwrap().partitions[1].committed = None;
        assert_eq!(check(&scene.ledger(), true).verdict, Verdict::Fail);
    }

    #[test]
    fn an_offset_of_a_topic_that_is_gone_says_nothing_of_the_new_one() {
        let mut scene = drained();
        scene.topics.as_mut().unwrap().partitions[1].committed = Some(900);
        assert_eq!(check(&scene.ledger(), true).verdict, Verdict::Unknown);
    }

    #[test]
    fn topics_that_nobody_read_are_no_evidence() {
        let mut scene = drained();
        scene.topics = None;
        assert_eq!(check(&scene.ledger(), true).verdict, Verdict::Unknown);
    }

    #[test]
    fn partitions_that_lost_all_their_records_settle_nothing_unless_none_was_sent() {
        let mut scene = drained();
        scene.topics.as_mut().unwrap().partitions.clear();
        let gone = check(&scene.ledger(), true);
        assert_eq!(gone.verdict, Verdict::Unknown);
        assert_eq!(
            gone.detail,
            "no partition holds a record, but the outbox has 2 sent rows: the topics were deleted or trimmed"
        );
        scene.snapshot.outbox.clear();
        assert_eq!(check(&scene.ledger(), true).verdict, Verdict::Pass);
    }
}
