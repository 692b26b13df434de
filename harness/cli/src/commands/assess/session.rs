//! The session at a system that is not ours: read-only from its first moment, and allowed to see what others do.

use crossover_evidence::assess::ServerFacts;
use crossover_external::{connect_with, session};
use crossover_testbed::postgres::OLDEST_MAJOR;
use crossover_testbed::{ConnectionUrl, TestbedError};
use sqlx::postgres::PgConnectOptions;
use sqlx::{PgConnection, Row};

use super::sql;
use super::table::Found;

/// Nothing is written, and nothing of ours stays in the way: a look that takes longer than this is given up.
const SETTINGS: [(&str, &str); 6] = [
    ("default_transaction_read_only", "on"),
    ("statement_timeout", "5s"),
    ("lock_timeout", "1s"),
    // No function of somebody else's stands in for one of PostgreSQL's: our role may be a superuser.
    ("search_path", "pg_catalog"),
    // A compiled plan for a statement of a millisecond would cost hundreds.
    ("jit", "off"),
    ("TimeZone", "UTC"),
];

/// A session that was let in, and may see.
pub struct Session {
    pub connection: PgConnection,
    /// How to connect again.
    pub options: PgConnectOptions,
    version: String,
    role: String,
    connections_allowed: u32,
}

/// Connects, and refuses a server where looks would not tell the truth.
///
/// # Errors
/// `BadInput` or `Unavailable`, with what was found and what to do; never the password.
pub async fn open(url: &ConnectionUrl) -> anyhow::Result<Session> {
    let options = session(url, sql::APPLICATION, &SETTINGS)?;
    let mut connection = connect_with(url, &options).await?;
    let row = sqlx::query(sql::SESSION).fetch_one(&mut connection).await?;
    let text = |name: &str| row.try_get::<String, _>(name);
    let (place, role, version) = (place(url), text("role")?, text("version")?);
    let unavailable = |what: String, remedy: String| Err(TestbedError::unavailable(what, remedy).into());
    if row.try_get::<i32, _>("version_num")? / 10_000 < i32::try_from(OLDEST_MAJOR).unwrap_or(i32::MAX) {
        return unavailable(
            format!("the PostgreSQL at {place} is {version}, and {OLDEST_MAJOR} is the oldest that can be assessed"),
            "upgrade it, or give another server".to_owned(),
        );
    }
    if row.try_get("is_standby")? {
        return Err(TestbedError::BadInput(format!(
            "the PostgreSQL at {place} is a standby: row locks are taken and waited for on its primary; give that"
        ))
        .into());
    }
    if !row.try_get::<bool, _>("is_read_only")? {
        return unavailable(
            format!("the session at {place} did not become read-only, and nothing else may look at a live system"),
            "give PostgreSQL's own address, not that of a pooler".to_owned(),
        );
    }
    if !row.try_get::<bool, _>("may_see")? {
        return unavailable(
            format!("role {role} can't see what other roles wait for, so a sick system would look healthy"),
            format!("let a superuser run: GRANT pg_read_all_stats TO {}", quoted(&role)),
        );
    }
    for (setting, what) in [
        ("track_activities", "what its backends do"),
        ("track_counts", "what is written"),
    ] {
        if text(setting)? != "on" {
            return unavailable(
                format!("the PostgreSQL at {place} does not track {what} ({setting} is off)"),
                format!("let a superuser run: ALTER SYSTEM SET {setting} = on; SELECT pg_reload_conf()"),
            );
        }
    }
    let connections_allowed = u32::try_from(row.try_get::<i32, _>("connections_allowed")?).unwrap_or(0);
    Ok(Session {
        connection,
        options,
        version,
        role,
        connections_allowed,
    })
}

impl Session {
    /// What the report says of the server.
    ///
    /// # Errors
    /// If it is gone.
    pub async fn facts(&mut self, url: &ConnectionUrl, found: &Found) -> anyhow::Result<ServerFacts> {
        // A table that DDL has locked tells no size now.
        let sizes = sqlx::query(sql::SIZES)
            .bind(&found.relations)
            .fetch_one(&mut self.connection)
            .await
            .ok();
        let bytes = |name: &str| {
            let bytes = sizes.as_ref()?.try_get::<i64, _>(name).ok()?;
            u64::try_from(bytes).ok()
        };
        Ok(ServerFacts {
            version: self.version.clone(),
            place: place(url),
            role: self.role.clone(),
            table: found.name.clone(),
            guessed: found.guessed,
            relations: u32::try_from(found.relations.len()).unwrap_or(u32::MAX),
            heap_bytes: bytes("heap_bytes"),
            index_bytes: bytes("index_bytes"),
            connections_allowed: self.connections_allowed,
        })
    }
}

/// `host:port/database`.
fn place(url: &ConnectionUrl) -> String {
    format!("{}:{}/{}", url.host(), url.port(), url.database())
}

/// As SQL writes a name that may need quotes.
pub fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
