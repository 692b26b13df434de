//! The page of a sweep: what it found, the chart against the swept value, the points with their links.

use crossover_evidence::result::RunResult;
use maud::{Markup, PreEscaped, html};

use super::checks::{claim_item, claim_word};
use super::shell::{self, link, section};
use super::table::table;
use crate::chart::sweep::{is_poll_interval, svg};
use crate::format::{NONE, count, moment, percent_or_none, percentile, rate, seconds, sentence};
use crate::spread;
use crate::verdict::{self, Word};
use crate::{SweepPage, SweepPoint};

/// The report of a sweep as one self-contained file.
pub fn sweep_html(page: &SweepPage) -> String {
    let body = html! {
        (banner(page))
        (chart(page))
        (repeats(page))
        (points(page))
        (findings(page))
        (repeat(page))
    };
    let facts = [
        format!("sweep of {}", page.keys.join(" × ")),
        page.scenario.to_owned(),
        page.mode.to_owned(),
        moment(page.started_at),
    ];
    shell::page(&format!("{} · sweep · Crossover", page.title), "", &facts, &body)
}

fn banner(page: &SweepPage) -> Markup {
    html! {
        div.banner.finding {
            h1 { (page.title) }
            @for finding in page.findings {
                p.lead { span.word { (finding.id) " " (claim_word(finding.verdict)) "." } (sentence(&finding.evidence)) }
            }
            @if page.findings.is_empty() { p.lead { (count(page.points.len() as u64)) " points, no finding." } }
            @if let Some(doubt) = doubt(page.points) { p { (doubt) } }
            p.source { (trust(page)) }
        }
    }
}

/// Points that the reader should not count on.
pub fn doubt(points: &[SweepPoint]) -> Option<String> {
    let number = |word: Word| {
        points
            .iter()
            .filter(|point| verdict::word(&point.result) == word)
            .count()
    };
    let parts: Vec<String> = [
        (Word::Broken, "broken"),
        (Word::Invalid, "invalid"),
        (Word::Degraded, "degraded"),
    ]
    .into_iter()
    .filter(|(word, _)| number(*word) > 0)
    .map(|(word, name)| format!("{} {name}", number(word)))
    .collect();
    (!parts.is_empty()).then(|| format!("Of {} points: {}.", points.len(), parts.join(", ")))
}

fn chart(page: &SweepPage) -> Markup {
    let drawing = svg(page);
    let body = html! {
        p {
            "Dispatch latency from the intended time, warm-up excluded. Each dot is one run; a ring is an invalid one."
            @if is_poll_interval(page) { " The dashed line is half the interval: the mean wait for a poll." }
        }
        div.card {
            @if drawing.is_empty() { p.detail { "No point has a number to stand at; see the table." } }
            @else { figure { div.plot { (PreEscaped(drawing)) } } }
        }
    };
    section("chart", "Dispatch latency against the swept value", true, &body)
}

/// What a point rests on.
pub fn trust(page: &SweepPage) -> &'static str {
    if spread::is_repeated(page) {
        "Several runs a point on a shared machine: the intervals are from the lowest to the highest of them."
    } else {
        "One run a point on a shared machine: no interval can be given at a point."
    }
}

/// From the lowest to the highest run of each point; empty where each has one.
fn repeats(page: &SweepPage) -> Markup {
    if !spread::is_repeated(page) {
        return html! {};
    }
    let heads: Vec<&str> = page.keys.iter().map(String::as_str).chain(spread::HEADS).collect();
    let body = table(&heads, page.keys.len(), &spread::rows(page));
    section("repeats", "Intervals", true, &body)
}

fn points(page: &SweepPage) -> Markup {
    // Of points that broke something, or had groups.
    let has = Has {
        faults: page.points.iter().any(|point| !point.result.faults.is_empty()),
        groups: page.points.iter().any(|point| point.result.group_pauses.is_some()),
    };
    let mut heads = vec!["p50", "p99", "p99.9", "jobs", "completed", "lock waits"];
    heads.extend(has.faults.then_some("worst recovery"));
    if has.groups {
        heads.extend(["longest pause: group / partition", "pauses of partitions, all together"]);
    }
    heads.extend(["verdict", "report"]);
    let body = html! {
        div.scroll {
            table {
                thead { tr { @for key in page.keys { th.t { (key) } } @for head in heads { th { (head) } } } }
                tbody { @for point in page.points { (row(point, page.keys.len(), has)) } }
            }
        }
    };
    section("points", "Points", false, &body)
}

/// Which columns have something to show.
#[derive(Clone, Copy)]
struct Has {
    faults: bool,
    groups: bool,
}

fn row(point: &SweepPoint, keys: usize, has: Has) -> Markup {
    let result = &point.result;
    let of = &result.latency_ms.dispatch;
    html! {
        tr class=[(!result.run.valid).then_some("off")] {
            @for index in 0..keys { td.t { (point.values.get(index).map_or("–", String::as_str)) } }
            td { (percentile(of.p50, of)) }
            td { (percentile(of.p99, of)) }
            td { (percentile(of.p999, of)) }
            td { (count(of.count)) }
            td { (rate(result.throughput.completed_per_s)) }
            td { (percent_or_none(result.postgres.lock_wait_share)) }
            @if has.faults { td { (optional(worst_recovery(result))) } }
            @if has.groups {
                @let pauses = result.group_pauses.as_ref();
                td {
                    (optional(pauses.map(|pauses| pauses.longest_s))) " / "
                    (optional(pauses.map(|pauses| pauses.partition_longest_s)))
                }
                td { (optional(pauses.map(|pauses| pauses.partition_total_s))) }
            }
            td { (verdict::word(result).text()) }
            td { a href=(link(&point.path)) { "open" } }
        }
    }
}

fn optional(time: Option<f64>) -> String {
    time.map_or_else(|| NONE.to_owned(), seconds)
}

fn worst_recovery(result: &RunResult) -> Option<f64> {
    let times = result.faults.iter().filter_map(|fault| fault.recovery_s);
    times.max_by(f64::total_cmp)
}

fn findings(page: &SweepPage) -> Markup {
    let body = html! {
        @if page.findings.is_empty() { p { "None." } }
        @else { div.card { ul.checks { @for finding in page.findings { (claim_item(finding)) } } } }
    };
    section("findings", "Findings", false, &body)
}

fn repeat(page: &SweepPage) -> Markup {
    section("repeat", "Repeat it", false, &html! { pre { (page.command) } })
}
