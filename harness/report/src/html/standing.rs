//! The page of all claims: how many stand, and each with its verdict, number and run.

use crossover_evidence::claims::standing::{ClaimsPage, Stand, Standing};
use maud::{Markup, html};

use super::shell::{self, link, section};
use crate::format::{count, moment, sentence};
use crate::text::standing::headline;

/// The page as one self-contained file.
pub fn claims_html(page: &ClaimsPage) -> String {
    let part = |letter: char| page.claims.iter().filter(move |claim| claim.id.starts_with(letter));
    let body = html! {
        div.banner.finding {
            h1 { "What the documents claim, and what the runs say" }
            p.lead { (headline(page)) }
            p { (count(page.runs as u64)) " runs were read, " (count(page.valid_runs as u64)) " of them valid." }
            p.source {
                "A claim is settled by valid runs alone; they support or contradict it, and prove none. What only tests cover counts as
                 not yet measured."
            }
        }
        (claims("tradeoffs", "Tradeoffs: polling against event-driven", &part('C').collect::<Vec<_>>()))
        (claims("jobs-and-events", "Jobs and events", &part('J').collect::<Vec<_>>()))
        footer { (page.id) " · claims.json schema " (count(page.schema_version.into())) }
    };
    let facts = ["claims".to_owned(), moment(&page.written_at)];
    shell::page("Claims · Crossover", "", &facts, &body)
}

fn claims(id: &str, title: &str, claims: &[&Standing]) -> Markup {
    let body = html! {
        div.scroll {
            table.claims {
                thead { tr { th.t { "claim" } th.t { "where it stands" } th.t { "the number, the run" } } }
                tbody { @for claim in claims { (row(claim)) } }
            }
        }
    };
    section(id, title, false, &body)
}

fn row(claim: &Standing) -> Markup {
    html! {
        tr id=(claim.id) {
            td.t { strong { (claim.id) } " " (sentence(&claim.text)) }
            td.t.short { span class={ "badge mark " (class(claim.stand)) } { (claim.stand.words()) } }
            td.t {
                (sentence(&claim.evidence))
                @if let Some(run) = &claim.run {
                    div.detail { a href=(link(&format!("../{run}/report.html"))) { (run) } }
                }
                @if matches!(claim.stand, Stand::NotSettled | Stand::NotYetMeasured) {
                    div.detail { "Next: " (claim.command) }
                }
            }
        }
    }
}

fn class(stand: Stand) -> &'static str {
    match stand {
        Stand::Supported => "pass",
        Stand::Refuted => "warn",
        Stand::NotSettled | Stand::NotYetMeasured => "unknown",
    }
}
