//! The model's outbox, relay and broker: one topic of two partitions, keyed by instance.

use crossover_proto::history::Event;

use super::{RELAY, Scene, constant};
use crate::ledger::Mode;
use crate::load::Phase;
use crate::snapshot::{Carried, JobState, OutboxRow, PartitionEnd, TopicRecord, Topics};

const PARTITIONS: usize = 2;

impl Scene {
    /// As [`Scene::new`], event-driven.
    pub(crate) fn event_driven(widths: &[u32]) -> Self {
        Self::event_driven_with_phases(widths, &[constant("steady", 100.0, 10)])
    }

    /// As [`Scene::with_phases`], event-driven.
    pub(crate) fn event_driven_with_phases(widths: &[u32], phases: &[Phase]) -> Self {
        let mut scene = Self::with_phases(widths, phases);
        scene.mode = Mode::EventDriven;
        let mut relay = scene.history[0].clone();
        "relay-1".clone_into(&mut relay.process);
        scene.history.push(relay);
        let partition = |partition| PartitionEnd {
            group: "workers.work".to_owned(),
            topic: "jobs.work".to_owned(),
            partition,
            low: 0,
            high: 0,
            committed: None,
        };
        scene.topics = Some(Topics {
            partitions: (0..).take(PARTITIONS).map(partition).collect(),
            records: Vec::new(),
        });
        scene
    }

    /// Writes an outbox row for the job's attempt, in event-driven mode.
    pub(super) fn dispatch(&mut self, job: usize) {
        if self.mode != Mode::EventDriven {
            return;
        }
        let row = &self.snapshot.jobs[job];
        self.snapshot.outbox.push(OutboxRow {
            id: i64::try_from(self.snapshot.outbox.len()).unwrap() + 1,
            job: row.id,
            attempt: row.attempt,
            sent: false,
            record: None,
        });
    }

    /// The sweeper takes the record of a queued job for lost.
    pub(crate) fn redispatch(&mut self, job: usize) {
        if self.snapshot.jobs[job].state == JobState::Queued {
            self.dispatch(job);
        }
    }

    /// Another outbox row for the job's attempt, whatever its state.
    pub(crate) fn redispatch_anew(&mut self, job: usize) {
        self.dispatch(job);
        self.settle();
    }

    /// Sends all pending rows and notes it.
    pub(crate) fn relay(&mut self) {
        for row in 0..self.snapshot.outbox.len() {
            if !self.snapshot.outbox[row].sent {
                let record = self.send_row(row);
                let (key, outbox) = (self.key_of_row(row), self.snapshot.outbox[row].id);
                self.record(RELAY, Event::Acked { key, outbox });
                self.snapshot.outbox[row].sent = true;
                self.snapshot.outbox[row].record = Some(record);
            }
        }
    }

    /// Sends all pending rows, dies before it notes it; another relay leads.
    pub(crate) fn relay_dies(&mut self) {
        for row in 0..self.snapshot.outbox.len() {
            if !self.snapshot.outbox[row].sent {
                self.send_row(row);
            }
        }
        self.epoch += 1;
    }

    /// Nothing is left to send or to read.
    pub(super) fn settle(&mut self) {
        self.relay();
        let Some(topics) = self.topics.as_mut() else { return };
        topics.records.sort_by_key(|record| (record.partition, record.offset));
        for partition in &mut topics.partitions {
            partition.committed = (partition.high > 0).then_some(partition.high);
        }
    }

    /// Forgets the first records of the topic, as retention does, or its deletion.
    pub(crate) fn trim(&mut self, before: i64) {
        let topics = self.topics.as_mut().unwrap();
        topics.records.retain(|record| record.offset >= before);
        topics
            .partitions
            .iter_mut()
            .for_each(|partition| partition.low = before);
    }

    fn send_row(&mut self, row: usize) -> (i32, i64) {
        let OutboxRow { id, job, attempt, .. } = self.snapshot.outbox[row];
        let key = self.key_of_row(row);
        self.record(RELAY, Event::Picked { key, outbox: id });
        let place = usize::try_from(key.instance.0.as_u128()).unwrap() % PARTITIONS;
        let carries = Some(Carried {
            job,
            attempt,
            outbox: id,
            epoch: self.epoch,
        });
        let Some(topics) = self.topics.as_mut() else {
            return (0, 0);
        };
        let partition = &mut topics.partitions[place];
        let offset = partition.high;
        partition.high += 1;
        let record = TopicRecord {
            partition: u32::try_from(place).unwrap(),
            offset,
            carries,
        };
        let number = partition.partition;
        topics.records.push(record);
        (number, offset)
    }

    fn key_of_row(&self, row: usize) -> crossover_proto::history::JobKey {
        let OutboxRow { job, attempt, .. } = self.snapshot.outbox[row];
        // The model numbers jobs from 1, in the order of their rows.
        self.key(usize::try_from(job.0).unwrap() - 1, attempt)
    }
}
