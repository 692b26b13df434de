//! Everything that needs servers and the `crossover` program itself: the engine's conformance suite, its statements on a
//! real PostgreSQL, and whole runs. One server for all tests, a fresh database for each ([`servers`]).
#![expect(clippy::unwrap_used, reason = "a test that can't go on may panic")]

mod assess;
mod bad_input;
mod capacity;
mod conformance;
mod decide;
mod diff;
mod dlq;
mod downstream;
mod event_runs;
mod event_worker;
mod export;
mod faults;
mod kills;
mod machine;
mod million;
mod plateau;
mod pulls;
mod regress;
mod relay;
mod relay_alone;
mod replayed;
mod runs;
mod servers;
mod store;
mod support;
