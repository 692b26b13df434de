//! Planted faults: edits of what a run wrote, which the checkers must find.

use crossover_proto::JobId;
use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::{Event, Outcome};

use super::Scene;
use crate::snapshot::AuditEvent;

impl Scene {
    /// Writes the first audit row of the event once more, right behind it.
    pub(crate) fn repeat_audit(&mut self, event: AuditEvent) {
        let place = self.snapshot.audit.iter().position(|row| row.event == event).unwrap();
        self.snapshot.audit.insert(place + 1, self.snapshot.audit[place]);
    }

    /// A redelivery of the first job, handled to success by worker 2 without a reason.
    pub(crate) fn repeat_execution(&mut self) {
        let key = self.key(0, 1);
        let again = [
            Event::Received(key),
            Event::Started(key),
            Event::Finished(key, Outcome::Done),
            Event::Reported(key, Outcome::Already),
        ];
        again.into_iter().for_each(|event| self.record(3, event));
    }

    pub(crate) fn forget_starts(&mut self) {
        self.history.iter_mut().for_each(|file| {
            file.records_mut()
                .retain(|record| !matches!(record.event, Event::Started(_)))
        });
    }

    pub(crate) fn swap_receipts(&mut self, left: usize, right: usize) {
        self.swap(left, right, |event| match event {
            Event::Received(key) => Some(key.job),
            _ => None,
        });
    }

    pub(crate) fn swap_starts(&mut self, left: usize, right: usize) {
        self.swap(left, right, |event| match event {
            Event::Started(key) => Some(key.job),
            _ => None,
        });
    }

    fn swap(&mut self, left: usize, right: usize, job_of: fn(&Event) -> Option<JobId>) {
        let at = |scene: &Self, (file, place): (usize, usize)| scene.history[file].records().nth(place).unwrap().at;
        let find = |scene: &Self, job: usize| {
            let wanted = scene.snapshot.jobs[job].id;
            let places = scene.history.iter().enumerate().flat_map(|(file, history)| {
                history
                    .records()
                    .enumerate()
                    .map(move |(place, record)| (file, place, record))
            });
            let found = places
                .filter(|(_, _, record)| job_of(&record.event) == Some(wanted))
                .map(|(file, place, _)| (file, place));
            found.min_by_key(|place| at(scene, *place)).unwrap()
        };
        let (left, right) = (find(self, left), find(self, right));
        let (left_at, right_at) = (at(self, left), at(self, right));
        self.history[left.0].records_mut()[left.1].at = right_at;
        self.history[right.0].records_mut()[right.1].at = left_at;
    }

    /// Moves the clock of one process.
    pub(crate) fn shift_process(&mut self, process: usize, nanos: i64) {
        for record in self.history[process].records_mut() {
            record.at = MonotonicNs(record.at.0.saturating_add_signed(nanos));
        }
    }
}
