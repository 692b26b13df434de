//! What the tracker promises, whatever the order of events.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crossover_proto::history::JobKey;
use crossover_proto::{InstanceId, JobId};
use proptest::prelude::*;
use prost::bytes::Bytes;
use uuid::Uuid;

use super::tracker::{Received, RecordId, Tracker};
use super::window::Flow;

fn key(instance: u128, job: i64) -> JobKey {
    JobKey {
        instance: InstanceId(Uuid::from_u128(instance)),
        job: JobId(job),
        attempt: 1,
        step: 0,
        ordinal: 0,
    }
}

fn progress(tracker: &mut Tracker) -> Vec<(i32, i64)> {
    tracker.take_progress().collect()
}

fn started(tracker: &mut Tracker) -> Vec<RecordId> {
    std::iter::from_fn(|| tracker.start()).map(|(id, ..)| id).collect()
}

fn ids(asked: &[(RecordId, JobKey)]) -> Vec<RecordId> {
    asked.iter().map(|(id, _)| *id).collect()
}

/// A tracker with partition 0 and one record a job of instance 1, from offset 0 on, all asked for.
fn with_jobs(count: i64, ahead: usize) -> (Tracker, Vec<RecordId>) {
    let mut tracker = Tracker::new(100, ahead);
    tracker.assign(0);
    for job in 1..=count {
        assert_eq!(tracker.receive(0, job - 1, key(1, job), Bytes::new()), Received::Kept);
    }
    let asked = ids(&tracker.ask(100));
    (tracker, asked)
}

#[test]
fn jobs_of_a_key_that_began_together_run_one_after_the_other() {
    let (mut tracker, asked) = with_jobs(3, 8);
    asked.iter().rev().for_each(|id| tracker.begun(*id));
    for id in asked {
        assert_eq!(started(&mut tracker), [id]);
        tracker.ended(id);
    }
}

#[test]
fn the_next_of_a_key_starts_before_the_report_of_the_last_is_answered() {
    let (mut tracker, asked) = with_jobs(2, 1);
    assert_eq!(asked.len(), 1, "one at a time may begin");
    tracker.begun(asked[0]);
    started(&mut tracker);
    tracker.ended(asked[0]);
    let next = ids(&tracker.ask(1));
    tracker.begun(next[0]);
    assert_eq!(started(&mut tracker), next);
    tracker.ended(next[0]);
    tracker.settle(next[0]);
    assert_eq!(progress(&mut tracker), []);
    tracker.settle(asked[0]);
    assert_eq!(progress(&mut tracker), [(0, 1)]);
}

#[test]
fn a_refused_record_holds_up_nobody() {
    let (mut tracker, asked) = with_jobs(2, 8);
    tracker.begun(asked[1]);
    assert_eq!(started(&mut tracker), []);
    tracker.settle(asked[0]);
    assert_eq!(started(&mut tracker), [asked[1]]);
    assert_eq!(progress(&mut tracker), [(0, 0)]);
}

#[test]
fn a_second_record_of_an_attempt_waits_for_the_first_and_is_settled_with_it() {
    let (mut tracker, asked) = with_jobs(1, 8);
    assert_eq!(tracker.receive(0, 1, key(1, 1), Bytes::new()), Received::Twin);
    assert_eq!(tracker.ready(), 0);
    tracker.begun(asked[0]);
    assert_eq!(started(&mut tracker).len(), 1);
    tracker.ended(asked[0]);
    tracker.settle(asked[0]);
    assert_eq!(progress(&mut tracker), [(0, 1)]);
}

#[test]
fn a_twin_of_a_stale_record_is_asked_for_once_in_its_place() {
    let (mut tracker, asked) = with_jobs(2, 8);
    tracker.receive(0, 2, key(1, 1), Bytes::new());
    tracker.receive(0, 3, key(1, 1), Bytes::new());
    tracker.stale(asked[0]);
    tracker.settle(asked[1]);
    assert_eq!(progress(&mut tracker), [(0, 2)], "all but the last twin");
    assert_eq!(ids(&tracker.ask(9)), [asked[0]]);
    tracker.stale(asked[0]);
    assert_eq!(progress(&mut tracker), [(0, 3)]);
    assert_eq!(tracker.in_hand(), []);
}

