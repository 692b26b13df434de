//! The relay on a real PostgreSQL and a real broker: what arrives, in which order, and what is left of it when something
//! dies, stops, is missing or is refused. The rows are put into the outbox by SQL; no engine, no worker.

mod bed;
mod lead;
mod send;
mod start;
mod sweep;
mod topics;
