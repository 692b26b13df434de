//! PostgreSQL's samples: waits, connections, dead tuples.
//!
//! Shares are backend-samples of a kind ÷ backend-samples that were active. A backend that is idle, or idle in a
//! transaction, is not active.

use std::collections::BTreeMap;

use crossover_proto::clock::MonotonicNs;

use super::{Active, Sample, within};
use crate::result::{LockLooks, PostgresInfo, WaitShare};

/// What PostgreSQL's samples in `from..to` add up to.
#[must_use]
pub fn postgres(samples: &[Sample], from: MonotonicNs, to: MonotonicNs) -> PostgresInfo {
    let mut info = PostgresInfo::default();
    let mut active_total = 0u64;
    let mut job_rows = 0u64;
    let mut others: BTreeMap<String, u64> = BTreeMap::new();
    let mut waits: BTreeMap<(String, String, Option<String>, String), u64> = BTreeMap::new();
    for sample in within(samples, from, to) {
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
            _ => {}
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

/// The looks at waits for `job` rows in `from..to`, second by second; `None` if nobody looked.
#[must_use]
pub fn lock_looks(samples: &[Sample], from: MonotonicNs, to: MonotonicNs) -> Option<LockLooks> {
    let mut looked = false;
    let mut with_active = 0;
    let mut by_second: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for sample in within(samples, from, to) {
        let Sample::Activity { at, active, .. } = sample else {
            continue;
        };
        looked = true;
        let count = |counts: &dyn Fn(&Active) -> bool| -> u64 {
            let groups = active.iter().filter(|group| counts(group));
            groups.map(|group| u64::from(group.count)).sum()
        };
        let all = count(&|_| true);
        if all > 0 {
            with_active += 1;
            let second = by_second.entry(at.saturating_sub(from.0) / 1_000_000_000).or_default();
            second.0 += count(&Active::waits_for_job_row);
            second.1 += all;
        }
    }
    let share = |(waiting, all): (u64, u64)| waiting as f64 / all as f64;
    looked.then(|| LockLooks {
        with_active,
        shares_by_second: by_second.into_values().map(share).collect(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn looks_are_those_that_saw_a_backend_and_a_queue_of_one_second_is_of_that_second_only() {
        let second = 1_000_000_000;
        let waiting = || active("Lock", "tuple", Some("job"), 30);
        let samples = [
            activity(second, vec![active("CPU", "", None, 1)]),
            activity(second + second / 2, Vec::new()),
            activity(2 * second, vec![active("CPU", "", None, 1)]),
            activity(3 * second, vec![active("CPU", "", None, 10), waiting()]),
        ];
        let looks = lock_looks(&samples, MonotonicNs(second), MonotonicNs(9 * second));
        let expected = LockLooks {
            with_active: 3,
            shares_by_second: vec![0.0, 0.0, 0.75],
        };
        assert_eq!(looks, Some(expected));
        assert_eq!(
            lock_looks(&samples, MonotonicNs(8 * second), MonotonicNs(9 * second)),
            None
        );
    }

    #[test]
    fn no_active_backend_gives_no_share_instead_of_zero() {
        let info = postgres(&[activity(1, Vec::new())], MonotonicNs(0), MonotonicNs(10));
        assert_eq!(info.lock_wait_share, None);
        assert_eq!(info.samples, 1);
    }
}
