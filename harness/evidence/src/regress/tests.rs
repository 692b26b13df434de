//! Planted differences and none: every verdict, Holm's correction, the number of pairs that would tell; and recorded pairs of one
//! build against itself, which must raise no alarm, with a difference planted, which must be found.

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::*;
use crate::arrivals::uniform;

const PRIMARY: Metric = Metric::CpuMsPerJob;

fn settings(tolerance: f64, secondary: &[Metric]) -> Settings {
    let watched = |metric: Metric| Watched { metric, tolerance };
    Settings {
        scenario: "regress".to_owned(),
        modes: vec!["polling".to_owned()],
        pairs: 8,
        tries: 3,
        primary: watched(PRIMARY),
        secondary: secondary.iter().copied().map(watched).collect(),
    }
}

/// Pairs by their ln(head ÷ base), the same for all of these metrics but for a factor on each.
fn pairs_of(logs: &[f64], metrics: &[(Metric, f64)]) -> Vec<Pair> {
    let run = |log: f64| Run {
        run: String::new(),
        values: metrics
            .iter()
            .map(|(metric, times)| (*metric, (log * times).exp()))
            .collect(),
    };
    let pair = |(number, log): (u32, &f64)| Pair {
        number,
        first: Side::first_of(number),
        tries: 1,
        unusable: Vec::new(),
        measured: Some(Measured {
            base: run(0.0),
            head: run(*log),
        }),
    };
    (1..).zip(logs).map(pair).collect()
}

fn primary(logs: &[f64], tolerance: f64) -> Finding {
    judge(&settings(tolerance, &[]), &pairs_of(logs, &[(PRIMARY, 1.0)])).remove(0)
}

/// As good as normal: twelve uniform draws, added up.
fn bell(random: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| uniform(random)).sum::<f64>() - 6.0
}

/// So many log-ratios with exactly this mean and spread, in an order and shape that the seed draws.
fn scattered(middle: f64, spread: f64, count: usize, seed: u64) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let drawn: Vec<f64> = (0..count).map(|_| bell(&mut random)).collect();
    let (mean, own) = (super::interval::mean(&drawn), super::interval::spread(&drawn));
    drawn
        .iter()
        .map(|value| middle + spread * (value - mean) / own)
        .collect()
}

#[test]
fn pairs_turn_round() {
    let firsts: Vec<&str> = (1..=4).map(|number| Side::first_of(number).name()).collect();
    assert_eq!(firsts, ["base", "head", "base", "head"]);
}

#[test]
fn each_verdict_has_its_difference() {
    let verdict = |middle: f64, spread| primary(&scattered(middle, spread, 10, 7), 0.05).verdict;
    assert_eq!(verdict(0.14, 0.02), Verdict::Worse);
    assert_eq!(verdict(-0.14, 0.02), Verdict::Better);
    assert_eq!(verdict(0.0, 0.02), Verdict::Same);
    // Certain, and tolerated.
    assert_eq!(verdict(0.02, 0.005), Verdict::Same);
    // As likely tolerated as not.
    assert_eq!(verdict(0.04, 0.03), Verdict::CantTell);
    // Certainly a change, and perhaps a tolerated one.
    assert_eq!(verdict(0.06, 0.03), Verdict::CantTell);
    // Far off in the mean, and nothing but noise.
    assert_eq!(verdict(0.10, 0.50), Verdict::CantTell);
}

#[test]
fn of_what_is_better_higher_more_is_better() {
    let logs = scattered(0.14, 0.02, 10, 7);
    let mut settings = settings(0.05, &[]);
    settings.primary.metric = Metric::CapacityPerS;
    let more = judge(&settings, &pairs_of(&logs, &[(Metric::CapacityPerS, 1.0)]));
    let less = judge(&settings, &pairs_of(&logs, &[(Metric::CapacityPerS, -1.0)]));
    assert_eq!((more[0].verdict, less[0].verdict), (Verdict::Better, Verdict::Worse));
}

#[test]
fn seven_pairs_tell_nothing_and_missing_ones_do_not_count() {
    let logs = scattered(0.3, 0.01, 8, 7);
    assert_eq!(primary(&logs, 0.05).verdict, Verdict::Worse);
    let mut pairs = pairs_of(&logs, &[(PRIMARY, 1.0)]);
    pairs[3].measured = None;
    let finding = judge(&settings(0.05, &[]), &pairs).remove(0);
    assert_eq!((finding.pairs, finding.verdict), (7, Verdict::CantTell));
    assert_eq!(finding.pairs_needed, Some(8));
    let none = judge(&settings(0.05, &[]), &[]).remove(0);
    assert_eq!(
        (none.verdict, none.ratio, none.pairs_needed),
        (Verdict::CantTell, None, None)
    );
}

