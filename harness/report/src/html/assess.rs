//! The page of an assessment: the condition first, then what else was found, the figures, and the looks over time.

use crossover_evidence::assess::{Answer, LiveEvidence};
use maud::{Markup, html};

use super::over_time::figures as drawings;
use super::shell::{self, section};
use super::table::{settings, table};
use crate::AssessPage;
use crate::assess::{STATEMENT_HEADS, WAIT_HEADS, figures, finding_name, statement_row, subject, wait_row, word};
use crate::chart::time::{Frame, TimeChart};
use crate::chart::{connections, dead_tuples, waits};
use crate::format::{NONE, moment, number, percent, seconds, sentence};

/// The report of an assessment as one self-contained file.
pub fn assess_html(page: &AssessPage) -> String {
    let evidence = page.evidence;
    let body = html! {
        (banner(evidence))
        (findings(evidence))
        (section("figures", "Figures", false, &html! { div.card { (settings(&figures(evidence))) } }))
        (over_time(page))
        (waits_table(evidence))
        (statements(evidence))
        (limits(evidence))
        (repeat(evidence))
    };
    let facts = [
        "assessment".to_owned(),
        evidence.server.table.clone(),
        evidence.server.place.clone(),
        moment(&evidence.sampled.started_at),
    ];
    shell::page(
        &format!("{} · assessment · Crossover", evidence.server.table),
        "",
        &facts,
        &body,
    )
}

fn banner(evidence: &LiveEvidence) -> Markup {
    let condition = &evidence.condition;
    let tone = match condition.answer {
        Answer::Yes => "degraded",
        // Green is for a table with which nothing is wrong.
        Answer::No if evidence.findings.is_empty() => "held",
        Answer::No | Answer::Unknown => "finding",
    };
    html! {
        div class={ "banner " (tone) } {
            h1 { (subject(evidence)) }
            p.lead { span.word { (word(condition.answer)) "." } (condition.text) }
            p { (sentence(&condition.reason)) }
            p { "→ " (sentence(&condition.next)) }
            p.source { "Condition " (condition.id) " of the rubric; 95 % intervals over " (evidence.lock_waits.windows) " windows." }
        }
    }
}

fn findings(evidence: &LiveEvidence) -> Markup {
    let body = html! {
        @if evidence.findings.is_empty() { p { "Nothing else was found." } }
        @else {
            div.card {
                ul.checks {
                    @for finding in &evidence.findings {
                        li {
                            span class="mark name warn" { (finding_name(finding.kind)) }
                            div.detail { (sentence(&finding.evidence)) }
                            div.detail { "→ " (sentence(&finding.remedy)) }
                        }
                    }
                }
            }
        }
    };
    section("findings", "What was found", false, &body)
}

fn over_time(page: &AssessPage) -> Markup {
    if page.series.seconds == 0 {
        return section(
            "over-time",
            "Over time",
            false,
            &html! { p { "No look got an answer." } },
        );
    }
    let frame = Frame::bare(page.series);
    let told = |chart: Option<TimeChart>, note: &str| {
        chart.map(|chart| TimeChart {
            note: note.to_owned(),
            ..chart
        })
    };
    let dead = dead_tuples::chart(page.series, &frame).map(|chart| TimeChart {
        title: "Dead rows of the job table",
        ..chart
    });
    let charts: Vec<TimeChart> = [
        told(
            waits::chart(page.series, &frame),
            "active client backends of the database, mean; Lock: for rows of the job table; CPU: active and not waiting",
        ),
        dead,
        told(connections::chart(page.series, &frame), "client connections of the server, ours left out"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let body = html! {
        p { "All charts share one axis: time since the first look." }
        (drawings(&charts, &frame))
    };
    section("over-time", "Over time", false, &body)
}

fn waits_table(evidence: &LiveEvidence) -> Markup {
    let rows: Vec<Vec<String>> = evidence.waits.iter().map(wait_row).collect();
    let body = html! {
        @if rows.is_empty() { p { "No look met an active backend." } }
        @else {
            p { "Shares of all active client backends of the database, over all looks." }
            (table(&WAIT_HEADS, 3, &rows))
        }
    };
    section("waits", "What was waited for", false, &body)
}

fn statements(evidence: &LiveEvidence) -> Markup {
    let body = match evidence.statements.as_deref() {
        None => {
            html! { p { "pg_stat_statements is not there: which statements take the time is not known. CREATE EXTENSION pg_stat_statements." } }
        }
        Some([]) => html! { p { "No statement that names the table ended meanwhile." } },
        Some(statements) => html! {
            p { "By pg_stat_statements, the table's name in their text. Backends: execution time ÷ time that passed." }
            (table(&STATEMENT_HEADS, 1, &statements.iter().map(statement_row).collect::<Vec<_>>()))
        },
    };
    section("statements", "Statements on the table", false, &body)
}

fn limits(evidence: &LiveEvidence) -> Markup {
    let of = &evidence.thresholds;
    let thresholds: Vec<(String, String)> = [
        ("lock waits, of those active", percent(of.lock_wait_share)),
        ("looks with a waiter", percent(of.waiting_looks_share)),
        ("windows contended", percent(of.contended_windows_share)),
        ("dead rows, of all", percent(of.dead_share)),
        ("transaction held open", seconds(of.transaction_s)),
        ("idle in a transaction", seconds(of.idle_in_transaction_s)),
        ("connections in use", percent(of.connections_share)),
        ("lightweight locks", percent(of.lwlock_share)),
        ("rows scanned for one written", number(of.seq_rows_per_write)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    let body = html! {
        ul { @for limit in &evidence.limits { li { (limit) } } }
        details { summary { "Thresholds" } (settings(&thresholds)) }
    };
    section("limits", "What this does not say", false, &body)
}

fn repeat(evidence: &LiveEvidence) -> Markup {
    let body = html! {
        p {
            "PostgreSQL " (evidence.server.version) ", as role " (evidence.server.role) ", a look each " (evidence.sampled.interval_ms)
            " ms, read-only. Written at commit " code { (evidence.sampled.git_commit.as_deref().unwrap_or(NONE)) } "."
        }
        pre { (evidence.sampled.command) }
    };
    section("repeat", "Repeat it", false, &body)
}
