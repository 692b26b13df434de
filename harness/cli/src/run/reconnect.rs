//! A connection of the harness to the engine's database, made again after it broke: servers go away in a run.

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};

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
}
