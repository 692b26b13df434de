//! The seed's claims, each with its verdict and the number that says so.

use crossover_evidence::result::Claim;
use maud::{Markup, html};

use crate::format::sentence;
use crate::html::checks::{claim_class, claim_word};
use crate::html::shell::section;

/// The table.
pub fn claims(claims: &[Claim]) -> Markup {
    let body = html! {
        @if claims.is_empty() { p { "These runs say nothing of any claim." } }
        @else {
            p { "Two runs support or contradict a claim; they prove none." }
            div.scroll {
                table.claims {
                    thead { tr { th.t { "claim" } th.t { "verdict" } th.t { "the number" } } }
                    tbody { @for claim in claims { (row(claim)) } }
                }
            }
        }
    };
    section("claims", "Claims", false, &body)
}

fn row(claim: &Claim) -> Markup {
    html! {
        tr {
            td.t { strong { (claim.id) } " " (claim.text) }
            td.t.short { span class={ "badge mark " (claim_class(claim)) } { (claim_word(claim.verdict)) } }
            td.t { (sentence(&claim.evidence)) }
        }
    }
}
