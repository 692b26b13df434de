//! A PostgreSQL and a Kafka of the user's own, for those who outgrew one machine: looked at, borrowed, left as they were.
//!
//! ```text
//!   addresses ─▶ examine both ─▶ nothing of our names there? ─▶ supervisor: clean up at the end ─▶ create the database
//!                                                                        │
//!   the run ends, or the harness dies ─▶ processes gone ─▶ `external-cleanup`: our database and topics, and no others
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`args`] | flags and variables that say where the servers are |
//! | [`names`] | what a run calls its database and topics, and how it knows them again |
//! | [`postgres`] | the server: whether it will do, what differs from ours; a database of our own on it |
//! | [`kafka`] | the brokers: whether they will do; our topics and groups on them |
//! | [`cleanup`] | the program that removes both |
//! | [`faults`] | what a scenario may break here |
//!
//! *Invariant*: nothing is removed that this run did not make. A database carries a marker with a random part, and is
//! left alone with another; without any (a run was interrupted while it was made), it is ours if the random part is in its
//! name. Topics are ours by a prefix that has the random part too, and was free when the run began.
//!
//! What it can't do: remove what a run left behind when harness *and* supervisor were killed, or the server was out of
//! reach at the end. [`External::by_hand`] says how to.
//!
//! Must not start servers, and must not print.

pub mod args;
pub mod cleanup;
mod connect;
pub mod faults;
pub mod kafka;
pub mod names;
pub mod postgres;
mod prepare;

pub use args::{ExternalArgs, TestbedKind, UrlSource};
pub use cleanup::CleanupArgs;
pub use connect::{connect_with, session};
pub use faults::{Act, check_faults};
pub use prepare::{Examined, External, Wanted, examine};
