//! The record of the event-driven mode: one job, ready to run, as it travels outbox → relay → broker → worker.
//!
//! ```text
//! engine: outbox row ──▶ relay: DispatchedJob::to_record ──▶ topic ──▶ worker: DispatchedJob::from_record
//!         its fields, in the      with the relay's stamp               runs it, or dead-letters the record
//!         job's transaction
//! ```
//! A record that the reader refuses is one for the dead-letter topic: reading it again will not help.
//!
//! It must not know topics, offsets or the outbox table.

mod job;
mod partition;
#[cfg(test)]
mod tests;

pub use job::{DispatchedJob, RelayStamp, UnreadableRecord};
pub use partition::partition_of;

/// The generated messages; their documentation is in the `.proto` file.
#[expect(missing_docs, reason = "generated code; the documentation is in the .proto file")]
pub mod wire {
    tonic::include_proto!("crossover.event.v1");
}

/// The type of an event that carries a job.
pub const JOB_DISPATCH: &str = "job.dispatch";
