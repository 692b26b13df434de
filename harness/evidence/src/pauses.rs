//! What a rebalance costs: the stretches in which no job of a consumer group was begun, though records of it lay in its topic.
//!
//! A group's stretch is felt by all of its jobs; a partition's (the longest of any) by the instances that live there, while the
//! group goes on elsewhere: cooperative rebalances stop partitions, not groups. Event-driven mode, from topics that were read.

use std::collections::BTreeMap;
use std::time::Duration;

use crossover_proto::clock::MonotonicNs;

use crate::ledger::Ledger;
use crate::result::{FaultInfo, GroupPause, GroupPauses};
use crate::unavailability::{
    Call, Window, begins_of, calls_of, clipped, is_open, longest_and_total_s, spans_of, windows,
};

/// Well above what a fetch and a begin take on a healthy system, and below any rebalance that is worth a look.
const LEAST: Duration = Duration::from_millis(250);

/// The stretches of each group.
#[derive(Debug, Clone)]
pub struct Pauses(BTreeMap<String, OfGroup>);

#[derive(Debug, Clone, Default)]
struct OfGroup {
    whole: Vec<Window>,
    /// Of each of its partitions that hold records.
    partitions: Vec<Vec<Window>>,
}

impl OfGroup {
    /// What of it lies within a span.
    fn within(&self, span: Window) -> Self {
        Self {
            whole: clipped(&self.whole, span),
            partitions: self.partitions.iter().map(|windows| clipped(windows, span)).collect(),
        }
    }

    fn summary(&self, name: &str) -> GroupPause {
        let (longest_s, total_s) = longest_and_total_s(&self.whole);
        let of_partitions = self.partitions.iter().map(|windows| longest_and_total_s(windows));
        let (partition_longest_s, partition_total_s) = of_partitions
            .fold((0.0, 0.0), |(longest, total), (one, all)| {
                (f64::max(longest, one), total + all)
            });
        GroupPause {
            name: name.to_owned(),
            pauses: self.whole.len() as u64,
            longest_s,
            total_s,
            partition_longest_s,
            partition_total_s,
        }
    }
}

impl Pauses {
    /// Finds them; `None` if the topics were not read.
    #[must_use]
    pub fn of(ledger: &Ledger<'_>) -> Option<Self> {
        let topics = ledger.evidence().topics?;
        let mut of_partitions: BTreeMap<u32, Vec<Call>> = BTreeMap::new();
        for (job, place) in ledger.first_partitions() {
            let begun = begins_of(ledger.moments(job));
            let there = ledger.times(job).acked;
            let there = there.filter(|_| is_open(&ledger.jobs()[job]) || !begun.is_empty());
            of_partitions.entry(place).or_default().extend(calls_of(there, &begun));
        }
        let mut groups: BTreeMap<String, OfGroup> = BTreeMap::new();
        let mut of_groups: BTreeMap<String, Vec<Call>> = BTreeMap::new();
        for (place, calls) in of_partitions {
            let Some(partition) = topics.partitions.get(place as usize) else {
                continue;
            };
            let group = || partition.group.clone();
            of_groups.entry(group()).or_default().extend(&calls);
            let windows = windows(calls, ledger.end(), LEAST);
            groups.entry(group()).or_default().partitions.push(windows);
        }
        for (group, calls) in of_groups {
            groups.entry(group).or_default().whole = windows(calls, ledger.end(), LEAST);
        }
        Some(Self(groups))
    }

    /// Of the whole run.
    #[must_use]
    pub fn whole(&self) -> GroupPauses {
        self.within((MonotonicNs(0), MonotonicNs(u64::MAX)))
    }

    fn within(&self, span: Window) -> GroupPauses {
        let of_group = |(name, group): (&String, &OfGroup)| group.within(span).summary(name);
        let groups: Vec<GroupPause> = self.0.iter().map(of_group).collect();
        let most = |of: fn(&GroupPause) -> f64| groups.iter().map(of).fold(0.0, f64::max);
        GroupPauses {
            longest_s: most(|group| group.longest_s),
            total_s: groups.iter().map(|group| group.total_s).sum(),
            partition_longest_s: most(|group| group.partition_longest_s),
            partition_total_s: groups.iter().map(|group| group.partition_total_s).sum(),
            groups,
        }
    }

    /// The faults with the longest pauses between their injection and the next one's; zero if nobody paused.
    #[must_use]
    pub fn with_faults(&self, faults: Vec<FaultInfo>, origin: MonotonicNs) -> Vec<FaultInfo> {
        let spans = spans_of(&faults, origin);
        let with = |(fault, span): (FaultInfo, Window)| {
            let pauses = self.within(span);
            FaultInfo {
                pause_s: Some(pauses.longest_s),
                partition_pause_s: Some(pauses.partition_longest_s),
                ..fault
            }
        };
        faults.into_iter().zip(spans).map(with).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{ORIGIN, Scene};

    /// The group has a record, and nobody begins it for three seconds.
    fn paused() -> Scene {
        let mut scene = Scene::event_driven(&[1]);
        scene.start_many(4);
        scene.drain();
        scene.start();
        scene.relay();
        scene.wait(Duration::from_secs(3));
        scene.drain();
        scene
    }

    #[test]
    fn a_pause_counts_from_the_record_in_the_topic_to_the_next_begin() {
        let whole = Pauses::of(&paused().ledger()).unwrap().whole();
        assert_eq!(whole.groups.len(), 1);
        assert_eq!(
            (whole.groups[0].name.as_str(), whole.groups[0].pauses),
            ("workers.work", 1)
        );
        assert!((3.0..3.01).contains(&whole.longest_s), "{whole:?}");
        assert!(whole.partition_longest_s >= whole.longest_s);
        assert!(whole.partition_total_s >= whole.partition_longest_s);
    }

    #[test]
    fn a_group_that_never_comes_back_pauses_to_the_end() {
        let mut scene = Scene::event_driven(&[1]);
        scene.start_many(4);
        scene.drain();
        scene.start();
        scene.relay();
        scene.wait(Duration::from_secs(3));
        // Something happens at the end, and the job's record is not begun.
        scene.start_refused();
        let whole = Pauses::of(&scene.ledger()).unwrap().whole();
        assert!(whole.longest_s > 2.9, "{whole:?}");
    }

    #[test]
    fn what_waits_in_the_outbox_is_no_pause_of_the_group() {
        let mut scene = Scene::event_driven(&[1]);
        scene.start();
        scene.wait(Duration::from_secs(3));
        scene.drain();
        let whole = Pauses::of(&scene.ledger()).unwrap().whole();
        assert_eq!((whole.longest_s, whole.total_s), (0.0, 0.0));
    }

    #[test]
    fn each_fault_has_its_own_longest_and_no_topics_no_pauses() {
        let scene = paused();
        let fault = |injected_s| FaultInfo {
            injected_s,
            ..FaultInfo::default()
        };
        let pauses = Pauses::of(&scene.ledger()).unwrap();
        let faults = pauses.with_faults(vec![fault(1.0), fault(60.0)], ORIGIN);
        assert!(faults[0].pause_s.unwrap() > 1.0 && faults[0].partition_pause_s >= faults[0].pause_s);
        assert_eq!((faults[1].pause_s, faults[1].partition_pause_s), (Some(0.0), Some(0.0)));
        assert!(Pauses::of(&Scene::new(&[1]).ledger()).is_none());
    }
}
