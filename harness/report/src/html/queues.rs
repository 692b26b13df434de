//! Event-driven mode: what waited in the outbox, and how far each partition's group was behind.

use crossover_evidence::result::{LagInfo, OutboxInfo, RunResult};
use maud::{Markup, html};

use super::shell::section;
use super::table::table;
use crate::format::{NONE, count, ms, seconds};

/// More partitions than this are folded away.
const SHOWN: usize = 8;

/// The section; nothing for a run without outbox and groups.
pub fn queues(result: &RunResult) -> Markup {
    if result.outbox.is_none() && result.lag.is_empty() {
        return html! {};
    }
    let rows: Vec<Vec<String>> = result.lag.iter().map(row).collect();
    let heads = ["group", "topic", "partition", "most", "at the end"];
    let body = html! {
        @if let Some(outbox) = &result.outbox { p { (sentence(outbox)) } }
        @if rows.is_empty() { p { "Nobody looked at the groups' lag." } }
        @else if rows.len() <= SHOWN { (table(&heads, 2, &rows)) }
        @else {
            p { (summary(&result.lag)) }
            details.numbers-of { summary { "Lag of each partition (" (rows.len()) ")" } (table(&heads, 2, &rows)) }
        }
    };
    section("queues", "Outbox and consumer lag", true, &body)
}

fn sentence(outbox: &OutboxInfo) -> String {
    let drained = outbox.drain_s.map_or_else(
        || "not seen empty".to_owned(),
        |time| format!("empty within {}", seconds(time)),
    );
    let oldest = match outbox.oldest_ms_max {
        0 => String::new(),
        age => format!(", the oldest for {}", ms(age as f64)),
    };
    format!(
        "Outbox: at most {} rows waited to be sent{oldest}; {} when the run ended. After the load it was {drained}.",
        count(outbox.backlog_max),
        count(outbox.backlog_end)
    )
}

fn summary(lag: &[LagInfo]) -> String {
    let worst = lag.iter().max_by_key(|one| one.max);
    let behind = lag.iter().filter(|one| one.end > 0).count() as u64;
    let worst = worst.map_or_else(
        || NONE.to_owned(),
        |one| {
            format!(
                "{} records, on partition {} of {}",
                count(one.max),
                one.partition,
                one.topic
            )
        },
    );
    format!(
        "Largest lag: {worst}. {} of {} partitions were behind at the end.",
        count(behind),
        lag.len()
    )
}

fn row(lag: &LagInfo) -> Vec<String> {
    vec![
        lag.group.clone(),
        lag.topic.clone(),
        lag.partition.to_string(),
        count(lag.max),
        count(lag.end),
    ]
}
