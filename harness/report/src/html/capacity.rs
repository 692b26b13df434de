//! The page of capacity searches: the interval, what it rests on, the curve over the rate, the steps with their links.

use maud::{Markup, PreEscaped, html};

use super::checks::{claim_item, claim_word};
use super::shell::{self, link, section};
use super::table::table;
use crate::capacity::{CapacityPage, SEARCH_HEADS, STEP_HEADS, Searched, search_row, step_row};
use crate::chart::capacity as chart;
use crate::format::{moment, sentence};

/// The report of one or several searches as one self-contained file.
pub fn capacity_html(page: &CapacityPage) -> String {
    let several = page.searches.len() > 1;
    let body = html! {
        (banner(page))
        @if several { (intervals(page)) }
        @for (index, search) in page.searches.iter().enumerate() { (curves(index, search)) (steps(index, search)) }
        (rules())
        (section("claims", "Claims touched", false, &html! {
            @if page.claims.is_empty() {
                p { "None: C05 needs polling and event-driven with the same number of replicas, C06 several numbers of replicas." }
            } @else { div.card { ul.checks { @for claim in page.claims { (claim_item(claim)) } } } }
        }))
        (section("repeat", "Repeat it", false, &html! { pre { (page.command) } }))
    };
    let facts = [
        page.scenario.to_owned(),
        "capacity".to_owned(),
        moment(page.started_at()),
    ];
    shell::page(&format!("{} · Crossover", page.title), "", &facts, &body)
}

fn banner(page: &CapacityPage) -> Markup {
    html! {
        div.banner.finding {
            h1 { (page.title) }
            @for line in page.sentences() { p.lead { (sentence(&line)) } }
            @for claim in page.claims {
                p.lead { span.word { (claim.id) " " (claim_word(claim.verdict)) "." } (sentence(&claim.evidence)) }
            }
            @for ground in page.grounds() { p { (sentence(&ground)) } }
            @for doubt in page.doubts() { p { (sentence(&doubt)) } }
            p.source {
                "An interval, never a point: from the highest rate that held to the lowest above it that did not, on this machine now."
            }
        }
    }
}

fn intervals(page: &CapacityPage) -> Markup {
    let drawing = chart::intervals(page);
    let rows: Vec<Vec<String>> = page.searches.iter().map(search_row).collect();
    let body = html! {
        @if !drawing.is_empty() { div.card { figure {
            @if page.searches.iter().any(|search| search.capacity.holds.low.xor(search.capacity.holds.high).is_some()) {
                figcaption { "A faint bar has one end: the other was not found" }
            }
            div.plot { (PreEscaped(drawing)) }
        } } }
        (table(&SEARCH_HEADS, 2, &rows))
    };
    section("intervals", "What holds", true, &body)
}

fn curves(index: usize, search: &Searched) -> Markup {
    let body = html! {
        p { "A dot is a step that held, a ring one that did not or is unknown; the shade is the interval." }
        @for (drawing, caption) in [
            (chart::latency(&search.capacity), "Dispatch p99 against the rate"),
            (chart::slope(&search.capacity), "Slope of the backlog, as a share of the rate (its 95 % upper bound); under the dashed line holds"),
        ] {
            @if !drawing.is_empty() { div.card { figure { figcaption { (caption) } div.plot { (PreEscaped(drawing)) } } } }
        }
    };
    section(
        &format!("curve-{index}"),
        &format!("Over the rate: {}", search.label()),
        true,
        &body,
    )
}

fn steps(index: usize, search: &Searched) -> Markup {
    let body = html! {
        div.scroll {
            table {
                thead { tr { @for head in STEP_HEADS { th { (head) } } th { "report" } } }
                tbody {
                    @for step in &search.capacity.steps {
                        tr { @for cell in step_row(step) { td { (cell) } } td { a href=(link(&search.link(step))) { "open" } } }
                    }
                }
            }
        }
        details {
            summary { "Each step's rules" }
            @for step in &search.capacity.steps { p { (step_row(step)[0]) ": " (sentence(&step.why.join("; "))) } }
        }
    };
    section(&format!("steps-{index}"), "Steps", true, &body)
}

fn rules() -> Markup {
    let body = html! {
        p {
            "A rate holds if, over the second half of its step, the upper end of the 95 % interval of the backlog's slope is under "
            "1 % of the rate, 99 % of the jobs are over by 2 s after the load, and what was left took less than 2 s. The backlog is "
            "read from the history, in blocks of half a second; correlation between blocks widens the interval. Every step is a "
            "run of its own on a fresh database."
        }
    };
    section("rules", "When a rate holds", false, &body)
}
