//! What limits a run that did not keep up: the cause, and all that were looked at.

use crossover_evidence::plateau::{Attribution, Finding};
use maud::{Markup, html};

use super::shell::section;
use super::table::table;
use crate::format::{NONE, percent, sentence};
use crate::limit::{headline, lift};

/// The section; nothing for a run that kept up.
pub fn limit(plateau: Option<&Attribution>) -> Markup {
    let Some(plateau) = plateau else { return html! {} };
    let row = |finding: &Finding| {
        let share = finding.share.map_or_else(|| NONE.to_owned(), percent);
        vec![
            finding.cause.words().to_owned(),
            finding.evidence.clone(),
            finding.lift.clone(),
            share,
        ]
    };
    let rows: Vec<Vec<String>> = plateau.findings.iter().map(row).collect();
    let body = html! {
        p { strong { (sentence(headline(plateau))) } " " (sentence(&plateau.detail)) }
        @if let Some(lift) = lift(plateau) { p { "What would lift it: " (lift) "." } }
        p { "Each share is of what its number says: they don't add up, and the largest need not be the cause." }
        (table(&["looked at", "seen", "what would lift it", "share"], 3, &rows))
    };
    section("what-limits-it", "What limits it", true, &body)
}
