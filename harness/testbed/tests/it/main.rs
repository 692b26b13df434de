//! The testbed against real processes and a real PostgreSQL. Each test has directories and marks of its own, so they run
//! at once.
#![expect(clippy::unwrap_used, reason = "a test that can't go on may panic")]

mod death;
mod fetched;
mod lock;
mod postgres;
mod supervision;
mod support;
