//! Checks of both runs side by side, both ledgers, and the faults of each.

use crossover_evidence::result::{Check, RunResult, Verdict};
use maud::{Markup, html};

use crate::compare::Pair;
use crate::compare::figures::ledgers;
use crate::format::words;
use crate::html::banner::class;
use crate::html::checks::fault_table;
use crate::html::shell::section;
use crate::html::table::table;

/// A row a check; what did not pass says why, with its story.
pub fn checks(runs: Pair<&RunResult>) -> Markup {
    let names = names(runs);
    let body = html! {
        @if names.is_empty() { p { "No check was run." } }
        @else {
            div.scroll {
                table {
                    thead { tr { th.t { "check" } @for (mode, _) in runs.named() { th.t { (mode) } } } }
                    tbody { @for name in &names { (row(name, runs)) } }
                }
            }
        }
        @for (mode, run) in runs.named() { (stories(mode, run)) }
        details { summary { "Both ledgers" } (table(&["", "polling", "event-driven"], 1, &ledgers(runs))) }
    };
    section("checks", "Did both hold?", false, &body)
}

/// In the order of the polling run, then those that only the other has.
fn names(runs: Pair<&RunResult>) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for check in runs.polling.checks.iter().chain(&runs.event.checks) {
        if !names.contains(&check.name.as_str()) {
            names.push(&check.name);
        }
    }
    names
}

fn row(name: &str, runs: Pair<&RunResult>) -> Markup {
    let found = runs.map(|run| run.checks.iter().find(|check| check.name == name));
    html! {
        tr {
            td.t.short { (words(name)) }
            @for (_, check) in found.named() { td.t { (cell(check)) } }
        }
    }
}

fn cell(check: Option<&Check>) -> Markup {
    let Some(check) = check else {
        return html! { span.detail { "not of this mode" } };
    };
    let word = match check.verdict {
        Verdict::Pass => "passed",
        Verdict::Fail => "failed",
        Verdict::Unknown => "not known",
    };
    html! {
        span class={ "mark " (class(check.verdict)) } { (word) }
        div.detail.small { (check.detail) }
    }
}

fn stories(mode: &str, run: &RunResult) -> Markup {
    let told = run.checks.iter().filter(|check| !check.story.is_empty());
    html! {
        @for check in told {
            h3.sub { (words(&check.name)) ", " (mode) }
            div.story.mono { (check.story.join("\n")) }
        }
    }
}

/// Faults of both runs; nothing if there were none.
pub fn faults(runs: Pair<&RunResult>) -> Markup {
    let of_run = |(mode, run): (&'static str, &'_ RunResult)| {
        let faults = run.faults.clone();
        faults.into_iter().map(move |fault| (mode, fault)).collect::<Vec<_>>()
    };
    let faults: Vec<_> = runs.named().into_iter().flat_map(of_run).collect();
    let rows: Vec<_> = faults.iter().map(|(mode, fault)| (Some(*mode), fault)).collect();
    html! {
        @if !rows.is_empty() {
            (section("faults", "Faults", false, &html! {
                p { "A fault on a part that a mode does not have did not happen in it." }
                (fault_table(&rows))
            }))
        }
    }
}