#[test]
fn a_twin_of_a_stale_record_is_left_to_the_next_reader_when_its_partition_goes() {
    let (mut tracker, asked) = with_jobs(1, 8);
    tracker.receive(0, 1, key(1, 1), Bytes::new());
    tracker.revoke(&[0]);
    tracker.stale(asked[0]);
    assert_eq!(progress(&mut tracker), [(0, 0)]);
    assert!(tracker.is_drained(&[0]));
    assert_eq!(tracker.in_hand(), []);
}

#[test]
fn what_was_only_asked_for_has_not_begun() {
    let (mut tracker, asked) = with_jobs(2, 8);
    tracker.begun(asked[0]);
    assert_eq!(
        asked.iter().map(|id| tracker.has_begun(*id)).collect::<Vec<_>>(),
        [true, false]
    );
}

#[test]
fn a_partition_of_large_records_pauses_until_they_run() {
    let mut tracker = Tracker::new(100, 8);
    tracker.assign(0);
    let large = Bytes::from(vec![0; 3 * 1024 * 1024]);
    for job in 1..=3 {
        assert_eq!(tracker.flow(0), None);
        tracker.receive(0, job, key(job.unsigned_abs().into(), job), large.clone());
    }
    assert_eq!(tracker.flow(0), Some(Flow::Pause));
    for id in ids(&tracker.ask(2)) {
        tracker.begun(id);
    }
    assert_eq!(started(&mut tracker).len(), 2);
    assert_eq!(tracker.flow(0), Some(Flow::Resume));
}

#[test]
fn what_ends_after_its_partition_was_given_away_moves_no_offset() {
    let (mut tracker, asked) = with_jobs(2, 1);
    tracker.begun(asked[0]);
    started(&mut tracker);
    tracker.revoke(&[0]);
    assert!(!tracker.is_drained(&[0]));
    tracker.unassign(&[0]);
    tracker.assign(0);
    // The partition is back before the job has ended: its record is a twin of what runs.
    assert_eq!(tracker.receive(0, 0, key(1, 1), Bytes::new()), Received::Twin);
    assert_eq!(tracker.receive(0, 1, key(1, 2), Bytes::new()), Received::Kept);
    tracker.ended(asked[0]);
    tracker.settle(asked[0]);
    assert_eq!(progress(&mut tracker), [(0, 0)]);
}

#[test]
fn a_revoked_partition_is_drained_when_what_began_is_settled() {
    let (mut tracker, asked) = with_jobs(5, 2);
    assert_eq!(asked.len(), 2);
    tracker.revoke(&[0]);
    assert_eq!(tracker.ask(9), []);
    assert_eq!(
        tracker.receive(0, 9, key(2, 9), Bytes::new()),
        Received::Ignored,
        "revoked"
    );
    tracker.settle(asked[0]);
    tracker.begun(asked[1]);
    assert_eq!(started(&mut tracker), [asked[1]]);
    assert!(!tracker.is_drained(&[0]));
    tracker.ended(asked[1]);
    tracker.settle(asked[1]);
    assert!(tracker.is_drained(&[0]));
    assert_eq!(progress(&mut tracker), [(0, 1)]);
}

#[test]
fn a_twin_in_another_partition_takes_over_from_a_dropped_record() {
    let mut tracker = Tracker::new(100, 1);
    tracker.assign(0);
    tracker.assign(1);
    tracker.receive(0, 5, key(1, 1), Bytes::new());
    tracker.receive(1, 7, key(1, 1), Bytes::new());
    tracker.unassign(&[0]);
    let asked = ids(&tracker.ask(1));
    tracker.settle(asked[0]);
    assert_eq!(progress(&mut tracker), [(1, 7)]);
}

