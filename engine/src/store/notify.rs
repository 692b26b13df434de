//! Tells other replicas of ready jobs. Never inside a job's transaction: see `serve::wake`.

use sqlx::PgConnection;

/// Channel of the notifications.
pub const CHANNEL: &str = "crossover_ready";
/// Longest payload (bytes); PostgreSQL refuses 8,000.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 7_000;

// Listeners hear it after its commit, and a crash loses it in any case: that commit need not wait for the disk.
const NOTIFY: &str = "/* notify */ SELECT pg_notify($1, $2) FROM set_config('synchronous_commit', 'off', true)";

pub(super) const STATEMENTS: [&str; 1] = [NOTIFY];

/// Sends one notification.
pub(crate) async fn notify(connection: &mut PgConnection, payload: &str) -> Result<(), sqlx::Error> {
    sqlx::query(NOTIFY)
        .bind(CHANNEL)
        .bind(payload)
        .execute(connection)
        .await?;
    Ok(())
}
