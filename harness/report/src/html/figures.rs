//! The strip of key figures under the banner.

use crossover_evidence::result::{Percentiles, RunResult};
use crossover_evidence::series::Series;
use maud::{Markup, html};

use crate::format::{NONE, count, jobs, ms_or_none, number, percent, percent_or_none};

struct Figure {
    label: &'static str,
    dot: Option<&'static str>,
    value: String,
    small: String,
}

/// The strip.
pub fn strip(result: &RunResult, series: &Series) -> Markup {
    let mut figures = latency(&result.latency_ms.dispatch);
    figures.push(rate(result));
    figures.extend(queues(result, series));
    html! {
        dl.figures.numbers {
            @for figure in figures {
                div {
                    dt {
                        @if let Some(dot) = figure.dot { i style={ "background:var(--" (dot) ")" } {} }
                        (figure.label)
                    }
                    dd class={ "value" @if figure.value.chars().count() > 9 { " text" } } { (figure.value) }
                    dd.small { (figure.small) }
                }
            }
        }
    }
}

fn latency(dispatch: &Percentiles) -> Vec<Figure> {
    let figure = |label, dot, value: Option<f64>| Figure {
        label,
        dot,
        value: if value.is_none() && dispatch.censored > 0 {
            "not reached".to_owned()
        } else {
            ms_or_none(value)
        },
        small: match (value, dispatch.censored) {
            (None, censored) if censored > 0 => format!("{} never started", jobs(censored)),
            _ => format!("of {}", jobs(dispatch.count)),
        },
    };
    vec![
        figure("dispatch p50", Some("p50"), dispatch.p50),
        figure("p99", Some("p99"), dispatch.p99),
        figure("p99.9", None, dispatch.p999),
    ]
}

fn rate(result: &RunResult) -> Figure {
    if let Some(capacity) = result.throughput.capacity_per_s {
        return Figure {
            label: "drained",
            dot: None,
            value: format!("{}/s", number(capacity)),
            small: match result.throughput.reference_per_s {
                Some(reference) => format!("{} of pgbench's {}/s", percent(capacity / reference), number(reference)),
                None => "first claim to last answer".to_owned(),
            },
        };
    }
    Figure {
        label: "completed",
        dot: None,
        value: format!("{}/s", number(result.throughput.completed_per_s)),
        small: format!(
            "{} of {} starts accepted",
            percent(result.load.achieved_ratio),
            count(result.load.intended)
        ),
    }
}

fn queues(result: &RunResult, series: &Series) -> Vec<Figure> {
    let figure = |label, value, small: &str| Figure {
        label,
        dot: None,
        value,
        small: small.to_owned(),
    };
    let unfinished = series.unfinished.iter().copied().reduce(f64::max);
    let mut figures = vec![
        figure(
            "lock waits",
            percent_or_none(result.postgres.lock_wait_share),
            "of active backends, on job rows",
        ),
        figure(
            "unfinished",
            unfinished.map_or_else(|| NONE.to_owned(), number),
            "jobs, most at a second's end",
        ),
    ];
    if let Some(outbox) = &result.outbox {
        figures.push(figure("outbox", count(outbox.backlog_max), "most unsent rows"));
    }
    if let Some(lag) = result.lag.iter().map(|lag| lag.max).max() {
        figures.push(figure("consumer lag", count(lag), "most, of one partition"));
    }
    figures
}
