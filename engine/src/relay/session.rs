//! A connection for one purpose, made again whenever it is lost.

use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::time::timeout;

use crate::EngineError;
use crate::store::DatabaseUrl;

/// No statement of the relay takes a second; a link that swallows packets must not hold it for longer than this.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// First wait before a lost connection is made again; doubled up to [`RETRY_MAX`].
const RETRY: Duration = Duration::from_millis(25);
const RETRY_MAX: Duration = Duration::from_millis(500);

/// A connection, or the wish for one.
#[derive(Debug)]
pub(super) struct Session {
    options: PgConnectOptions,
    open: Option<PgConnection>,
    failures: u32,
}

/// For marking and chores.
///
/// `enable_bitmapscan = off`: only a plain index scan leaves a mark on the entries of rows that were sent, so that the next
/// one passes them over. A bitmap scan would visit each of them again until the next vacuum.
pub(super) fn work_options(url: &DatabaseUrl, application: &str) -> PgConnectOptions {
    url.options(application).options([("enable_bitmapscan", "off")])
}

/// For reading.
///
/// `tcp_user_timeout`: a stopped process takes no data, and the server would hold the answer's transaction, and with it the
/// lock that the next leader waits for, for as long as the process is stopped (`statement_timeout` does not end a blocked
/// write). This ends it within the time that the lock session takes.
pub(super) fn read_options(url: &DatabaseUrl, application: &str) -> PgConnectOptions {
    work_options(url, application).options([("tcp_user_timeout", "1500")])
}

impl Session {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self {
            options,
            open: None,
            failures: 0,
        }
    }

    /// Runs a statement; after a failure the connection is not used again, and the next call waits a moment first.
    pub(super) async fn run<T>(
        &mut self,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        // Taken out for the time of the statement: a call that is given up drops a connection in an unknown state.
        let open = self.open.take();
        if open.is_none() && self.failures > 0 {
            let wait = RETRY.saturating_mul(1 << self.failures.min(6)).min(RETRY_MAX);
            tokio::time::sleep(wait).await;
        }
        self.failures += 1;
        let work = async {
            let mut connection = match open {
                Some(connection) => connection,
                None => self.options.connect().await?,
            };
            let answer = statement(&mut connection).await?;
            Ok::<_, EngineError>((connection, answer))
        };
        let late = |_| EngineError::Database(sqlx::Error::PoolTimedOut);
        let (connection, answer) = timeout(ANSWER_WITHIN, work).await.map_err(late)??;
        self.open = Some(connection);
        self.failures = 0;
        Ok(answer)
    }
}
