//! The user's PostgreSQL: whether it will do, what differs from ours, and a database of our own on it.
//!
//! Must not touch a database that it did not make, nor any setting of the server.

use std::time::{Duration, Instant};

use crossover_testbed::postgres::OLDEST_MAJOR;
use crossover_testbed::{ConnectionUrl, Result, TestbedError};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use crate::connect::{connect, place};
use crate::names::{Names, is_named_by};

/// Round trips and commits that are timed; the median is told.
const TIMED: usize = 50;

/// Sessions that were told to end are gone in milliseconds; a checkpoint of a busy server takes longer.
const DROP_ATTEMPTS: u32 = 5;
const DROP_PAUSE: Duration = Duration::from_millis(500);

/// What an acknowledged commit means.
const DURABILITY: [&str; 3] = ["fsync", "synchronous_commit", "full_page_writes"];

const EXAMINE: &str = "/* external_examine */ SELECT current_setting('server_version') AS version, \
    current_setting('server_version_num')::int AS version_num, pg_is_in_recovery() AS is_standby, \
    rolcreatedb OR rolsuper AS may_create, current_setting('fsync') AS fsync, \
    current_setting('synchronous_commit') AS synchronous_commit, current_setting('full_page_writes') AS full_page_writes, \
    current_setting('synchronous_standby_names') AS standbys, \
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) AS others, \
    current_setting('max_connections')::int AS max_connections \
    FROM pg_roles WHERE rolname = current_user";
const MARKER: &str =
    "/* external_marker */ SELECT shobj_description(oid, 'pg_database') AS marker FROM pg_database WHERE datname = $1";

/// A statement goes on when its client is gone.
const CREATING: &str = "/* external_creating */ SELECT EXISTS (SELECT FROM pg_stat_activity \
    WHERE pid <> pg_backend_pid() AND state = 'active' AND query = $1)";
/// Copying a template takes a tenth of a second, and seconds on a busy server.
const CREATED_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresFacts {
    /// Such as `15.14 (Debian 15.14-0+deb12u1)`.
    pub version: String,
    /// `fsync`, `synchronous_commit` and `full_page_writes`, as they are for our user.
    pub durability: Vec<(String, String)>,
    /// What an acknowledged commit means there.
    pub acknowledgement: String,
    /// Why a run's numbers may not be used.
    pub invalid_reasons: Vec<String>,
    /// What else the numbers depend on, that a server of our own has not.
    pub differences: Vec<String>,
    /// Median round trip of the smallest statement (µs).
    pub round_trip_us_p50: u64,
}

/// Looks at the server, and refuses one that will not do. Changes nothing.
///
/// # Errors
/// `BadInput` or `Unavailable`, with what was found and what to do.
pub async fn examine(url: &ConnectionUrl) -> Result<PostgresFacts> {
    let mut connection = connect(url).await?;
    let failed = |error: sqlx::Error| lost(url, &error);
    let row = connection.fetch_one(EXAMINE).await.map_err(failed)?;
    let text = |name: &str| row.try_get::<String, _>(name).map_err(failed);
    let number = |name: &str| row.try_get::<i32, _>(name).map_err(failed);
    let (at, version) = (place(url), text("version")?);
    if number("version_num")? / 10_000 < i32::try_from(OLDEST_MAJOR).unwrap_or(i32::MAX) {
        return Err(TestbedError::unavailable(
            format!("the PostgreSQL at {at} is {version}, and {OLDEST_MAJOR} is the oldest that will do"),
            "upgrade it, or give another server",
        ));
    }
    if row.try_get("is_standby").map_err(failed)? {
        return Err(TestbedError::BadInput(format!(
            "the PostgreSQL at {at} is a standby, which can't be written; give its primary"
        )));
    }
    if !row.try_get::<bool, _>("may_create").map_err(failed)? {
        let user = url.user();
        return Err(TestbedError::unavailable(
            format!(
                "user {user} may not create a database on the PostgreSQL at {at}, and a run works in one of its own"
            ),
            format!("let a superuser run: ALTER ROLE \"{user}\" CREATEDB"),
        ));
    }
    let durability: Result<Vec<_>> = DURABILITY
        .iter()
        .map(|name| Ok(((*name).to_owned(), text(name)?)))
        .collect();
    let durability = durability?;
    let others: i64 = row.try_get("others").map_err(failed)?;
    let round_trip_us_p50 = time(&mut connection, "/* external_round_trip */ SELECT 1")
        .await
        .map_err(failed)?;
    let mut differences = vec![format!("a round trip to it takes {round_trip_us_p50} µs (median)")];
    if others > 0 {
        differences.push(format!(
            "{others} other sessions are connected to it: what they do is in the numbers"
        ));
    }
    let max_connections = number("max_connections")?;
    differences.push(format!(
        "max_connections is {max_connections} (a server of our own has 200)"
    ));
    let facts = PostgresFacts {
        version,
        acknowledgement: acknowledgement(&durability, &text("standbys")?),
        invalid_reasons: durability
            .iter()
            .filter_map(|(name, value)| weakness(name, value))
            .collect(),
        durability,
        differences,
        round_trip_us_p50,
    };
    let _ = connection.close().await;
    Ok(facts)
}

