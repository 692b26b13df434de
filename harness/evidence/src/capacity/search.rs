//! Which rate is tried next: doubling or halving until one holds and a higher one does not, then the geometric middle of
//! what is left, until the interval is narrow enough.
//!
//! Answers may be noisy. One that says nothing is asked for again, once, by a longer step; so are two that contradict each
//! other (a rate that held above one that did not). What stays contradictory or unknown widens the interval: its ends are
//! the highest rate that held with no failure at or below it, and the lowest failure with nothing that held at or above it.
//! The state is the list of steps, so a search that was broken off goes on from it.

use serde::{Deserialize, Serialize};

use super::{Interval, Step, StepVerdict};
use crate::text::measured;

/// How often one rate is tried.
const TRIES_MAX: usize = 2;
/// How many times as long a rate is tried again that said nothing. The interval of a slope narrows with the length to the power
/// of 1.5: to an eighth.
const LONGER: u32 = 4;

/// What a search is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The first rate (jobs per second).
    pub first_per_s: f64,
    /// From one rate to the next while no interval is known: more than 1.
    pub factor: f64,
    /// Width of the interval ÷ its lower end that is narrow enough.
    pub tolerance: f64,
    /// Most steps.
    pub steps_max: usize,
    /// Lowest rate that is tried (jobs per second).
    pub least_per_s: f64,
    /// Highest rate that is tried (jobs per second).
    pub most_per_s: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            first_per_s: 500.0,
            factor: 2.0,
            tolerance: 0.10,
            steps_max: 14,
            least_per_s: 10.0,
            most_per_s: 100_000.0,
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Run a step at this rate (jobs per second).
    Try(f64),
    /// The search is over, and why.
    Done(String),
}

/// What all tries of one rate together say.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rate {
    per_s: f64,
    verdict: StepVerdict,
    tries: usize,
    by_harness: bool,
}

/// From the highest rate known to hold to the lowest known not to.
#[must_use]
pub fn interval(steps: &[Step]) -> Interval {
    bounds(&rates(steps))
}

/// What comes after these steps.
#[must_use]
pub fn next(settings: &Settings, steps: &[Step]) -> Next {
    let rates = rates(steps);
    if rates.is_empty() {
        return Next::Try(settings.first_per_s.clamp(settings.least_per_s, settings.most_per_s));
    }
    if steps.len() >= settings.steps_max {
        return Next::Done(format!("all {} steps were used up", settings.steps_max));
    }
    if let Some(rate) = asked_again(&rates) {
        return Next::Try(rate);
    }
    let Interval { low, high } = bounds(&rates);
    let ceiling = rates
        .iter()
        .filter(|rate| rate.by_harness)
        .map(|rate| rate.per_s)
        .reduce(f64::min);
    match (low, high.or(ceiling)) {
        (Some(low), None) => outward(low, settings.factor, settings, &rates),
        (None, Some(high)) => outward(high, 1.0 / settings.factor, settings, &rates),
        (Some(low), Some(end)) => inward(low, end, high.is_none(), settings, &rates),
        (None, None) => outward_of_unknown(settings, &rates),
    }
}

/// How many times as long as the scenario has it the next try of a rate is to be. Nobody waits longer for a load generator that
/// was late: it would be late again.
#[must_use]
pub fn length(steps: &[Step], rate_per_s: f64) -> u32 {
    let said_nothing = |step: &Step| {
        same(step.rate_per_s, rate_per_s) && step.verdict == StepVerdict::Unknown && !step.limited_by_harness
    };
    if steps.iter().any(said_nothing) { LONGER } else { 1 }
}

/// Each rate once, ascending; tries that disagree make it unknown.
fn rates(steps: &[Step]) -> Vec<Rate> {
    let mut rates: Vec<Rate> = Vec::new();
    for step in steps {
        let found = rates.iter_mut().find(|rate| same(rate.per_s, step.rate_per_s));
        let Some(rate) = found else {
            rates.push(Rate {
                per_s: step.rate_per_s,
                verdict: step.verdict,
                tries: 1,
                by_harness: step.limited_by_harness,
            });
            continue;
        };
        rate.tries += 1;
        rate.verdict = match (rate.verdict, step.verdict) {
            (StepVerdict::Unknown, second) if rate.tries == TRIES_MAX => second,
            (first, second) if first == second => first,
            _ => StepVerdict::Unknown,
        };
        // Once in time is enough.
        rate.by_harness &= step.limited_by_harness;
    }
    rates.sort_by(|a, b| a.per_s.total_cmp(&b.per_s));
    rates
}

