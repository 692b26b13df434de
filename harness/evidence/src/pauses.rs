//! What a rebalance costs: the stretches in which no job of a consumer group was begun, though records of it lay in its topic.
//!
//! A group's stretch is felt by all of its jobs; a partition's (the longest of any) by the instances that live there, while the
//! group goes on elsewhere: cooperative rebalances stop partitions, not groups. Event-driven mode, from topics that were read.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crossover_proto::clock::MonotonicNs;

use crate::ledger::Ledger;
use crate::result::{FaultInfo, GroupPause, GroupPauses};
use crate::unavailability::{Call, Window, begins_of, calls_of, clipped, longest_and_total_s, spans_of, windows};

/// Well above what a fetch and a begin take on a healthy system, and below any rebalance that is worth a look.
const LEAST: Duration = Duration::from_millis(250);

/// The stretches of each group.
#[derive(Debug, Clone)]
pub struct Pauses(BTreeMap<String, OfGroup>);

#[derive(Debug, Clone)]
struct OfGroup {
    whole: Vec<Window>,
    /// Longest of any partition (s).
    partition_longest_s: f64,
}

impl Pauses {
    /// Finds them; `None` if the topics were not read.
    #[must_use]
    pub fn of(ledger: &Ledger<'_>) -> Option<Self> {
        let topics = ledger.evidence().topics?;
        let mut first_place: HashMap<usize, u32> = HashMap::new();
        for record in &topics.records {
            if let Some(job) = record.carries.and_then(|carried| ledger.job_position(carried.job)) {
                first_place.entry(job).or_insert(record.partition);
            }
        }
        let mut calls: BTreeMap<u32, Vec<Call>> = BTreeMap::new();
        for (job, place) in first_place {
            let begun = begins_of(ledger.moments(job));
            let there = ledger.times(job).acked.filter(|_| !begun.is_empty());
            calls.entry(place).or_default().extend(calls_of(there, &begun));
        }
        let mut groups: BTreeMap<String, (Vec<Call>, f64)> = BTreeMap::new();
        for (place, calls) in calls {
            let Some(partition) = topics.partitions.get(place as usize) else {
                continue;
            };
            let (all, longest) = groups.entry(partition.group.clone()).or_default();
            all.extend(&calls);
            *longest = longest.max(longest_and_total_s(&windows(calls, ledger.end(), LEAST)).0);
        }
        let of_group = |(group, (calls, partition_longest_s))| {
            let whole = windows(calls, ledger.end(), LEAST);
            let of_group = OfGroup {
                whole,
                partition_longest_s,
            };
            (group, of_group)
        };
        Some(Self(groups.into_iter().map(of_group).collect()))
    }

    /// Of the whole run.
    #[must_use]
    pub fn whole(&self) -> GroupPauses {
        let of_group = |(name, group): (&String, &OfGroup)| {
            let (longest_s, total_s) = longest_and_total_s(&group.whole);
            GroupPause {
                name: name.clone(),
                pauses: group.whole.len() as u64,
                longest_s,
                total_s,
                partition_longest_s: group.partition_longest_s,
            }
        };
        let groups: Vec<GroupPause> = self.0.iter().map(of_group).collect();
        let most = |of: fn(&GroupPause) -> f64| groups.iter().map(of).fold(0.0, f64::max);
        GroupPauses {
            longest_s: most(|group| group.longest_s),
            total_s: groups.iter().map(|group| group.total_s).sum(),
            partition_longest_s: most(|group| group.partition_longest_s),
            groups,
        }
    }

    /// The faults with the longest pause of a group between their injection and the next one's; zero if none paused.
    #[must_use]
    pub fn with_faults(&self, faults: Vec<FaultInfo>, origin: MonotonicNs) -> Vec<FaultInfo> {
        let spans = spans_of(&faults, origin);
        let longest = |span| {
            let of_groups = self
                .0
                .values()
                .map(|group| longest_and_total_s(&clipped(&group.whole, span)).0);
            of_groups.fold(0.0, f64::max)
        };
        let with = |(fault, span): (FaultInfo, Window)| FaultInfo {
            pause_s: Some(longest(span)),
            ..fault
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
        assert!(faults[0].pause_s.unwrap() > 1.0);
        assert_eq!(faults[1].pause_s, Some(0.0));
        assert!(Pauses::of(&Scene::new(&[1]).ledger()).is_none());
    }
}
