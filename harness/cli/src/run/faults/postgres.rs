//! Faults inside PostgreSQL: sessions that end, connections that are taken, a snapshot that is held.

use std::time::Duration;

use anyhow::bail;
use crossover_testbed::ConnectionUrl;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, Row};
use tokio::sync::Mutex;

/// Ours among the sessions of a server; no sampler counts it.
const APPLICATION: &str = "crossover-fault";
/// More than any server of ours allows.
const CONNECTIONS_MAX: usize = 2_000;
/// PostgreSQL's "sorry, too many clients already".
const TOO_MANY_CONNECTIONS: &str = "53300";
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

const TERMINATE: &str = "/* fault_terminate */
    SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name LIKE 'crossover-engine%' AND datname = current_database()";

/// The first statement takes the snapshot, and an id: rows that die from now on are kept.
const SNAPSHOT: &str = "/* fault_snapshot */ SELECT pg_current_xact_id()::text, pg_backend_pid()";
/// Asked by another session: one that asks about itself has a snapshot for the asking.
const IS_HELD: &str = "/* fault_is_held */
    SELECT state = 'idle in transaction' AND backend_xmin IS NOT NULL FROM pg_stat_activity WHERE pid = $1";

/// Connections that a fault holds until it is mended.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<Vec<PgConnection>>);

impl Held {
    pub(super) async fn release(&self) {
        for connection in std::mem::take(&mut *self.0.lock().await) {
            // A server that is down has ended it.
            let _ = connection.close().await;
        }
    }
}

fn options(database: &ConnectionUrl) -> anyhow::Result<PgConnectOptions> {
    let options: PgConnectOptions = database.reveal().parse()?;
    Ok(options.application_name(APPLICATION))
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let connected = tokio::time::timeout(CONNECTS_WITHIN, options.connect()).await;
    connected.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Ends the sessions of all processes of the engine, over a connection that was made before if that still lives (there may
/// be none to be had now); true if there were any.
pub(super) async fn terminate_sessions(database: &ConnectionUrl, made_before: &Held) -> anyhow::Result<bool> {
    let mut made = made_before.0.lock().await;
    if let Some(connection) = made.first_mut() {
        match sqlx::query_scalar::<_, i64>(TERMINATE).fetch_one(connection).await {
            Ok(ended) => return Ok(ended > 0),
            // The server was restarted since.
            Err(_) => made.clear(),
        }
    }
    let mut connection = connect(&options(database)?).await?;
    let ended: i64 = sqlx::query_scalar(TERMINATE).fetch_one(&mut connection).await?;
    made.push(connection);
    Ok(ended > 0)
}

/// Makes the connection that ends sessions later.
pub(super) async fn connect_ahead(database: &ConnectionUrl, held: &Held) -> anyhow::Result<()> {
    held.0.lock().await.push(connect(&options(database)?).await?);
    Ok(())
}

/// Takes connections until the server has none left; true if it said so.
pub(super) async fn take_connections(database: &ConnectionUrl, held: &Held) -> anyhow::Result<bool> {
    let options = options(database)?;
    let mut taken = held.0.lock().await;
    while taken.len() < CONNECTIONS_MAX {
        match connect(&options).await {
            Ok(connection) => taken.push(connection),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(TOO_MANY_CONNECTIONS) => {
                return Ok(true);
            }
            Err(error) => return Err(error.into()),
        }
    }
    bail!("the server still takes connections after {CONNECTIONS_MAX}")
}

/// Opens a transaction whose snapshot stays; true if the server counts with it.
pub(super) async fn hold_snapshot(database: &ConnectionUrl, held: &Held) -> anyhow::Result<bool> {
    let mut connection = connect(&options(database)?).await?;
    sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ")
        .execute(&mut connection)
        .await?;
    let row = sqlx::query(SNAPSHOT).fetch_one(&mut connection).await?;
    let pid: i32 = row.try_get(1)?;
    held.0.lock().await.push(connection);
    let mut other = connect(&options(database)?).await?;
    let is_held: bool = sqlx::query_scalar(IS_HELD).bind(pid).fetch_one(&mut other).await?;
    let _ = other.close().await;
    Ok(is_held)
}
