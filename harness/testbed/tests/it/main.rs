//! The testbed against real processes, a real PostgreSQL, a real Kafka and a real Toxiproxy. On a machine that lacks Java,
//! Maven or Go, the tests of the last two are ignored, and say so (`build.rs` looks).
//!
//! All run on either provider: with CROSSOVER_TESTBED=containers, servers come from images.
//!
//! Each test has directories and marks of its own, so they run at once.
#![expect(clippy::unwrap_used, reason = "a test that can't go on may panic")]

mod containers;
mod death;
mod fetched;
mod kafka;
mod kafka_cluster;
mod lock;
mod missing;
mod postgres;
mod probe;
mod supervision;
mod support;
mod toxiproxy;
