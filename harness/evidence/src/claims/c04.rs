//! C04: polling's p50 dispatch latency is not below half the poll interval, event-driven's is milliseconds.
//!
//! [`judge`] puts the first half to a sweep of poll intervals; a pair of runs is asked for both halves, by its phase
//! `steady`.
//!
//! A job that arrives at a random moment waits, on average, half an interval for *one* poller at fixed ticks. Several
//! pollers out of step look more often, so the median wait shrinks; then the claim, as written, is refuted.

use super::{Finding, Half, Pair, Question, holds, not_settled, phase, rounded};
use crate::result::{Claim, ClaimVerdict, RunResult};

/// How far from half the interval a median may lie and still be "half the interval".
const TOLERANCE: f64 = 0.10;

/// "Milliseconds" as opposed to the tenths of a second of a usual poll interval: an order below them.
const MILLISECONDS_MAX: f64 = 25.0;

/// What sweeps ask, of polling alone.
const OF_POLLING: &str = "p50 dispatch latency is not below half the poll interval";

/// The half that a finding speaks of; `None` if it speaks of both.
pub(super) fn half(text: &str) -> Option<Half> {
    text.contains(OF_POLLING).then_some(Half::Polling)
}

pub(super) const QUESTION: Question = Question {
    id: "C04",
    text: "p50 dispatch latency: polling not below half the poll interval, event-driven milliseconds",
    judge: judge_pair,
};

fn judge_pair(pair: &Pair<'_>) -> Finding {
    let median = |result: &RunResult| phase(result, "steady")?.latency_ms.dispatch.p50;
    let (Some(interval_ms), Some(polling), Some(event)) =
        (interval_ms(pair.polling), median(pair.polling), median(pair.event))
    else {
        return not_settled(
            "no median of a phase `steady` in both modes, or no poll interval; run the scenario `compare`",
        );
    };
    let ratio = polling / (interval_ms / 2.0);
    let wake = setting(pair.polling, "poll wake-up").unwrap_or("none");
    holds(
        ratio >= 1.0 - TOLERANCE && event <= MILLISECONDS_MAX,
        format!(
            "under steady load, polling's p50 is {} ms, {} × half its interval of {} ms (wake-up: {wake}); event-driven's is \
             {} ms",
            rounded(polling),
            rounded(ratio),
            rounded(interval_ms),
            rounded(event)
        ),
    )
}

fn interval_ms(result: &RunResult) -> Option<f64> {
    let interval = humantime::parse_duration(setting(result, "poll interval")?).ok()?;
    Some(interval.as_secs_f64() * 1_000.0)
}

fn setting<'a>(result: &'a RunResult, name: &str) -> Option<&'a str> {
    let settings = &result.topology.settings;
    let found = settings.iter().find(|(setting, _)| setting == name);
    found.map(|(_, value)| value.as_str())
}

/// One run of a poll-interval sweep.
#[derive(Debug, Clone, Copy)]
pub struct Point<'a> {
    /// The poll interval (ms).
    pub interval_ms: f64,
    /// Worker processes, each with a poller of its own.
    pub workers: u32,
    /// The run.
    pub result: &'a RunResult,
}

