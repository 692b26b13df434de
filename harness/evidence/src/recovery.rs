//! How long a fault was felt: from its injection until latency and backlog were back to what they were before it; and how
//! soon it was: until they first left that (C08).
//!
//! *Before* is the [`BASELINE_S`] seconds ahead of the fault, without those in which an earlier fault was still felt.
//! *Back* is the first second from which, for [`STEADY_S`] seconds on end, p99 is within [`LATENCY_FACTOR`] of the median
//! p99 of before, and the unfinished jobs are no more than the most of before plus [`BACKLOG_SLACK`]. A second without a
//! job due has nothing to wait for and counts as normal only if nothing is unfinished.

use crate::result::FaultInfo;
use crate::series::Series;

/// Seconds that are looked at ahead of a fault.
const BASELINE_S: usize = 10;
/// Seconds that must be normal on end.
const STEADY_S: usize = 2;
/// Latency may be this much above before.
const LATENCY_FACTOR: f64 = 2.0;
/// Jobs that may be unfinished beyond the most of before: the grain of a one-second series.
const BACKLOG_SLACK: f64 = 5.0;

/// The faults with their recovery times filled in.
#[must_use]
pub fn with_recovery(faults: &[FaultInfo], series: &Series) -> Vec<FaultInfo> {
    let mut felt: Vec<(usize, usize)> = Vec::new();
    let mut done: Vec<FaultInfo> = Vec::with_capacity(faults.len());
    for (place, fault) in faults.iter().enumerate() {
        let limits = Limits::before(fault, series, &felt).filter(|_| fault.took_effect);
        let back = limits.and_then(|limits| limits.back_to_normal(fault, series));
        // A later fault has signals of its own; one that comes while an earlier is felt can't be told from it.
        let until = faults
            .get(place + 1)
            .map_or(series.seconds, |next| second(next.injected_s));
        let is_alone = !felt
            .iter()
            .any(|(from, to)| (*from..*to).contains(&second(fault.injected_s)));
        let seen = limits
            .filter(|_| is_alone)
            .and_then(|limits| limits.first_signal(fault, series, until));
        felt.push((second(fault.injected_s), back.unwrap_or(series.seconds)));
        done.push(FaultInfo {
            // Whole seconds, rounded up: the series knows no finer.
            recovery_s: back.map(|second| (second as f64 - fault.injected_s).max(0.0).ceil()),
            recovered: limits.map(|_| back.is_some()),
            // A second is known when it is over.
            signal_s: seen.map(|second| (second as f64 + 1.0 - fault.injected_s).max(0.0).ceil()),
            ..fault.clone()
        });
    }
    done
}

/// What is normal, by the seconds before a fault.
#[derive(Debug, Clone, Copy)]
struct Limits {
    latency_ms: f64,
    unfinished: f64,
}

impl Limits {
    fn before(fault: &FaultInfo, series: &Series, felt: &[(usize, usize)]) -> Option<Self> {
        let injected = second(fault.injected_s);
        let calm = |second: &usize| !felt.iter().any(|(from, to)| (*from..*to).contains(second));
        let before: Vec<usize> = (injected.saturating_sub(BASELINE_S)..injected).filter(calm).collect();
        let usual = median(before.iter().filter_map(|second| p99(series, *second)).collect())?;
        let most = before
            .iter()
            .filter_map(|second| series.unfinished.get(*second))
            .copied()
            .fold(0.0, f64::max);
        Some(Self {
            latency_ms: usual * LATENCY_FACTOR,
            unfinished: most + BACKLOG_SLACK,
        })
    }

    fn is_normal(self, series: &Series, second: usize) -> bool {
        let waiting = series.unfinished.get(second).copied().unwrap_or(f64::INFINITY);
        match series.dispatch_ms.get(second) {
            Some(Some(bucket)) => bucket.p99.is_some_and(|p99| p99 <= self.latency_ms) && waiting <= self.unfinished,
            _ => waiting <= 0.0,
        }
    }

