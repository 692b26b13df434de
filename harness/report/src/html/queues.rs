//! Event-driven mode: what waited in the outbox, and how far each partition's group was behind.

use crossover_evidence::result::{
    GroupPause, GroupPauses, LagInfo, Neighbours, OutboxInfo, Percentiles, RunResult, TopicSkew,
};
use maud::{Markup, html};

use super::shell::section;
use super::table::table;
use crate::format::{NONE, count, ms, number, percentile, seconds};

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
        @if let Some(pauses) = &result.group_pauses { (group_pauses(pauses)) }
        (skew(&result.skew))
        @if let Some(neighbours) = &result.neighbours { p { (neighbours_of_bad_records(neighbours)) } }
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
    let superseded = match outbox.relays_superseded {
        0 => String::new(),
        relays => format!(
            " {} had the lead taken while its lock lived, and gave up: the lock is misconfigured.",
            counted(relays)
        ),
    };
    format!(
        "Outbox: at most {} rows waited to be sent{oldest}; {} when the run ended. After the load it was {drained}.{superseded}",
        count(outbox.backlog_max),
        count(outbox.backlog_end)
    )
}

/// The busiest partition of each topic beside the others; nothing for an old run.
fn skew(topics: &[TopicSkew]) -> Markup {
    let lag = |lag: Option<u64>| lag.map_or_else(|| NONE.to_owned(), count);
    let row = |topic: &TopicSkew| {
        let TopicSkew {
            name,
            busiest,
            records_max,
            records_mean,
            imbalance,
            lag_max_busiest,
            lag_max_others,
            dispatch_busiest_ms: hot,
            dispatch_others_ms: others,
        } = topic;
        vec![
            name.clone(),
            busiest.to_string(),
            count(*records_max),
            number(*records_mean),
            number(*imbalance),
            format!("{} / {}", lag(*lag_max_busiest), lag(*lag_max_others)),
            format!("{} / {}", percentile(hot.p99, hot), percentile(others.p99, others)),
        ]
    };
    let rows: Vec<Vec<String>> = topics.iter().map(row).collect();
    let heads = [
        "topic",
        "busiest partition",
        "its records",
        "mean of all",
        "imbalance",
        "most lag: it / others",
        "dispatch p99: it / others",
    ];
    html! { @if !rows.is_empty() { (table(&heads, 1, &rows)) } }
}

fn neighbours_of_bad_records(neighbours: &Neighbours) -> String {
    let Neighbours {
        partitions,
        latency_ms: here,
        control_ms,
        p99_ratio,
        control_doubt,
    } = neighbours;
    let of = |latency: &Percentiles| {
        format!(
            "{} over {} jobs",
            percentile(latency.p99, latency),
            count(latency.count)
        )
    };
    let control = match control_ms {
        Some(control) => format!("{} with nothing broken", of(control)),
        None if control_doubt.is_some() => "the control run can't be held against it".to_owned(),
        None => "there is no control run to hold that against".to_owned(),
    };
    let doubt = control_doubt
        .as_ref()
        .map_or_else(String::new, |why| format!(" ({why})"));
    let ratio = p99_ratio.map_or_else(String::new, |ratio| format!(": {} times that", number(ratio)));
    format!(
        "Behind records that could not be handled, in {} partitions: dispatch p99 {}; {control}{ratio}{doubt}.",
        count(*partitions),
        of(here)
    )
}

/// Stretches in which a group began nothing though it could have; nothing if there were none.
fn group_pauses(pauses: &GroupPauses) -> Markup {
    let row = |group: &GroupPause| {
        let GroupPause {
            name,
            pauses,
            longest_s,
            total_s,
            partition_longest_s,
            partition_total_s,
        } = group;
        let times = [longest_s, total_s, partition_longest_s, partition_total_s].map(|time| seconds(*time));
        [name.clone(), count(*pauses)].into_iter().chain(times).collect()
    };
    let rows: Vec<Vec<String>> = pauses.groups.iter().map(row).collect();
    let heads = [
        "group",
        "pauses",
        "longest",
        "all together",
        "longest of a partition",
        "of all partitions together",
    ];
    html! {
        @if pauses.partition_longest_s > 0.0 {
            p {
                "A group pauses when no job of it is begun for 0.25 s or longer though records lie in its topic; a partition, when that is so "
                "of its own. Rebalances stop partitions; the group may go on."
            }
            (table(&heads, 1, &rows))
        }
    }
}

fn counted(relays: u64) -> String {
    match relays {
        1 => "One relay".to_owned(),
        many => format!("{many} relays"),
    }
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
