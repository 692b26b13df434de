//! Connections lent for one statement or transaction, and what a pool that is too small costs: how long statements wait for
//! a connection, and how long they keep it.
//!
//! sqlx's pool pings the server each time that a connection comes back to it: as many round trips again as there are
//! statements, and a second connection for a statement that comes meanwhile. So a connection whose statement ended well goes
//! to `idle` here, and the last one that did is lent first: the fewer are at work, the warmer they are. Only one whose
//! statement failed or was given up half-way goes back to sqlx, which tests it and opens another if it is dead.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::histogram;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions, PgRow, Postgres};
use sqlx::{Error, PgPool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Store;
use super::dispatch::PgQuery;
use crate::EngineError;

/// How long a statement waits for a connection.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The connections of one store.
#[derive(Debug)]
pub(super) struct Pool {
    /// Makes, tests and closes them. Nobody waits for it but while it does: who asks has a permit.
    connections: PgPool,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<PoolConnection<Postgres>>>,
}

impl Pool {
    /// `test_before_acquire` is off: it would cost a round trip per statement; a connection that died is found by the
    /// statement that fails on it, and the caller asks again.
    pub(super) fn new(options: PgConnectOptions, connections_max: u32) -> Self {
        let connections = PgPoolOptions::new()
            .max_connections(connections_max)
            .test_before_acquire(false)
            .acquire_timeout(WAIT_MAX)
            .connect_lazy_with(options);
        Self {
            connections,
            permits: Arc::new(Semaphore::new(connections_max as usize)),
            idle: Mutex::default(),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<PoolConnection<Postgres>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn lend(self: &Arc<Self>) -> Result<(PoolConnection<Postgres>, OwnedSemaphorePermit), Error> {
        let permit = tokio::time::timeout(WAIT_MAX, self.permits.clone().acquire_owned()).await;
        let permit = permit
            .map_err(|_| Error::PoolTimedOut)?
            .map_err(|_| Error::PoolClosed)?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connections.acquire().await?,
        };
        Ok((connection, permit))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let idle = std::mem::take(&mut *self.idle());
        // Nothing to go back to, and perhaps no runtime to test it on.
        idle.into_iter().for_each(|connection| drop(connection.leak()));
    }
}

/// Goes back to sqlx's pool when it is dropped.
pub(super) struct Lent {
    connection: PoolConnection<Postgres>,
    pool: Arc<Pool>,
    held: Held,
    // After the connection: the next one is given a permit when this one is back.
    _permit: OwnedSemaphorePermit,
}

/// Tells how long a connection was lent.
struct Held(Instant);

impl Drop for Held {
    fn drop(&mut self) {
        histogram!("engine_connection_held_seconds").record(self.0.elapsed().as_secs_f64());
    }
}

impl Lent {
    /// Its statement ended well: the next one may have it as it is.
    fn give_back(self) {
        let Self {
            connection,
            pool,
            held,
            _permit,
        } = self;
        drop(held);
        pool.idle().push(connection);
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Store {
    /// A connection for one transaction.
    ///
    /// # Errors
    /// If none is free in time, or PostgreSQL does not answer.
    pub(super) async fn connection(&self) -> Result<Lent, EngineError> {
        let asked = Instant::now();
        let lent = self.pool.lend().await;
        // One that waited in vain waited, too.
        let since = Instant::now();
        histogram!("engine_pool_wait_seconds").record(since.duration_since(asked).as_secs_f64());
        let (connection, permit) = lent?;
        Ok(Lent {
            connection,
            pool: self.pool.clone(),
            held: Held(since),
            _permit: permit,
        })
    }

    /// All rows of one statement, which is a transaction of its own.
    ///
    /// # Errors
    /// If no connection is free in time, PostgreSQL does not answer, or it refuses the statement.
    pub(super) async fn rows(&self, query: PgQuery<'_>) -> Result<Vec<PgRow>, EngineError> {
        let mut lent = self.connection().await?;
        let rows = query.fetch_all(&mut *lent).await?;
        lent.give_back();
        Ok(rows)
    }

    /// The row of one statement that has at most one.
    ///
    /// # Errors
    /// As [`Store::rows`].
    pub(super) async fn row(&self, query: PgQuery<'_>) -> Result<Option<PgRow>, EngineError> {
        Ok(self.rows(query).await?.pop())
    }
}
