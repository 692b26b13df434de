//! The records of one partition from the first that is not settled on: how far its offset may be stored, and whether
//! there is room for more. Pure.
//!
//! Invariant: the end of the settled prefix never passes a record that is not settled.
//!
//! The window counts from the first unsettled record, settled ones behind it included: so it bounds the memory, and also
//! what is delivered again after a crash. The price is that one slow job, or one dead letter that can't be sent, holds up
//! its partition when the window is full. It is also full when the records that are still to run hold [`BYTES_MAX`].

use std::collections::VecDeque;

/// Bytes of one partition's records in memory, those of running jobs apart: there may be a dozen partitions.
const BYTES_MAX: usize = 8 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Its job is not done yet.
    Open,
    Settled,
    /// Dropped before it began: nobody will settle it here, and the prefix ends before it.
    Abandoned,
}

#[derive(Debug)]
struct Received {
    offset: i64,
    fate: Fate,
    /// Kept in memory.
    bytes: usize,
}

/// One assignment of one partition.
#[derive(Debug)]
pub(super) struct Window {
    capacity: usize,
    records: VecDeque<Received>,
    open: usize,
    bytes: usize,
    /// The last record that was received.
    last: Option<i64>,
    /// The last record of the settled prefix, if it has moved since it was last taken.
    moved_to: Option<i64>,
    paused: bool,
}

/// What to tell the broker's client about a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Pause,
    Resume,
}

impl Window {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            records: VecDeque::new(),
            open: 0,
            bytes: 0,
            last: None,
            moved_to: None,
            paused: false,
        }
    }

    /// Is it the offset of a record that follows all before? Gaps are normal; a step back means another topic of the name.
    pub(super) fn follows(&self, offset: i64) -> bool {
        self.last.is_none_or(|last| offset > last)
    }

    /// Has no record come yet?
    pub(super) fn is_new(&self) -> bool {
        self.last.is_none()
    }

    /// The next record of the partition, and how many bytes of it are kept.
    pub(super) fn receive(&mut self, offset: i64, bytes: usize) {
        let fate = Fate::Open;
        self.records.push_back(Received { offset, fate, bytes });
        self.open += 1;
        self.bytes += bytes;
        self.last = Some(offset);
    }

    /// Its job is done with; in any order, once a record.
    pub(super) fn settle(&mut self, offset: i64) {
        self.decide(offset, Fate::Settled);
        while let Some(record) = self.records.pop_front_if(|record| record.fate == Fate::Settled) {
            self.moved_to = Some(record.offset);
        }
    }

    /// Its bytes are kept no longer.
    pub(super) fn lighten(&mut self, offset: i64) {
        if let Some(index) = self.find(offset) {
            self.bytes -= std::mem::take(&mut self.records[index].bytes);
        }
    }

    /// It is dropped, for another reader of the partition to take.
    pub(super) fn abandon(&mut self, offset: i64) {
        self.decide(offset, Fate::Abandoned);
    }

    fn decide(&mut self, offset: i64, fate: Fate) {
        self.lighten(offset);
        if let Some(index) = self.find(offset)
            && self.records[index].fate == Fate::Open
        {
            self.records[index].fate = fate;
            self.open -= 1;
        }
    }

    fn find(&self, offset: i64) -> Option<usize> {
        self.records.binary_search_by_key(&offset, |record| record.offset).ok()
    }

    /// The end of the settled prefix, if it has moved.
    pub(super) fn take_progress(&mut self) -> Option<i64> {
        self.moved_to.take()
    }

    /// The first offset that is not settled; `None` if no record has come.
    pub(super) fn position(&self) -> Option<i64> {
        let next = self.last.map(|last| last + 1);
        self.records.front().map(|record| record.offset).or(next)
    }

    /// Pause when full, resume at half; `None` while nothing changes.
    pub(super) fn flow(&mut self) -> Option<Flow> {
        let (records, bytes) = (self.records.len(), self.bytes);
        if !self.paused && (records >= self.capacity || bytes >= BYTES_MAX) {
            self.paused = true;
            return Some(Flow::Pause);
        }
        if self.paused && records <= self.capacity / 2 && bytes <= BYTES_MAX / 2 {
            self.paused = false;
            return Some(Flow::Resume);
        }
        None
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Records from the first that is not settled on.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Records that are neither settled nor dropped.
    pub(super) fn open(&self) -> usize {
        self.open
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_window_pauses_and_resumes_at_half() {
        let mut window = Window::new(4);
        for offset in 0..3 {
            window.receive(offset, 1);
            assert_eq!(window.flow(), None);
        }
        window.receive(3, 1);
        assert_eq!(window.flow(), Some(Flow::Pause));
        assert_eq!(window.flow(), None);
        window.settle(0);
        assert_eq!(window.flow(), None);
        window.settle(1);
        assert_eq!(window.flow(), Some(Flow::Resume));
    }

    #[test]
    fn large_records_fill_a_window_until_half_of_their_bytes_are_gone() {
        let mut window = Window::new(1_000);
        (0..3).for_each(|offset| window.receive(offset, BYTES_MAX / 4));
        assert_eq!(window.flow(), None);
        window.receive(3, BYTES_MAX / 4);
        assert_eq!(window.flow(), Some(Flow::Pause));
        window.settle(1);
        assert_eq!(window.flow(), None);
        window.lighten(0);
        assert_eq!(window.flow(), Some(Flow::Resume));
        window.settle(0);
        assert_eq!(window.flow(), None);
    }

    #[test]
    fn a_settled_record_behind_an_unsettled_one_still_counts() {
        let mut window = Window::new(2);
        window.receive(0, 1);
        window.receive(1, 1);
        window.settle(1);
        assert_eq!((window.len(), window.open(), window.take_progress()), (2, 1, None));
    }

    #[test]
    fn a_dropped_record_ends_the_prefix_for_good() {
        let mut window = Window::new(8);
        (10..13).for_each(|offset| window.receive(offset, 1));
        window.abandon(11);
        window.settle(12);
        window.settle(10);
        window.settle(11);
        assert_eq!((window.take_progress(), window.open()), (Some(10), 0));
    }

    proptest! {
        #[test]
        fn the_prefix_ends_right_before_the_first_unsettled_record(
            gaps in prop::collection::vec(1i64..4, 1..60), order in any::<prop::sample::Index>(), seed in any::<u64>(),
        ) {
            let offsets: Vec<i64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let mut window = Window::new(1_000);
            offsets.iter().for_each(|offset| window.receive(*offset, 1));
            // Any order: a rotation, then a sort by a hash.
            let mut shuffled = offsets.clone();
            shuffled.rotate_left(order.index(offsets.len()));
            shuffled.sort_by_key(|offset| offset.unsigned_abs().wrapping_mul(seed | 1).rotate_left(17));
            let mut open: std::collections::BTreeSet<i64> = offsets.iter().copied().collect();
            let mut stored = None;
            for offset in shuffled {
                window.settle(offset);
                open.remove(&offset);
                stored = window.take_progress().or(stored);
                let expected = offsets.iter().take_while(|offset| !open.contains(offset)).last().copied();
                prop_assert_eq!(stored, expected);
                prop_assert_eq!(window.position(), open.first().copied().or(window.last.map(|last| last + 1)));
                prop_assert_eq!((window.open(), window.bytes), (open.len(), open.len()));
            }
            prop_assert_eq!(window.len(), 0);
        }
    }
}