/// Rates are kept as decimal text, so they need not be the same to the last bit.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.max(b)
}

fn of(rates: &[Rate], verdict: StepVerdict) -> impl DoubleEndedIterator<Item = &Rate> {
    rates.iter().filter(move |rate| rate.verdict == verdict)
}

fn bounds(rates: &[Rate]) -> Interval {
    let lowest_failure = of(rates, StepVerdict::DidNotHold).next().map(|rate| rate.per_s);
    let highest_hold = of(rates, StepVerdict::Held).next_back().map(|rate| rate.per_s);
    let below = |rate: &&Rate| lowest_failure.is_none_or(|failure| rate.per_s < failure);
    let above = |rate: &&Rate| highest_hold.is_none_or(|hold| rate.per_s > hold);
    Interval {
        low: of(rates, StepVerdict::Held).rfind(below).map(|rate| rate.per_s),
        high: of(rates, StepVerdict::DidNotHold).find(above).map(|rate| rate.per_s),
    }
}

/// A rate whose answer is unknown, or one of two that contradict each other: the failure first, since noise makes those.
fn asked_again(rates: &[Rate]) -> Option<f64> {
    let may = |rate: &&Rate| rate.tries < TRIES_MAX;
    let unknown = of(rates, StepVerdict::Unknown).find(may);
    let failure = of(rates, StepVerdict::DidNotHold).next();
    let hold = of(rates, StepVerdict::Held).next_back();
    let contradict = failure.zip(hold).filter(|(failure, hold)| failure.per_s < hold.per_s);
    let either = contradict.and_then(|(failure, hold)| [failure, hold].into_iter().find(may));
    unknown.or(either).map(|rate| rate.per_s)
}

/// Further up or down from the last known end.
fn outward(from: f64, factor: f64, settings: &Settings, rates: &[Rate]) -> Next {
    let (least, most) = (settings.least_per_s, settings.most_per_s);
    let mut rate = rounded((from * factor).clamp(least, most));
    // Past those that say nothing.
    while rates.iter().any(|known| same(known.per_s, rate)) {
        let further = rounded((rate * factor).clamp(least, most));
        if same(further, rate) {
            let (what, end) = if factor > 1.0 {
                ("highest", most)
            } else {
                ("lowest", least)
            };
            let end = measured(end);
            return Next::Done(format!("{end} jobs/s is the {what} rate that is tried"));
        }
        rate = further;
    }
    Next::Try(rate)
}

/// Nothing is known of any rate that was tried: look below, where there is less noise.
fn outward_of_unknown(settings: &Settings, rates: &[Rate]) -> Next {
    let lowest = rates.first().map_or(settings.first_per_s, |rate| rate.per_s);
    outward(lowest, 1.0 / settings.factor, settings, rates)
}

/// The middle of the widest gap between rates that were tried.
fn inward(low: f64, end: f64, by_harness: bool, settings: &Settings, rates: &[Rate]) -> Next {
    let inside = rates
        .iter()
        .map(|rate| rate.per_s)
        .filter(|rate| *rate >= low && *rate <= end);
    let marks: Vec<f64> = inside.collect();
    let widest = marks
        .windows(2)
        .map(|pair| (pair[0], pair[1]))
        .max_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
    let told = if by_harness {
        "the load generator was late at the higher end: what holds above it can't be measured here"
    } else if end / low - 1.0 > settings.tolerance {
        "the answers within the interval stayed unknown or contradictory: noise is wider than the tolerance"
    } else {
        "the interval is as narrow as was asked for"
    };
    match widest {
        Some((below, above)) if above / below - 1.0 > settings.tolerance => {
            let middle = rounded((below * above).sqrt());
            if same(middle, below) || same(middle, above) {
                return Next::Done(told.to_owned());
            }
            Next::Try(middle)
        }
        _ => Next::Done(told.to_owned()),
    }
}

/// Three significant digits: a rate that can be said.
fn rounded(rate: f64) -> f64 {
    let unit = 10f64.powf(rate.log10().floor() - 2.0);
    let rounded = (rate / unit).round() * unit;
    // Rids it of its last bits.
    (rounded * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests;
