//! What ends the wait for new rows: a replica's NOTIFY, or the interval.
//!
//! A notification only says "look": what it names is of no interest here. One that is lost costs one interval.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::store::notify::CHANNEL;

/// Wait before a broken connection is made again.
const RETRY: Duration = Duration::from_millis(250);

/// Listens for as long as it lives.
#[derive(Debug)]
pub(super) struct Listener {
    woken: Arc<Notify>,
    _listening: JoinSet<()>,
}

impl Listener {
    /// Never woken.
    pub(super) fn deaf() -> Self {
        Self {
            woken: Arc::default(),
            _listening: JoinSet::new(),
        }
    }

    pub(super) fn start(options: PgConnectOptions) -> Self {
        let woken = Arc::new(Notify::new());
        let mut listening = JoinSet::new();
        listening.spawn(listen(options, woken.clone()));
        Self {
            woken,
            _listening: listening,
        }
    }

    /// Waits for a notification since the last call.
    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }
}

async fn listen(options: PgConnectOptions, woken: Arc<Notify>) {
    loop {
        if let Err(error) = listen_once(&options, &woken).await {
            tracing::warn!(%error, "LISTEN failed; until it works again, rows wait for the interval");
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn listen_once(options: &PgConnectOptions, woken: &Notify) -> Result<(), sqlx::Error> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options.clone())
        .await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // What came before the connection was made (again) is unknown: look.
        woken.notify_one();
        listener.try_recv().await?;
    }
}
