//! The parts of a run and the settings that they were given, as the report tells them.

use std::time::Duration;

use crossover_evidence::ledger::Mode;
use crossover_evidence::result::TopologyInfo;

use super::meta::RunMeta;
use crate::scenario::Document;

/// What the report says of it.
pub fn of(meta: &RunMeta, document: &Document, mode: Mode) -> TopologyInfo {
    let time = |time: Duration| humantime::format_duration(time).to_string();
    let (topology, polling, events) = (&document.topology, &document.polling, &document.event_driven);
    let mut settings = vec![
        ("worker concurrency", format!("{} jobs", topology.worker_concurrency)),
        ("connections per replica", topology.replica_connections.to_string()),
        ("lease", time(document.engine.lease)),
        ("housekeeping interval", time(document.engine.housekeeping_interval)),
    ];
    if let Some(processors) = topology.postgres_processors {
        settings.push(("processors of PostgreSQL", format!("kept to {processors}")));
    }
    settings.extend(match mode {
        Mode::Polling => vec![
            ("poll interval", time(polling.interval)),
            ("poll batch", format!("{} jobs", polling.batch)),
            ("poll wake-up", polling.wake.flag()),
            ("claim", polling.claim.flag()),
        ],
        Mode::EventDriven => vec![
            ("brokers", brokers(meta, document).to_string()),
            ("relay strategy", events.strategy.flag()),
            ("relay interval", time(events.interval)),
            ("relay batch", format!("{} rows", events.batch)),
            ("relay window", format!("{} rows", events.window)),
            ("relay fenced", if events.fenced { "yes" } else { "no" }.to_owned()),
            (
                "a lock of its own for each relay",
                if events.split_lock { "yes" } else { "no" }.to_owned(),
            ),
            ("producer linger", time(events.linger)),
            ("redispatch after", time(events.redispatch_after)),
            ("window per partition", format!("{} records", events.partition_window)),
            ("group protocol", events.group_protocol.flag()),
            ("session timeout", time(events.session_timeout)),
        ],
    });
    settings.extend(document.downstream.iter().flat_map(|downstream| {
        let mut settings = vec![
            ("downstream capacity", format!("{} calls", downstream.capacity)),
            ("downstream service time", time(downstream.service_time)),
            ("downstream timeout", time(downstream.timeout)),
        ];
        let limits: Vec<String> = downstream.limits().collect();
        settings.push(("limits of a worker (calls a second/burst)", or_none(limits.join(", "))));
        settings
    }));
    settings.push((
        "proxies on the links",
        if topology.proxied { "yes" } else { "no" }.to_owned(),
    ));
    let if_events = |count: u32| if mode == Mode::EventDriven { count } else { 0 };
    TopologyInfo {
        replicas: topology.replicas,
        relays: if_events(topology.relays),
        workers: topology.workers,
        partitions: if_events(events.partitions),
        settings: settings
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}

fn or_none(list: String) -> String {
    if list.is_empty() { "none".to_owned() } else { list }
}

/// The user's brokers are as many as they are, whatever the scenario says.
fn brokers(meta: &RunMeta, document: &Document) -> usize {
    let found = meta.kafka.as_ref().and_then(|kafka| kafka.brokers);
    found.unwrap_or(document.topology.brokers as usize)
}
