//! Where a record goes, and which partitions may take many at once. Pure.
//!
//! A new producer sends one record to each partition and waits for its acknowledgement before any other. Until then the
//! broker knows no sequence number of it there, and would take a later batch although an earlier one was refused for the
//! moment ("not leader", "not enough replicas"). librdkafka then reports the earlier one as sent ("implicitly acked") though
//! it is in no log, and the job would be lost. With the first record in the log, the later batch is out of sequence, and
//! all are sent again in order.

use crossover_proto::event::partition_of;

/// A topic's partitions, as one producer has found them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Partitions(Vec<Known>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Nothing was sent there.
    No,
    /// One record is on its way.
    Asked,
    /// One was acknowledged.
    Yes,
}

impl Partitions {
    pub(super) fn new(count: u32) -> Self {
        Self(vec![Known::No; count.max(1) as usize])
    }

    /// The partition of a key.
    pub(super) fn of(&self, key: &[u8]) -> i32 {
        partition_of(key, u32::try_from(self.0.len()).unwrap_or(u32::MAX))
    }

    /// May a record be sent there now? If it is the first one, the next has to wait.
    pub(super) fn take(&mut self, partition: i32) -> bool {
        match self.at(partition) {
            Some(Known::Yes) => true,
            Some(known @ Known::No) => {
                *known = Known::Asked;
                true
            }
            Some(Known::Asked) | None => false,
        }
    }

    /// A record was acknowledged; true if others have waited for that.
    pub(super) fn acked(&mut self, partition: i32) -> bool {
        let known = self.at(partition);
        known.is_some_and(|known| std::mem::replace(known, Known::Yes) == Known::Asked)
    }

    /// What was taken was not sent after all.
    pub(super) fn give_back(&mut self, partition: i32) {
        if let Some(known @ Known::Asked) = self.at(partition) {
            *known = Known::No;
        }
    }

    /// A new producer knows nothing.
    pub(super) fn forget(&mut self) {
        self.0.fill(Known::No);
    }

    fn at(&mut self, partition: i32) -> Option<&mut Known> {
        usize::try_from(partition).ok().and_then(|place| self.0.get_mut(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_takes_one_record_until_that_is_acknowledged() {
        let mut partitions = Partitions::new(2);
        assert!(partitions.take(0));
        assert!(!partitions.take(0), "the first is on its way");
        assert!(partitions.take(1), "the other partition waits for nobody");
        assert!(partitions.acked(0), "others may have waited");
        assert!(!partitions.acked(0));
        assert!(partitions.take(0) && partitions.take(0));
        partitions.give_back(1);
        assert!(partitions.take(1), "the first was not sent");
        partitions.give_back(0);
        assert!(partitions.take(0) && partitions.take(0), "it stays known");
        partitions.forget();
        assert!(partitions.take(0) && !partitions.take(0), "a new producer");
        assert!(!partitions.take(7) && !partitions.take(-1), "there is none");
    }
}
