//! Waits after the load until no job is left to do, and no message left to send.

use std::time::{Duration, Instant};

use anyhow::Context;
use crossover_testbed::ConnectionUrl;
use sqlx::Row;
use sqlx::postgres::PgConnectOptions;

use super::reconnect::Reconnecting;

/// Each part is one look at a partial index: no count, no scan.
const OPEN: &str = "/* harness_drain */
    SELECT EXISTS (SELECT 1 FROM job WHERE state = 'queued')
        OR EXISTS (SELECT 1 FROM job WHERE lease_until IS NOT NULL)
        OR EXISTS (SELECT 1 FROM job WHERE run_at IS NOT NULL)
        OR EXISTS (SELECT 1 FROM outbox WHERE sent_at IS NULL)";

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Waits until no job is open; false if the deadline came first.
///
/// # Errors
/// If the database URL is not one.
pub async fn wait(database: &ConnectionUrl, deadline: Instant) -> anyhow::Result<bool> {
    let options: PgConnectOptions = database.reveal().parse().context("the database URL")?;
    // The partial indexes are tiny; a sequential scan would only be chosen for want of statistics.
    let options = options
        .application_name("crossover-drain")
        .options([("enable_seqscan", "off")]);
    let mut server = Reconnecting::new(options);
    while Instant::now() < deadline {
        if let Some(open) = server.get().await {
            match sqlx::query(OPEN)
                .fetch_one(open)
                .await
                .and_then(|row| row.try_get::<bool, _>(0))
            {
                Ok(false) => return Ok(true),
                Ok(true) => {}
                Err(_) => server.lost(),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(false)
}
