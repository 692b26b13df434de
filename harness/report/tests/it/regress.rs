//! The page and texts of a comparison of two builds.

use std::collections::BTreeMap;

use crossover_evidence::regress::{
    Build, Measured, Metric, ModePairs, Pair, Regression, Run, SCHEMA_VERSION, Settings, Side, Watched, judge,
};
use crossover_report::{regress_html, regress_markdown, regress_progress, regress_terminal};

use crate::fixture;
use crate::html::{EVIL, assert_order};

/// What one pair is off by, in no order.
const NOISE: [f64; 10] = [0.01, -0.02, 0.015, 0.0, -0.01, 0.02, -0.015, 0.005, 0.012, -0.017];

/// Ten pairs in which head costs so many times what base does; dispatch varies ten times as much.
pub fn regression(times: f64) -> Regression {
    let watched = |metric, tolerance| Watched { metric, tolerance };
    let settings = Settings {
        scenario: "regress".to_owned(),
        modes: vec!["polling".to_owned()],
        pairs: 10,
        tries: 3,
        primary: watched(Metric::CpuMsPerJob, 0.05),
        secondary: vec![
            watched(Metric::DispatchMsP50, 0.1),
            watched(Metric::EngineMemoryMb, 0.1),
        ],
    };
    let run = |name: &str, number: u32, cpu: f64, dispatch: f64| Run {
        run: format!("pairs/polling/{number:02}/1-{name}/regress-polling"),
        values: BTreeMap::from([
            (Metric::CpuMsPerJob, cpu),
            (Metric::DispatchMsP50, dispatch),
            (Metric::EngineMemoryMb, 38.0),
        ]),
    };
    let pair = |(number, noise): (u32, f64)| Pair {
        number,
        first: Side::first_of(number),
        tries: 1,
        unusable: Vec::new(),
        measured: Some(Measured {
            base: run("base", number, 0.9, 2.0),
            head: run("head", number, 0.9 * times * (1.0 + noise), 2.0 * (1.0 + 10.0 * noise)),
        }),
    };
    let pairs: Vec<Pair> = (1..).zip(NOISE).map(pair).collect();
    let build = |name: &str, chosen: &str| Build {
        name: name.to_owned(),
        chosen: chosen.to_owned(),
        commit: Some(name.repeat(3)),
    };
    Regression {
        schema_version: SCHEMA_VERSION,
        id: "regress-regress-20261122T190000Z".to_owned(),
        scenario: "regress".to_owned(),
        title: "A short load for the comparison of two builds".to_owned(),
        command: "./just regress".to_owned(),
        started_at: "2026-11-22T19:00:00Z".to_owned(),
        base: build("0123456789ab", "merge base with main"),
        head: build("ba9876543210", "HEAD"),
        modes: vec![ModePairs {
            mode: "polling".to_owned(),
            findings: judge(&settings, &pairs),
            pairs,
        }],
        settings,
        testbed: Some(fixture::held().result.testbed),
        failed: Vec::new(),
        invalid_reasons: Vec::new(),
    }
}

#[test]
fn the_verdict_comes_first_then_every_metric_then_the_pairs_with_their_runs() {
    let worse = regression(1.15);
    let html = regress_html(&worse);
    assert_order(
        &html,
        &[
            "banner broken",
            "WORSE.",
            "beyond the tolerated 5 %",
            "<svg",
            "CPU per job (decides)",
            "<svg",
            "pairs/polling/01/1-base/regress-polling/report.html",
        ],
    );
    assert!(regress_html(&regression(1.0)).contains("banner held"));
    insta::assert_snapshot!("terminal_regress_worse", regress_terminal(&worse));
    insta::assert_snapshot!("markdown_regress_worse", regress_markdown(&worse));
}

#[test]
fn who_can_not_tell_says_how_many_pairs_would() {
    let unclear = regression(1.045);
    assert!(regress_html(&unclear).contains("banner degraded"));
    let text = regress_terminal(&unclear).replace('\n', " ");
    assert!(
        text.contains("CAN'T TELL") && text.contains("pairs would tell"),
        "{text}"
    );
}

#[test]
fn missing_pairs_broken_runs_and_invalid_numbers_are_told_at_the_top() {
    let mut sick = regression(1.0);
    sick.modes[0].pairs[2].measured = None;
    sick.modes[0].pairs[2].unusable = vec!["base: it is not valid: the generator was late".to_owned()];
    sick.modes[0].pairs.pop();
    sick.failed = vec!["polling, pair 4: failed: nothing-lost".to_owned()];
    sick.invalid_reasons = vec!["not all runs had the same machine".to_owned()];
    let html = regress_html(&sick);
    assert_order(
        &html,
        &[
            "banner invalid",
            "These numbers may not be used: not all runs had the same machine",
            "Head broke: polling, pair 4: failed: nothing-lost",
            "1 of 9 pairs are missing",
            "1 of 10 pairs have not run yet",
            "Runs that could not be used (1)",
        ],
    );
    let mut empty = regression(1.0);
    empty.modes[0].pairs.clear();
    empty.modes[0].findings.clear();
    let html = regress_html(&empty);
    assert!(html.contains("Polling: no pair came to its end"), "{html}");
    for text in [regress_terminal(&empty), regress_markdown(&empty)] {
        assert!(text.contains("No pair came to its end"), "{text}");
    }
}

#[test]
fn a_line_a_pair_says_what_is_known_so_far() {
    let line = regress_progress(&regression(1.15).modes[0], 10);
    assert!(
        line.starts_with("polling: pair 10 of 10: CPU per job +13.0 %; so far +15.0 % (95 %: "),
        "{line}"
    );
}

#[test]
fn lines_fit_a_terminal_and_text_from_outside_is_escaped() {
    let text = regress_terminal(&regression(1.15));
    let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 100).collect();
    assert!(long.is_empty(), "{long:#?}");
    let mut evil = regression(1.15);
    evil.title = EVIL.to_owned();
    evil.command = EVIL.to_owned();
    evil.base.chosen = EVIL.to_owned();
    evil.failed = vec![EVIL.to_owned()];
    evil.modes[0].pairs[0].unusable = vec![EVIL.to_owned()];
    let page = regress_html(&evil);
    assert!(!page.contains("<script>alert(1)") && !page.contains("<b onload"));
}
