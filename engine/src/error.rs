//! What can go wrong in an engine process.

use std::io;
use std::net::SocketAddr;

use crossover_proto::definition::DefinitionError;

/// An engine process's failure. Messages name the object and what to do; none holds a password.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// PostgreSQL refused or vanished: the outcome of a write is unknown.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// PostgreSQL is not there, or does not let us in.
    #[error("can't connect to {url}: {source}; is PostgreSQL running there, and is this its user and password?")]
    Unreachable {
        /// Where, without the password.
        url: String,
        /// The cause.
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("migration: {0}; the database must be empty or hold an engine's schema of this version or older")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A definition that is not acceptable.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// The connection string is not one.
    #[error("the database URL is not valid: {0}; expected postgres://user:password@host:port/database")]
    DatabaseUrl(String),
    /// The address can't be listened on.
    #[error("can't listen on {address}: {source}; choose another port, or 0 for a free one")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The history can't be written: the run could not be judged.
    #[error("can't record the history: {0}; is the disk full?")]
    History(#[source] io::Error),
    /// Another file of the process can't be written.
    #[error("can't write {path}: {source}")]
    Write {
        /// The file.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// An address of an engine replica that is not one.
    #[error("not the address of an engine replica: {0:?}; expected http://host:port")]
    EngineAddress(String),
    /// An address of the downstream service that is not one.
    #[error("not the address of a downstream service: {0:?}; expected http://host:port")]
    DownstreamAddress(String),
    /// The broker can't be used as it was asked for.
    #[error("broker: {0}")]
    Kafka(String),
    /// The gRPC server broke.
    #[error("server: {0}")]
    Server(#[source] io::Error),
}
