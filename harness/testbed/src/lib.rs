//! What a run stands on: servers, processes, and their certain removal.
//!
//! | module | owns |
//! |---|---|
//! | [`supervisor`] | the process that owns all children of a run, and its client |
//! | [`postgres`] | a real PostgreSQL of our own: found or fetched, started, crashed, restarted, removed |
//! | [`owned`] | directories that carry our marker; nothing else is ever removed |
//! | [`ports`] | free TCP ports that outgoing connections can't take |
//! | [`disk`] | file system, free space, time of a durable write |
//! | [`usage`] | CPU and memory of processes and host |
//! | [`lock`] | one run at a time on a machine |
//! | [`doctor`] | what a run would use here, and what is missing |
//! | [`error`] | failures, in the three kinds that exit codes tell apart |
//!
//! The parts of one machine are here: the *local* provider. Containers and external servers are other providers of
//! the same parts; the trait between them comes with the second one, when it is known what they share. The same goes for
//! brokers and proxies, which will be modules beside [`postgres`].
//!
//! Must not know scenarios, plans or verdicts, nor print: callers in `cli` do.

pub mod disk;
pub mod doctor;
pub mod error;
pub mod lock;
pub mod owned;
pub mod ports;
pub mod postgres;
pub mod supervisor;
pub mod usage;

pub use error::{Result, TestbedError};
pub use lock::RunLock;
pub use postgres::{ConnectionUrl, LocalPostgres, PostgresOptions};
pub use supervisor::{Exit, ProcessSpec, Signal, Supervisor};
