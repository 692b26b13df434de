//! What both runs ran on: where they differ side by side, what is the same once.

use crossover_evidence::result::RunResult;
use maud::{Markup, html};

use super::banner::report_links;
use crate::ComparePage;
use crate::compare::Pair;
use crate::format::NONE;
use crate::html::shell::section;
use crate::html::table::{settings, table};
use crate::html::testbed::{instrument_pairs, testbed_pairs, topology_pairs};

type Pairs = Vec<(String, String)>;

/// Parts and settings.
pub fn topology(runs: Pair<&RunResult>) -> Markup {
    let body = side_by_side(runs.map(|run| topology_pairs(&run.topology)));
    section("topology", "Topology and settings", false, &body)
}

/// Servers, machine, and what an acknowledgement means.
pub fn testbed(runs: Pair<&RunResult>) -> Markup {
    let mut pairs = runs.map(|run| testbed_pairs(&run.testbed));
    let [(_, polling), (_, event)] = runs.map(|run| &run.testbed.postgres.settings).named();
    pairs.polling.extend(polling.iter().cloned());
    pairs.event.extend(event.iter().cloned());
    let mut meanings: Vec<&(String, String)> = Vec::new();
    for meaning in runs
        .named()
        .into_iter()
        .flat_map(|(_, run)| &run.testbed.acknowledgement)
    {
        if !meanings.contains(&meaning) {
            meanings.push(meaning);
        }
    }
    let body = html! {
        (side_by_side(pairs))
        @if !meanings.is_empty() {
            h3.sub { "What an acknowledgement means" }
            ul.plain { @for (part, meaning) in meanings { li { strong { (part) } ": " (meaning) } } }
        }
    };
    section("testbed", "Testbeds", false, &body)
}

/// What the measuring cost, and where it is weak.
pub fn instrument(runs: Pair<&RunResult>) -> Markup {
    let mut missing: Vec<&String> = Vec::new();
    for line in runs
        .named()
        .into_iter()
        .flat_map(|(_, run)| &run.instrument.not_measured)
    {
        if !missing.contains(&line) {
            missing.push(line);
        }
    }
    let body = html! {
        (side_by_side(runs.map(instrument_pairs)))
        @if !missing.is_empty() {
            h3.sub { "Not measured" }
            ul.plain { @for line in missing { li { (line) } } }
        }
    };
    section("instrument", "The instrument on itself", false, &body)
}

/// Names in the order of the first run, then those that only the other has.
fn side_by_side(pairs: Pair<Pairs>) -> Markup {
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in pairs.polling.iter().chain(&pairs.event) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let value = |pairs: &Pairs, name: &String| {
        pairs
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.clone())
    };
    let (mut same, mut differ) = (Pairs::new(), Vec::new());
    for name in names {
        let (polling, event) = (value(&pairs.polling, name), value(&pairs.event, name));
        match (polling, event) {
            (Some(polling), Some(event)) if polling == event => same.push((name.clone(), polling)),
            (polling, event) => differ.push(
                std::iter::once(name.clone())
                    .chain([polling, event].map(|value| value.unwrap_or_else(|| NONE.to_owned())))
                    .collect::<Vec<_>>(),
            ),
        }
    }
    html! {
        @if !differ.is_empty() { (table(&["", "polling", "event-driven"], 3, &differ)) }
        @if !same.is_empty() {
            h3.sub { "The same in both" }
            div.card { (settings(&same)) }
        }
    }
}

/// The command, what fixes what it does, and the runs' own reports.
pub fn repeat(page: &ComparePage) -> Markup {
    let comparison = page.comparison;
    let body = html! {
        p {
            "Seed " (comparison.seed) " fixes the plan of both runs, not the interleaving. Written at commit "
            code { (comparison.git_commit.as_deref().unwrap_or(NONE)) } ". Reports of each run: " (report_links(page)) "."
        }
        pre { (comparison.command) }
    };
    section("repeat", "Repeat it", false, &body)
}
