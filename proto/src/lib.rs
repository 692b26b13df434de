//! All that crosses a process boundary in Crossover.
//!
//! - [`engine`]: the engine's gRPC API, generated from `crossover/engine/v1/engine.proto`;
//! - [`event`]: the record of a broker topic, generated from `crossover/event/v1/event.proto`, and its one reader;
//! - [`downstream`]: the service that load handlers call;
//! - [`load`]: the instruction that a load handler finds in its payload;
//! - [`definition`]: workflow definitions, parsed and validated with their place;
//! - [`history`]: the record that each process appends of what it did, its writer and its reader;
//! - [`clock`]: the one clock that all processes of a host share.
//!
//! It must not open connections, know SQL, or judge a run.
//!
//! The `.proto` files are held to the last release in `released/`: a breaking change fails this crate's tests
//! (`tests/compatibility/`).

pub mod clock;
pub mod definition;
pub mod event;
pub mod history;
mod ids;
pub mod schema;

pub use ids::{InstanceId, JobId};

/// The engine's gRPC API (generated).
#[expect(missing_docs, reason = "generated code; the documentation is in the .proto file")]
#[expect(clippy::allow_attributes, reason = "generated code")]
#[expect(clippy::allow_attributes_without_reason, reason = "generated code")]
pub mod engine {
    tonic::include_proto!("crossover.engine.v1");
}

/// The service that load handlers call (generated).
#[expect(missing_docs, reason = "generated code; the documentation is in the .proto file")]
#[expect(clippy::allow_attributes, reason = "generated code")]
#[expect(clippy::allow_attributes_without_reason, reason = "generated code")]
pub mod downstream {
    tonic::include_proto!("crossover.downstream.v1");
}

/// The instruction of a load handler (generated).
#[expect(missing_docs, reason = "generated code; the documentation is in the .proto file")]
pub mod load {
    tonic::include_proto!("crossover.load.v1");
}