/// Refuses a name that is taken, by whomever.
///
/// # Errors
/// `BadInput` that says what is known of the database.
pub async fn require_absent(url: &ConnectionUrl, names: &Names) -> Result<()> {
    let mut connection = connect(url).await?;
    let found = find_marker(&mut connection, &names.database)
        .await
        .map_err(|error| lost(url, &error))?;
    let _ = connection.close().await;
    let Some(marker) = found else { return Ok(()) };
    let whose = match marker {
        Some(marker) if marker.starts_with("crossover run") => {
            format!("an earlier run left it ({marker}): drop it by hand")
        }
        _ => "it was not made by a run: it is left alone; use another run id".to_owned(),
    };
    Err(TestbedError::BadInput(format!(
        "the database {} exists already on the PostgreSQL at {}; {whose}",
        names.database,
        place(url)
    )))
}

/// Makes the run's database, with its marker; answers its URL.
///
/// # Errors
/// If the server refuses. `BadInput` if somebody made one of that name a moment ago.
pub async fn create(url: &ConnectionUrl, names: &Names) -> Result<ConnectionUrl> {
    let mut connection = connect(url).await?;
    let name = &names.database;
    let made = connection.execute(AssertSqlSafe(create_statement(name))).await;
    made.map_err(|error| {
        TestbedError::Other(format!(
            "can't make the database {name} on the PostgreSQL at {}: {error}",
            place(url)
        ))
    })?;
    // Two statements, for the first can't be in a transaction: a crash between them leaves an empty database that we know again
    // by its name alone.
    let marker = names.marker.replace('\'', "''");
    let marked = format!("/* external_mark */ COMMENT ON DATABASE {} IS '{marker}'", quoted(name));
    connection
        .execute(AssertSqlSafe(marked))
        .await
        .map_err(|error| lost(url, &error))?;
    let _ = connection.close().await;
    Ok(url.with_database(name))
}

/// Not template1: it may hold what the user put there, and nobody may be connected to it.
fn create_statement(database: &str) -> String {
    format!(
        "/* external_create */ CREATE DATABASE {} TEMPLATE template0",
        quoted(database)
    )
}

