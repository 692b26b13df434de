//! The key figures side by side, with the change from polling to event-driven.

use crossover_evidence::result::RunResult;
use maud::{Markup, html};

use crate::compare::Pair;
use crate::compare::figures::{Row, groups};
use crate::html::shell::section;

/// The table, a heading a group.
pub fn figures(runs: Pair<&RunResult>) -> Markup {
    let body = html! {
        p { "The change reads from polling to event-driven: ÷\u{a0}10 is a tenth of polling's, ×\u{a0}2 twice as much, ≈ the same within 5 %." }
        div.scroll {
            table.figures-of {
                thead { tr { th.t { "figure" } th { "polling" } th { "event-driven" } th { "change" } } }
                @for group in groups(runs) {
                    tbody {
                        tr.group { th colspan="4" { (group.title) } }
                        @for each in &group.rows { (row(each)) }
                    }
                }
            }
        }
    };
    section("figures", "Key figures", true, &body)
}

fn row(row: &Row) -> Markup {
    html! {
        tr { td.t { (row.name) } td { (row.values.polling) } td { (row.values.event) } td { (row.change) } }
    }
}
