//! The samples over time: the charts' series that come from them, one bucket a second.

use std::collections::BTreeSet;

use crossover_proto::clock::MonotonicNs;

use super::usage::added;
use super::{Active, PartUsage, Sample, downstream, queues};
use crate::series::{NamedSeries, Series};

/// Fills the charts' series that come from the samples; `series.seconds` must be set.
pub fn fill_series(series: &mut Series, samples: &[Sample], origin: MonotonicNs) {
    let seconds = series.seconds;
    let second_of = |sample: &Sample| {
        let second = sample.at().0.checked_sub(origin.0)? / 1_000_000_000;
        usize::try_from(second).ok().filter(|second| *second < seconds)
    };
    let mut activity: Vec<Vec<(&[Active], u32)>> = vec![Vec::new(); seconds];
    series.dead_tuples = vec![None; seconds];
    for sample in samples {
        let Some(second) = second_of(sample) else { continue };
        match sample {
            Sample::Activity {
                active, connections, ..
            } => activity[second].push((active, *connections)),
            Sample::Tables { dead_tuples, .. } => series.dead_tuples[second] = Some(*dead_tuples as f64),
            _ => {}
        }
    }
    let most = |seen: &Vec<(&[Active], u32)>| {
        seen.iter()
            .map(|(_, connections)| f64::from(*connections))
            .reduce(f64::max)
    };
    series.connections = activity.iter().map(most).collect();
    series.waits = waits_over_time(&activity);
    let usages: Vec<(usize, MonotonicNs, &[PartUsage])> = samples
        .iter()
        .filter_map(|sample| match sample {
            Sample::Usage { parts, .. } => Some((second_of(sample)?, sample.at(), parts.as_slice())),
            _ => None,
        })
        .collect();
    fill_usage(series, &usages);
    series.outbox_backlog = queues::backlog_over_time(samples, seconds, second_of);
    series.lag = queues::lag_over_time(samples, seconds, second_of);
    series.downstream = downstream::requests_over_time(samples, seconds, second_of);
}

fn waits_over_time(activity: &[Vec<(&[Active], u32)>]) -> Vec<NamedSeries> {
    let all = activity.iter().flatten().flat_map(|(active, _)| active.iter());
    let types: BTreeSet<&str> = all.map(|group| group.wait_type.as_str()).collect();
    let mean = |seen: &Vec<(&[Active], u32)>, wait_type: &str| {
        let of_type = seen
            .iter()
            .flat_map(|(active, _)| active.iter())
            .filter(|group| group.wait_type == wait_type);
        let total: u32 = of_type.map(|group| group.count).sum();
        (!seen.is_empty()).then(|| f64::from(total) / seen.len() as f64)
    };
    let series = |wait_type: &str| NamedSeries {
        name: wait_type.to_owned(),
        values: activity.iter().map(|seen| mean(seen, wait_type)).collect(),
    };
    types.into_iter().map(series).collect()
}

fn fill_usage(series: &mut Series, usages: &[(usize, MonotonicNs, &[PartUsage])]) {
    let names: BTreeSet<&str> = usages
        .iter()
        .flat_map(|(.., parts)| parts.iter())
        .map(|part| part.name.as_str())
        .collect();
    for name in names {
        let mut cpu = vec![None; series.seconds];
        let mut memory = vec![None; series.seconds];
        let mut before: Option<(MonotonicNs, f64)> = None;
        for (second, at, parts) in usages {
            let Some(part) = parts.iter().find(|part| part.name == name) else {
                continue;
            };
            memory[*second] = Some(part.memory_mb);
            if let Some((earlier, cpu_s)) = before {
                let span = at.saturating_since(earlier).as_secs_f64();
                cpu[*second] = (span > 0.0).then(|| added(cpu_s, part.cpu_s) / span);
            }
            before = Some((*at, part.cpu_s));
        }
        series.cpu_cores.push(NamedSeries {
            name: name.to_owned(),
            values: cpu,
        });
        series.memory_mb.push(NamedSeries {
            name: name.to_owned(),
            values: memory,
        });
    }
}
