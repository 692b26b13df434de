//! Every record between its receipt and its settlement. Pure: it knows neither broker, engine nor clock.
//!
//! ```text
//! receive ─▶ waiting ─▶ asked ─▶ begun ─▶ running ─▶ ended ─▶ settled ─▶ the window's prefix moves
//!    │          │         └─ refused ──────────────────────────▲
//!    │          └─ dropped: the partition is revoked, or the worker stops
//!    └─ twin of a record with the same attempt: settled with it, or asked for when that is refused as stale
//! ```
//! - A record may be asked for when few of its key are before it, and runs when none is ([`Keys`]).
//! - A place in a partition counts only in the assignment that it was received in (its generation): what ends after the
//!   partition was given away moves no offset.
//! - A job that has begun is this worker's by its lease, not by the partition: it runs to its end though the partition is
//!   gone, and a record of it that comes again waits for it as a twin.

use std::collections::{HashMap, VecDeque};

use crossover_proto::JobId;
use crossover_proto::history::JobKey;
use prost::bytes::Bytes;

use super::keys::Keys;
use super::window::{Flow, Window};

/// A record in the tracker; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::worker) struct RecordId(pub(super) u64);

/// Where a record was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) partition: i32,
    pub(super) offset: i64,
    generation: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Asked,
    Begun,
    Running,
    Ended,
}

#[derive(Debug)]
struct Tracked {
    key: JobKey,
    payload: Bytes,
    stage: Stage,
    place: Place,
    /// Other records of the same attempt.
    twins: Vec<Place>,
}

#[derive(Debug)]
struct Assigned {
    generation: u64,
    window: Window,
    revoked: bool,
}

/// What became of a record that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    Kept,
    /// The same attempt is in hand already.
    Twin,
    /// The partition is not (or no longer) ours.
    Ignored,
}

#[derive(Debug)]
pub(super) struct Tracker {
    capacity: usize,
    keys: Keys,
    partitions: HashMap<i32, Assigned>,
    generation: u64,
    next: u64,
    records: HashMap<RecordId, Tracked>,
    attempts: HashMap<(JobId, u16), RecordId>,
    /// May be asked for, oldest first; those that were dropped meanwhile are passed over.
    ready: VecDeque<RecordId>,
    startable: VecDeque<RecordId>,
    /// Partitions that began (again), each with its first offset.
    begun: Vec<(i32, i64)>,
    stopping: bool,
}

impl Tracker {
    /// `window`: records of a partition, from the first unsettled on; `ahead`: see [`Keys::new`].
    pub(super) fn new(window: usize, ahead: usize) -> Self {
        Self {
            capacity: window,
            keys: Keys::new(ahead),
            partitions: HashMap::new(),
            generation: 0,
            next: 0,
            records: HashMap::new(),
            attempts: HashMap::new(),
            ready: VecDeque::new(),
            startable: VecDeque::new(),
            begun: Vec::new(),
            stopping: false,
        }
    }

    // --- partitions ---

    /// The partition is ours, from here on.
    pub(super) fn assign(&mut self, partition: i32) {
        self.generation += 1;
        let assigned = Assigned {
            generation: self.generation,
            window: Window::new(self.capacity),
            revoked: false,
        };
        self.partitions.insert(partition, assigned);
    }

    /// The partitions will be given away: nothing new of them is received or asked for. What has begun goes on.
    pub(super) fn revoke(&mut self, partitions: &[i32]) {
        for partition in partitions {
            if let Some(assigned) = self.partitions.get_mut(partition) {
                assigned.revoked = true;
            }
        }
        self.drop_waiting();
    }

    /// Is nothing of these partitions in hand any more?
    pub(super) fn is_drained(&self, partitions: &[i32]) -> bool {
        let open = |partition: &i32| self.partitions.get(partition).map_or(0, |of| of.window.open());
        partitions.iter().all(|partition| open(partition) == 0)
    }

    /// The partitions are not ours any more: late settlements are ignored.
    pub(super) fn unassign(&mut self, partitions: &[i32]) {
        self.revoke(partitions);
        for partition in partitions {
            self.partitions.remove(partition);
        }
    }

