//! CPU and memory: per part, and of the machine.

use crossover_proto::clock::MonotonicNs;

use super::{PartUsage, Sample, within};
use crate::result::ProcessCost;

/// CPU and memory per part over `from..to`.
#[must_use]
pub fn processes(samples: &[Sample], from: MonotonicNs, to: MonotonicNs) -> Vec<ProcessCost> {
    let usages: Vec<(MonotonicNs, &[PartUsage])> = usages(samples, from, to);
    let mut names: Vec<&str> = Vec::new();
    for part in usages.iter().flat_map(|(_, parts)| parts.iter()) {
        if !names.contains(&part.name.as_str()) {
            names.push(&part.name);
        }
    }
    let cost = |name: &str| {
        let own: Vec<(MonotonicNs, &PartUsage)> = usages
            .iter()
            .filter_map(|(at, parts)| Some((*at, parts.iter().find(|part| part.name == name)?)))
            .collect();
        // A part that was restarted begins again at zero: only what was added counts.
        let cpu_s: f64 = own.windows(2).map(|pair| added(pair[0].1.cpu_s, pair[1].1.cpu_s)).sum();
        let seen = own
            .last()
            .zip(own.first())
            .map_or(0.0, |(last, first)| last.0.saturating_since(first.0).as_secs_f64());
        ProcessCost {
            name: name.to_owned(),
            cpu_s,
            cpu_cores_mean: if seen > 0.0 { cpu_s / seen } else { 0.0 },
            memory_mb_max: own.iter().map(|(_, part)| part.memory_mb).fold(0.0, f64::max),
        }
    };
    names.into_iter().map(cost).collect()
}

/// Busy share of the machine's processors over `from..to`.
#[must_use]
pub fn host_cpu_share(samples: &[Sample], from: MonotonicNs, to: MonotonicNs) -> Option<f64> {
    let shares: Vec<f64> = within(samples, from, to)
        .filter_map(|sample| match sample {
            Sample::Usage { host_busy, .. } => *host_busy,
            _ => None,
        })
        .collect();
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}

/// What was added to a counter; a part that was restarted begins again at zero.
pub(super) fn added(before: f64, after: f64) -> f64 {
    if after >= before { after - before } else { after }
}

pub(super) fn usages(samples: &[Sample], from: MonotonicNs, to: MonotonicNs) -> Vec<(MonotonicNs, &[PartUsage])> {
    within(samples, from, to)
        .filter_map(|sample| match sample {
            Sample::Usage { parts, .. } => Some((sample.at(), parts.as_slice())),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::fill_series;
    use crate::series::Series;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn cpu_of_a_restarted_part_is_not_negative() {
        let usage = |at, cpu_s| Sample::Usage {
            at,
            parts: vec![PartUsage {
                name: "worker-1".to_owned(),
                cpu_s,
                memory_mb: 10.0,
                disk_mb: None,
                processors: None,
            }],
            host_busy: None,
        };
        let samples = [usage(0, 5.0), usage(SECOND, 6.0), usage(2 * SECOND, 0.25)];
        let cost = processes(&samples, MonotonicNs(0), MonotonicNs(10 * SECOND));
        assert!((cost[0].cpu_s - 1.25).abs() < 1e-9);
        let mut series = Series {
            seconds: 3,
            ..Series::default()
        };
        fill_series(&mut series, &samples, MonotonicNs(0));
        assert_eq!(series.cpu_cores[0].values, vec![None, Some(1.0), Some(0.25)]);
    }
}
