//! The search, put to oracles: exact, noisy, and with a late generator.

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
fn what_said_nothing_is_tried_again_for_longer_unless_the_generator_was_late() {
    let mut late = step(400.0, StepVerdict::Unknown);
    late.limited_by_harness = true;
    let steps = [step(200.0, StepVerdict::Held), step(300.0, StepVerdict::Unknown), late];
    assert_eq!(next(&SETTINGS, &steps), Next::Try(300.0));
    let lengths = [200.0, 300.0, 400.0, 500.0].map(|rate| length(&steps, rate));
    assert_eq!(lengths, [1, LONGER, 1, 1]);
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
    assert!(why.contains("100,000 jobs/s is the highest"), "{why}");
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
