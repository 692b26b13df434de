//! The comparison: order of the page, sentences that claim no more than the numbers, nothing from outside unescaped.

use crossover_evidence::result::{ClaimVerdict, FaultInfo, Verdict};
use crossover_report::{compare_html, compare_markdown, compare_terminal};

use crate::fixture::{self, Compared, compared};
use crate::html::{EVIL, assert_order};

/// The event-driven run lost two jobs.
pub fn broken() -> Compared {
    let mut compared = compared();
    let result = &mut compared.event.result;
    result.ledger.lost = Some(2);
    result.ledger.completed -= 2;
    result.checks[0] = fixture::broken().result.checks.remove(0);
    compared.comparison.claims[4].verdict = ClaimVerdict::Refuted;
    compared
}

#[test]
fn a_comparison_stands_in_the_readers_order() {
    let page = compare_html(&compared().page());
    assert_order(
        &page,
        &[
            "class=\"banner both held\"",
            "BOTH HELD.",
            "href=\"polling/report.html\"",
            "href=\"event-driven/report.html\"",
            "class=\"versus",
            "at rest",
            "single",
            "id=\"checks\"",
            "id=\"figures\"",
            "id=\"claims\"",
            "C01",
            "C18",
            "id=\"over-time\"",
            "data-chart=\"p99\"",
            "data-chart=\"p50\"",
            "data-chart=\"throughput\"",
            "data-chart=\"queues\"",
            "data-chart=\"lock-waits\"",
            "data-chart=\"cpu\"",
            "id=\"where-the-time-goes\"",
            "“committed → claimed” dominates: 93.8 %",
            "No hop dominates; the longest is",
            "id=\"cost\"",
            "id=\"idle\"",
            "id=\"faults\"",
            "id=\"plan\"",
            "id=\"topology\"",
            "id=\"testbed\"",
            "id=\"instrument\"",
            "id=\"scenario\"",
            "id=\"repeat\"",
        ],
    );
}

#[test]
fn a_fault_of_both_runs_is_one_shade_and_one_of_a_single_run_names_it() {
    let page = compare_html(&compared().page());
    assert!(page.contains("kill · broker:1 (event-driven)"));
    assert!(page.contains("kill · postgres\n") && !page.contains("kill · postgres ("));
}

#[test]
fn the_run_that_broke_is_named_first() {
    let page = compare_html(&broken().page());
    assert_order(
        &page,
        &[
            "class=\"banner both broken\"",
            "POLLING HELD, EVENT-DRIVEN BROKEN.",
            "(2 lost, 0 double effects)",
            "Event-driven: The check “nothing lost” failed",
            "class=\"story",
        ],
    );
}

#[test]
fn runs_of_other_plans_are_not_compared() {
    let mut compared = compared();
    compared.event.result.run.seed = 43;
    let page = compare_html(&compared.page());
    assert_order(
        &page,
        &[
            "<body class=\"invalid\"",
            "NOT COMPARABLE.",
            "Not comparable: the seed is 42",
            "43",
        ],
    );
}

#[test]
fn a_run_that_is_invalid_or_was_broken_off_yields_no_finding() {
    let mut invalid = compared();
    (invalid.event.result.run.valid, invalid.event.result.run.invalid_reasons) = (false, vec!["a debug build".into()]);
    let mut cut = compared();
    cut.polling.result.run.interrupted = true;
    for (compared, why) in [
        (invalid, "Event-driven: Its numbers cannot be used: a debug build."),
        (cut, "Polling: Interrupted after"),
    ] {
        let text = compare_terminal(&compared.page());
        assert!(
            text.contains(why) && !text.contains("sooner") && !text.contains("At rest"),
            "{text}"
        );
    }
}

#[test]
fn a_small_difference_is_not_called_one() {
    let mut compared = compared();
    for (phase, of) in compared
        .event
        .result
        .phases
        .iter_mut()
        .zip(&compared.polling.result.phases)
    {
        phase.latency_ms.dispatch.p50 = of.latency_ms.dispatch.p50.map(|value| value * 1.08);
        phase.latency_ms.dispatch.p99 = of.latency_ms.dispatch.p99.map(|value| value * 0.93);
    }
    let text = compare_terminal(&compared.page());
    assert!(
        text.contains("Neither was clearly sooner in single") && !text.contains("dispatched sooner"),
        "{text}"
    );
}

#[test]
fn a_mode_whose_p99_was_not_reached_is_not_sooner() {
    let mut compared = compared();
    for phase in &mut compared.event.result.phases {
        let dispatch = &mut phase.latency_ms.dispatch;
        (dispatch.p99, dispatch.censored) = (None, 12);
    }
    let text = compare_terminal(&compared.page());
    assert!(
        text.contains("not reached") && !text.contains("Event-driven dispatched sooner"),
        "{text}"
    );
}