#[test]
fn a_topic_that_was_made_again_starts_over() {
    let (mut tracker, asked) = with_jobs(3, 8);
    assert_eq!(tracker.take_begun(), [(0, 0)]);
    assert_eq!(tracker.receive(0, 0, key(2, 9), Bytes::new()), Received::Kept);
    assert_eq!(tracker.take_begun(), [(0, 0)]);
    assert_eq!(tracker.positions(), [(0, 0)]);
    asked.iter().for_each(|id| tracker.settle(*id));
    assert_eq!(progress(&mut tracker), []);
    let again = ids(&tracker.ask(1));
    tracker.settle(again[0]);
    assert_eq!(progress(&mut tracker), [(0, 0)]);
    assert_eq!(tracker.positions(), [(0, 1)]);
}

#[test]
fn after_a_stop_what_began_does_not_start() {
    let (mut tracker, asked) = with_jobs(3, 8);
    tracker.begun(asked[0]);
    started(&mut tracker);
    tracker.begun(asked[1]);
    tracker.stop();
    assert!(!tracker.is_quiet());
    tracker.begun(asked[2]);
    tracker.ended(asked[0]);
    tracker.settle(asked[0]);
    assert!(tracker.is_quiet());
    assert_eq!(started(&mut tracker), []);
    assert_eq!(tracker.in_hand().len(), 2);
}

/// One thing that may happen; numbers pick among what is possible.
#[derive(Debug, Clone, Copy)]
enum Step {
    Receive { partition: i32, instance: u128, job: i64 },
    Ask(usize),
    Answer { pick: usize, refused: bool },
    End(usize),
    Report(usize),
    Lose(i32),
    Assign(i32),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..2i32, 0..4u128, 0..40i64).prop_map(|(partition, instance, job)| Step::Receive {
            partition,
            instance,
            job: job * 4 + i64::try_from(instance).unwrap() + 1,
        }),
        3 => (1..6usize).prop_map(Step::Ask),
        4 => (any::<usize>(), prop::bool::weighted(0.2)).prop_map(|(pick, refused)| Step::Answer { pick, refused }),
        4 => any::<usize>().prop_map(Step::End),
        4 => any::<usize>().prop_map(Step::Report),
        1 => (0..2i32).prop_map(Step::Lose),
        1 => (0..2i32).prop_map(Step::Assign),
    ]
}

/// The broker's and the engine's side: records by partition, what is in hand, what may be settled.
struct World {
    tracker: Tracker,
    /// By partition: the offsets of this assignment that are not passed yet.
    partitions: BTreeMap<i32, BTreeSet<i64>>,
    /// Over all partitions, so that an offset names one record.
    next: i64,
    paused: HashSet<i32>,
    asked: Vec<(RecordId, JobKey)>,
    running: Vec<(RecordId, JobKey)>,
    ended: Vec<(RecordId, JobKey)>,
    /// In the order of receipt, by instance: what is neither ended nor refused.
    order: HashMap<InstanceId, Vec<JobId>>,
    /// The offsets that wait for a job in hand.
    open: HashMap<JobId, Vec<i64>>,
    settled: HashSet<i64>,
}

const WINDOW: usize = 6;
const AHEAD: usize = 2;

