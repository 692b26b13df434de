//! An assessment as page and as text.

use crossover_evidence::assess::{
    ConnectionCounts, Holder, HolderKind, LiveActive, LiveEvidence, LiveSample, Sampled, ServerFacts, StatementCounts,
    TableCounts, Thresholds, series, summarise,
};
use crossover_report::{AssessPage, assess_html, assess_markdown, assess_terminal};

/// A minute on a table: two at work, `waiting` that wait for its rows, a transaction that has long been open.
fn samples(waiting: u32, holder: &str) -> Vec<LiveSample> {
    let group = |wait_type: &str, event: &str, on_table: bool, count: u32| LiveActive {
        wait_type: wait_type.to_owned(),
        event: event.to_owned(),
        statement: "1".to_owned(),
        names_table: true,
        relation: on_table.then(|| "public.river_job".to_owned()),
        on_table,
        count,
    };
    let activity = |look: u64| LiveSample::Activity {
        at_ms: look * 500,
        query_us: 420,
        hidden: 0,
        active: [
            group("CPU", "", false, 2),
            group("Lock", "transactionid", true, waiting),
        ]
        .into_iter()
        .filter(|group| group.count > 0)
        .collect(),
    };
    let state = |number: u64| LiveSample::State {
        at_ms: number * 5_000,
        query_us: 1_300,
        table: TableCounts {
            inserted: number * 1_000,
            updated: number * 2_000,
            live: 40_000,
            dead: 30_000,
            ..TableCounts::default()
        },
        connections: ConnectionCounts {
            total: 31,
            active: 5,
            idle: 25,
            idle_in_transaction: 1,
        },
        holders: vec![Holder {
            kind: HolderKind::Transaction,
            name: holder.to_owned(),
            pid: Some(4_711),
            state: "idle in transaction".to_owned(),
            age_s: Some(1_860.0 + number as f64 * 5.0),
            horizon_transactions: Some(90_000),
        }],
    };
    (0..120).map(activity).chain((0..=12).map(state)).collect()
}

fn evidence(samples: &[LiveSample]) -> LiveEvidence {
    let sampled = Sampled {
        id: "assess-river_job-20261122T140311Z".to_owned(),
        command: "./just assess --table public.river_job --duration 1m --interval 500ms".to_owned(),
        git_commit: Some("0123456789ab".to_owned()),
        started_at: "2026-11-22T14:03:11Z".to_owned(),
        intended_s: 60.0,
        duration_s: 60.0,
        interval_ms: 500,
        interrupted: false,
    };
    let server = ServerFacts {
        version: "15.14".to_owned(),
        place: "db.example:5432/app".to_owned(),
        role: "watcher".to_owned(),
        table: "public.river_job".to_owned(),
        guessed: true,
        relations: 1,
        heap_bytes: Some(64 << 20),
        index_bytes: Some(24 << 20),
        connections_allowed: 97,
    };
    let statement = |calls: u64| {
        vec![StatementCounts {
            id: 1,
            text: "UPDATE river_job SET state = $1 WHERE id = $2".to_owned(),
            calls,
            total_ms: calls as f64 * 12.5,
            rows: calls,
            blocks: calls * 9,
        }]
    };
    let (before, after) = (statement(100), statement(12_100));
    summarise(sampled, server, samples, Some((&before, &after)), Thresholds::default())
}

#[test]
fn an_assessment_as_text() {
    let contended = evidence(&samples(3, "nightly-report"));
    insta::assert_snapshot!("terminal_assess", assess_terminal(&contended));
    insta::assert_snapshot!("markdown_assess", assess_markdown(&contended));
    assert!(assess_terminal(&evidence(&samples(0, "nightly-report"))).contains("NO. "));
}

#[test]
fn names_from_a_foreign_database_are_text_and_nothing_else() {
    let hostile = "<script>alert(1)</script> \u{1b}[31m | `x` ".repeat(4);
    let samples = samples(3, &hostile);
    let evidence = evidence(&samples);
    let page = assess_html(&AssessPage {
        evidence: &evidence,
        series: &series(&samples),
    });
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;"));
    assert!(!assess_markdown(&evidence).contains("<script>"));
    let terminal = assess_terminal(&evidence);
    assert!(!terminal.contains('\u{1b}'));
    let long: Vec<&str> = terminal.lines().filter(|line| line.chars().count() > 100).collect();
    assert!(long.is_empty(), "{long:#?}");
}

/// The page of a table that is contended, with a transaction that has been open for long.
pub fn contended() -> String {
    let samples = samples(3, "nightly-report");
    assess_html(&AssessPage {
        evidence: &evidence(&samples),
        series: &series(&samples),
    })
}

#[test]
fn the_page_has_the_answer_its_numbers_and_what_it_does_not_say() {
    let page = contended();
    for words in [
        "YES.",
        "vacuum is held back",
        "pg_terminate_backend(4711)",
        "What this does not say",
        "Dead rows of the job table",
        "data-chart=\"waits\"",
    ] {
        assert!(page.contains(words), "no {words:?}");
    }
    assert!(!page.contains("http://") || page.contains("http://www.w3.org"),);
}
