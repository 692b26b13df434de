//! A real Apache Kafka of our own, in KRaft mode, or a Redpanda from its image: fetched, started, crashed, restarted, removed.
//!
//! ```text
//!   libs: cached? ──no──▶ Maven ─▶ cache        broker: directory with marker ─▶ properties ─▶ StorageTool format
//!     └───────────────────────┴───────────────────────▶ cluster: launch all ─▶ ready (each one's Metadata lists all)
//! ```
//!
//! Each broker is a controller too, and has one listener a role, because an advertised address belongs to a listener and
//! not to a client:
//!
//! | listener | who connects | what it advertises |
//! |---|---|---|
//! | INTERNAL | brokers | itself |
//! | CONTROLLER | controllers | itself |
//! | HARNESS | the harness: load, samplers, topics | itself: never faulted |
//! | RELAY | the engine's relays, through their proxy | the proxy |
//! | WORKER | the engine's workers, through their proxy | the proxy |
//!
//! A broker must advertise a proxy's port before the proxy exists, so the ports of both are drawn first
//! ([`BrokerListeners::draw`]); the proxies are made by [`crate::links`].
//!
//! Durability: one broker with `acks=all` acknowledges what is in the page cache: a process can be killed, a machine
//! can't. Three brokers acknowledge when two have it. [`KafkaOptions::flush_every_messages`] of 1 is the variant that
//! acknowledges what is on disk, as PostgreSQL does.
//!
//! A broker that comes back soon after a crash is refused by the controller while its old registration stands, which is
//! `broker.session.timeout.ms` (9 s): so recovery from SIGKILL takes seconds more than from SIGTERM. That is Kafka's
//! default and left alone; [`KafkaOptions::settings`] can lower it.
//!
//! **Redpanda** is a broker of the same protocol that a container can be ([`BrokerKind`]; [`redpanda`] has its configuration). It
//! acknowledges what is on disk, on a majority.
//!
//! Must not make topics, nor produce or consume: whoever needs that has a client library.

mod access;
mod bench;
mod broker;
mod check;
mod cluster;
mod identify;
mod java;
mod kind;
mod libs;
mod listeners;
mod options;
mod probe;
mod programs;
mod properties;
mod redpanda;
mod wire;

pub use access::Access;
pub use bench::ProducerBench;
pub use check::{BrokersFound, SecurityProtocol, check_brokers};
pub use cluster::LocalKafka;
pub use java::{Java, OLDEST_JAVA, find_java};
pub use kind::{BrokerFeature, BrokerKind};
pub(crate) use libs::require_maven;
pub use libs::{KAFKA_VERSION, fetch_libs, find_libs};
pub use listeners::{BrokerListeners, Listener};
pub use options::{BrokerCount, KafkaOptions, KafkaStartTimes};
pub use probe::{BrokerAddress, BrokerAnswer, brokers_seen_at, probe_broker};
