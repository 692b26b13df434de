//! Rows that are larger than their topic takes, by what is known of it: each waits for the next answer of the broker, for the
//! limit may have been raised since the last one. Rows of the same instance wait with it. Pure.

use std::collections::HashMap;
use std::time::Duration;

use crossover_proto::InstanceId;
use crossover_proto::clock::MonotonicNs;

use super::flight::Flying;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// By outbox row.
    rows: HashMap<i64, Row>,
    /// How many rows of an instance are there.
    instances: HashMap<InstanceId, usize>,
}

#[derive(Debug)]
struct Row {
    row: Flying,
    /// Size as the broker counts it.
    batch: usize,
}

/// What an answer of the broker has come to.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// They are too large: refused for good.
    pub(super) refused: Vec<(i64, Flying)>,
    /// Rows that are to be read again.
    pub(super) released: usize,
}

impl Held {
    pub(super) fn add(&mut self, id: i64, row: Flying, batch: usize) {
        *self.instances.entry(row.key.instance).or_default() += 1;
        self.rows.insert(id, Row { row, batch });
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = i64> {
        self.rows.keys().copied()
    }

    /// Does a row of this instance wait?
    pub(super) fn holds(&self, instance: InstanceId) -> bool {
        self.instances.contains_key(&instance)
    }

    /// The topic of a row that has waited for longer than that.
    pub(super) fn overdue(&self, now: MonotonicNs, within: Duration) -> Option<usize> {
        let mut rows = self.rows.values().map(|held| &held.row);
        let row = rows.find(|row| now.saturating_since(row.since) > within)?;
        Some(row.topic)
    }

    /// A topic takes batches of so many bytes, or does not say.
    pub(super) fn answered(&mut self, topic: usize, limit: Option<usize>) -> Answered {
        let mut answered = Answered::default();
        for (id, held) in self.rows.extract_if(|_, held| held.row.topic == topic) {
            let instance = held.row.key.instance;
            if let Some(count) = self.instances.get_mut(&instance) {
                *count -= 1;
                if *count == 0 {
                    self.instances.remove(&instance);
                }
            }
            match limit {
                Some(limit) if held.batch > limit => answered.refused.push((id, held.row)),
                _ => answered.released += 1,
            }
        }
        answered
    }
}

#[cfg(test)]
mod tests {
    use super::super::flight::tests::flying;
    use super::*;

    fn row(instance: u128, topic: usize) -> Flying {
        let mut row = Flying { topic, ..flying(0) };
        row.key.instance = instance_of(instance);
        row
    }

    fn instance_of(number: u128) -> InstanceId {
        InstanceId(uuid::Uuid::from_u128(number))
    }

    fn held() -> Held {
        let mut held = Held::default();
        held.add(1, row(1, 0), 4_001);
        held.add(2, row(2, 0), 9_000);
        held.add(3, row(3, 1), 9_000);
        held
    }

    #[test]
    fn an_answer_refuses_what_is_too_large_for_that_topic_and_releases_the_rest() {
        let mut held = held();
        assert!(held.holds(instance_of(1)) && !held.holds(instance_of(4)));
        let answered = held.answered(0, Some(4_001));
        let refused: Vec<i64> = answered.refused.iter().map(|(id, _)| *id).collect();
        assert_eq!(
            (refused, answered.released),
            (vec![2], 1),
            "a batch of exactly the limit is taken"
        );
        assert_eq!(held.ids().collect::<Vec<_>>(), [3], "another topic's");
        assert!(!held.holds(instance_of(1)) && held.holds(instance_of(3)));
    }

    #[test]
    fn an_instance_waits_for_the_last_of_its_rows() {
        let mut held = held();
        held.add(4, row(1, 1), 9_000);
        held.answered(0, None);
        assert!(held.holds(instance_of(1)), "its row of the other topic waits on");
        held.answered(1, None);
        assert!(!held.holds(instance_of(1)));
    }

    #[test]
    fn a_row_is_overdue_when_no_answer_came_in_time() {
        let mut held = held();
        let within = Duration::from_nanos(5);
        assert_eq!(held.overdue(MonotonicNs(5), within), None);
        held.answered(1, None);
        assert_eq!(held.overdue(MonotonicNs(6), within), Some(0));
    }

    #[test]
    fn a_topic_that_does_not_say_its_limit_refuses_nothing() {
        let mut held = held();
        let answered = held.answered(0, None);
        assert_eq!((answered.refused.len(), answered.released), (0, 2));
    }
}
