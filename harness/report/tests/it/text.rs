//! The text outputs, as snapshots.

use crossover_report::{run_markdown, run_terminal, sweep_markdown, sweep_terminal};

use crate::fixture::{self, broken, event_driven, held, interrupted, invalid};
use crate::html::{findings, keys, sweep_page};

#[test]
fn a_run_in_the_terminal() {
    insta::assert_snapshot!("terminal_held", run_terminal(&held().result));
    insta::assert_snapshot!("terminal_event_driven", run_terminal(&event_driven().result));
    insta::assert_snapshot!("terminal_invalid", run_terminal(&invalid().result));
    insta::assert_snapshot!("terminal_interrupted", run_terminal(&interrupted().result));
    insta::assert_snapshot!("terminal_broken", run_terminal(&broken().result));
}

#[test]
fn a_run_in_a_pull_request() {
    insta::assert_snapshot!("markdown_held", run_markdown(&held().result));
    insta::assert_snapshot!("markdown_event_driven", run_markdown(&event_driven().result));
    insta::assert_snapshot!("markdown_interrupted", run_markdown(&interrupted().result));
    insta::assert_snapshot!("markdown_broken", run_markdown(&broken().result));
}

#[test]
fn a_sweep_as_text() {
    let (points, findings, keys) = (fixture::sweep_points(), findings(), keys());
    let page = sweep_page(&points, &findings, &keys);
    insta::assert_snapshot!("terminal_sweep", sweep_terminal(&page));
    insta::assert_snapshot!("markdown_sweep", sweep_markdown(&page));
}

#[test]
fn no_line_in_the_terminal_is_wider_than_100_columns() {
    let mut broken = broken().result;
    broken.run.scenario = "a very long name ".repeat(12);
    broken.checks[0].detail = "x".repeat(400);
    broken.checks[0].story.push("y".repeat(300));
    broken.phases[1].arrivals = "z".repeat(90);
    for text in [run_terminal(&broken), run_terminal(&held().result)] {
        let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(long.is_empty(), "{long:#?}");
        assert!(!text.contains('\u{1b}'));
    }
}
