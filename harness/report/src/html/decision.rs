//! The page of a verdict: the sentence first, then the clauses with their numbers, the forecast, and what to run next.

use crossover_evidence::decide::{Answer, Clause, Decision, Verdict};
use maud::{Markup, PreEscaped, html};

use super::shell::{self, link, section};
use super::table::{settings, table};
use crate::chart::forecast;
use crate::format::{count, sentence};
use crate::text::decision::{answer_word, facts, interval, parts, team, value};

/// The report of a verdict as one self-contained file.
pub fn decision_html(decision: &Decision) -> String {
    let body = html! {
        (banner(decision))
        (conditions(decision))
        (next(decision))
        (clauses(decision))
        (forecast_section(decision))
        (evidence(decision))
        (given(decision))
        (section("repeat", "Repeat it", false, &html! { pre { (decision.command) } }))
        footer { (decision.id) " · decision.json schema " (count(decision.schema_version.into())) }
    };
    shell::page(
        &format!("{} · decision · Crossover", team(decision)),
        "",
        &facts(decision),
        &body,
    )
}

fn banner(decision: &Decision) -> Markup {
    let tone = match decision.verdict {
        Verdict::StayPolling => "held",
        Verdict::TunePollingFirst => "degraded",
        Verdict::MoveToEventDriven => "finding",
        Verdict::Inconclusive => "invalid",
    };
    let (verdict, rest) = parts(decision);
    html! {
        div class={ "banner " (tone) } {
            h1 { "Do we need Kafka, and when?" }
            p.lead { span.word { (verdict) ":" } (rest) }
            p { (sentence(&decision.forecast.sentence())) }
            @for caveat in &decision.caveats { p.source { (caveat) } }
        }
    }
}

fn conditions(decision: &Decision) -> Markup {
    html! {
        ul.marks {
            (mark("condition 1: polling's ceiling is hit, or will be", decision.condition_1))
            (mark("condition 2: the team can run Kafka, or will", decision.condition_2))
        }
    }
}

fn mark(text: &str, answer: Answer) -> Markup {
    html! { li class=(answer_class(answer)) { (text) ": " (answer_word(answer)) } }
}

/// A clause that holds is neither good nor bad: the mark says whether it is known.
fn answer_class(answer: Answer) -> &'static str {
    match answer {
        Answer::Yes => "pass",
        Answer::No => "fail",
        Answer::Unknown => "unknown",
    }
}

fn next(decision: &Decision) -> Markup {
    let rows: Vec<Vec<String>> = decision
        .next
        .iter()
        .map(|next| vec![next.command.clone(), next.why.clone()])
        .collect();
    html! {
        @if !rows.is_empty() {
            (section("next", "Run next", false, &table(&["command", "it settles"], 2, &rows)))
        }
    }
}

fn clauses(decision: &Decision) -> Markup {
    let body = html! {
        p { "The truth table reads these answers and nothing else. What was not measured is unknown, never assumed." }
        div.scroll {
            table.claims {
                thead { tr { th.t { "clause" } th.t { "answer" } th.t { "the number, and what would change it" } } }
                tbody { @for each in &decision.clauses { (clause(each)) } }
            }
        }
    };
    section("clauses", "Clauses", false, &body)
}

fn clause(clause: &Clause) -> Markup {
    html! {
        tr {
            td.t { (sentence(&clause.text)) }
            td.t.short { span class={ "badge mark " (answer_class(clause.answer)) } { (answer_word(clause.answer)) } }
            td.t {
                (sentence(&clause.detail))
                div.detail {
                    (clause.metric)
                    @if clause.value.is_some() || clause.interval.is_some() {
                        ": " (value(clause.value)) " [" (interval(clause)) "]"
                    }
                    @if let Some(run) = &clause.run { ", " a href=(run_link(run)) { (run) } }
                    "."
                }
                div.detail { "Would change it: " (clause.would_change) "." }
            }
        }
    }
}

/// Decisions lie beside the runs that they cite.
fn run_link(run: &str) -> String {
    link(&format!("../{run}/report.html"))
}

fn forecast_section(decision: &Decision) -> Markup {
    let svg = forecast::svg(decision);
    let body = html! {
        p {
            "The need by the slowest and the fastest growth, against polling's measured ceiling: between its lower edge, which held,
             and its upper one, which did not."
        }
        div.card {
            @if svg.is_empty() { p.detail { "The profile has no peak: there is nothing to draw." } }
            @else { figure { div.plot { (PreEscaped(svg)) } } }
        }
    };
    section("forecast", "Forecast", true, &body)
}

fn evidence(decision: &Decision) -> Markup {
    let left: Vec<Vec<String>> = decision
        .left_out
        .iter()
        .map(|(run, reason)| vec![run.clone(), reason.clone()])
        .collect();
    let body = html! {
        @if decision.used.is_empty() { p { "No run was used." } }
        @else {
            p { "Measured on " (decision.machine.as_deref().unwrap_or("a machine that is not named")) "." }
            div.card { ul.plain { @for run in &decision.used { li { a href=(run_link(run)) { (run) } } } } }
        }
        @if !left.is_empty() {
            details { summary { "Left out (" (left.len()) ")" } (table(&["run", "why"], 2, &left)) }
        }
    };
    section("evidence", "Evidence", false, &body)
}

fn given(decision: &Decision) -> Markup {
    let thresholds: Vec<(String, String)> = decision
        .thresholds
        .named()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), crate::format::number(value)))
        .collect();
    let body = html! {
        div.card {
            h3.sub { "Profile" } (settings(&crate::text::decision::profile(decision)))
            h3.sub { "Thresholds" } (settings(&thresholds))
        }
    };
    section("given", "What was given", false, &body)
}
