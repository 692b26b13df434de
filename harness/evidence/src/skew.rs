//! How evenly a topic's records are spread over its partitions, and what that means for latency: the busiest partition beside
//! all others (C17: partition imbalance). Records as the topics hold them at the end; latency without warm-up.

use std::collections::HashMap;

use crate::latency::Latency;
use crate::ledger::Ledger;
use crate::measure::dispatch_latency;
use crate::result::{LagInfo, TopicSkew};
use crate::snapshot::Topics;

/// An entry a topic that holds records, in the order of the topics; none if they were not read.
#[must_use]
pub fn of(ledger: &Ledger<'_>, lag: &[LagInfo]) -> Vec<TopicSkew> {
    let Some(topics) = ledger.evidence().topics else {
        return Vec::new();
    };
    let mut counts = vec![0_u64; topics.partitions.len()];
    for record in &topics.records {
        if let Some(count) = counts.get_mut(record.partition as usize) {
            *count += 1;
        }
    }
    let latencies = latencies(ledger);
    let mut names: Vec<&str> = topics.partitions.iter().map(|one| &one.topic[..]).collect();
    names.dedup();
    let skew = |name| of_topic(name, topics, &counts, &latencies, lag);
    names.into_iter().filter_map(skew).collect()
}

fn of_topic(
    name: &str,
    topics: &Topics,
    counts: &[u64],
    latencies: &HashMap<usize, Latency>,
    lag: &[LagInfo],
) -> Option<TopicSkew> {
    let places = || (0..topics.partitions.len()).filter(|place| topics.partitions[*place].topic == name);
    // The first of several that have the most.
    let busiest = places().rev().max_by_key(|place| counts[*place])?;
    let number = topics.partitions[busiest].partition;
    let total: u64 = places().map(|place| counts[place]).sum();
    let mean = total as f64 / places().count() as f64;
    if total == 0 {
        return None;
    }
    let mut others = Latency::new();
    for latency in places()
        .filter(|place| *place != busiest)
        .filter_map(|place| latencies.get(&place))
    {
        others.merge(latency);
    }
    let most_behind = |is_busiest: bool| {
        let of_topic = lag.iter().filter(|one| one.topic == name);
        of_topic
            .filter(|one| (one.partition == number) == is_busiest)
            .map(|one| one.max)
            .max()
    };
    Some(TopicSkew {
        name: name.to_owned(),
        busiest: number,
        records_max: counts[busiest],
        records_mean: mean,
        imbalance: counts[busiest] as f64 / mean,
        lag_max_busiest: most_behind(true),
        lag_max_others: most_behind(false),
        dispatch_busiest_ms: latencies.get(&busiest).unwrap_or(&Latency::new()).percentiles(),
        dispatch_others_ms: others.percentiles(),
    })
}

/// Dispatch by partition: a job belongs to that of its first record.
fn latencies(ledger: &Ledger<'_>) -> HashMap<usize, Latency> {
    let mut latencies: HashMap<usize, Latency> = HashMap::new();
    for (job, place) in ledger.first_partitions() {
        if let Some(sample) = dispatch_latency(ledger, job) {
            let latency = latencies.entry(place as usize).or_default();
            match sample {
                Some(took) => latency.record(took),
                None => latency.record_censored(),
            }
        }
    }
    latencies
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scene::Scene;

    #[test]
    fn an_even_topic_has_no_imbalance() {
        let mut scene = Scene::event_driven(&[1]);
        scene.start_many(20);
        scene.drain();
        let skew = of(&scene.ledger(), &[]);
        assert_eq!(skew.len(), 1);
        assert_eq!((skew[0].records_max, skew[0].records_mean), (10, 10.0));
        assert!((skew[0].imbalance - 1.0).abs() < 1e-9);
        assert_eq!(skew[0].dispatch_busiest_ms.count + skew[0].dispatch_others_ms.count, 20);
    }

    #[test]
    fn a_hot_partition_shows_in_records_lag_and_latency() {
        let mut scene = Scene::event_driven(&[1]);
        scene.start_many(10);
        scene.drain();
        // Of one partition each: the model keys by the number of the instance.
        let topics = scene.topics.as_mut().unwrap();
        let kept = topics.records.iter().filter(|record| record.partition == 1).count();
        topics
            .records
            .retain(|record| record.partition == 1 || record.offset == 0);
        scene.wait(Duration::from_secs(1));
        let lag = |partition, max| LagInfo {
            group: "workers.work".to_owned(),
            topic: "jobs.work".to_owned(),
            partition,
            max,
            end: 0,
        };
        let skew = of(&scene.ledger(), &[lag(0, 3), lag(1, 40)]);
        assert_eq!((skew[0].busiest, skew[0].records_max), (1, kept as u64));
        assert!(skew[0].imbalance > 1.5, "{skew:?}");
        assert_eq!((skew[0].lag_max_busiest, skew[0].lag_max_others), (Some(40), Some(3)));
        assert_eq!(skew[0].dispatch_busiest_ms.count, kept as u64);
        assert_eq!(skew[0].dispatch_others_ms.count, 1);
    }

    #[test]
    fn polling_has_no_topics() {
        assert!(of(&Scene::new(&[1]).ledger(), &[]).is_empty());
    }
}