#[test]
fn a_ratio_is_that_of_the_means_of_logarithms_and_lies_within_its_intervals() {
    let finding = primary(&scattered(0.10, 0.03, 12, 3), 0.05);
    let ratio = finding.ratio.unwrap();
    assert!((1.06..1.15).contains(&ratio), "{finding:?}");
    for interval in [finding.student.unwrap(), finding.bootstrap.unwrap()] {
        assert!(interval.low < ratio && ratio < interval.high, "{finding:?}");
    }
    assert!((0.015..0.05).contains(&finding.spread.unwrap()), "{finding:?}");
    // The median of base is 1 by the way in which it was planted.
    assert_eq!(finding.base_median, Some(1.0));
}

#[test]
fn the_number_of_pairs_that_is_said_to_tell_tells() {
    // Same spread and mean, drawn out to more pairs: each value again, as often as it takes.
    let logs = scattered(0.02, 0.06, 8, 11);
    let finding = primary(&logs, 0.05);
    assert_eq!(finding.verdict, Verdict::CantTell);
    let needed = finding.pairs_needed.unwrap() as usize;
    assert!(needed > 8 && needed.is_multiple_of(2), "{needed}");
    let more: Vec<f64> = logs.iter().copied().cycle().take(needed.next_multiple_of(8)).collect();
    assert_eq!(
        primary(&more, 0.05).verdict,
        Verdict::Same,
        "{needed}: {:?}",
        primary(&more, 0.05)
    );
    // Where the difference is the tolerance itself, none does.
    let at_it = primary(&scattered(1.05f64.ln(), 0.1, 8, 3), 0.05);
    assert_eq!((at_it.verdict, at_it.pairs_needed), (Verdict::CantTell, None));
}

#[test]
fn holm_asks_more_of_each_metric_the_more_there_are_and_nothing_of_the_primary_one() {
    // So little is tolerated that the correction alone is in the way.
    let logs = scattered(0.10, 0.12, 10, 2);
    let metrics = [
        (PRIMARY, 1.0),
        (Metric::DispatchMsP50, 1.0),
        (Metric::DispatchMsP99, 1.0),
        (Metric::CompletionMsP50, 1.0),
        (Metric::EngineMemoryMb, 0.0),
    ];
    let secondary: Vec<Metric> = metrics[1..].iter().map(|(metric, _)| *metric).collect();
    let findings = judge(&settings(0.001, &secondary), &pairs_of(&logs, &metrics));
    let p = findings[0].p.unwrap();
    assert!(
        (0.0125..0.05).contains(&p),
        "to be settled alone and not among four: {p}"
    );
    assert_eq!((findings[0].verdict, findings[0].p_holm), (Verdict::Worse, None));
    // Three have the smallest p: the first counts for four, and none behind it for less.
    for finding in &findings[1..4] {
        assert!((finding.p_holm.unwrap() - 4.0 * p).abs() < 1e-9, "{finding:?}");
        assert_eq!(finding.verdict, Verdict::CantTell);
    }
    assert_eq!((findings[4].p_holm, findings[4].verdict), (Some(1.0), Verdict::Same));
    // Alone, it needs no correction.
    let alone = judge(&settings(0.001, &secondary[..1]), &pairs_of(&logs, &metrics));
    assert_eq!((alone[1].p_holm, alone[1].verdict), (Some(p), Verdict::Worse));
}

