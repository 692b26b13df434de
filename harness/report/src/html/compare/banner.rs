//! The first screen: the sentences, and a card a phase with both modes' numbers.

use crossover_evidence::result::{Percentiles, PhaseResult, RunResult};
use maud::{Markup, html};

use crate::ComparePage;
use crate::compare::cost::{self, SYSTEM};
use crate::compare::verdict::{Banner, caveat};
use crate::compare::{Pair, change, phases, runs};
use crate::format::{NONE, mebibytes, number, percentile_short};
use crate::html::shell::link;

/// The verdict of both in words, with the way to each run's own report.
pub fn banner(page: &ComparePage, verdict: &Banner) -> Markup {
    let comparison = page.comparison;
    let title = if comparison.title.is_empty() {
        &comparison.scenario
    } else {
        &comparison.title
    };
    html! {
        div class={ "banner both " (verdict.word.class()) } {
            h1 { (title) }
            p.lead { span.word { (verdict.words) "." } (verdict.headline) }
            @for trouble in &verdict.troubles { p.trouble { (trouble) } }
            @for finding in &verdict.findings { p { (finding) } }
            p.source { (caveat(runs(page))) " Each run has a report of its own: " (report_links(page)) "." }
        }
    }
}

/// Links to both runs' reports.
pub fn report_links(page: &ComparePage) -> Markup {
    let report = |directory: &str| link(&format!("{directory}/report.html"));
    html! {
        a href=(report(&page.comparison.polling)) { "polling" } ", "
        a href=(report(&page.comparison.event_driven)) { "event-driven" }
    }
}

/// One card a phase, and one for the system at rest.
pub fn at_a_glance(runs: Pair<&RunResult>) -> Markup {
    let phases = phases(runs);
    html! {
        @if !phases.is_empty() {
            div.versus.numbers {
                (rest(runs))
                @for each in phases { (phase(each)) }
            }
        }
    }
}

fn phase(phase: Pair<&PhaseResult>) -> Markup {
    let dispatch = phase.map(|phase| &phase.latency_ms.dispatch);
    let cell = |of: fn(&Percentiles) -> Option<f64>| dispatch.map(|set| percentile_short(of(set), set));
    let changes = [dispatch.map(|set| set.p50), dispatch.map(|set| set.p99)].map(change);
    card(
        &phase.polling.name,
        &phase.polling.arrivals,
        ["dispatch p50", "p99"],
        [cell(|set| set.p50), cell(|set| set.p99)],
        changes,
    )
}

fn rest(runs: Pair<&RunResult>) -> Markup {
    let costs = cost::at_rest(runs);
    let Some(system) = costs.iter().find(|cost| cost.name == SYSTEM) else {
        return html! {};
    };
    let show = |values: Pair<Option<f64>>, how: fn(f64) -> String| {
        values.map(|value| value.map_or_else(|| NONE.to_owned(), how))
    };
    card(
        "at rest",
        "no arrivals",
        ["CPU cores", "memory"],
        [show(system.cores, number), show(system.memory_mb, mebibytes)],
        [change(system.cores), change(system.memory_mb)],
    )
}

/// Two numbers a mode, and the change from polling to event-driven below them.
fn card(title: &str, small: &str, heads: [&str; 2], values: [Pair<String>; 2], changes: [String; 2]) -> Markup {
    let [first, second] = values;
    html! {
        div {
            h3 { (title) }
            p.small { (small) }
            table {
                thead { tr { th.t {} @for head in heads { th { (head) } } } }
                tbody {
                    tr { th.t { i style="background:var(--polling)" {} "polling" } td { (first.polling) } td { (second.polling) } }
                    tr { th.t { i style="background:var(--event)" {} "event-driven" } td { (first.event) } td { (second.event) } }
                }
                tfoot { tr { th.t { "change" } @for each in changes { td { (each) } } } }
            }
        }
    }
}
