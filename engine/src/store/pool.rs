//! A connection lent by the pool, and what a pool that is too small costs: how long statements wait for a connection, and
//! how long they keep it.

use std::ops::{Deref, DerefMut};
use std::time::Instant;

use metrics::histogram;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, Postgres};

use super::Store;
use crate::EngineError;

/// Goes back to the pool when it is dropped.
pub(super) struct Lent {
    connection: PoolConnection<Postgres>,
    since: Instant,
}

impl Store {
    /// A connection for one statement.
    ///
    /// # Errors
    /// If none is free in time, or PostgreSQL does not answer.
    pub(super) async fn connection(&self) -> Result<Lent, EngineError> {
        let asked = Instant::now();
        let acquired = self.pool.acquire().await;
        // One that waited in vain waited, too.
        let since = Instant::now();
        histogram!("engine_pool_wait_seconds").record(since.duration_since(asked).as_secs_f64());
        Ok(Lent {
            connection: acquired?,
            since,
        })
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

impl Drop for Lent {
    fn drop(&mut self) {
        histogram!("engine_connection_held_seconds").record(self.since.elapsed().as_secs_f64());
    }
}
