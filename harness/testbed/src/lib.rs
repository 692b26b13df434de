//! What a run stands on: servers, processes, and their certain removal.
//!
//! | module | owns |
//! |---|---|
//! | [`supervisor`] | the process that owns all children of a run, and its client |
//! | [`postgres`] | a real PostgreSQL of our own: found or fetched, started, crashed, restarted, removed |
//! | [`kafka`] | a real Apache Kafka of our own: fetched, started, crashed, restarted, removed |
//! | [`toxiproxy`] | the proxy server that links go through, and a client of it |
//! | [`links`] | which role reaches which server through which proxy |
//! | [`containers`] | the same servers from images: a container where a process would be |
//! | [`cache`] | what is fetched once and kept |
//! | [`owned`] | directories that carry our marker; nothing else is ever removed |
//! | [`ports`] | free TCP ports that outgoing connections can't take |
//! | [`disk`] | file system, free space, time of a durable write |
//! | [`usage`] | CPU and memory of processes and host |
//! | [`affinity`] | which processors a process may use |
//! | [`lock`] | one run at a time on a machine |
//! | [`images`] | stand-in images, built here where none can be pulled |
//! | [`doctor`] | what a run would use here, and what is missing |
//! | [`error`] | failures, in the three kinds that exit codes tell apart |
//!
//! The parts of one machine are here, and two providers of them: *local* (programs of this machine) and *containers* (programs
//! of images). They share the servers' code, because a container is run where a process would be: which it is, the supervisor's
//! client knows ([`Supervisor::with_containers`]). External servers are another crate's.
//!
//! Must not know scenarios, plans or verdicts, nor print: callers in `cli` do.

pub mod affinity;
pub mod cache;
pub mod containers;
pub mod disk;
mod docker;
pub mod doctor;
pub mod error;
pub mod images;
pub mod kafka;
pub mod links;
pub mod lock;
mod logs;
pub mod owned;
pub mod ports;
pub mod postgres;
pub mod supervisor;
pub mod toxiproxy;
pub mod usage;

pub use containers::{Containers, ContainersOptions};
pub use error::{Result, TestbedError};
pub use kafka::{KafkaOptions, LocalKafka, probe_broker};
pub use links::Links;
pub use lock::RunLock;
pub use postgres::{ConnectionUrl, LocalPostgres, PostgresOptions};
pub use supervisor::{Exit, ProcessSpec, Signal, Supervisor};
pub use toxiproxy::{LocalToxiproxy, Toxic, ToxiproxyClient};
