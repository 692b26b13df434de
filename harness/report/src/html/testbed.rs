//! What it ran on and what it cost: processes, topology, servers, machine, and the instrument on itself.

use crossover_evidence::result::{
    IdleInfo, IdlePart, InstrumentInfo, ProcessCost, RunResult, TestbedInfo, TopologyInfo,
};
use maud::{Markup, html};

use super::shell::section;
use super::table::{settings, table};
use crate::format::{NONE, count, mebibytes, ms, number, percent, percent_or_none, seconds};

fn pair(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// CPU and memory per process.
pub fn cost(processes: &[ProcessCost]) -> Markup {
    let rows: Vec<Vec<String>> = processes
        .iter()
        .map(|process| {
            let cores = number(process.cpu_cores_mean);
            vec![
                process.name.clone(),
                seconds(process.cpu_s),
                cores,
                mebibytes(process.memory_mb_max),
            ]
        })
        .collect();
    let body = html! {
        @if rows.is_empty() { p { "Not measured." } }
        @else { (table(&["process", "CPU time", "cores, mean", "memory, most"], 1, &rows)) }
    };
    section("cost", "Cost per process", true, &body)
}

/// What each part costs at rest; nothing for a run without an idle phase.
pub fn idle(idle: Option<&IdleInfo>) -> Markup {
    let Some(idle) = idle else { return html! {} };
    let row = |part: &IdlePart| {
        vec![
            part.name.clone(),
            number(part.cpu_cores),
            mebibytes(part.memory_mb),
            part.disk_mb.map_or_else(|| NONE.to_owned(), mebibytes),
        ]
    };
    let rows: Vec<Vec<String>> = idle.parts.iter().map(row).collect();
    let body = html! {
        p { "Over " (seconds(idle.seconds)) " without arrivals, after the work before them was done." }
        (table(&["process", "cores, mean", "memory, most", "files, most"], 1, &rows))
    };
    section("idle", "Cost at rest", true, &body)
}

/// The parts and their settings.
pub fn topology(topology: &TopologyInfo) -> Markup {
    let body = html! { div.card { (settings(&topology_pairs(topology))) } };
    section("topology", "Topology and settings", false, &body)
}

/// The same as names and values; relays and partitions where there are any.
pub fn topology_pairs(topology: &TopologyInfo) -> Vec<(String, String)> {
    let mut pairs = vec![
        pair("replicas", count(topology.replicas.into())),
        pair("workers", count(topology.workers.into())),
    ];
    if topology.relays + topology.partitions > 0 {
        pairs.push(pair("relays", count(topology.relays.into())));
        pairs.push(pair("partitions per topic", count(topology.partitions.into())));
    }
    pairs.extend(topology.settings.iter().cloned());
    pairs
}

/// Servers and machine.
pub fn testbed(testbed: &TestbedInfo) -> Markup {
    let body = html! {
        div.card {
            (settings(&testbed_pairs(testbed)))
            @if !testbed.acknowledgement.is_empty() {
                h3.sub { "What an acknowledgement means" }
                ul.plain { @for (part, meaning) in &testbed.acknowledgement { li { strong { (part) } ": " (meaning) } } }
            }
            @if !testbed.postgres.settings.is_empty() { h3.sub { "PostgreSQL settings" } (settings(&testbed.postgres.settings)) }
        }
    };
    section("testbed", "Testbed", false, &body)
}

/// The same as names and values, without acknowledgements and PostgreSQL's settings.
pub fn testbed_pairs(testbed: &TestbedInfo) -> Vec<(String, String)> {
    let broker = testbed
        .broker
        .as_ref()
        .map_or_else(|| "none".to_owned(), |b| format!("{} {}", b.kind, b.version));
    let fsync = testbed
        .fsync_us_p50
        .map_or_else(|| "not measured".to_owned(), |us| ms(us as f64 / 1_000.0));
    let started: Vec<String> = testbed
        .startup_ms
        .iter()
        .map(|(part, time)| format!("{part} {}", ms(*time as f64)))
        .collect();
    vec![
        pair("provider", testbed.provider.clone()),
        pair("PostgreSQL", testbed.postgres.version.clone()),
        pair("broker", broker),
        pair("processors", count(testbed.cpus.into())),
        pair("memory", mebibytes(testbed.memory_mb as f64)),
        pair("file system", testbed.file_system.clone()),
        pair("write + fdatasync of 8 KiB, median", fsync),
        pair(
            "start-up",
            if started.is_empty() {
                NONE.to_owned()
            } else {
                started.join(", ")
            },
        ),
    ]
}

/// What the measuring cost, and where it is weak.
pub fn instrument(result: &RunResult) -> Markup {
    let missing = &result.instrument.not_measured;
    let body = html! {
        div.card {
            (settings(&instrument_pairs(result)))
            h3.sub { "Not measured" }
            @if missing.is_empty() { p.detail { "Nothing is listed." } }
            @else { ul.plain { @for line in missing { li { (line) } } } }
        }
    };
    section("instrument", "The instrument on itself", false, &body)
}

/// The same as names and values.
pub fn instrument_pairs(result: &RunResult) -> Vec<(String, String)> {
    let load = &result.load;
    let delay = &load.send_delay_ms;
    let own: &InstrumentInfo = &result.instrument;
    let optional = |value: Option<f64>, show: fn(f64) -> String| value.map_or_else(|| "not measured".to_owned(), show);
    vec![
        pair(
            "sent after intended, p50 / p99 / max",
            format!("{} / {} / {}", ms(delay.p50), ms(delay.p99), ms(delay.max)),
        ),
        pair(
            "sent over 10 ms late",
            format!("{} (over 1 % is invalid)", percent(load.late_share)),
        ),
        pair(
            "the generator's thread",
            match own.generator_realtime {
                Some(true) => "real-time, before all others".to_owned(),
                Some(false) => "like all others: a real-time one is not permitted here".to_owned(),
                None => "not noted".to_owned(),
            },
        ),
        pair(
            "cost of one record",
            optional(own.record_ns, |ns| format!("{} ns", number(ns))),
        ),
        pair("records read", count(own.records)),
        pair("torn or damaged bytes", count(own.dropped_bytes)),
        pair("sampler query, median", optional(own.sampler_query_ms_p50, ms)),
        pair(
            "sampler rate",
            optional(own.sampler_hz, |hz| format!("{} Hz", number(hz))),
        ),
        pair("host CPU busy, mean", percent_or_none(own.host_cpu_share)),
        pair("arrivals rejected", count(load.rejected)),
        pair("arrivals with unknown outcome", count(load.unknown)),
    ]
}