/// Waits until nobody makes the database any more: an interrupted run may have asked for it and gone.
async fn wait_until_made(connection: &mut PgConnection, database: &str) -> sqlx::Result<()> {
    let deadline = Instant::now() + CREATED_WITHIN;
    while Instant::now() < deadline {
        let creating = sqlx::query_scalar(CREATING).bind(create_statement(database));
        if !creating.fetch_one(&mut *connection).await? {
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

/// Median time of a durable commit of one row in the run's database (µs), round trip included: what `fsync` costs there.
/// Leaves nothing behind.
///
/// # Errors
/// If the server does not answer.
pub async fn time_commits(database: &ConnectionUrl) -> Result<u64> {
    let mut connection = connect(database).await?;
    let failed = |error: sqlx::Error| lost(database, &error);
    let mut run = async |statement: &'static str| connection.execute(statement).await.map(drop);
    run("/* external_probe */ CREATE TABLE crossover_probe (n int)")
        .await
        .map_err(failed)?;
    let timed = time(
        &mut connection,
        "/* external_probe */ INSERT INTO crossover_probe VALUES (1)",
    )
    .await;
    let dropped = connection
        .execute("/* external_probe */ DROP TABLE crossover_probe")
        .await;
    let _ = connection.close().await;
    dropped.map_err(failed)?;
    timed.map_err(failed)
}

/// What became of a run's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It was there, and is gone.
    Dropped,
    /// It was not there.
    Absent,
}

/// Drops the database of that name, if it has this marker, or none yet and a name that goes with the marker; its sessions are
/// ended.
///
/// # Errors
/// `BadInput` if it has not: it is left alone. Otherwise if the server refuses.
pub async fn remove(url: &ConnectionUrl, database: &str, marker: &str) -> Result<Removed> {
    let mut connection = connect(url).await?;
    wait_until_made(&mut connection, database)
        .await
        .map_err(|error| lost(url, &error))?;
    let found = find_marker(&mut connection, database)
        .await
        .map_err(|error| lost(url, &error))?;
    let Some(found) = found else {
        return Ok(Removed::Absent);
    };
    let is_ours = match &found {
        Some(found) => found == marker,
        None => is_named_by(database, marker),
    };
    if !is_ours {
        let found = found.map_or_else(|| "no marker".to_owned(), |found| format!("the marker {found:?}"));
        return Err(TestbedError::BadInput(format!(
            "the database {database} on the PostgreSQL at {} has {found}, not this run's: it is left alone",
            place(url)
        )));
    }
    // Ending others' sessions takes a right that we may lack (on those of autovacuum); without FORCE, the server asks
    // autovacuum to leave, and waits.
    let forms =
        [" WITH (FORCE)", ""].map(|form| format!("/* external_drop */ DROP DATABASE {}{form}", quoted(database)));
    let mut refused = None;
    for _ in 0..DROP_ATTEMPTS {
        for form in &forms {
            match connection.execute(AssertSqlSafe(form.clone())).await {
                Ok(_) => return Ok(Removed::Dropped),
                Err(error) => refused = Some(error),
            }
        }
        tokio::time::sleep(DROP_PAUSE).await;
    }
    let why = refused.map(|error| error.to_string()).unwrap_or_default();
    Err(TestbedError::Other(format!(
        "the database {database} on the PostgreSQL at {} can't be dropped: {why}; drop it by hand",
        place(url)
    )))
}

/// None without such a database; none within without a comment on it.
async fn find_marker(connection: &mut PgConnection, database: &str) -> sqlx::Result<Option<Option<String>>> {
    sqlx::query_scalar(MARKER)
        .bind(database)
        .fetch_optional(connection)
        .await
}

async fn time(connection: &mut PgConnection, statement: &'static str) -> sqlx::Result<u64> {
    let mut times = Vec::with_capacity(TIMED);
    for _ in 0..TIMED {
        let begun = Instant::now();
        connection.execute(statement).await?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(u64::try_from(times[TIMED / 2].as_micros()).unwrap_or(u64::MAX))
}

fn weakness(name: &str, value: &str) -> Option<String> {
    let why = match name {
        "full_page_writes" => "a crash may corrupt pages, and less WAL is written than on a server that is safe",
        _ => "an acknowledged commit may be lost, and costs less than a durable one",
    };
    (value == "off").then(|| format!("{name} is off on your PostgreSQL: {why}; turn it on"))
}

fn acknowledgement(durability: &[(String, String)], standbys: &str) -> String {
    if let Some((name, _)) = durability
        .iter()
        .find(|(name, value)| name != "full_page_writes" && value == "off")
    {
        return format!("a commit may answer before its WAL record is on disk ({name} is off)");
    }
    let commit = durability.iter().find(|(name, _)| name == "synchronous_commit");
    let commit = commit.map(|(_, value)| value.as_str()).unwrap_or_default();
    let replicas = if standbys.is_empty() || commit == "local" {
        "and waits for no standby".to_owned()
    } else {
        format!("and by the standbys {standbys:?}")
    };
    format!(
        "a commit answers after its WAL record is flushed to disk (fsync on, synchronous_commit {commit}) {replicas}"
    )
}

/// Our own names are plain; one that a person gives may not be.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn lost(url: &ConnectionUrl, error: &sqlx::Error) -> TestbedError {
    TestbedError::Other(format!("the PostgreSQL at {}: {error}", place(url)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(fsync: &str, synchronous_commit: &str) -> Vec<(String, String)> {
        let values = [fsync, synchronous_commit, "on"];
        DURABILITY
            .iter()
            .zip(values)
            .map(|(name, value)| ((*name).to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn what_an_acknowledgement_means_follows_the_settings() {
        assert!(acknowledgement(&with("on", "on"), "").contains("waits for no standby"));
        assert!(acknowledgement(&with("on", "remote_apply"), "a, b").contains("standbys \"a, b\""));
        assert!(acknowledgement(&with("on", "local"), "a").contains("waits for no standby"));
        assert!(acknowledgement(&with("off", "on"), "").contains("before its WAL record is on disk"));
    }

    #[test]
    fn weak_durability_is_a_reason_and_a_stronger_one_is_none() {
        assert!(weakness("synchronous_commit", "off").unwrap().contains("turn it on"));
        assert_eq!(weakness("synchronous_commit", "remote_write"), None);
        assert_eq!(weakness("fsync", "on"), None);
    }

    #[test]
    fn a_name_can_not_leave_its_quotes() {
        assert_eq!(quoted("a\"; DROP"), "\"a\"\"; DROP\"");
    }
}
