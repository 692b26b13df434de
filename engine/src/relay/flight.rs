//! The rows that were read and are not marked yet: the window. Pure.

use std::collections::HashMap;

use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::JobKey;

use crate::store::outbox::SentRow;

/// A row that was read and is not marked yet.
#[derive(Debug, Clone)]
pub(super) struct Flying {
    /// The job and attempt that it dispatches.
    pub(super) key: JobKey,
    /// Its job type, by place in the list of topics.
    pub(super) topic: usize,
    /// Size of its record.
    pub(super) bytes: usize,
    /// When it was read.
    pub(super) since: MonotonicNs,
    /// Its outcome is known: it waits for its mark (or its refusal).
    pub(super) settled: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Flight {
    rows: HashMap<i64, Flying>,
    /// Rows whose outcome is not known.
    open: usize,
    bytes: usize,
}

impl Flight {
    /// Rows that were read and are not marked.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Rows whose outcome is not known.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// Size of all records.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn ids(&self) -> Vec<i64> {
        self.rows.keys().copied().collect()
    }

    pub(super) fn get(&self, id: i64) -> Option<&Flying> {
        self.rows.get(&id)
    }

    /// A row sets off.
    pub(super) fn add(&mut self, id: i64, row: Flying) {
        self.bytes += row.bytes;
        self.open += 1;
        if let Some(before) = self.rows.insert(id, row) {
            self.forget(&before);
        }
    }

    /// The outcome of a row is known; `None` if nobody waits for it.
    pub(super) fn settle(&mut self, id: i64) -> Option<&Flying> {
        let row = self.rows.get_mut(&id).filter(|row| !row.settled)?;
        row.settled = true;
        self.open -= 1;
        Some(row)
    }

    /// Rows that are marked, or will be read again.
    pub(super) fn remove(&mut self, ids: impl Iterator<Item = i64>) {
        for id in ids {
            if let Some(row) = self.rows.remove(&id) {
                self.forget(&row);
            }
        }
    }

    /// Rows whose outcome will never be known.
    pub(super) fn remove_open(&mut self) {
        let open: Vec<i64> = self
            .rows
            .iter()
            .filter(|(_, row)| !row.settled)
            .map(|(id, _)| *id)
            .collect();
        self.remove(open.into_iter());
    }

    /// When the oldest row was read whose outcome is not known.
    pub(super) fn oldest_open(&self) -> Option<MonotonicNs> {
        self.rows.values().filter(|row| !row.settled).map(|row| row.since).min()
    }

    fn forget(&mut self, row: &Flying) {
        self.bytes -= row.bytes;
        self.open -= usize::from(!row.settled);
    }
}

/// Ids of rows.
pub(super) fn ids_of(rows: &[SentRow]) -> impl Iterator<Item = i64> {
    rows.iter().map(|row| row.id)
}

#[cfg(test)]
pub(super) mod tests {
    use crossover_proto::{InstanceId, JobId};

    use super::*;

    pub(in crate::relay) fn flying(since: u64) -> Flying {
        let key = JobKey {
            instance: InstanceId(uuid::Uuid::nil()),
            job: JobId(1),
            attempt: 1,
            step: 0,
            ordinal: 0,
        };
        Flying {
            key,
            topic: 0,
            bytes: 100,
            since: MonotonicNs(since),
            settled: false,
        }
    }

    #[test]
    fn a_row_counts_until_it_is_marked_and_is_open_until_it_is_settled() {
        let mut flight = Flight::default();
        flight.add(1, flying(5));
        flight.add(2, flying(7));
        assert_eq!((flight.len(), flight.open(), flight.bytes()), (2, 2, 200));
        assert!(flight.settle(1).is_some());
        assert!(flight.settle(1).is_none(), "settled twice");
        assert_eq!(
            (flight.len(), flight.open(), flight.oldest_open()),
            (2, 1, Some(MonotonicNs(7)))
        );
        flight.remove([1].into_iter());
        assert_eq!((flight.len(), flight.open(), flight.bytes()), (1, 1, 100));
    }

    #[test]
    fn rows_that_never_settle_are_given_up_and_the_others_kept() {
        let mut flight = Flight::default();
        flight.add(1, flying(5));
        flight.add(2, flying(5));
        flight.settle(2);
        flight.remove_open();
        assert_eq!((flight.ids(), flight.open(), flight.bytes()), (vec![2], 0, 100));
        assert!(flight.settle(1).is_none(), "a report that comes late finds nothing");
    }
}
