//! The system under test: a workflow engine on PostgreSQL.
//!
//! - [`command`]: the processes' entry points (`serve`, `worker`, `migrate`) and their flags;
//! - [`store`]: all SQL, one file a subject;
//! - [`serve`]: a replica: the gRPC API, wake-ups, the reaper and the scheduler;
//! - [`worker`]: a worker: polls, handles, reports, keeps its leases; it never opens a PostgreSQL connection.
//!
//! The engine knows nothing of scenarios, plans or checks. It records its history when asked to
//! ([`crossover_proto::history`]), because a commit can be bracketed only where it is made.

pub mod command;
mod error;
pub mod serve;
mod service;
pub mod store;
pub mod worker;

pub use error::EngineError;
