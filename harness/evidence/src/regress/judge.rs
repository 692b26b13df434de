//! Pairs → a finding per metric. One metric decides; the others are told, with Holm's correction.
//!
//! Both intervals are asked where they lie: beyond the tolerance is *worse* or *better*, within it *same*, and across its edge *can't
//! tell*. So what fails is certain and matters: an interval that only leaves out *no difference* would fail a build for half a per
//! cent, and a mean beyond the tolerance for noise about a change that is tolerated (recorded pairs did, with 3 % planted).

use serde::{Deserialize, Serialize};

use super::interval::{bootstrap, half_width, mean, p_value, spread, student};
use super::{Metric, PAIRS_MIN, Pair, Settings, Watched};
use crate::interval::Interval;

/// Of the intervals; and 1 − this is the level of Holm's correction.
pub const CONFIDENCE: f64 = 0.95;

/// More pairs than this are not asked for: the difference then lies at the tolerance itself, and no number of pairs settles it.
pub const NEEDED_MAX: u32 = 400;

/// What head is, by a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Better, by more than is tolerated.
    Better,
    /// Worse, by more than is tolerated.
    Worse,
    /// Within the tolerance.
    Same,
    /// The pairs don't say.
    CantTell,
}

/// What the pairs say of one metric. Ratios are head ÷ base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The metric.
    pub metric: Metric,
    /// Does it decide?
    pub is_primary: bool,
    /// Share that is tolerated to either side.
    pub tolerance: f64,
    /// Pairs that have it.
    pub pairs: u32,
    /// Median of base; `null` without pairs.
    pub base_median: Option<f64>,
    /// Median of head.
    pub head_median: Option<f64>,
    /// Geometric mean of the ratios; `null` for fewer than two pairs, as all below.
    pub ratio: Option<f64>,
    /// Student's interval of the ratio.
    pub student: Option<Interval>,
    /// The bootstrap interval of the ratio.
    pub bootstrap: Option<Interval>,
    /// Standard deviation of the logarithms of the ratios: about the share by which one pair is off.
    pub spread: Option<f64>,
    /// Probability of so large a difference where there is none.
    pub p: Option<f64>,
    /// The same after Holm's correction for all secondary metrics; `null` for the primary one.
    pub p_holm: Option<f64>,
    /// The verdict.
    pub verdict: Verdict,
    /// How many pairs would tell, if difference and spread stay as they are; `null` if it is told already, or none up to
    /// [`NEEDED_MAX`] would.
    pub pairs_needed: Option<u32>,
}

/// A finding per watched metric, the primary one first.
#[must_use]
pub fn judge(settings: &Settings, pairs: &[Pair]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = settings.watched().map(|watched| measured(watched, pairs)).collect();
    let (primary, others) = findings.split_at_mut(1);
    primary.iter_mut().for_each(|finding| finding.is_primary = true);
    correct(others);
    for (finding, watched) in findings.iter_mut().zip(settings.watched()) {
        let logs = logs(watched.metric, pairs);
        finding.verdict = verdict(finding);
        if finding.verdict == Verdict::CantTell {
            finding.pairs_needed = pairs_needed(&logs, watched.tolerance);
        }
    }
    findings
}

fn logs(metric: Metric, pairs: &[Pair]) -> Vec<f64> {
    pairs.iter().filter_map(|pair| pair.log_ratio(metric)).collect()
}

fn measured(watched: &Watched, pairs: &[Pair]) -> Finding {
    let logs = logs(watched.metric, pairs);
    let runs = |side: fn(&super::Measured) -> &super::Run| {
        let usable = pairs.iter().filter(|pair| pair.log_ratio(watched.metric).is_some());
        let values = usable.filter_map(|pair| side(pair.measured.as_ref()?).values.get(&watched.metric).copied());
        median(values.collect())
    };
    let told = logs.len() >= 2;
    let of = |value: fn(&[f64]) -> f64| told.then(|| value(&logs));
    let interval = |of: fn(&[f64], f64) -> Interval| told.then(|| of(&logs, CONFIDENCE).map(f64::exp));
    Finding {
        metric: watched.metric,
        is_primary: false,
        tolerance: watched.tolerance,
        pairs: u32::try_from(logs.len()).unwrap_or(u32::MAX),
        base_median: runs(|measured| &measured.base),
        head_median: runs(|measured| &measured.head),
        ratio: of(mean).map(f64::exp),
        student: interval(student),
        bootstrap: interval(bootstrap),
        spread: of(spread),
        p: of(p_value),
        p_holm: None,
        verdict: Verdict::CantTell,
        pairs_needed: None,
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// Holm's correction: the smallest p counts for all, the next for all but one, and none for less than one before it.
fn correct(findings: &mut [Finding]) {
    let mut order: Vec<(usize, f64)> = findings
        .iter()
        .enumerate()
        .filter_map(|(index, finding)| Some((index, finding.p?)))
        .collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (count, mut least) = (order.len(), 0.0f64);
    for (rank, (index, p)) in order.into_iter().enumerate() {
        least = least.max(p * (count - rank) as f64).min(1.0);
        findings[index].p_holm = Some(least);
    }
}

fn verdict(finding: &Finding) -> Verdict {
    let (Some(student), Some(bootstrap)) = (finding.student, finding.bootstrap) else {
        return Verdict::CantTell;
    };
    if finding.pairs < PAIRS_MIN {
        return Verdict::CantTell;
    }
    let (low, high) = (1.0 / (1.0 + finding.tolerance), 1.0 + finding.tolerance);
    // Of the primary metric there is nothing to correct: its own interval is the test.
    let is_certain = finding.p_holm.is_none_or(|p| p < 1.0 - CONFIDENCE);
    let both = |is: &dyn Fn(Interval) -> bool| is(student) && is(bootstrap);
    let is_more = both(&|interval| interval.low > high);
    let is_less = both(&|interval| interval.high < low);
    if is_certain && (is_more || is_less) {
        return match is_more == finding.metric.is_better_higher() {
            true => Verdict::Better,
            false => Verdict::Worse,
        };
    }
    if both(&|interval| interval.low >= low && interval.high <= high) {
        return Verdict::Same;
    }
    Verdict::CantTell
}

/// The smallest even number of pairs, more than there are, at which Student's interval would settle it.
fn pairs_needed(logs: &[f64], tolerance: f64) -> Option<u32> {
    if logs.len() < 2 {
        return None;
    }
    let (difference, spread, tolerated) = (mean(logs).abs(), spread(logs), (1.0 + tolerance).ln());
    // Within it or beyond it, the interval must not reach the tolerance.
    let room = (difference - tolerated).abs();
    let from = u32::try_from(logs.len())
        .unwrap_or(u32::MAX)
        .saturating_add(1)
        .max(PAIRS_MIN);
    (from..=NEEDED_MAX).find(|count| count.is_multiple_of(2) && half_width(spread, *count as usize, CONFIDENCE) < room)
}
