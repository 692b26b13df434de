//! What the samplers wrote, line by line, and what it adds up to: waits, connections, dead tuples, CPU and memory.
//!
//! Shares are backend-samples of a kind ÷ backend-samples that were active. A backend that is idle, or idle in a
//! transaction, is not active.

use std::collections::{BTreeMap, BTreeSet};

use crossover_proto::clock::MonotonicNs;
use serde::{Deserialize, Serialize};

use crate::result::{PostgresInfo, ProcessCost, WaitShare};
use crate::series::{NamedSeries, Series};

/// One line of `samples.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sample {
    /// What the engine's backends were doing.
    Activity {
        /// When (CLOCK_MONOTONIC, ns).
        at: u64,
        /// Time of the sampler's own query (µs).
        query_us: u64,
        /// Connections of the engine, idle ones included.
        connections: u32,
        /// Active backends, grouped.
        active: Vec<Active>,
    },
    /// Sizes in the database.
    Tables {
        /// When (CLOCK_MONOTONIC, ns).
        at: u64,
        /// Dead tuples in `job`, as PostgreSQL's statistics estimate them.
        dead_tuples: u64,
    },
    /// CPU and memory per part since the parts started.
    Usage {
        /// When (CLOCK_MONOTONIC, ns).
        at: u64,
        /// One per part.
        parts: Vec<PartUsage>,
        /// Busy share of the machine's processors since the sample before.
        host_busy: Option<f64>,
    },
}

/// Active backends that wait for the same thing in the same statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    /// `wait_event_type`, or `CPU` for none.
    #[serde(rename = "type")]
    pub wait_type: String,
    /// `wait_event`; empty for none.
    pub event: String,
    /// For row locks: the table whose row is waited for.
    pub relation: Option<String>,
    /// Tag of the statement.
    pub statement: String,
    /// How many.
    pub count: u32,
}

/// One part's use so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartUsage {
    /// Such as `replica-1`.
    pub name: String,
    /// CPU time so far (s).
    pub cpu_s: f64,
    /// Resident memory now (MiB).
    pub memory_mb: f64,
}

impl Sample {
    /// When it was taken.
    #[must_use]
    pub fn at(&self) -> MonotonicNs {
        match self {
            Self::Activity { at, .. } | Self::Tables { at, .. } | Self::Usage { at, .. } => MonotonicNs(*at),
        }
    }
}

impl Active {
    /// Waits for a row of `job`? A row waiter waits for the holder's transaction, or in the queue for the tuple.
    #[must_use]
    pub fn waits_for_job_row(&self) -> bool {
        self.waits_for_row() && self.relation.as_deref() == Some("job")
    }

    fn waits_for_row(&self) -> bool {
        self.wait_type == "Lock" && matches!(self.event.as_str(), "transactionid" | "tuple")
    }

    fn other_lock(&self) -> Option<String> {
        if self.wait_type != "Lock" || self.waits_for_job_row() {
            return None;
        }
        match &self.relation {
            Some(relation) if self.waits_for_row() => Some(format!("rows of {relation}")),
            _ => Some(self.event.clone()),
        }
    }
}

/// What PostgreSQL's samples in `from..to` add up to.
#[must_use]
pub fn postgres(samples: &[Sample], from: MonotonicNs, to: MonotonicNs) -> PostgresInfo {
    let mut info = PostgresInfo::default();
    let mut active_total = 0u64;
    let mut job_rows = 0u64;
    let mut others: BTreeMap<String, u64> = BTreeMap::new();
    let mut waits: BTreeMap<(String, String, Option<String>, String), u64> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| (from..to).contains(&sample.at())) {
        match sample {
            Sample::Activity {
                connections, active, ..
            } => {
                info.samples += 1;
                info.connections_max = info.connections_max.max(*connections);
                for group in active {
                    let count = u64::from(group.count);
                    active_total += count;
                    job_rows += if group.waits_for_job_row() { count } else { 0 };
                    if let Some(other) = group.other_lock() {
                        *others.entry(other).or_default() += count;
                    }
                    let key = (
                        group.wait_type.clone(),
                        group.event.clone(),
                        group.relation.clone(),
                        group.statement.clone(),
                    );
                    *waits.entry(key).or_default() += count;
                }
            }
            Sample::Tables { dead_tuples, .. } => info.dead_tuples_max = info.dead_tuples_max.max(*dead_tuples),
            Sample::Usage { .. } => {}
        }
    }
    let share = |count: u64| count as f64 / active_total as f64;
    if active_total > 0 {
        info.lock_wait_share = Some(share(job_rows));
        info.other_lock_wait_shares = others.into_iter().map(|(name, count)| (name, share(count))).collect();
        info.waits = waits
            .into_iter()
            .map(|((wait_type, event, relation, statement), count)| WaitShare {
                wait_type,
                event,
                relation,
                statement,
                share: share(count),
            })
            .collect();
        info.waits.sort_by(|a, b| b.share.total_cmp(&a.share));
    }
    info
}

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
    let shares: Vec<f64> = samples
        .iter()
        .filter(|sample| (from..to).contains(&sample.at()))
        .filter_map(|sample| match sample {
            Sample::Usage { host_busy, .. } => *host_busy,
            _ => None,
        })
        .collect();
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}

