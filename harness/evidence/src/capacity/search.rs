//! Which rate is tried next: doubling or halving until one holds and a higher one does not, then the geometric middle of
//! what is left, until the interval is narrow enough.
//!
//! Answers may be noisy. One that says nothing is asked for again, once; so are two that contradict each other (a rate
//! that held above one that did not). What stays contradictory or unknown widens the interval: its ends are the highest
//! rate that held with no failure at or below it, and the lowest failure with nothing that held at or above it.
//! The state is the list of steps, so a search that was broken off goes on from it.

use serde::{Deserialize, Serialize};

use super::{Interval, Step, StepVerdict};

/// How often one rate is tried.
const TRIES_MAX: usize = 2;

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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: Settings = Settings {
        first_per_s: 500.0,
        factor: 2.0,
        tolerance: 0.10,
        steps_max: 30,
        least_per_s: 10.0,
        most_per_s: 100_000.0,
    };

    fn step(rate_per_s: f64, verdict: StepVerdict) -> Step {
        Step {
            rate_per_s,
            verdict,
            why: Vec::new(),
            slope_per_s: None,
            achieved_ratio: None,
            drain_s: None,
            p50_ms: None,
            p99_ms: None,
            host_cpu_share: None,
            limited_by_harness: false,
            failed_checks: Vec::new(),
            run: String::new(),
        }
    }

    /// Asks the oracle until the search is over.
    fn searched(settings: &Settings, mut oracle: impl FnMut(f64) -> Step) -> (Vec<Step>, String) {
        let mut steps = Vec::new();
        loop {
            match next(settings, &steps) {
                Next::Try(rate) => steps.push(oracle(rate)),
                Next::Done(why) => return (steps, why),
            }
        }
    }

    fn exact(capacity: f64) -> impl Fn(f64) -> Step {
        move |rate| {
            let holds = rate <= capacity;
            step(
                rate,
                if holds {
                    StepVerdict::Held
                } else {
                    StepVerdict::DidNotHold
                },
            )
        }
    }

    #[test]
    fn a_capacity_above_or_below_the_first_rate_is_found_in_few_steps() {
        for capacity in [101.0, 499.0, 500.0, 7_777.0] {
            let (steps, why) = searched(&SETTINGS, exact(capacity));
            let found = interval(&steps);
            assert!(
                found.low.unwrap() <= capacity && capacity < found.high.unwrap(),
                "{found:?}"
            );
            assert!(found.high.unwrap() / found.low.unwrap() <= 1.101, "{found:?}");
            assert!(
                steps.len() <= 9 && why.contains("narrow"),
                "{} steps: {why}",
                steps.len()
            );
        }
    }

    #[test]
    fn where_all_or_nothing_holds_the_interval_is_open_and_says_so() {
        let (steps, why) = searched(&SETTINGS, exact(1e9));
        assert_eq!(
            interval(&steps),
            Interval {
                low: Some(100_000.0),
                high: None
            }
        );
        assert!(why.contains("100000 jobs/s is the highest"), "{why}");
        let (steps, why) = searched(&SETTINGS, exact(0.0));
        assert_eq!(
            interval(&steps),
            Interval {
                low: None,
                high: Some(10.0)
            }
        );
        assert!(why.contains("10 jobs/s is the lowest"), "{why}");
    }

    #[test]
    fn a_failure_below_a_rate_that_held_is_tried_again_and_forgotten_if_it_was_noise() {
        let mut tries = 0;
        let (steps, _) = searched(&SETTINGS, |rate| {
            tries += 1;
            // One hiccup at the third step.
            if tries == 3 {
                step(rate, StepVerdict::DidNotHold)
            } else {
                exact(7_777.0)(rate)
            }
        });
        let found = interval(&steps);
        assert!(found.low.unwrap() <= 7_777.0, "{found:?}");
        // 2,000 did not hold at first: what lies below it must not be the answer without a second look.
        assert!(found.high.is_none_or(|high| high > 1_000.0), "{found:?}");
    }

    #[test]
    fn answers_that_stay_contradictory_widen_the_interval() {
        let odd = [
            step(1_000.0, StepVerdict::Held),
            step(2_000.0, StepVerdict::DidNotHold),
            step(2_000.0, StepVerdict::DidNotHold),
            step(4_000.0, StepVerdict::Held),
            step(4_000.0, StepVerdict::Held),
            step(8_000.0, StepVerdict::DidNotHold),
        ];
        assert_eq!(
            interval(&odd),
            Interval {
                low: Some(1_000.0),
                high: Some(8_000.0)
            }
        );
    }

    #[test]
    fn an_unknown_answer_is_asked_for_once_more_and_then_worked_around() {
        let (steps, why) = searched(&SETTINGS, |rate| {
            if (900.0..1_500.0).contains(&rate) {
                step(rate, StepVerdict::Unknown)
            } else {
                exact(1_200.0)(rate)
            }
        });
        let found = interval(&steps);
        assert!(
            found.low.unwrap() < 900.0 + 1.0 && found.high.unwrap() >= 1_500.0,
            "{found:?}"
        );
        assert!(why.contains("noise is wider"), "{why}");
        assert!(rates(&steps).iter().all(|rate| rate.tries <= TRIES_MAX));
    }

    #[test]
    fn where_the_generator_is_late_the_interval_has_no_upper_end() {
        let (steps, why) = searched(&SETTINGS, |rate| Step {
            limited_by_harness: rate > 3_000.0,
            ..step(
                rate,
                if rate > 3_000.0 {
                    StepVerdict::Unknown
                } else {
                    StepVerdict::Held
                },
            )
        });
        let found = interval(&steps);
        assert!(found.high.is_none() && found.low.unwrap() > 2_600.0, "{found:?}");
        assert!(why.contains("generator was late"), "{why}");
    }

    #[test]
    fn rates_can_be_said() {
        assert_eq!(rounded(1_234.567), 1_230.0);
        assert_eq!(rounded(70.710_678), 70.7);
    }

    proptest! {
        /// Within 10 % of the capacity the oracle answers as it likes; beyond it is right.
        #[test]
        fn noise_near_the_capacity_never_makes_the_interval_lie(
            capacity in 20.0f64..50_000.0,
            first in 20.0f64..50_000.0,
            answers in prop::collection::vec(0u8..3, 40),
        ) {
            let settings = Settings { first_per_s: first, ..SETTINGS };
            let mut answers = answers.into_iter();
            let (steps, _) = searched(&settings, |rate| {
                if (rate / capacity).ln().abs() > 0.1 {
                    return exact(capacity)(rate);
                }
                let verdicts = [StepVerdict::Held, StepVerdict::DidNotHold, StepVerdict::Unknown];
                step(rate, verdicts[usize::from(answers.next().unwrap_or(2))])
            });
            prop_assert!(steps.len() <= settings.steps_max);
            let found = interval(&steps);
            let (low, high) = (found.low.unwrap(), found.high.unwrap());
            prop_assert!(low < high, "{low} to {high}");
            prop_assert!(low <= capacity * 1.11 && high >= capacity / 1.11, "{low} to {high} for {capacity}");
            // Noise of ±10 % can widen it, by about as much and one tolerance to each side.
            prop_assert!(high / low < 1.5, "{low} to {high}");
        }

        #[test]
        fn a_search_that_is_broken_off_goes_on_where_it_was(capacity in 20.0f64..50_000.0, broken_at in 1usize..8) {
            let (steps, _) = searched(&SETTINGS, exact(capacity));
            let so_far = &steps[..broken_at.min(steps.len() - 1)];
            prop_assert_eq!(next(&SETTINGS, so_far), Next::Try(steps[so_far.len()].rate_per_s));
        }
    }
}