/// The text with its lines joined.
fn unwrapped(compared: &Compared) -> String {
    let text = compare_terminal(&compared.page());
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_percentile_that_neither_mode_reached_is_not_called_the_same() {
    let mut compared = compared();
    for fixture in [&mut compared.polling, &mut compared.event] {
        for phase in &mut fixture.result.phases {
            let dispatch = &mut phase.latency_ms.dispatch;
            (dispatch.p99, dispatch.censored) = (None, 12);
        }
    }
    let text = unwrapped(&compared);
    assert!(
        text.contains("its p99 not reached in either mode") && !text.contains("about the same"),
        "{text}"
    );
}

#[test]
fn phases_without_a_sample_are_not_compared() {
    let mut compared = compared();
    for phase in &mut compared.polling.result.phases {
        phase.latency_ms = Default::default();
    }
    let text = unwrapped(&compared);
    assert!(!text.contains("sooner") && !text.contains("about the same"), "{text}");
}

#[test]
fn a_server_that_was_broken_twice_has_both_times_told() {
    let mut compared = compared();
    for fixture in [&mut compared.polling, &mut compared.event] {
        let faults = &mut fixture.result.faults;
        let mut again = faults.last().unwrap().clone();
        (again.starts_intended, again.starts_accepted, again.recovery_s) = (200, 100, None);
        faults.push(again);
    }
    let text = unwrapped(&compared);
    assert!(
        text.contains("; then accepted 50 % of 200 starts, not seen back to normal; event-driven accepted"),
        "{text}"
    );
}

#[test]
fn text_from_outside_is_escaped_in_a_comparison() {
    let mut compared = compared();
    let evil = || EVIL.to_owned();
    let comparison = &mut compared.comparison;
    for text in [
        &mut comparison.id,
        &mut comparison.scenario,
        &mut comparison.title,
        &mut comparison.command,
        &mut comparison.started_at,
        &mut comparison.polling,
    ] {
        *text = evil();
    }
    comparison.git_commit = Some(evil());
    let claim = &mut comparison.claims[0];
    (claim.id, claim.text, claim.evidence) = (evil(), evil(), evil());
    comparison.event_driven = "javascript:alert(1)".into();
    for fixture in [&mut compared.polling, &mut compared.event] {
        let (result, series) = (&mut fixture.result, &mut fixture.series);
        result.run.valid = false;
        result.run.invalid_reasons = vec![evil()];
        for phase in &mut result.phases {
            if phase.name == "single" {
                (phase.name, phase.arrivals) = (evil(), evil());
            }
            for hop in &mut phase.latency_ms.hops {
                hop.name = evil();
            }
        }
        result.checks[0].name = evil();
        (result.checks[0].verdict, result.checks[0].detail) = (Verdict::Fail, evil());
        result.checks[0].story.push(evil());
        result.processes[0].name = evil();
        result.topology.settings.push((evil(), evil()));
        result.testbed.acknowledgement.push((evil(), evil()));
        result.instrument.not_measured.push(evil());
        result.faults.push(FaultInfo {
            kind: evil(),
            target: evil(),
            starts_intended: 3,
            ..FaultInfo::default()
        });
        series.cpu_cores[0].name = evil();
    }
    let page = compare_html(&compared.page());
    assert!(!page.contains("<script>alert") && !page.contains("<b onload") && !page.contains("href=\"javascript"));
    assert_eq!(
        page.matches("</script>").count(),
        2,
        "only the page's own two scripts end"
    );
    let markdown = compare_markdown(&compared.page());
    let outside_of_code: String = markdown.split('`').step_by(2).collect();
    assert!(
        !outside_of_code.contains("<script>") && !outside_of_code.contains("<b onload"),
        "{markdown}"
    );
}

#[test]
fn runs_without_any_number_still_have_a_comparison() {
    let mut compared = compared();
    for fixture in [&mut compared.polling, &mut compared.event] {
        let result = &mut fixture.result;
        result.latency_ms = Default::default();
        result.postgres = Default::default();
        result.instrument = Default::default();
        result.phases.clear();
        result.checks.clear();
        result.processes.clear();
        result.faults.clear();
        result.idle = None;
        fixture.series = Default::default();
    }
    compared.comparison.claims.clear();
    let page = compare_html(&compared.page());
    assert!(page.contains("No series was recorded") && !page.contains("NaN") && !page.contains(">inf"));
    let text = compare_terminal(&compared.page());
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
}

#[test]
fn a_comparison_loads_nothing_and_its_colours_follow_the_theme() {
    let page = compare_html(&compared().page());
    for reach in ["<link", "src=", "@import", "url(", "https://", "fill=\"#", "stroke=\"#"] {
        assert!(!page.contains(reach), "{reach}");
    }
    assert!(page.contains("stroke=\"var(--polling)\"") && page.contains("stroke=\"var(--event)\""));
}

#[test]
fn a_comparison_as_text() {
    insta::assert_snapshot!("terminal_compare", compare_terminal(&compared().page()));
    insta::assert_snapshot!("terminal_compare_broken", compare_terminal(&broken().page()));
    insta::assert_snapshot!("markdown_compare", compare_markdown(&compared().page()));
    insta::assert_snapshot!("markdown_compare_broken", compare_markdown(&broken().page()));
}

#[test]
fn no_line_of_a_comparison_in_the_terminal_is_wider_than_100_columns() {
    let mut compared = broken();
    compared.comparison.scenario = "a very long name ".repeat(12);
    compared.comparison.claims[0].evidence = "x".repeat(400);
    compared.polling.result.phases[2].arrivals = "z".repeat(200);
    let text = compare_terminal(&compared.page());
    let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 100).collect();
    assert!(long.is_empty() && !text.contains('\u{1b}'), "{long:#?}");
}
