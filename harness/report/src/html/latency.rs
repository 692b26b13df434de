//! Latency beyond the time charts: hops, percentiles, phases, and what PostgreSQL waited for.

use crossover_evidence::result::{Hop, LatencySet, Percentiles, PostgresInfo, RunResult};
use maud::{Markup, PreEscaped, html};

use super::shell::section;
use super::table::table;
use crate::chart::{hops, percentiles};
use crate::format::{count, jobs, ms_or_none, number, percent, percent_or_none, percentile, phase, rate, seconds};

const HEADS: [&str; 8] = ["", "jobs", "p50", "p90", "p99", "p99.9", "max", "mean"];

/// Hops and percentiles, side by side.
pub fn where_the_time_goes(result: &RunResult) -> Markup {
    let latency = &result.latency_ms;
    let axis = hops::axis(&latency.hops);
    let body = html! {
        p { "Whole run, warm-up excluded. Percentiles of hops do not add up to the percentile of the whole." }
        div.pair {
            figure.card {
                figcaption { h3 { "Hops of a job" } span { (hops::legend(&axis)) } }
                @if latency.hops.is_empty() { p.detail { "No hop was measured." } }
                @else { (PreEscaped(hops::svg(&latency.hops, &axis))) details.numbers-of { summary { "Numbers" } (hop_table(latency)) } }
            }
            figure.card {
                figcaption { h3 { "Latency by percentile" } span { (jobs(latency.dispatch.count)) ", log scales" } }
                (PreEscaped(percentiles::svg(latency, &result.run.mode)))
                (censored(&latency.dispatch))
                details.numbers-of open[latency.dispatch.curve.len() < 2] { summary { "Numbers" } (whole_table(latency)) }
            }
        }
    };
    section("where-the-time-goes", "Where the time goes", true, &body)
}

fn censored(of: &Percentiles) -> Markup {
    html! {
        @if of.censored > 0 {
            p.detail { "The curve ends where " (jobs(of.censored)) " of " (count(of.count)) " never started: their latency is longer than the run." }
        }
    }
}

fn row(name: &str, of: &Percentiles) -> Vec<String> {
    let mut cells = vec![name.to_owned(), count(of.count)];
    cells.extend([of.p50, of.p90, of.p99, of.p999].map(|value| percentile(value, of)));
    cells.extend([ms_or_none(of.max), ms_or_none(of.mean)]);
    cells
}

fn whole_table(latency: &LatencySet) -> Markup {
    latency_table(&[
        ("dispatch, from intended", &latency.dispatch),
        ("dispatch, from send", &latency.dispatch_from_send),
        ("completion", &latency.completion),
    ])
}

/// A row a distribution.
pub fn latency_table(rows: &[(&str, &Percentiles)]) -> Markup {
    let rows: Vec<Vec<String>> = rows.iter().map(|(name, of)| row(name, of)).collect();
    table(&HEADS, 1, &rows)
}

/// The hops, and below them what was measured beside them.
pub fn hop_table(latency: &LatencySet) -> Markup {
    let row = |hop: &Hop, name: String| {
        let mut cells = row(&name, &hop.latency_ms);
        cells.push(count(hop.negative));
        cells
    };
    let hops = latency.hops.iter().map(|hop| row(hop, hop.name.clone()));
    let beside = latency
        .beside
        .iter()
        .map(|hop| row(hop, format!("beside: {}", hop.name)));
    let rows: Vec<Vec<String>> = hops.chain(beside).collect();
    table(&[&HEADS[..], &["negative"]].concat(), 1, &rows)
}

/// One row per phase.
pub fn phases(result: &RunResult) -> Markup {
    let heads = [
        "phase",
        "arrivals",
        "from",
        "for",
        "accepted",
        "jobs",
        "p50",
        "p99",
        "p99.9",
        "completed",
        "lock waits",
    ];
    let rows: Vec<Vec<String>> = result
        .phases
        .iter()
        .map(|each| {
            let of = &each.latency_ms.dispatch;
            let name = phase(&each.name, each.warmup);
            vec![
                name,
                each.arrivals.clone(),
                seconds(each.start_s),
                seconds(each.duration_s),
                format!("{} of {}", count(each.load.accepted), count(each.load.intended)),
                count(of.count),
                percentile(of.p50, of),
                percentile(of.p99, of),
                percentile(of.p999, of),
                rate(each.throughput.completed_per_s),
                percent_or_none(each.lock_wait_share),
            ]
        })
        .collect();
    let body = html! {
        p { "A job belongs to the phase of its intended time. Latencies are dispatch, from the intended time." }
        (table(&heads, 2, &rows))
    };
    section("phases", "Phases", true, &body)
}

/// Waits by statement, and the shares that the rubric reads.
pub fn waits(postgres: &PostgresInfo) -> Markup {
    let rows: Vec<Vec<String>> = postgres
        .waits
        .iter()
        .map(|wait| {
            let relation = wait.relation.clone().unwrap_or_default();
            vec![
                wait.wait_type.clone(),
                wait.event.clone(),
                relation,
                wait.statement.clone(),
                percent(wait.share),
            ]
        })
        .collect();
    let others = postgres.other_lock_wait_shares.iter().filter(|(_, share)| *share > 0.0);
    let others: Vec<String> = others
        .map(|(name, share)| format!("{name} {}", percent(*share)))
        .collect();
    let body = html! {
        p {
            "Waiting for job rows: " (percent_or_none(postgres.lock_wait_share)) " of active backends"
            @if !others.is_empty() { "; other locks: " (others.join(", ")) }
            ". " (count(postgres.samples)) " samples; at most " (number(f64::from(postgres.connections_max)))
            " connections and " (count(postgres.dead_tuples_max)) " dead tuples."
        }
        @if rows.is_empty() { div.card { p.detail { "No backend of the engine was seen active." } } }
        @else { (table(&["type", "event", "table", "statement", "share"], 4, &rows)) }
    };
    section("waits", "What PostgreSQL did", true, &body)
}
