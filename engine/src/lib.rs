//! The system under test: a workflow engine on PostgreSQL.
//!
//! - [`command`]: the processes' entry points (`serve`, `relay`, `worker`, `migrate`) and their flags;
//! - [`store`]: all SQL, one file a subject;
//! - [`serve`]: a replica: the gRPC API, wake-ups, the reaper and the scheduler;
//! - [`relay`]: a relay of the event-driven mode: leads or stands by, sends the outbox to the broker;
//! - [`kafka`]: how relay and workers reach the broker, and what topics and groups are called;
//! - [`service`]: what every long-running process does alike;
//! - [`worker`]: a worker: gets jobs, handles, reports, keeps its leases; it never opens a PostgreSQL connection.
//!
//! The engine knows nothing of scenarios, plans or checks. It records its history when asked to
//! ([`crossover_proto::history`]), because a commit can be bracketed only where it is made.

mod batches;
pub mod command;
mod error;
pub mod kafka;
pub mod relay;
pub mod serve;
pub mod service;
pub mod store;
pub mod worker;

pub use error::EngineError;
