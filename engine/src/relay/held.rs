//! Rows that are larger than their topic takes, by what is known of it: each waits until the broker has said so once more,
//! for the limit may have been raised. Rows of the same instance wait with it. Pure.

use std::collections::HashMap;

use crossover_proto::InstanceId;

use super::flight::Flying;

/// All of them, by outbox row.
#[derive(Debug, Default)]
pub(super) struct Held(HashMap<i64, Row>);

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
        self.0.insert(id, Row { row, batch });
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = i64> {
        self.0.keys().copied()
    }

    /// Does a row of this instance wait?
    pub(super) fn holds(&self, instance: InstanceId) -> bool {
        self.0.values().any(|held| held.row.key.instance == instance)
    }

    /// A topic takes batches of so many bytes, or does not say.
    pub(super) fn answered(&mut self, topic: usize, limit: Option<usize>) -> Answered {
        let mut answered = Answered::default();
        for (id, held) in self.0.extract_if(|_, held| held.row.topic == topic) {
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
    use crossover_proto::JobId;
    use crossover_proto::clock::MonotonicNs;
    use crossover_proto::history::JobKey;

    use super::*;

    fn row(instance: u128, topic: usize) -> Flying {
        let key = JobKey {
            instance: instance_of(instance),
            job: JobId(1),
            attempt: 1,
            step: 0,
            ordinal: 0,
        };
        Flying {
            key,
            topic,
            bytes: 100,
            since: MonotonicNs(0),
            settled: false,
        }
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
        assert!(!held.holds(instance_of(1)));
    }

    #[test]
    fn a_topic_that_does_not_say_its_limit_refuses_nothing() {
        let mut held = held();
        let answered = held.answered(0, None);
        assert_eq!((answered.refused.len(), answered.released), (0, 2));
    }
}
