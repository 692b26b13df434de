//! Where the time goes in each mode: hops on one axis, and latency by percentile in one chart.

use crossover_evidence::result::{Hop, LatencySet, Percentiles, RunResult};
use maud::{Markup, PreEscaped, html};

use crate::chart::{Ink, hops, percentiles};
use crate::compare::{Pair, runs_latency, steady};
use crate::format::{jobs, percent};
use crate::html::latency::{hop_table, latency_table};
use crate::html::shell::section;
use crate::ticks::Axis;

/// Hops of the steady phase, where there is one: an outage would hide all else.
pub fn where_the_time_goes(runs: Pair<&RunResult>) -> Markup {
    let whole = runs_latency(runs);
    let steady = steady(runs).map(|phase| phase.map(|phase| &phase.latency_ms));
    let (of, sets) = match steady {
        Some(sets) => ("phase steady", sets),
        None => ("whole run, warm-up excluded", whole),
    };
    let axis = hops::decades(sets.polling.hops.iter().chain(&sets.event.hops));
    let body = html! {
        p {
            "Hops of " (of) ", on one logarithmic axis for both modes. Percentiles of hops do not add up to the percentile of the
             whole; their means do, and say which hop dominates."
        }
        div.pair { @for (mode, set) in sets.named() { (hops_of(mode, set, &axis)) } }
        div.pair.next {
            @if steady.is_some() { (by_percentile("Latency by percentile, phase steady", sets)) }
            (by_percentile("Latency by percentile, whole run", whole))
        }
    };
    section("where-the-time-goes", "Where the time goes", true, &body)
}

fn hops_of(mode: &str, set: &LatencySet, axis: &Axis) -> Markup {
    html! {
        figure.card {
            figcaption {
                h3 { i.dot style={ "background:var(--" (Ink::mode(mode).name) ")" } {} "Hops, " (mode) }
                span { (hops::legend(axis)) }
            }
            p.legend { (dominating(&set.hops)) }
            @if set.hops.is_empty() { p.detail { "No hop was measured." } }
            @else { (PreEscaped(hops::svg(&set.hops, axis))) details.numbers-of { summary { "Numbers" } (hop_table(set)) } }
        }
    }
}

/// The hop with the largest mean, and its share of the whole way.
fn dominating(hops: &[Hop]) -> String {
    let mean = |hop: &Hop| hop.latency_ms.mean.unwrap_or(0.0);
    let whole: f64 = hops.iter().map(mean).sum();
    let Some(most) = hops.iter().max_by(|a, b| mean(a).total_cmp(&mean(b))) else {
        return String::new();
    };
    let share = mean(most) / whole;
    match share {
        _ if whole <= 0.0 => String::new(),
        0.5.. => format!("“{}” dominates: {} of the mean way.", most.name, percent(share)),
        _ => format!(
            "No hop dominates; the longest is “{}”, {} of the mean way.",
            most.name,
            percent(share)
        ),
    }
}

fn by_percentile(title: &str, sets: Pair<&LatencySet>) -> Markup {
    let dispatch = sets.map(|set| &set.dispatch);
    let runs: Vec<(&str, Ink, &Percentiles)> = dispatch
        .named()
        .into_iter()
        .map(|(mode, of)| (mode, Ink::mode(mode), of))
        .collect();
    let svg = percentiles::svg_of(&runs, title);
    let rows: Vec<(&str, &Percentiles)> = dispatch.named().to_vec();
    html! {
        figure.card {
            figcaption {
                h3 { (title) }
                span { "dispatch, from intended; " (jobs(dispatch.polling.count)) " and " (jobs(dispatch.event.count)) ", log scales" }
            }
            (PreEscaped(&svg))
            @for (mode, of) in dispatch.named() {
                @if of.censored > 0 { p.detail { "The curve of " (mode) " ends where " (jobs(of.censored)) " never started." } }
            }
            details.numbers-of open[svg.is_empty()] { summary { "Numbers" } (latency_table(&rows)) }
        }
    }
}
