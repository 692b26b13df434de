//! Dense places for jobs and instances, so that a million of them are rows of vectors and not of maps.

use crossover_proto::{InstanceId, JobId};

/// No place.
const NONE: u32 = u32::MAX;

/// Sorted, each once.
fn each_once<T: Ord>(mut ids: Vec<T>) -> Vec<T> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Sorted job ids, each with its place.
#[derive(Debug, Default)]
pub(crate) struct JobIndex {
    ids: Vec<i64>,
    /// Place by `id - ids[0]`, where the ids are dense enough; else empty.
    table: Vec<u32>,
}

impl JobIndex {
    /// Indexes these ids, in any order and some of them perhaps twice.
    pub(crate) fn of(ids: Vec<i64>) -> Self {
        Self::of_sorted(each_once(ids))
    }

    /// With these ids, too. Places change if there are any.
    pub(crate) fn with(mut self, others: impl IntoIterator<Item = i64>) -> Self {
        let known = self.ids.len();
        self.ids.extend(others);
        if self.ids.len() == known {
            return self;
        }
        Self::of(self.ids)
    }

    fn of_sorted(ids: Vec<i64>) -> Self {
        let (Some(lowest), Some(highest)) = (ids.first(), ids.last()) else {
            return Self::default();
        };
        let span = highest.abs_diff(*lowest);
        // Sequences skip few ids; a table of four times the count is still smaller than a hash map.
        if span > 4 * ids.len() as u64 + 1_024 {
            return Self { ids, table: Vec::new() };
        }
        let mut table = vec![NONE; usize::try_from(span).unwrap_or(0) + 1];
        for (place, id) in (0u32..).zip(&ids) {
            table[usize::try_from(id.abs_diff(*lowest)).unwrap_or(0)] = place;
        }
        Self { ids, table }
    }

    pub(crate) fn position(&self, job: JobId) -> Option<usize> {
        if self.table.is_empty() {
            return self.ids.binary_search(&job.0).ok();
        }
        let offset = usize::try_from(job.0.checked_sub(*self.ids.first()?)?).ok()?;
        self.table
            .get(offset)
            .filter(|place| **place != NONE)
            .map(|place| *place as usize)
    }

    pub(crate) fn ids(&self) -> &[i64] {
        &self.ids
    }
}

/// Sorted instance ids, each with its place, behind an open-addressing table: UUIDs are random enough to need no more.
#[derive(Debug, Default)]
pub(crate) struct InstanceIndex {
    ids: Vec<u128>,
    /// Places; at least twice as many slots as ids, a power of two.
    table: Vec<u32>,
}

impl InstanceIndex {
    /// Indexes these ids, in any order and some of them perhaps twice.
    pub(crate) fn of(ids: Vec<u128>) -> Self {
        Self::of_sorted(each_once(ids))
    }

    /// With these ids, too. Places change if there are any.
    pub(crate) fn with(mut self, others: impl IntoIterator<Item = u128>) -> Self {
        let known = self.ids.len();
        self.ids.extend(others);
        if self.ids.len() == known {
            return self;
        }
        Self::of(self.ids)
    }

    fn of_sorted(ids: Vec<u128>) -> Self {
        let mut index = Self {
            table: vec![NONE; (2 * ids.len()).next_power_of_two()],
            ids: Vec::new(),
        };
        for (place, id) in (0u32..).zip(&ids) {
            let mut slot = index.first_slot(*id);
            while index.table[slot] != NONE {
                slot = index.next_slot(slot);
            }
            index.table[slot] = place;
        }
        index.ids = ids;
        index
    }

    pub(crate) fn position(&self, instance: InstanceId) -> Option<usize> {
        self.find(instance.0.as_u128())
    }

    fn find(&self, id: u128) -> Option<usize> {
        if self.ids.is_empty() {
            return None;
        }
        let mut slot = self.first_slot(id);
        while self.table[slot] != NONE {
            let place = self.table[slot] as usize;
            if self.ids[place] == id {
                return Some(place);
            }
            slot = self.next_slot(slot);
        }
        None
    }

    /// Fibonacci hashing of the random half.
    fn first_slot(&self, id: u128) -> usize {
        let word = (id as u64 ^ (id >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (word >> 32) as usize & (self.table.len() - 1)
    }

    fn next_slot(&self, slot: usize) -> usize {
        (slot + 1) & (self.table.len() - 1)
    }

    pub(crate) fn ids(&self) -> &[u128] {
        &self.ids
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_empty_index_finds_nothing() {
        assert_eq!(JobIndex::of(Vec::new()).position(JobId(1)), None);
        assert_eq!(InstanceIndex::of(Vec::new()).position(InstanceId(Uuid::nil())), None);
    }

    proptest! {
        #[test]
        fn every_id_is_found_at_its_place_and_no_other(
            rows in proptest::collection::vec(-50i64..5_000, 0..100),
            others in proptest::collection::vec(prop_oneof![-50i64..5_000, any::<i64>()], 0..20),
        ) {
            let index = JobIndex::of(rows.clone()).with(others.iter().copied());
            let mut all = [rows, others].concat();
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!(index.ids(), &all[..]);
            for id in -60..5_010 {
                prop_assert_eq!(index.position(JobId(id)), all.binary_search(&id).ok());
            }
        }

        #[test]
        fn every_instance_is_found_at_its_place(
            rows in proptest::collection::vec(any::<u128>(), 0..100),
            others in proptest::collection::vec(0u128..30, 0..40),
        ) {
            let index = InstanceIndex::of(rows.clone()).with(others.iter().copied());
            let mut all = [rows, others].concat();
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!(index.ids(), &all[..]);
            for id in all.iter().copied().chain(0..40) {
                prop_assert_eq!(index.find(id), all.binary_search(&id).ok());
            }
        }
    }
}
