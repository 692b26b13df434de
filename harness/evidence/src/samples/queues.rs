//! What waits on its way to the workers: the outbox's backlog and the lag of each consumer group.

use std::collections::BTreeMap;

use crossover_proto::clock::MonotonicNs;

use super::{PartitionLag, Sample, within};
use crate::result::{LagInfo, OutboxInfo};
use crate::series::NamedSeries;
use crate::snapshot::Topics;

/// Most lines of the lag's chart: the groups' totals, then the worst partitions. More can't be told apart.
const LAG_SERIES_MAX: usize = 12;

/// The outbox over `from..to`; `None` if nobody looked at it. Rows that wait after the end of the load must still drain.
#[must_use]
pub fn outbox(samples: &[Sample], from: MonotonicNs, to: MonotonicNs, load_end: MonotonicNs) -> Option<OutboxInfo> {
    let looks: Vec<(MonotonicNs, u64, u64)> = within(samples, from, to)
        .filter_map(|sample| match sample {
            Sample::Outbox { at, backlog, oldest_ms } => Some((MonotonicNs(*at), *backlog, *oldest_ms)),
            _ => None,
        })
        .collect();
    let after_last_row = looks
        .iter()
        .rposition(|(_, backlog, _)| *backlog > 0)
        .map_or(0, |last| last + 1);
    let drained = looks[after_last_row..].iter().find(|(at, ..)| *at >= load_end);
    Some(OutboxInfo {
        backlog_max: looks.iter().map(|(_, backlog, _)| *backlog).max()?,
        backlog_end: looks.last()?.1,
        drain_s: drained.map(|(at, ..)| at.saturating_since(load_end).as_secs_f64()),
        oldest_ms_max: looks.iter().map(|(.., oldest_ms)| *oldest_ms).max()?,
        // No sampler looks at it.
        relays_superseded: 0,
    })
}

/// The lag of every partition over `from..to`. What the topics held at the end is exact; a look may be half a second old.
#[must_use]
pub fn lag(samples: &[Sample], from: MonotonicNs, to: MonotonicNs, topics: Option<&Topics>) -> Vec<LagInfo> {
    let mut seen: BTreeMap<(&str, &str, i32), (u64, u64)> = BTreeMap::new();
    for partition in within(samples, from, to).flat_map(partitions) {
        let (max, end) = seen.entry(key(partition)).or_default();
        *max = (*max).max(partition.lag);
        *end = partition.lag;
    }
    for partition in topics.iter().flat_map(|topics| &topics.partitions) {
        let place = (&partition.group[..], &partition.topic[..], partition.partition);
        let (max, end) = seen.entry(place).or_default();
        *end = partition.behind();
        *max = (*max).max(*end);
    }
    let info = |((group, topic, partition), (max, end)): ((&str, &str, i32), (u64, u64))| LagInfo {
        group: group.to_owned(),
        topic: topic.to_owned(),
        partition,
        max,
        end,
    };
    seen.into_iter().map(info).collect()
}

fn partitions(sample: &Sample) -> &[PartitionLag] {
    match sample {
        Sample::Lag { partitions, .. } => partitions,
        _ => &[],
    }
}

fn key(partition: &PartitionLag) -> (&str, &str, i32) {
    (&partition.group, &partition.topic, partition.partition)
}

/// The largest backlog of each second.
pub(super) fn backlog_over_time(
    samples: &[Sample],
    seconds: usize,
    second_of: impl Fn(&Sample) -> Option<usize>,
) -> Vec<Option<f64>> {
    let mut values = vec![None; seconds];
    for sample in samples {
        if let (Sample::Outbox { backlog, .. }, Some(second)) = (sample, second_of(sample)) {
            raise(&mut values[second], *backlog);
        }
    }
    values
}

/// The largest lag of each second: of each group in all, and of the worst partitions.
pub(super) fn lag_over_time(
    samples: &[Sample],
    seconds: usize,
    second_of: impl Fn(&Sample) -> Option<usize>,
) -> Vec<NamedSeries> {
    let mut groups: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
    let mut single: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
    for sample in samples {
        let Some(second) = second_of(sample) else { continue };
        let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
        for partition in partitions(sample) {
            *totals.entry(&partition.group).or_default() += partition.lag;
            let (group, topic, number) = key(partition);
            let values = single.entry(format!("{group}/{topic}/{number}"));
            raise(
                &mut values.or_insert_with(|| vec![None; seconds])[second],
                partition.lag,
            );
        }
        for (group, total) in totals {
            let values = groups.entry(group.to_owned());
            raise(&mut values.or_insert_with(|| vec![None; seconds])[second], total);
        }
    }
    // A partition that never lagged has nothing to show.
    single.retain(|_, values| peak(values) > 0.0);
    let mut lines = worst_first(groups);
    lines.extend(worst_first(single));
    lines.truncate(LAG_SERIES_MAX);
    lines
}

fn worst_first(series: BTreeMap<String, Vec<Option<f64>>>) -> Vec<NamedSeries> {
    let mut lines: Vec<NamedSeries> = series
        .into_iter()
        .map(|(name, values)| NamedSeries { name, values })
        .collect();
    lines.sort_by(|a, b| peak(&b.values).total_cmp(&peak(&a.values)));
    lines
}