#[test]
fn settings_that_make_no_sense_are_refused_with_their_place() {
    let good = settings(0.05, &[Metric::DispatchMsP50]);
    assert!(good.validate().is_ok());
    let refused = |change: fn(&mut Settings)| {
        let mut bad = good.clone();
        change(&mut bad);
        bad.validate().unwrap_err().to_string()
    };
    for (change, expected) in [
        (
            (|bad| bad.modes.clear()) as fn(&mut Settings),
            "modes: found none; allowed are polling, event-driven",
        ),
        (
            |bad| bad.modes = vec!["poll".to_owned()],
            "modes[0]: found \"poll\"; allowed are polling, event-driven",
        ),
        (
            |bad| bad.modes.push("polling".to_owned()),
            "modes[1]: found \"polling\" again; leave one out",
        ),
        (
            |bad| bad.pairs = 6,
            "pairs: found 6; allowed are even numbers from 8 to 200",
        ),
        (
            |bad| bad.pairs = 9,
            "pairs: found 9; allowed are even numbers from 8 to 200",
        ),
        (|bad| bad.tries = 0, "tries: found 0; allowed are 1 to 10"),
        (
            |bad| bad.primary.tolerance = 0.0,
            "primary.tolerance: found 0; allowed is more than 0, up to 1",
        ),
        (
            |bad| bad.primary.tolerance = f64::NAN,
            "primary.tolerance: found NaN; allowed is more than 0, up to 1",
        ),
        (
            |bad| bad.secondary[0].metric = PRIMARY,
            "secondary[0].metric: found \"cpu_ms_per_job\" again; leave one out",
        ),
    ] {
        assert_eq!(refused(change), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn turned_round_what_was_worse_is_better(middle in -0.3..0.3, spread in 0.001..0.2, count in 8usize..24, seed: u64) {
        let logs = scattered(middle, spread, count, seed);
        let turned: Vec<f64> = logs.iter().map(|log| -log).collect();
        let (one, other) = (primary(&logs, 0.05), primary(&turned, 0.05));
        prop_assert!((one.ratio.unwrap() * other.ratio.unwrap() - 1.0).abs() < 1e-9);
        prop_assert!((one.p.unwrap() - other.p.unwrap()).abs() < 1e-9);
        let opposite = match one.verdict {
            Verdict::Worse => Verdict::Better,
            Verdict::Better => Verdict::Worse,
            same => same,
        };
        // At the very edge the resampling may fall to the other side.
        let both = [one.verdict, other.verdict];
        prop_assert!(opposite == other.verdict || both.contains(&Verdict::CantTell), "{one:?} {other:?}");
    }

    #[test]
    fn what_is_worse_is_beyond_the_tolerance_and_what_is_the_same_is_within(
        middle in -0.3..0.3, spread in 0.001..0.2, count in 8usize..24, seed: u64, tolerance in 0.01..0.2,
    ) {
        let finding = primary(&scattered(middle, spread, count, seed), tolerance);
        let (ratio, student) = (finding.ratio.unwrap(), finding.student.unwrap());
        match finding.verdict {
            Verdict::Worse => prop_assert!(ratio > 1.0 + tolerance && student.low > 1.0 + tolerance),
            Verdict::Better => prop_assert!(ratio < 1.0 / (1.0 + tolerance) && student.high < 1.0 / (1.0 + tolerance)),
            Verdict::Same => prop_assert!(student.high <= 1.0 + tolerance && student.low >= 1.0 / (1.0 + tolerance)),
            Verdict::CantTell => prop_assert!(finding.pairs_needed.is_none_or(|needed| needed as usize > count)),
        }
    }
}

/// Pairs of one build against itself.
#[derive(serde::Deserialize)]
struct Recorded {
    pairs: Vec<Pair>,
}

/// Recorded once, by `./just regress HEAD --pairs 24`; the file says where.
fn recorded() -> Vec<Pair> {
    let recorded: Recorded = serde_json::from_str(include_str!("aa-pairs.json")).unwrap();
    assert_eq!(recorded.pairs.len(), 24);
    recorded.pairs
}

/// The recorded ln(head ÷ base), with labels turned round where the pattern says so, in every contiguous window of eight, ten, … pairs.
fn windows(turned: impl Fn(usize) -> bool) -> Vec<Vec<f64>> {
    let logs = recorded().into_iter().map(|pair| pair.log_ratio(PRIMARY).unwrap());
    let logs: Vec<f64> = logs
        .enumerate()
        .map(|(index, log)| if turned(index) { -log } else { log })
        .collect();
    let lengths = (8..=logs.len()).step_by(2);
    lengths
        .flat_map(|length| logs.windows(length).map(<[f64]>::to_vec))
        .collect()
}

#[test]
fn one_build_against_itself_raises_no_alarm() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let drawn: Vec<Vec<bool>> = (0..2)
        .map(|_| (0..24).map(|_| uniform(&mut random) < 0.5).collect())
        .collect();
    // All labels turned round give the same with the other sign: a property above.
    let mut all = [windows(|_| false), windows(|index| index % 2 == 0)].concat();
    all.extend(drawn.iter().flat_map(|turned| windows(|index| turned[index])));
    assert_eq!(all.len(), 4 * 81);
    let findings: Vec<Finding> = all.iter().map(|logs| primary(logs, 0.05)).collect();
    let share = |is: fn(&Finding) -> bool| findings.iter().filter(|finding| is(finding)).count() as f64 / 324.0;
    let alarms = share(|finding| matches!(finding.verdict, Verdict::Worse | Verdict::Better));
    assert!(alarms <= 0.05, "{alarms}");
    // Also if nothing were tolerated: the statistics keep quiet, and not the tolerance alone.
    let alarms = share(|finding| {
        let intervals = [finding.student.unwrap(), finding.bootstrap.unwrap()];
        intervals.iter().all(|interval| interval.low > 1.0) || intervals.iter().all(|interval| interval.high < 1.0)
    });
    assert!(alarms <= 0.05, "{alarms}");
}

#[test]
fn a_plant_of_15_per_cent_is_found_and_one_of_3_is_not_worse() {
    let (mut found, mut all) = (0, 0);
    for window in [windows(|_| false), windows(|_| true)].concat() {
        let planted = |times: f64| -> Vec<f64> { window.iter().map(|log| log + times.ln()).collect() };
        let finding = primary(&planted(1.15), 0.05);
        // With as many pairs as are usual, always; eight with a wide spread may ask for more.
        assert!(
            finding.verdict == Verdict::Worse || window.len() == 8 && finding.pairs_needed.is_some(),
            "{finding:?}"
        );
        found += usize::from(finding.verdict == Verdict::Worse);
        all += 1;
        let tolerated = primary(&planted(1.03), 0.05);
        assert!(
            matches!(tolerated.verdict, Verdict::Same | Verdict::CantTell),
            "{tolerated:?}"
        );
    }
    assert!(100 * found >= 95 * all, "{found} of {all}");
}
