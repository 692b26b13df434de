//! A real PostgreSQL of our own on this machine: found or fetched, started, crashed, restarted, removed.
//!
//! ```text
//!   find ──(none)──▶ fetch ─▶ cache        cluster: directory with marker ─▶ (binaries copied) ─▶ initdb ─▶ settings
//!     └───────────────┴──────────────────────────────────────────────────────────▶ server: launch ─▶ ready
//! ```
//!
//! PostgreSQL refuses to run as root; as root, the server runs as another user ([`server_user`]). It listens on 127.0.0.1 alone,
//! has a generated password, and keeps its durability: a setting that weakens it is refused.
//!
//! Must not run SQL: databases and roles inside are made by those who need them.

mod cluster;
mod fetch;
mod find;
mod image;
mod options;
mod ready;
mod server;
mod settings;
mod url;
mod user;

pub use fetch::FETCHED_MAJOR;
pub use find::{Installation, OLDEST_MAJOR, Origin, Source, Version, find, find_or_fetch};
pub use options::{PostgresOptions, StartTimes};
pub use server::LocalPostgres;
pub use url::ConnectionUrl;
pub use user::{ServerUser, server_user};