impl World {
    fn new() -> Self {
        let mut world = Self {
            tracker: Tracker::new(WINDOW, AHEAD),
            partitions: BTreeMap::new(),
            next: 0,
            paused: HashSet::new(),
            asked: Vec::new(),
            running: Vec::new(),
            ended: Vec::new(),
            order: HashMap::new(),
            open: HashMap::new(),
            settled: HashSet::new(),
        };
        world.step(Step::Assign(0));
        world.step(Step::Assign(1));
        world
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Receive {
                partition,
                instance,
                job,
            } => self.receive(partition, key(instance, job)),
            Step::Ask(max) => self.asked.extend(self.tracker.ask(max)),
            Step::Answer { pick, refused } => {
                if let Some((id, key)) = take(&mut self.asked, pick) {
                    if refused {
                        self.leave(key);
                        self.settle(id, key);
                    } else {
                        self.tracker.begun(id);
                    }
                }
            }
            Step::End(pick) => {
                if let Some((id, key)) = take(&mut self.running, pick) {
                    self.leave(key);
                    self.tracker.ended(id);
                    self.ended.push((id, key));
                }
            }
            Step::Report(pick) => {
                if let Some((id, key)) = take(&mut self.ended, pick) {
                    self.settle(id, key);
                }
            }
            Step::Lose(partition) => {
                self.tracker.unassign(&[partition]);
                self.partitions.remove(&partition);
                self.paused.remove(&partition);
                let held: HashSet<JobId> = self.tracker.in_hand().iter().map(|(_, key)| key.job).collect();
                self.order
                    .values_mut()
                    .for_each(|jobs| jobs.retain(|job| held.contains(job)));
            }
            Step::Assign(partition) => {
                if !self.partitions.contains_key(&partition) {
                    self.tracker.assign(partition);
                    self.partitions.insert(partition, BTreeSet::new());
                }
            }
        }
        self.look();
    }

    fn receive(&mut self, partition: i32, key: JobKey) {
        if self.paused.contains(&partition) {
            return;
        }
        let received = self.tracker.receive(partition, self.next, key, Bytes::new());
        let Some(records) = self.partitions.get_mut(&partition) else {
            assert_eq!(received, Received::Ignored);
            return;
        };
        records.insert(self.next);
        self.open.entry(key.job).or_default().push(self.next);
        self.next += 1;
        if received == Received::Kept {
            self.order.entry(key.instance).or_default().push(key.job);
        }
        if self.tracker.flow(partition) == Some(Flow::Pause) {
            self.paused.insert(partition);
        }
    }

    fn settle(&mut self, id: RecordId, key: JobKey) {
        self.settled.extend(self.open.remove(&key.job).unwrap_or_default());
        self.tracker.settle(id);
    }

    fn leave(&mut self, key: JobKey) {
        self.order.get_mut(&key.instance).unwrap().retain(|job| *job != key.job);
    }

    /// Everything that must hold after every step.
    fn look(&mut self) {
        while let Some((id, key, _)) = self.tracker.start() {
            let first = self.order[&key.instance][0];
            assert_eq!(first, key.job, "its turn has come");
            assert!(self.running.iter().all(|(_, other)| other.instance != key.instance));
            self.running.push((id, key));
        }
        for (partition, last) in progress(&mut self.tracker) {
            let records = self.partitions.get_mut(&partition).unwrap();
            let rest = records.split_off(&(last + 1));
            for offset in std::mem::replace(records, rest) {
                assert!(
                    self.settled.contains(&offset),
                    "offset {offset} is passed and not settled"
                );
            }
        }
        let (_, _, records) = self.tracker.sizes();
        assert!(records <= WINDOW * self.partitions.len(), "{records} in the windows");
        for partition in self.partitions.keys() {
            if self.tracker.flow(*partition) == Some(Flow::Resume) {
                self.paused.remove(partition);
            }
        }
    }

    /// Everything that is in hand comes to its end.
    fn finish(&mut self) {
        for _ in 0..1_000 {
            for step in [
                Step::Ask(100),
                Step::Answer {
                    pick: 0,
                    refused: false,
                },
                Step::End(0),
                Step::Report(0),
            ] {
                self.step(step);
            }
        }
    }
}

fn take<T>(list: &mut Vec<T>, pick: usize) -> Option<T> {
    (!list.is_empty()).then(|| list.remove(pick % list.len()))
}

proptest! {
    #[test]
    fn offsets_follow_settlements_and_keys_keep_their_order(steps in prop::collection::vec(any_step(), 1..300)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.finish();
        prop_assert_eq!(world.tracker.in_hand(), vec![]);
        prop_assert!(world.tracker.is_drained(&[0, 1]));
        prop_assert_eq!(world.tracker.sizes().2, 0);
        prop_assert!(world.partitions.values().all(BTreeSet::is_empty), "{:?}", world.partitions);
    }
}