/// The sampler's own query: median time (ms), and samples per second that were reached.
#[must_use]
pub fn sampler_cost(samples: &[Sample]) -> (Option<f64>, Option<f64>) {
    let mut times = Vec::new();
    let mut stamps = Vec::new();
    for sample in samples {
        if let Sample::Activity { at, query_us, .. } = sample {
            times.push(*query_us);
            stamps.push(*at);
        }
    }
    times.sort_unstable();
    let median = times.get(times.len() / 2).map(|micros| *micros as f64 / 1_000.0);
    let hz = stamps
        .first()
        .zip(stamps.last())
        .filter(|(first, last)| last > first)
        .map(|(first, last)| {
            let seconds = (last - first) as f64 / 1e9;
            (stamps.len() - 1) as f64 / seconds
        });
    (median, hz)
}

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
            Sample::Usage { .. } => {}
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

fn added(before: f64, after: f64) -> f64 {
    if after >= before { after - before } else { after }
}

fn usages(samples: &[Sample], from: MonotonicNs, to: MonotonicNs) -> Vec<(MonotonicNs, &[PartUsage])> {
    samples
        .iter()
        .filter(|sample| (from..to).contains(&sample.at()))
        .filter_map(|sample| match sample {
            Sample::Usage { parts, .. } => Some((sample.at(), parts.as_slice())),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn active(wait_type: &str, event: &str, relation: Option<&str>, count: u32) -> Active {
        Active {
            wait_type: wait_type.to_owned(),
            event: event.to_owned(),
            relation: relation.map(str::to_owned),
            statement: "claim".to_owned(),
            count,
        }
    }

    fn activity(at: u64, active: Vec<Active>) -> Sample {
        Sample::Activity {
            at,
            query_us: 300,
            connections: 8,
            active,
        }
    }

    #[test]
    fn only_waits_for_job_rows_count_as_the_rubrics_lock_waits() {
        let samples = [
            activity(
                1,
                vec![
                    active("CPU", "", None, 2),
                    active("Lock", "transactionid", Some("job"), 1),
                ],
            ),
            activity(
                2,
                vec![
                    active("Lock", "tuple", Some("job"), 1),
                    active("Lock", "tuple", Some("instance"), 2),
                ],
            ),
            activity(
                3,
                vec![
                    active("Lock", "advisory", None, 2),
                    active("LWLock", "WALWrite", None, 2),
                ],
            ),
        ];
        let info = postgres(&samples, MonotonicNs(0), MonotonicNs(10));
        assert_eq!(info.lock_wait_share, Some(0.2));
        assert_eq!(
            info.other_lock_wait_shares,
            vec![("advisory".to_owned(), 0.2), ("rows of instance".to_owned(), 0.2)]
        );
    }

    #[test]
    fn no_active_backend_gives_no_share_instead_of_zero() {
        let info = postgres(&[activity(1, Vec::new())], MonotonicNs(0), MonotonicNs(10));
        assert_eq!(info.lock_wait_share, None);
        assert_eq!(info.samples, 1);
    }

    #[test]
    fn cpu_of_a_restarted_part_is_not_negative() {
        let usage = |at, cpu_s| Sample::Usage {
            at,
            parts: vec![PartUsage {
                name: "worker-1".to_owned(),
                cpu_s,
                memory_mb: 10.0,
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
