//! The pages: sections in the reader's order, nothing from outside unescaped, one file of a bearable size.

use crossover_evidence::plateau::{Attribution, Cause, Finding};
use crossover_evidence::result::{Claim, ClaimVerdict, FaultInfo, GroupPause, GroupPauses, TopicSkew, Unavailability};
use crossover_report::{RunPage, SweepPage, SweepPoint, run_html, run_markdown, run_terminal, sweep_html};

use crate::fixture::{self, Fixture};

pub const EVIL: &str = "</script><script>alert(1)</script><b onload=\"x\">&";

pub fn keys() -> Vec<String> {
    vec!["polling.interval".into(), "topology.workers".into()]
}

pub fn findings() -> Vec<Claim> {
    vec![Claim {
        id: "C04".into(),
        text: "polling's p50 is not below half the poll interval".into(),
        verdict: ClaimVerdict::Supported,
        evidence: "p50 is 0.52 to 0.56 of the interval from 50 ms to 1 s, with one worker and with four".into(),
    }]
}

pub fn sweep_page<'a>(points: &'a [SweepPoint], findings: &'a [Claim], keys: &'a [String]) -> SweepPage<'a> {
    SweepPage {
        title: "How the poll interval sets the latency",
        scenario: "steady",
        mode: "polling",
        started_at: "2026-11-22T15:20:00Z",
        command: "./just sweep polling steady polling.interval=20ms,50ms,100ms,200ms,500ms,1s topology.workers=1,4",
        keys,
        points,
        findings,
    }
}

/// Panics unless the parts stand in this order.
pub fn assert_order(page: &str, parts: &[&str]) {
    let mut from = 0;
    for part in parts {
        let found = page[from..]
            .find(part)
            .unwrap_or_else(|| panic!("{part} is missing, or stands too early"));
        from += found + part.len();
    }
}