    /// Nothing is asked for or started from here on; what runs goes on.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        self.drop_waiting();
    }

    /// Drops what is not begun and may not be.
    fn drop_waiting(&mut self) {
        let mut dropped: Vec<RecordId> = Vec::new();
        for (id, record) in &mut self.records {
            if record.stage != Stage::Waiting {
                continue;
            }
            // A twin in another partition takes over.
            while !serves(&self.partitions, self.stopping, record.place) {
                abandon(&mut self.partitions, record.place);
                if record.twins.is_empty() {
                    dropped.push(*id);
                    break;
                }
                record.place = record.twins.remove(0);
            }
        }
        // Newest first: the queues of their keys are searched least.
        dropped.sort_unstable_by(|a, b| b.cmp(a));
        for id in dropped {
            self.forget(id);
        }
    }

    /// Partitions that are ours.
    pub(super) fn assigned(&self) -> impl Iterator<Item = i32> {
        self.partitions.keys().copied()
    }

    // --- records ---

    /// A record that names a job.
    pub(super) fn receive(&mut self, partition: i32, offset: i64, key: JobKey, payload: Bytes) -> Received {
        let Some(place) = self.place(partition, offset, payload.len()) else {
            return Received::Ignored;
        };
        let attempt = (key.job, key.attempt);
        if let Some(first) = self.attempts.get(&attempt).and_then(|id| self.records.get_mut(id)) {
            first.twins.push(place);
            self.lighten(place);
            return Received::Twin;
        }
        let id = RecordId(self.next);
        self.next += 1;
        let record = Tracked {
            key,
            payload,
            stage: Stage::Waiting,
            place,
            twins: Vec::new(),
        };
        self.records.insert(id, record);
        self.attempts.insert(attempt, id);
        if self.keys.push(key.instance, id) {
            self.ready.push_back(id);
        }
        Received::Kept
    }

    /// A place for a record of a partition, to be settled, of which so many bytes are kept; `None` if the partition is not
    /// ours.
    pub(super) fn place(&mut self, partition: i32, offset: i64, bytes: usize) -> Option<Place> {
        let assigned = self.partitions.get_mut(&partition)?;
        if assigned.revoked || self.stopping {
            return None;
        }
        if !assigned.window.follows(offset) {
            // The topic was made again: what is in hand of the old one moves no offset of the new one.
            self.generation += 1;
            assigned.generation = self.generation;
            assigned.window = Window::new(self.capacity);
        }
        if assigned.window.is_new() {
            self.begun.push((partition, offset));
        }
        assigned.window.receive(offset, bytes);
        Some(Place {
            partition,
            offset,
            generation: assigned.generation,
        })
    }

    /// At most so many records can be asked for now.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Takes up to `max` records to ask the engine for, oldest first.
    pub(super) fn ask(&mut self, max: usize) -> Vec<(RecordId, JobKey)> {
        let mut asked = Vec::with_capacity(max.min(self.ready.len()));
        while asked.len() < max
            && let Some(id) = self.ready.pop_front()
        {
            if let Some(record) = self.records.get_mut(&id)
                && record.stage == Stage::Waiting
            {
                record.stage = Stage::Asked;
                asked.push((id, record.key));
            }
        }
        asked
    }

    /// The engine gave this worker the lease: it will run in its turn.
    pub(super) fn begun(&mut self, id: RecordId) {
        if let Some(record) = self.records.get_mut(&id) {
            record.stage = Stage::Begun;
            let instance = record.key.instance;
            self.advance(instance);
        }
    }

    /// The next record whose turn has come; it counts as running now.
    pub(super) fn start(&mut self) -> Option<(RecordId, JobKey, Bytes)> {
        let id = self.startable.pop_front()?;
        let record = self.records.get_mut(&id)?;
        let (key, payload, place) = (record.key, std::mem::take(&mut record.payload), record.place);
        self.lighten(place);
        Some((id, key, payload))
    }

    /// The bytes of a record are kept no longer.
    fn lighten(&mut self, place: Place) {
        if let Some(assigned) = self.partitions.get_mut(&place.partition)
            && assigned.generation == place.generation
        {
            assigned.window.lighten(place.offset);
        }
    }

    /// Its handler has ended: the next of its key may run.
    pub(super) fn ended(&mut self, id: RecordId) {
        if let Some(record) = self.records.get_mut(&id) {
            record.stage = Stage::Ended;
            let instance = record.key.instance;
            self.leave_queue(instance, id);
        }
    }

    /// Nothing is left to do for it: its report is answered, the engine refused to begin it, or its lease is lost.
    pub(super) fn settle(&mut self, id: RecordId) {
        if let Some(record) = self.forget(id) {
            self.settle_place(record.place);
            for twin in record.twins {
                self.settle_place(twin);
            }
        }
    }

    /// As [`Tracker::settle`], for a place that was taken alone.
    pub(super) fn settle_place(&mut self, place: Place) {
        if let Some(assigned) = self.partitions.get_mut(&place.partition)
            && assigned.generation == place.generation
        {
            assigned.window.settle(place.offset);
        }
    }

    /// The engine says that the attempt is another's, or over. A twin that came after it was asked may know better: the job
    /// may have been given back meanwhile. So it is asked for once more, in the place of the last of them.
    pub(super) fn stale(&mut self, id: RecordId) {
        let Some(record) = self.records.get_mut(&id) else {
            return;
        };
        let Some(last) = record.twins.pop() else {
            self.settle(id);
            return;
        };
        let mut over = std::mem::take(&mut record.twins);
        over.push(std::mem::replace(&mut record.place, last));
        record.stage = Stage::Waiting;
        self.ready.push_back(id);
        over.into_iter().for_each(|place| self.settle_place(place));
        if !serves(&self.partitions, self.stopping, last) {
            self.drop_waiting();
        }
    }

    fn forget(&mut self, id: RecordId) -> Option<Tracked> {
        let record = self.records.remove(&id)?;
        self.attempts.remove(&(record.key.job, record.key.attempt));
        if record.stage != Stage::Ended {
            self.leave_queue(record.key.instance, id);
        }
        Some(record)
    }

    fn leave_queue(&mut self, instance: crossover_proto::InstanceId, id: RecordId) {
        self.ready.extend(self.keys.remove(instance, id));
        self.advance(instance);
    }

    /// The head of the key runs, if it has begun.
    fn advance(&mut self, instance: crossover_proto::InstanceId) {
        if !self.stopping
            && let Some(head) = self.keys.head(instance)
            && let Some(record) = self.records.get_mut(&head)
            && record.stage == Stage::Begun
        {
            record.stage = Stage::Running;
            self.startable.push_back(head);
        }
    }

    // --- what follows from it ---

    /// The partitions whose settled prefix has moved, each with the last offset of it.
    pub(super) fn take_progress(&mut self) -> impl Iterator<Item = (i32, i64)> {
        self.partitions
            .iter_mut()
            .filter_map(|(partition, assigned)| Some((*partition, assigned.window.take_progress()?)))
    }

    /// The partitions of which the first record came, in this assignment or since their topic was made again; each with its
    /// offset.
    pub(super) fn take_begun(&mut self) -> Vec<(i32, i64)> {
        std::mem::take(&mut self.begun)
    }

    /// The partitions of which a record came, each with the offset of the first that is not settled.
    pub(super) fn positions(&self) -> Vec<(i32, i64)> {
        let ours = self.partitions.iter().filter(|(_, of)| !of.revoked);
        ours.filter_map(|(partition, of)| Some((*partition, of.window.position()?)))
            .collect()
    }

    /// Whether a partition is to be paused or resumed now.
    pub(super) fn flow(&mut self, partition: i32) -> Option<Flow> {
        let assigned = self.partitions.get_mut(&partition)?;
        if assigned.revoked || self.stopping {
            return None;
        }
        assigned.window.flow()
    }

    /// Partitions that are ours, those of them that are paused, and the records in all windows.
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        let paused = self.partitions.values().filter(|of| of.window.is_paused()).count();
        let records = self.partitions.values().map(|of| of.window.len()).sum();
        (self.partitions.len(), paused, records)
    }

    /// After a stop: has all that was asked for, ran or is being reported come to its end? What has begun and not started
    /// is to be given back.
    pub(super) fn is_quiet(&self) -> bool {
        self.records.values().all(|record| record.stage == Stage::Begun)
    }

    /// Has the engine given this worker its lease, as far as is known here?
    pub(super) fn has_begun(&self, id: RecordId) -> bool {
        let begun = |record: &Tracked| !matches!(record.stage, Stage::Waiting | Stage::Asked);
        self.records.get(&id).is_some_and(begun)
    }

    /// All that is in hand.
    pub(super) fn in_hand(&self) -> Vec<(RecordId, JobKey)> {
        self.records.iter().map(|(id, record)| (*id, record.key)).collect()
    }
}

fn serves(partitions: &HashMap<i32, Assigned>, stopping: bool, place: Place) -> bool {
    let current = |of: &Assigned| of.generation == place.generation && !of.revoked;
    !stopping && partitions.get(&place.partition).is_some_and(current)
}

fn abandon(partitions: &mut HashMap<i32, Assigned>, place: Place) {
    if let Some(assigned) = partitions.get_mut(&place.partition)
        && assigned.generation == place.generation
    {
        assigned.window.abandon(place.offset);
    }
}
