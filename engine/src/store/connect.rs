//! Connections and the schema.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use super::Store;
use super::pool::Pool;
use crate::EngineError;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

/// A connection string whose password is never printed.
#[derive(Clone)]
pub struct DatabaseUrl(PgConnectOptions);

impl FromStr for DatabaseUrl {
    type Err = EngineError;

    fn from_str(url: &str) -> Result<Self, EngineError> {
        // The parser's own message may quote the URL: it is not passed on.
        let options =
            PgConnectOptions::from_str(url).map_err(|_| EngineError::DatabaseUrl("it can't be parsed".to_owned()))?;
        Ok(Self(options))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (self.0.get_host(), self.0.get_port());
        write!(
            f,
            "postgres://***@{host}:{port}/{}",
            self.0.get_database().unwrap_or_default()
        )
    }
}

impl DatabaseUrl {
    /// Options for a connection that carries `application_name` and the engine's session settings.
    ///
    /// `enable_seqscan = off` and generic plans: a plan made while `job` was empty would scan it whole, and stay cached
    /// until the next ANALYZE; every statement here has the index that it needs.
    #[must_use]
    pub fn options(&self, application_name: &str) -> PgConnectOptions {
        self.0.clone().application_name(application_name).options([
            ("enable_seqscan", "off"),
            ("plan_cache_mode", "force_generic_plan"),
            ("jit", "off"),
            ("statement_timeout", "15s"),
            ("idle_in_transaction_session_timeout", "15s"),
            ("TimeZone", "UTC"),
        ])
    }
}

impl Store {
    /// A store of at most `connections_max` connections, made when they are first needed.
    #[must_use]
    pub fn new(url: &DatabaseUrl, application_name: &str, connections_max: u32) -> Self {
        let pool = Pool::new(url.options(application_name), connections_max);
        Self {
            pool: Arc::new(pool),
            source: None,
        }
    }

    /// Opens the first connection.
    ///
    /// # Errors
    /// If PostgreSQL does not answer.
    pub async fn ping(&self) -> Result<(), EngineError> {
        self.row(sqlx::query("/* ping */ SELECT 1")).await?;
        Ok(())
    }
}

/// Brings the schema up to date.
///
/// # Errors
/// If the database does not answer, or holds another schema.
pub async fn migrate(url: &DatabaseUrl) -> Result<(), EngineError> {
    let options = url.options("crossover-engine-migrate");
    // Not a pool: that would ask again until it times out, and then not say why.
    let connected = PgConnection::connect_with(&options).await;
    let mut connection = connected.map_err(|source| EngineError::Unreachable {
        url: url.to_string(),
        source,
    })?;
    MIGRATIONS.run(&mut connection).await?;
    connection.close().await?;
    Ok(())
}