#[test]
fn sections_stand_in_the_readers_order() {
    let page = run_html(&fixture::broken().page());
    assert_order(
        &page,
        &[
            "class=\"banner broken\"",
            "BROKEN",
            "14,800 jobs accepted, 14,798 done, 2 lost, 0 done twice.",
            "class=\"figures",
            "class=\"marks\"",
            "id=\"over-time\"",
            "data-chart=\"latency\"",
            "data-chart=\"throughput\"",
            "data-chart=\"queues\"",
            "data-chart=\"lag\"",
            "data-chart=\"waits\"",
            "data-chart=\"dead-tuples\"",
            "data-chart=\"connections\"",
            "data-chart=\"cpu\"",
            "data-chart=\"memory\"",
            "id=\"where-the-time-goes\"",
            "id=\"waits\"",
            "id=\"phases\"",
            "id=\"faults\"",
            "id=\"checks\"",
            "class=\"story",
            "id=\"claims\"",
            "id=\"cost\"",
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
fn text_from_outside_is_escaped_everywhere() {
    let Fixture { mut result, mut series } = fixture::broken();
    let evil = || EVIL.to_owned();
    for text in [
        &mut result.run.id,
        &mut result.run.scenario,
        &mut result.run.title,
        &mut result.run.mode,
        &mut result.run.command,
    ] {
        *text = evil();
    }
    result.run.started_at = evil();
    result.run.git_commit = Some(evil());
    (result.run.valid, result.run.invalid_reasons) = (false, vec![evil()]);
    result.testbed.file_system = evil();
    result.testbed.postgres.settings.push((evil(), evil()));
    result.topology.settings.push((evil(), evil()));
    result.phases[0].name = evil();
    result.latency_ms.hops[0].name = evil();
    result.postgres.waits[0].event = evil();
    result.processes[0].name = evil();
    result.instrument.not_measured.push(evil());
    result.faults.push(FaultInfo {
        kind: evil(),
        target: evil(),
        ..result.faults[0].clone()
    });
    (result.checks[0].name, result.checks[0].detail) = (evil(), evil());
    result.checks[0].story.push(evil());
    (result.claims[0].text, result.claims[0].evidence) = (evil(), evil());
    for name in [
        &mut series.waits[0].name,
        &mut series.cpu_cores[0].name,
        &mut series.lag[0].name,
        &mut series.events[0].text,
    ] {
        *name = evil();
    }
    let page = run_html(&RunPage {
        result: &result,
        series: &series,
        plan: EVIL,
        scenario_toml: EVIL,
    });
    assert!(!page.contains("<script>alert"), "a script from outside would run");
    assert!(
        !page.contains("<b onload"),
        "markup from outside would be read as markup"
    );
    assert_eq!(
        page.matches("</script>").count(),
        2,
        "only the page's own two scripts end"
    );
}

#[test]
fn an_event_driven_run_shows_what_waits_and_what_it_costs_at_rest() {
    let page = run_html(&fixture::event_driven().page());
    assert_order(
        &page,
        &[
            "HELD",
            "data-chart=\"queues\"",
            "data-chart=\"lag\"",
            "accepted → picked",
            "beside: picked → acknowledged",
            "id=\"queues\"",
            "At most 214 rows waited".to_lowercase().as_str(),
            "Lag of each partition (36)",
            "id=\"cost\"",
            "id=\"idle\"",
            "kafka-1",
            "partitions per topic",
            "kafka 4.3.0",
            "acks=all",
        ],
    );
}

#[test]
fn a_polling_run_shows_nothing_of_a_broker() {
    let page = run_html(&fixture::held().page());
    for absent in [
        "id=\"queues\"",
        "id=\"idle\"",
        "data-chart=\"lag\"",
        "relays",
        "starts accepted meanwhile",
    ] {
        assert!(!page.contains(absent), "{absent}");
    }
}

#[test]
fn a_fault_says_how_many_starts_were_accepted_meanwhile() {
    let page = run_html(&fixture::broken().page());
    assert_order(
        &page,
        &[
            "2,981 of 2,987 starts were accepted meanwhile",
            "starts accepted meanwhile",
            "2,981 of 2,987",
        ],
    );
}

fn pauses() -> GroupPauses {
    let group = GroupPause {
        name: "workers.render".into(),
        pauses: 7,
        longest_s: 3.2,
        total_s: 8.1,
        partition_longest_s: 4.4,
        partition_total_s: 12.5,
    };
    GroupPauses {
        longest_s: 3.2,
        total_s: 8.1,
        partition_longest_s: 4.4,
        partition_total_s: 12.5,
        groups: vec![group],
    }
}

#[test]
fn what_stood_still_and_what_was_uneven_has_its_numbers() {
    let mut run = fixture::event_driven();
    run.result.faults.push(FaultInfo {
        unavailable: vec![Unavailability {
            name: "begin".into(),
            windows: 1,
            longest_s: 2.5,
            total_s: 2.5,
        }],
        pause_s: Some(3.2),
        ..FaultInfo::default()
    });
    run.result.group_pauses = Some(pauses());
    run.result.skew = vec![TopicSkew {
        name: "jobs.render".into(),
        records_max: 6_000,
        records_mean: 1_000.0,
        imbalance: 6.0,
        lag_max_busiest: Some(91),
        ..TopicSkew::default()
    }];
    let page = run_html(&run.page());
    let queues = [
        "id=\"queues\"",
        "workers.render",
        "8.1",
        "12.5",
        "jobs.render",
        "6,000",
        "91 / –",
    ];
    assert_order(&page, &queues);
    let faults = ["nothing succeeded for", "longest pause", "begin 2.5", "3.2"];
    assert_order(&page, &faults);
}

#[test]
fn a_sweep_over_broken_groups_puts_their_pauses_side_by_side() {
    let (mut points, findings, keys) = (fixture::sweep_points(), findings(), keys());
    let page = |points: &[SweepPoint]| sweep_html(&sweep_page(points, &findings, &keys));
    assert!(!page(&points).contains("longest pause"));
    points[0].result.group_pauses = Some(pauses());
    assert_order(&page(&points), &["longest pause", "3.2", "4.4", "12.5"]);
}

#[test]
fn a_sweep_escapes_its_values_and_links() {
    let mut points = fixture::sweep_points();
    points[1].values = vec![EVIL.into(), EVIL.into()];
    points[2].path = "javascript:alert(1)".into();
    let keys = [EVIL.to_owned(), EVIL.to_owned()];
    let mut findings = findings();
    findings[0].evidence = EVIL.into();
    let page = sweep_html(&SweepPage {
        title: EVIL,
        scenario: EVIL,
        command: EVIL,
        ..sweep_page(&points, &findings, &keys)
    });
    assert!(!page.contains("<script>alert") && !page.contains("<b onload") && !page.contains("href=\"javascript"));
}

#[test]
fn an_invalid_run_says_why_at_the_top_and_greys_its_numbers() {
    let page = run_html(&fixture::invalid().page());
    assert_order(
        &page,
        &[
            "<body class=\"invalid\"",
            "INVALID",
            "3.2 % of arrivals",
            "14,800 jobs accepted",
            "figures numbers",
        ],
    );
}

#[test]
fn an_interrupted_run_says_so_and_names_its_censored_jobs() {
    let page = run_html(&fixture::interrupted().page());
    assert_order(
        &page,
        &[
            "DEGRADED",
            ", INTERRUPTED",
            "41 jobs unfinished",
            "not reached",
            "41 jobs never started",
        ],
    );
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let page = run_html(&fixture::broken().page());
    for reach in ["<link", "src=", "@import", "url(", "https://"] {
        assert!(!page.contains(reach), "{reach}");
    }
    assert_eq!(
        page.matches("http://").count(),
        page.matches("http://www.w3.org/2000/svg").count()
    );
}

#[test]
fn colours_of_charts_are_css_variables() {
    let page = run_html(&fixture::broken().page());
    assert!(page.contains("stroke=\"var(--p99)\"") && page.contains("stroke=\"var(--event)\""));
    assert!(
        !page.contains("fill=\"#") && !page.contains("stroke=\"#"),
        "a fixed colour would not follow the theme"
    );
}

#[test]
fn an_hour_fits_in_three_mebibytes() {
    let long = Fixture {
        series: fixture::series(3_600),
        ..fixture::broken()
    };
    let size = run_html(&long.page()).len();
    assert!(size < 3 << 20, "{size} bytes");
}

#[test]
fn a_run_without_any_number_still_has_a_page() {
    let Fixture { mut result, .. } = fixture::held();
    result.latency_ms = Default::default();
    result.postgres = Default::default();
    result.instrument = Default::default();
    result.phases.clear();
    result.checks.clear();
    result.processes.clear();
    result.claims.clear();
    let page = run_html(&RunPage {
        result: &result,
        series: &Default::default(),
        plan: "",
        scenario_toml: "",
    });
    assert!(page.contains("No series was recorded") && !page.contains("NaN") && !page.contains(">inf"));
}

#[test]
fn a_sweep_shows_the_half_interval_and_a_line_per_second_key() {
    let (points, findings, keys) = (fixture::sweep_points(), findings(), keys());
    let page = sweep_html(&sweep_page(&points, &findings, &keys));
    assert_order(
        &page,
        &[
            "C04 supported",
            "half the interval",
            "p99 · workers 1",
            "p99 · workers 4",
            "id=\"points\"",
            "report.html",
        ],
    );
}

fn full_pool() -> Attribution {
    let finding = |cause, share, evidence: &str| Finding {
        cause,
        share,
        evidence: evidence.to_owned(),
        lift: "more connections per replica".to_owned(),
    };
    Attribution {
        dominant: Some(Cause::Pool),
        detail: "in phase surge 20 % of the jobs were left over; statements waited <b>".to_owned(),
        findings: vec![
            finding(
                Cause::Pool,
                Some(0.96),
                "statements spent 96 % of their time waiting for a connection",
            ),
            finding(Cause::ClaimBlocks, None, "not measured: <i>nobody looked"),
        ],
    }
}

#[test]
fn what_limits_a_run_is_told_where_there_is_something_and_escaped() {
    let Fixture { mut result, series } = fixture::held();
    assert!(
        !run_html(
            &Fixture {
                result: result.clone(),
                series: series.clone()
            }
            .page()
        )
        .contains("what-limits-it")
    );
    result.plateau = Some(full_pool());
    let markdown = run_markdown(&result);
    assert!(
        markdown.contains("**It did not keep up: too few connections.** In phase surge 20 %"),
        "{markdown}"
    );
    let terminal = run_terminal(&result);
    assert!(
        terminal.contains("what limits it") && terminal.contains("too few connections"),
        "{terminal}"
    );
    let page = run_html(&Fixture { result, series }.page());
    assert_order(
        &page,
        &[
            "id=\"waits\"",
            "id=\"what-limits-it\"",
            "What would lift it",
            "96",
            "dead entries",
            "–",
            "id=\"phases\"",
        ],
    );
    assert!(page.contains("&lt;i&gt;nobody") && !page.contains("<i>nobody"));
}
