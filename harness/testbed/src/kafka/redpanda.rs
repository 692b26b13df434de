//! Redpanda's configuration, from its documentation: for durability, and not for a developer's convenience.
//!
//! ```text
//!   <base>/crossover-<run>-kafka-1/
//!     redpanda.yaml       of the broker: its addresses and directory
//!     .bootstrap.yaml     of the cluster: read when it first starts, from beside the other
//!     data/
//! ```
//!
//! It is started by its own program, and not by `rpk redpanda start`, which writes its own view of the machine into the file.
//! `--mode dev-container`, which examples have, is not used: it bypasses fsync. Its brokers talk to each other at the port that
//! is a controller's with Kafka.
//!
//! Pure, but for the port of the admin API, which is the caller's to draw.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use super::listeners::{BrokerListeners, CONTROLLER};
use crate::error::{Result, TestbedError};

/// Ours alone: an acknowledgement would mean less than the report says.
const REFUSED: [&str; 3] = [
    "default_topic_replications",
    "internal_topic_replication_factor",
    "write_caching_default",
];

/// One core, and memory to go with it, for a broker that shares its machine with all else; nobody's core is its own
/// (`--overprovisioned`: no pinning, no busy waiting).
pub(super) const FLAGS: [&str; 8] = [
    "--smp",
    "1",
    "--memory",
    "1536M",
    "--reserve-memory",
    "0M",
    "--overprovisioned",
    "--lock-memory=false",
];

/// Read when the cluster first starts, from beside the other.
pub(super) const CLUSTER_FILE: &str = ".bootstrap.yaml";

/// A run asks for far more before it starts; the default, 5 GiB, is for machines that have nothing else on them.
const MIN_FREE_BYTES: u64 = 64 << 20;

