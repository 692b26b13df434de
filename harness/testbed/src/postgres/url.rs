//! A connection string whose password shows only when asked for by name.

use std::fmt;

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
}

impl ConnectionUrl {
    /// `user` and `password` must not need escaping in a URL: ours are letters and digits.
    pub(super) fn new(user: &str, password: &Secret, port: u16, database: &str) -> Self {
        let (user, password) = (user.to_owned(), password.clone());
        Self {
            user,
            password,
            host: "127.0.0.1".to_owned(),
            port,
            database: database.to_owned(),
        }
    }

    /// The whole string, password included. It must not reach a log, a report, or a command line.
    #[must_use]
    pub fn reveal(&self) -> String {
        self.with_password(&self.password.0)
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

    fn with_password(&self, password: &str) -> String {
        let Self {
            user,
            host,
            port,
            database,
            ..
        } = self;
        format!("postgres://{user}:{password}@{host}:{port}/{database}")
    }
}

impl fmt::Display for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_password("***"))
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
}
