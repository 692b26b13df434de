//! A connection string whose password shows only when asked for by name.
//!
//! Ours are made of parts; one of the user's is parsed, and keeps its parameters (such as `sslmode`).

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use crate::error::{Result, TestbedError};

/// What may stand in a user's name or password as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The port that PostgreSQL has unless it is told another.
const DEFAULT_PORT: u16 = 5432;

/// The database that every server has.
const DEFAULT_DATABASE: &str = "postgres";

/// What may follow the question mark. The client would pass over any other, and write it to the log with its value: of
/// `sslpassword`, a password.
const PARAMETERS: [&str; 7] = [
    "application_name",
    "options",
    "password",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
];

/// Text that no `Debug` shows.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where and as whom to connect to a PostgreSQL.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionUrl {
    user: String,
    password: Secret,
    host: String,
    port: u16,
    database: String,
    /// What follows the question mark, as it was written.
    parameters: String,
}

impl ConnectionUrl {
    /// Reads `postgres://user:password@host:port/database?name=value`. Port and database may be missing, and the password:
    /// clients take it from PGPASSWORD or `~/.pgpass` then.
    ///
    /// # Errors
    /// `BadInput` that does not quote the text: where it is not valid, nobody can tell which part of it is the password.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |what: &str| {
            TestbedError::BadInput(format!(
                "the database URL is not valid: {what}; expected postgres://user:password@host:port/database, with special \
                 characters of the password percent-encoded"
            ))
        };
        let url = Url::parse(text.trim()).map_err(|error| refuse(&error.to_string()))?;
        if !["postgres", "postgresql"].contains(&url.scheme()) {
            return Err(refuse("it does not begin with postgres://"));
        }
        let decoded = |part: &str| {
            let decoded = percent_decode_str(part).decode_utf8();
            decoded.map_or_else(
                |_| Err(refuse("it has a part that is not UTF-8")),
                |part| Ok(part.into_owned()),
            )
        };
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| refuse("it has no host (servers of a run are reached by TCP)"))?;
        if url.username().is_empty() {
            return Err(refuse("it has no user"));
        }
        let mut names = url.query_pairs().map(|(name, _)| name);
        if let Some(unknown) = names.find(|name| !PARAMETERS.contains(&&**name)) {
            let known = PARAMETERS.join(", ");
            return Err(refuse(&format!(
                "the parameter {unknown:?} is not known (allowed: {known}; who and where belongs before the question mark)"
            )));
        }
        let database = match decoded(url.path().trim_start_matches('/'))? {
            none if none.is_empty() => DEFAULT_DATABASE.to_owned(),
            database => database,
        };
        Ok(Self {
            user: decoded(url.username())?,
            password: Secret(decoded(url.password().unwrap_or_default())?),
            host: host.to_owned(),
            port: url.port().unwrap_or(DEFAULT_PORT),
            database,
            parameters: url.query().unwrap_or_default().to_owned(),
        })
    }

    /// Whether it has a password in it.
    #[must_use]
    pub fn has_password(&self) -> bool {
        !self.password.0.is_empty()
            || self
                .parameters
                .split('&')
                .any(|parameter| parameter.starts_with("password="))
    }

    /// `user` and `password` are ours: letters and digits.
    pub(super) fn new(user: &str, password: &Secret, port: u16, database: &str) -> Self {
        let (user, password) = (user.to_owned(), password.clone());
        Self {
            user,
            password,
            host: "127.0.0.1".to_owned(),
            port,
            database: database.to_owned(),
            parameters: String::new(),
        }
    }

    /// The whole string, password included. It must not reach a log, a report, or a command line.
    #[must_use]
    pub fn reveal(&self) -> String {
        let encoded = |text| utf8_percent_encode(text, ENCODED).to_string();
        let password = match encoded(&self.password.0) {
            none if none.is_empty() => none,
            password => format!(":{password}"),
        };
        let parameters = match self.parameters.as_str() {
            "" => String::new(),
            parameters => format!("?{parameters}"),
        };
        format!(
            "postgres://{}{password}@{}:{}/{}{parameters}",
            encoded(&self.user),
            self.host,
            self.port,
            encoded(&self.database)
        )
    }

    /// The same server, another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        Self {
            database: database.to_owned(),
            ..self.clone()
        }
    }

    /// The same server by another address: through a proxy.
    #[must_use]
    pub fn with_address(&self, host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            ..self.clone()
        }
    }

    /// Name of the user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password alone, for a program's environment. It must not reach a log, a report, or a command line.
    #[must_use]
    pub fn reveal_password(&self) -> &str {
        &self.password.0
    }

    /// Host name or address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Name of the database.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }
}

impl fmt::Display for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user,
            host,
            port,
            database,
            ..
        } = self;
        write!(f, "postgres://{user}:***@{host}:{port}/{database}")
    }
}

impl fmt::Debug for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_shows_only_when_revealed() {
        let url =
            ConnectionUrl::new("crossover", &Secret("hunter2".to_owned()), 5432, "postgres").with_database("jobs");
        assert_eq!(url.to_string(), "postgres://crossover:***@127.0.0.1:5432/jobs");
        assert_eq!(format!("{url:?}"), url.to_string());
        assert_eq!(url.reveal(), "postgres://crossover:hunter2@127.0.0.1:5432/jobs");
    }

    #[test]
    fn a_url_of_the_users_keeps_what_is_in_it() {
        let url = ConnectionUrl::parse("postgresql://ann%40x:p%2Fw%3Ad@db.example/app?sslmode=require\n").unwrap();
        assert_eq!(
            (
                url.user(),
                url.reveal_password(),
                url.host(),
                url.port(),
                url.database()
            ),
            ("ann@x", "p/w:d", "db.example", 5432, "app")
        );
        let other = url.with_database("crossover_x");
        assert_eq!(
            other.reveal(),
            "postgres://ann%40x:p%2Fw%3Ad@db.example:5432/crossover_x?sslmode=require"
        );
        assert_eq!(ConnectionUrl::parse(&other.reveal()).unwrap(), other);
        assert_eq!(other.to_string(), "postgres://ann@x:***@db.example:5432/crossover_x");
    }

    #[test]
    fn a_url_without_port_database_or_password_is_whole() {
        let url = ConnectionUrl::parse("postgres://ann@[::1]").unwrap();
        assert_eq!(url.reveal(), "postgres://ann@[::1]:5432/postgres");
        assert!(!url.has_password());
        assert!(
            ConnectionUrl::parse("postgres://ann@h?password=x")
                .unwrap()
                .has_password()
        );
        assert!(ConnectionUrl::parse("postgres://ann:x@h").unwrap().has_password());
    }

    #[test]
    fn a_url_that_is_none_is_refused_and_not_quoted() {
        for text in [
            "hunter2",
            "http://ann:hunter2@h/x",
            "postgres:///hunter2",
            "postgres://h:hunter2/x",
            "postgres://h/hunter2",
            "postgres://ann:hunter2@h:port/x",
            "postgres://ann@h/x?sslmode=require&sslpassword=hunter2",
            "postgres://ann@h/x?host=hunter2",
        ] {
            let error = ConnectionUrl::parse(text).unwrap_err().to_string();
            assert!(
                error.contains("expected postgres://") && !error.contains("hunter2"),
                "{error}"
            );
        }
    }
}