/// One finding per number of workers: is the median half the interval at every interval? A doubt of the whole sweep, such as that
/// not all of its points have run, leaves it open.
#[must_use]
pub fn judge(points: &[Point<'_>], doubt: Option<&str>) -> Vec<Claim> {
    let mut workers: Vec<u32> = points.iter().map(|point| point.workers).collect();
    workers.sort_unstable();
    workers.dedup();
    let of = |count: u32| {
        points
            .iter()
            .filter(move |point| point.workers == count)
            .copied()
            .collect::<Vec<_>>()
    };
    workers
        .into_iter()
        .map(|count| judge_group(count, &of(count), doubt))
        .collect()
}

fn judge_group(workers: u32, points: &[Point<'_>], doubt: Option<&str>) -> Claim {
    let pollers = if workers == 1 {
        "one poller".to_owned()
    } else {
        format!("{workers} pollers out of step")
    };
    let text = format!("polling's {OF_POLLING} ({pollers})");
    let ratios: Option<Vec<f64>> = points.iter().map(ratio).collect();
    let (verdict, evidence) = match (doubt, ratios) {
        (Some(doubt), _) => (ClaimVerdict::NotSettled, doubt.to_owned()),
        (None, None) => (
            ClaimVerdict::NotSettled,
            "a run is invalid, was broken off or has no median".to_owned(),
        ),
        (None, Some(ratios)) => {
            let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
            let highest = ratios.iter().copied().fold(0.0, f64::max);
            let verdict = if lowest < 1.0 - TOLERANCE {
                ClaimVerdict::Refuted
            } else {
                ClaimVerdict::Supported
            };
            let fit = slope(points).map_or_else(String::new, |slope| {
                format!("; over all intervals p50 grows by {slope:.2} ms per ms of interval (half would be 0.50)")
            });
            let range = if ratios.len() == 1 {
                format!("{lowest:.2}")
            } else {
                format!("{lowest:.2} to {highest:.2}")
            };
            (
                verdict,
                format!("with {pollers}, p50 is {range} × half the interval{fit}"),
            )
        }
    };
    Claim {
        id: "C04".to_owned(),
        text,
        verdict,
        evidence,
    }
}

/// p50 ÷ half the interval.
fn ratio(point: &Point<'_>) -> Option<f64> {
    if !point.result.run.valid || point.result.run.interrupted {
        return None;
    }
    Some(point.result.latency_ms.dispatch.p50? / (point.interval_ms / 2.0))
}

/// Least-squares slope of p50 over the interval.
fn slope(points: &[Point<'_>]) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = points
        .iter()
        .filter_map(|point| Some((point.interval_ms, point.result.latency_ms.dispatch.p50?)))
        .collect();
    if pairs.len() < 3 {
        return None;
    }
    let count = pairs.len() as f64;
    let mean_x = pairs.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = pairs.iter().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = pairs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = pairs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    (variance > 0.0).then(|| covariance / variance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::fixture::Runs;

    #[test]
    fn half_the_interval_and_milliseconds_support_it() {
        let (verdict, evidence) = judge_pair(&Runs::new().pair());
        assert_eq!(verdict, ClaimVerdict::Supported);
        assert_eq!(
            evidence,
            "under steady load, polling's p50 is 240 ms, 0.960 × half its interval of 500 ms (wake-up: none); event-driven's is \
             3.20 ms"
        );
    }

    #[test]
    fn a_shorter_wait_in_polling_or_a_long_one_in_event_mode_refutes_it() {
        let mut runs = Runs::new();
        runs.polling.phases[3].latency_ms.dispatch.p50 = Some(120.0);
        assert_eq!(judge_pair(&runs.pair()).0, ClaimVerdict::Refuted);
        let mut runs = Runs::new();
        runs.event.phases[3].latency_ms.dispatch.p50 = Some(158.0);
        assert_eq!(judge_pair(&runs.pair()).0, ClaimVerdict::Refuted);
    }

    #[test]
    fn a_sweep_with_a_point_missing_or_broken_off_settles_nothing() {
        let mut run = Runs::new().polling;
        run.latency_ms.dispatch.p50 = Some(250.0);
        let verdict = |run: &RunResult, doubt| {
            let point = Point {
                interval_ms: 500.0,
                workers: 1,
                result: run,
            };
            judge(&[point], doubt).remove(0).verdict
        };
        assert_eq!(verdict(&run, None), ClaimVerdict::Supported);
        assert_eq!(verdict(&run, Some("1 of 4 points have run")), ClaimVerdict::NotSettled);
        run.run.interrupted = true;
        assert_eq!(verdict(&run, None), ClaimVerdict::NotSettled);
    }

    #[test]
    fn a_censored_median_settles_nothing() {
        let mut runs = Runs::new();
        runs.polling.phases[3].latency_ms.dispatch.p50 = None;
        assert_eq!(judge_pair(&runs.pair()).0, ClaimVerdict::NotSettled);
    }
}
