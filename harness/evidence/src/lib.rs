//! Pure judgement: scenario → plan, history + snapshot → ledger → checks → evidence.
//!
//! No clock, no socket, no database, no threads: what goes in is data, what comes out is data, and every rule here is
//! tested in milliseconds. Reading files and asking servers is the business of `cli` and `testbed`.

pub mod result;
pub mod series;
pub mod snapshot;
