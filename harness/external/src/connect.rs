//! One connection to the user's PostgreSQL, and why there is none.

use std::io::ErrorKind;
use std::time::Duration;

use crossover_testbed::{ConnectionUrl, Result, TestbedError, probe_broker};
use sqlx::postgres::{PgConnectOptions, PgDatabaseError};
use sqlx::{Connection, PgConnection};

/// A server at the other end of the world answers in a second.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);

/// How we call ourselves in `pg_stat_activity`.
const APPLICATION: &str = "crossover-external";

/// Connects as the engine will: with settings in the start of the session, which poolers refuse.
///
/// # Errors
/// `BadInput` or `Unavailable`, with the address, what was found there, and what to do; never the password.
pub async fn connect(url: &ConnectionUrl) -> Result<PgConnection> {
    let settings = [("statement_timeout", "15s"), ("TimeZone", "UTC")];
    connect_with(url, &session(url, APPLICATION, &settings)?).await
}

/// A session at the user's PostgreSQL that begins with these settings.
///
/// # Errors
/// `BadInput` if the URL has a parameter that can't be used.
pub fn session(url: &ConnectionUrl, application: &str, settings: &[(&str, &str)]) -> Result<PgConnectOptions> {
    let options: PgConnectOptions = url.reveal().parse().map_err(|error| explain(url, &error))?;
    Ok(options.application_name(application).options(settings.iter().copied()))
}

/// Connects with options that [`session`] has made.
///
/// # Errors
/// As [`connect`].
pub async fn connect_with(url: &ConnectionUrl, options: &PgConnectOptions) -> Result<PgConnection> {
    match tokio::time::timeout(CONNECTED_WITHIN, PgConnection::connect_with(options)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(explain_with_a_look(url, &error).await),
        Err(_) => Err(TestbedError::unavailable(
            format!(
                "no answer from a PostgreSQL at {} within {CONNECTED_WITHIN:?}",
                place(url)
            ),
            "correct host and port, or open the firewall",
        )),
    }
}

/// `host:port`.
pub(crate) fn place(url: &ConnectionUrl) -> String {
    format!("{}:{}", url.host(), url.port())
}

async fn explain_with_a_look(url: &ConnectionUrl, error: &sqlx::Error) -> TestbedError {
    let is_odd = match error {
        sqlx::Error::Io(error) => error.kind() != ErrorKind::ConnectionRefused,
        sqlx::Error::Protocol(_) => true,
        _ => false,
    };
    if is_odd && probe_broker(&place(url)).await.is_ok() {
        return TestbedError::BadInput(format!(
            "{} is a Kafka broker, not a PostgreSQL; give PostgreSQL's port, which is usually 5432",
            place(url)
        ));
    }
    explain(url, error)
}

fn explain(url: &ConnectionUrl, error: &sqlx::Error) -> TestbedError {
    let place = place(url);
    match error {
        sqlx::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => TestbedError::unavailable(
            format!("no PostgreSQL at {place}: {error}"),
            "start it, or correct host and port",
        ),
        sqlx::Error::Io(error) if error.to_string().contains("lookup address") => TestbedError::BadInput(format!(
            "no host is named {:?} (of the PostgreSQL {place}): {error}; correct the name, or give an IP address",
            url.host()
        )),
        sqlx::Error::Io(error) if error.kind() == ErrorKind::InvalidData => no_tls(&place, error),
        sqlx::Error::Io(error) => TestbedError::unavailable(
            format!("{place} takes a connection and breaks it ({error}), so no PostgreSQL can be reached there"),
            "start the server behind it, or correct host and port",
        ),
        sqlx::Error::Protocol(_) => TestbedError::BadInput(format!(
            "{place} does not answer as a PostgreSQL does; correct host and port, which is usually 5432"
        )),
        sqlx::Error::Tls(error) if cfg!(feature = "postgres-tls") => no_tls(&place, error),
        sqlx::Error::Tls(_) => TestbedError::BadInput(format!(
            "the URL of the PostgreSQL at {place} asks for TLS, and this build speaks to databases in plain text only; build it \
             with `--features postgres-tls`"
        )),
        sqlx::Error::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
            Some(error) => refused(url, error.code(), error.message()),
            None => TestbedError::Other(format!("the PostgreSQL at {place}: {error}")),
        },
        // What is wrong in a URL may be its password.
        sqlx::Error::Configuration(_) => TestbedError::BadInput(format!(
            "the URL of the PostgreSQL at {place} has a parameter that can't be used; parameters are those of libpq, such as sslmode"
        )),
        other => TestbedError::Other(format!("the PostgreSQL at {place}: {other}")),
    }
}

fn no_tls(place: &str, error: &impl std::fmt::Display) -> TestbedError {
    TestbedError::BadInput(format!(
        "no TLS with the PostgreSQL at {place}: {error}; correct sslmode or sslrootcert in its URL"
    ))
}

/// The server's own refusals, by their code; its messages hold no password.
fn refused(url: &ConnectionUrl, code: &str, message: &str) -> TestbedError {
    let (place, user, database) = (place(url), url.user(), url.database());
    let remedy = match code {
        "28000" if message.contains("no encryption") => {
            "the server wants TLS: add ?sslmode=require to the URL, and build with `--features postgres-tls`".to_owned()
        }
        "28000" => format!("allow user {user} from this machine in pg_hba.conf, or give another user"),
        "28P01" => format!("correct the password of user {user}, in the URL, PGPASSWORD or ~/.pgpass"),
        "3D000" => format!("name a database that is there instead of {database}, such as postgres"),
        "08P01" if message.contains("startup parameter") => {
            "there is a pooler in front of it, through which locks of a session do not hold: give PostgreSQL's own address".to_owned()
        }
        "42501" => format!("GRANT CONNECT ON DATABASE {database} TO {user}"),
        "53300" | "57P03" => {
            let remedy = if code == "53300" { "raise max_connections, or end other sessions" } else { "wait until it is up" };
            return TestbedError::unavailable(format!("the PostgreSQL at {place} lets nobody in: {message}"), remedy);
        }
        _ => "correct the URL".to_owned(),
    };
    TestbedError::BadInput(format!("the PostgreSQL at {place} refuses: {message}; {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_a_remedy_of_its_own() {
        let url = ConnectionUrl::parse("postgres://ann:hunter2@h/app").unwrap();
        let said = |code, message| refused(&url, code, message).to_string();
        let pg_hba = "no pg_hba.conf entry for host \"::1\", user \"ann\", database \"app\", no encryption";
        assert!(said("28000", pg_hba).contains("sslmode=require"));
        assert!(said("28000", "no pg_hba.conf entry, SSL encryption").contains("allow user ann"));
        assert!(said("3D000", "database \"app\" does not exist").contains("instead of app"));
        assert!(said("08P01", "unsupported startup parameter: options").contains("pooler"));
        let full = refused(&url, "53300", "too many clients already");
        assert!(matches!(full, TestbedError::Unavailable { .. }), "{full}");
    }
}
