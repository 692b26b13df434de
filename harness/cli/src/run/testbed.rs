//! The servers of a run: started, described for the report, given their database.

use std::time::Duration;

use anyhow::Context;
use crossover_evidence::result::{PostgresVersion, TestbedInfo};
use crossover_testbed::{ConnectionUrl, LocalPostgres, PostgresOptions, Supervisor, disk, usage};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::Options;
use super::meta::Meta;
use crate::scenario::Document;

/// Settings that the numbers depend on.
const SETTINGS: [&str; 12] = [
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
    "max_connections",
    "autovacuum",
    "autovacuum_naptime",
    "random_page_cost",
    "data_checksums",
];

/// Starts PostgreSQL and notes what it is.
///
/// # Errors
/// If there is none, or it does not start.
pub async fn start_postgres(
    supervisor: &Supervisor,
    meta: &Meta,
    document: &Document,
    options: &Options,
) -> anyhow::Result<LocalPostgres> {
    // Points of a sweep are all named 01, 02, …, and two runs may begin in one second: the process tells them apart.
    let id = format!("{}-{}", meta.get().id, std::process::id());
    let mut asked = PostgresOptions::new(&id);
    asked.port = options.postgres_port;
    asked.settings = document.postgres.clone();
    let postgres = LocalPostgres::start(supervisor, &asked).await?;
    let info = describe(&postgres).await?;
    let file_system = disk::file_system(&postgres.data_directory())?;
    meta.update(|meta| {
        if file_system.is_memory {
            meta.invalid_reasons.push(format!(
                "PostgreSQL's directory lies in memory ({}): a commit costs nothing there; set CROSSOVER_DATA_DIR to a disk",
                file_system.name
            ));
        }
        meta.testbed = Some(info);
    })?;
    Ok(postgres)
}

/// Makes the engine's database.
///
/// # Errors
/// If PostgreSQL does not answer.
pub async fn create_database(postgres: &LocalPostgres, name: &'static str) -> anyhow::Result<ConnectionUrl> {
    let mut admin = PgConnection::connect(&postgres.url().reveal()).await?;
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut admin)
        .await?;
    admin.close().await?;
    Ok(postgres.url().with_database(name))
}

/// After a prefill: statistics and visibility as autovacuum would leave them, and no checkpoint owed.
///
/// # Errors
/// If PostgreSQL does not answer.
pub async fn settle_statistics(database: &ConnectionUrl) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(&database.reveal()).await?;
    sqlx::query("VACUUM ANALYZE").execute(&mut connection).await?;
    sqlx::query("CHECKPOINT").execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

async fn describe(postgres: &LocalPostgres) -> anyhow::Result<TestbedInfo> {
    let mut connection = PgConnection::connect(&postgres.url().reveal())
        .await
        .context("PostgreSQL does not answer")?;
    let query = "SELECT name, current_setting(name) AS value FROM pg_settings WHERE name = ANY ($1) ORDER BY name";
    let rows = sqlx::query(query)
        .bind(SETTINGS.map(str::to_owned))
        .fetch_all(&mut connection)
        .await?;
    let mut settings = Vec::new();
    for row in &rows {
        settings.push((row.try_get("name")?, row.try_get("value")?));
    }
    connection.close().await?;
    let data = postgres.data_directory();
    let times = postgres.start_times();
    let mut startup_ms = vec![
        ("PostgreSQL found".to_owned(), millis(times.find)),
        ("PostgreSQL cluster made".to_owned(), millis(times.initdb)),
        ("PostgreSQL ready".to_owned(), millis(times.ready)),
    ];
    startup_ms.extend(times.copy.map(|time| ("PostgreSQL copied".to_owned(), millis(time))));
    Ok(TestbedInfo {
        provider: "local".to_owned(),
        postgres: PostgresVersion { version: postgres.installation().version.to_string(), settings },
        broker: None,
        acknowledgement: vec![(
            "PostgreSQL".to_owned(),
            "a commit answers after its WAL record is flushed to disk (fsync and synchronous_commit on); one server, no replica"
                .to_owned(),
        )],
        fsync_us_p50: disk::fsync_us_p50(&data).ok().map(|micros| micros.round() as u64),
        file_system: disk::file_system(&data)?.name,
        cpus: u32::try_from(usage::cpus()).unwrap_or(u32::MAX),
        memory_mb: usage::memory_bytes()? / 1_048_576,
        startup_ms,
    })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