/// Refuses settings that are not the caller's to make, or not Redpanda's.
pub(super) fn validate(settings: &BTreeMap<String, String>) -> Result<()> {
    if let Some(name) = settings.keys().find(|name| REFUSED.contains(&name.as_str())) {
        return Err(TestbedError::BadInput(format!(
            "the setting {name} of Redpanda is not to be changed: it weakens its durability; leave it out"
        )));
    }
    let is_name = |name: &str| {
        name.chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    if let Some(name) = settings.keys().find(|name| !is_name(name)) {
        return Err(TestbedError::BadInput(format!(
            "{name:?} is a setting of Kafka, and the broker is Redpanda, whose cluster properties are named like \
             log_segment_ms; use --broker kafka, or leave it out"
        )));
    }
    Ok(())
}

/// The text of `redpanda.yaml` for broker `node_id`. JSON is YAML, and every parser of YAML reads it.
pub(super) fn node_file(
    node_id: u32,
    all: &[BrokerListeners],
    own: &BrokerListeners,
    admin_port: u16,
    data: &Path,
) -> Result<String> {
    let kafka = own.named().into_iter().filter(|(name, _)| *name != CONTROLLER);
    let named = |(name, address): (&str, SocketAddr)| Named {
        name: name.to_lowercase(),
        at: Address::of(address),
    };
    let advertised = kafka
        .clone()
        .map(|(name, listener)| named((name, listener.advertised())));
    let file = NodeFile {
        redpanda: Node {
            node_id,
            data_directory: data.display().to_string(),
            developer_mode: false,
            // A broker that is killed six times in an hour by the faults of a run is to start all the same.
            crash_loop_limit: None,
            // All start with the same seeds, and form one cluster whichever comes first.
            empty_seed_starts_cluster: false,
            seed_servers: all
                .iter()
                .map(|broker| Seed {
                    host: Address::of(broker.controller.address()),
                })
                .collect(),
            rpc_server: Address::of(own.controller.address()),
            advertised_rpc_api: Address::of(own.controller.address()),
            kafka_api: kafka
                .map(|(name, listener)| named((name, listener.address())))
                .collect(),
            advertised_kafka_api: advertised.collect(),
            admin: vec![Named {
                name: "admin".to_owned(),
                at: Address::of((own.harness.address().ip(), admin_port).into()),
            }],
        },
    };
    to_text(&file)
}

/// The text of `.bootstrap.yaml`; the caller's settings win over ours. A value that is a number or a truth value is written
/// as one.
pub(super) fn cluster_file(brokers: usize, theirs: &BTreeMap<String, String>) -> Result<String> {
    let theirs = theirs.iter().map(|(name, value)| (name.clone(), typed(value)));
    let all: BTreeMap<String, serde_json::Value> = ours(brokers).into_iter().chain(theirs).collect();
    to_text(&all)
}

/// The settings that differ from Redpanda's defaults, or that a report wants to see: as text.
pub(super) fn effective(brokers: usize, theirs: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let plain = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let ours = ours(brokers).into_iter().map(|(name, value)| (name, plain(value)));
    ours.chain(theirs.clone()).collect()
}

fn ours(brokers: usize) -> BTreeMap<String, serde_json::Value> {
    let replicas = serde_json::Value::from(brokers.min(3));
    [
        // An acknowledgement to acks=all is of what is on disk, on a majority.
        ("write_caching_default", "false".into()),
        // A topic that comes into being by a typing error would have the wrong partitions.
        ("auto_create_topics_enabled", false.into()),
        // The default, 3 s, would be the first figure of every run; and a run that crashes workers is to see it soon.
        ("group_initial_rebalance_delay", 0.into()),
        ("group_min_session_timeout_ms", 500.into()),
        ("default_topic_replications", replicas.clone()),
        ("internal_topic_replication_factor", replicas),
        ("storage_min_free_bytes", MIN_FREE_BYTES.into()),
        // It tells its makers of every cluster otherwise.
        ("enable_metrics_reporter", false.into()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn typed(value: &str) -> serde_json::Value {
    let number = value.parse::<i64>().map(serde_json::Value::from).ok();
    let truth = || value.parse::<bool>().map(serde_json::Value::from).ok();
    number.or_else(truth).unwrap_or_else(|| value.into())
}

fn to_text(file: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(file);
    let text = text.map_err(|error| TestbedError::Other(format!("bug: Redpanda's settings have no text: {error}")))?;
    Ok(format!("# Written by crossover for one run.\n{text}\n"))
}

#[derive(Serialize)]
struct NodeFile {
    redpanda: Node,
}

#[derive(Serialize)]
struct Node {
    node_id: u32,
    data_directory: String,
    developer_mode: bool,
    crash_loop_limit: Option<u32>,
    empty_seed_starts_cluster: bool,
    seed_servers: Vec<Seed>,
    rpc_server: Address,
    advertised_rpc_api: Address,
    kafka_api: Vec<Named>,
    advertised_kafka_api: Vec<Named>,
    admin: Vec<Named>,
}

#[derive(Serialize)]
struct Seed {
    host: Address,
}

#[derive(Serialize)]
struct Named {
    name: String,
    #[serde(flatten)]
    at: Address,
}

#[derive(Serialize)]
struct Address {
    address: String,
    port: u16,
}

impl Address {
    fn of(address: SocketAddr) -> Self {
        Self {
            address: address.ip().to_string(),
            port: address.port(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::listeners::numbered as broker;

    fn files(brokers: &[BrokerListeners], id: usize) -> String {
        let own = &brokers[id - 1];
        let node = node_file(u32::try_from(id).unwrap(), brokers, own, 9_999, Path::new("/own/data")).unwrap();
        let theirs = BTreeMap::from([("log_segment_ms".to_owned(), "600000".to_owned())]);
        format!(
            "redpanda.yaml\n{node}\n.bootstrap.yaml\n{}",
            cluster_file(brokers.len(), &theirs).unwrap()
        )
    }

    #[test]
    fn one_broker_is_durable_and_tells_relays_and_workers_their_proxies() {
        insta::assert_snapshot!("redpanda_one", files(&[broker(100)], 1));
    }

    #[test]
    fn three_brokers_have_the_same_seeds_and_three_replicas() {
        insta::assert_snapshot!("redpanda_three", files(&[broker(100), broker(200), broker(300)], 2));
    }

    #[test]
    fn settings_of_kafka_and_those_that_weaken_are_refused() {
        let of = |name: &str| validate(&BTreeMap::from([(name.to_owned(), "1".to_owned())]));
        of("log_segment_ms").unwrap();
        assert!(of("log.segment.ms").unwrap_err().to_string().contains("--broker kafka"));
        assert!(
            of("write_caching_default")
                .unwrap_err()
                .to_string()
                .contains("durability")
        );
    }

    #[test]
    fn values_have_their_types() {
        assert_eq!(typed("7"), serde_json::json!(7));
        assert_eq!(typed("true"), serde_json::json!(true));
        assert_eq!(typed("gzip"), serde_json::json!("gzip"));
    }
}
