//! The records of each key (instance) in their order: which may begin, and whose turn it is to run. Pure.
//!
//! Only the head of a key's queue may run. The first few may have begun before their turn, so that a parallel step of one
//! instance costs one call to the engine and not one a job; few, so that one key with slow jobs can't hold all slots.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use crossover_proto::InstanceId;

use super::tracker::RecordId;

#[derive(Debug)]
pub(super) struct Keys {
    ahead: usize,
    queues: HashMap<InstanceId, Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<RecordId>,
    /// So many from the head on may begin.
    eligible: usize,
}

impl Keys {
    /// `ahead`: records of one key that may have begun at once, the running one included.
    pub(super) fn new(ahead: usize) -> Self {
        Self {
            ahead: ahead.max(1),
            queues: HashMap::new(),
        }
    }

    /// Appends a record; may it begin at once?
    pub(super) fn push(&mut self, key: InstanceId, record: RecordId) -> bool {
        let queue = self.queues.entry(key).or_default();
        queue.records.push_back(record);
        queue.eligible < self.ahead && {
            queue.eligible += 1;
            true
        }
    }

    /// Whose turn it is.
    pub(super) fn head(&self, key: InstanceId) -> Option<RecordId> {
        self.queues.get(&key)?.records.front().copied()
    }

    /// Takes a record out, wherever it stands; answers the one that may begin instead.
    pub(super) fn remove(&mut self, key: InstanceId, record: RecordId) -> Option<RecordId> {
        let Entry::Occupied(mut entry) = self.queues.entry(key) else {
            return None;
        };
        let queue = entry.get_mut();
        let index = queue.records.iter().position(|other| *other == record)?;
        queue.records.remove(index);
        if queue.records.is_empty() {
            entry.remove();
            return None;
        }
        if index >= queue.eligible {
            return None;
        }
        queue.eligible -= 1;
        let next = queue.records.get(queue.eligible).copied()?;
        queue.eligible += 1;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_may_begin_when_one_before_it_is_gone() {
        let (mut keys, key) = (Keys::new(2), InstanceId::new());
        let [a, b, c, d] = [1, 2, 3, 4].map(RecordId);
        assert_eq!(
            [a, b, c, d].map(|record| keys.push(key, record)),
            [true, true, false, false]
        );
        assert_eq!(keys.remove(key, b), Some(c));
        assert_eq!(keys.head(key), Some(a));
        assert_eq!(keys.remove(key, d), None);
        assert_eq!(keys.remove(key, a), None);
        assert_eq!(keys.head(key), Some(c));
        assert_eq!(keys.remove(key, c), None);
        assert_eq!(keys.head(key), None);
    }

    #[test]
    fn keys_do_not_wait_for_each_other() {
        let mut keys = Keys::new(1);
        assert!(keys.push(InstanceId::new(), RecordId(1)));
        assert!(keys.push(InstanceId::new(), RecordId(2)));
    }
}
