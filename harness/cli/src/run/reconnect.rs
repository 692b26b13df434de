//! A connection of the harness to the engine's database, made again after it broke: servers go away in a run.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

/// Connects when it is first needed, and again after [`Reconnecting::lost`].
pub struct Reconnecting {
    options: PgConnectOptions,
    open: Option<PgConnection>,
}

impl Reconnecting {
    /// Connects to nothing yet.
    pub fn new(options: PgConnectOptions) -> Self {
        Self { options, open: None }
    }

    /// Has one already, that these options made.
    pub fn with(options: PgConnectOptions, open: PgConnection) -> Self {
        Self {
            options,
            open: Some(open),
        }
    }

    /// The connection; `None` while the server is away.
    pub async fn get(&mut self) -> Option<&mut PgConnection> {
        if self.open.is_none() {
            self.open = self.options.connect().await.ok();
        }
        self.open.as_mut()
    }

    /// A statement failed: the next one gets another connection.
    pub fn lost(&mut self) {
        self.open = None;
    }

    /// Ends the session, if there is one.
    pub async fn close(self) {
        if let Some(open) = self.open {
            // A server that is gone has ended it already.
            let _ = open.close().await;
        }
    }
}