    fn back_to_normal(self, fault: &FaultInfo, series: &Series) -> Option<usize> {
        let last = series.seconds.checked_sub(STEADY_S)?;
        // The second of the injection is half before it; mended or not, normal is normal.
        (second(fault.injected_s) + 1..=last)
            .find(|start| (*start..start + STEADY_S).all(|second| self.is_normal(series, second)))
    }

    fn first_signal(self, fault: &FaultInfo, series: &Series, until: usize) -> Option<usize> {
        (second(fault.injected_s)..until.min(series.seconds)).find(|second| !self.is_normal(series, *second))
    }
}

fn p99(series: &Series, second: usize) -> Option<f64> {
    series.dispatch_ms.get(second)?.as_ref()?.p99
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn second(seconds: f64) -> usize {
    seconds.max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::LatencyBucket;

    fn series(p99: &[f64], unfinished: &[f64]) -> Series {
        let bucket = |p99: &f64| {
            Some(LatencyBucket {
                count: 10,
                p50: Some(1.0),
                p99: Some(*p99),
                max: Some(*p99),
            })
        };
        Series {
            seconds: p99.len(),
            dispatch_ms: p99.iter().map(bucket).collect(),
            unfinished: unfinished.to_vec(),
            ..Series::default()
        }
    }

    fn fault(injected_s: f64) -> FaultInfo {
        FaultInfo {
            kind: "kill".to_owned(),
            target: "worker:1".to_owned(),
            injected_s,
            healed_s: Some(injected_s + 1.0),
            took_effect: true,
            ..FaultInfo::default()
        }
    }

    #[test]
    fn recovery_waits_for_latency_and_backlog() {
        let p99 = [10.0, 10.0, 10.0, 500.0, 400.0, 15.0, 15.0, 12.0, 12.0];
        let queue = [1.0, 1.0, 1.0, 90.0, 80.0, 40.0, 2.0, 1.0, 1.0];
        let done = with_recovery(&[fault(3.0)], &series(&p99, &queue));
        assert_eq!(done[0].recovery_s, Some(3.0));
        assert_eq!(done[0].signal_s, Some(1.0));
    }

    #[test]
    fn a_fault_that_nobody_feels_gives_no_signal() {
        let done = with_recovery(&[fault(3.0)], &series(&[10.0; 8], &[0.0; 8]));
        assert_eq!((done[0].recovery_s, done[0].signal_s), (Some(1.0), None));
    }

    #[test]
    fn a_system_that_stays_slow_never_recovers() {
        let done = with_recovery(
            &[fault(3.0)],
            &series(&[10.0, 10.0, 10.0, 500.0, 500.0, 500.0], &[0.0; 6]),
        );
        assert_eq!((done[0].recovery_s, done[0].recovered), (None, Some(false)));
    }

    #[test]
    fn a_signal_is_of_the_fault_before_it_and_of_no_other() {
        let p99 = [10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 300.0, 300.0, 10.0, 10.0, 10.0];
        let done = with_recovery(&[fault(2.0), fault(5.0), fault(7.0)], &series(&p99, &[0.0; 11]));
        let signals: Vec<_> = done.iter().map(|fault| fault.signal_s).collect();
        assert_eq!(signals, [None, Some(2.0), None]);
    }

    #[test]
    fn the_pain_of_an_earlier_fault_is_no_baseline_for_a_later_one() {
        let p99 = [10.0, 10.0, 500.0, 500.0, 10.0, 10.0, 300.0, 300.0, 10.0, 10.0, 10.0];
        let done = with_recovery(&[fault(2.0), fault(6.0)], &series(&p99, &[0.0; 11]));
        assert_eq!(done[0].recovery_s, Some(2.0));
        assert_eq!(done[1].recovery_s, Some(2.0));
    }
}