fn peak(values: &[Option<f64>]) -> f64 {
    values.iter().flatten().copied().fold(0.0, f64::max)
}

fn raise(slot: &mut Option<f64>, value: u64) {
    let value = value as f64;
    *slot = Some(slot.map_or(value, |largest| largest.max(value)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::fill_series;
    use crate::series::Series;
    use crate::snapshot::PartitionEnd;

    const SECOND: u64 = 1_000_000_000;

    fn look(at_ms: u64, backlog: u64) -> Sample {
        Sample::Outbox {
            at: at_ms * 1_000_000,
            backlog,
            oldest_ms: backlog * 2,
        }
    }

    fn lags(at_ms: u64, lags: &[u64]) -> Sample {
        let partition = |(number, lag): (i32, &u64)| PartitionLag {
            group: "workers.work".to_owned(),
            topic: "jobs.work".to_owned(),
            partition: number,
            lag: *lag,
        };
        Sample::Lag {
            at: at_ms * 1_000_000,
            partitions: (0..).zip(lags).map(partition).collect(),
        }
    }

    fn of(samples: &[Sample], load_end_ms: u64) -> Option<OutboxInfo> {
        let to = MonotonicNs(u64::MAX);
        outbox(samples, MonotonicNs(0), to, MonotonicNs(load_end_ms * 1_000_000))
    }

    #[test]
    fn the_outbox_is_drained_when_it_is_empty_for_good_after_the_load() {
        let samples = [look(100, 7), look(200, 0), look(300, 3), look(400, 0), look(500, 0)];
        let info = of(&samples, 150).unwrap();
        assert_eq!((info.backlog_max, info.backlog_end, info.oldest_ms_max), (7, 0, 14));
        assert_eq!(info.drain_s, Some(0.25));
        assert_eq!(of(&samples, 450).unwrap().drain_s, Some(0.05));
        assert_eq!(of(&samples[..3], 150).unwrap().drain_s, None, "rows were left");
        assert_eq!(of(&samples, 600).unwrap().drain_s, None, "nobody looked after the load");
        assert_eq!(of(&[], 0), None);
    }

    #[test]
    fn the_lag_at_the_end_is_what_the_topics_say() {
        let samples = [lags(100, &[5, 0]), lags(200, &[2, 1])];
        let (from, to) = (MonotonicNs(0), MonotonicNs(u64::MAX));
        let sampled = lag(&samples, from, to, None);
        assert_eq!(
            sampled.iter().map(|one| (one.max, one.end)).collect::<Vec<_>>(),
            [(5, 2), (1, 1)]
        );
        let end = |partition, committed| PartitionEnd {
            group: "workers.work".to_owned(),
            topic: "jobs.work".to_owned(),
            partition,
            low: 3,
            high: 10,
            committed,
        };
        let topics = Topics {
            partitions: vec![end(0, Some(10)), end(1, Some(8)), end(2, None)],
            records: Vec::new(),
        };
        let read = lag(&samples, from, to, Some(&topics));
        assert_eq!(
            read.iter().map(|one| (one.max, one.end)).collect::<Vec<_>>(),
            [(5, 0), (2, 2), (7, 7)]
        );
    }

    #[test]
    fn the_chart_of_lag_has_the_group_and_the_worst_partitions_and_is_never_crowded() {
        let many: Vec<u64> = (0..36).collect();
        let samples = [lags(0, &many), lags(400, &[9; 36]), lags(2_100, &[0; 36])];
        let mut series = Series {
            seconds: 3,
            ..Series::default()
        };
        fill_series(&mut series, &samples, MonotonicNs(0));
        assert_eq!(series.lag.len(), LAG_SERIES_MAX);
        assert_eq!(series.lag[0].name, "workers.work");
        assert_eq!(series.lag[0].values, [Some(630.0), None, Some(0.0)]);
        assert_eq!(series.lag[1].name, "workers.work/jobs.work/35");
        assert_eq!(series.lag[1].values, [Some(35.0), None, Some(0.0)]);
    }

    #[test]
    fn the_backlog_of_a_second_is_its_largest_and_a_gap_is_no_zero() {
        let mut series = Series {
            seconds: 3,
            ..Series::default()
        };
        let samples = [look(100, 4), look(900, 2), look(2_000, 0)];
        fill_series(&mut series, &samples, MonotonicNs(0));
        assert_eq!(series.outbox_backlog, [Some(4.0), None, Some(0.0)]);
    }

    #[test]
    fn samples_are_read_back_as_they_were_written() {
        for sample in [look(3, 4), lags(3 * SECOND / 1_000_000, &[1])] {
            let line = serde_json::to_string(&sample).unwrap();
            assert_eq!(serde_json::from_str::<Sample>(&line).unwrap(), sample);
        }
        let line = r#"{"usage":{"at":1,"parts":[{"name":"a","cpu_s":1.0,"memory_mb":2.0}],"host_busy":null}}"#;
        assert!(
            serde_json::from_str::<Sample>(line).is_ok(),
            "samples of earlier versions are read"
        );
    }
}
