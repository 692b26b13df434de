//! Flags and variables that say where the user's servers are. A password never stands on a command line, where every user
//! of the machine can read it.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use crossover_engine::kafka::KafkaArgs;
use crossover_testbed::{ConnectionUrl, Result, TestbedError};

/// The variable with the whole URL.
pub const DATABASE_URL: &str = "CROSSOVER_EXTERNAL_DATABASE_URL";

/// Where a URL with a password may come from, by the names that messages use.
#[derive(Debug, Clone, Copy)]
pub struct UrlSource {
    /// The flag, which every user of the machine can read.
    pub flag: &'static str,
    /// The flag of a file that nobody else can read.
    pub file_flag: &'static str,
    /// The variable.
    pub variable: &'static str,
}

const OF_A_RUN: UrlSource = UrlSource {
    flag: "--external-database",
    file_flag: "--external-database-file",
    variable: DATABASE_URL,
};

impl UrlSource {
    /// The URL of the flag or file, else of the variable; `None` if there is none.
    ///
    /// # Errors
    /// `BadInput` if it is no URL, or others could read its password.
    pub fn find(
        &self,
        flag: Option<&str>,
        file: Option<&Path>,
        variable: Option<String>,
    ) -> Result<Option<ConnectionUrl>> {
        if let Some(text) = flag {
            let url = ConnectionUrl::parse(text)?;
            if url.has_password() {
                let Self {
                    flag,
                    file_flag,
                    variable,
                } = self;
                return Err(TestbedError::BadInput(format!(
                    "{flag} has a password in it, which every user of this machine can read; give the URL in {variable} \
                     or in a file ({file_flag}), or leave the password to PGPASSWORD or ~/.pgpass"
                )));
            }
            return Ok(Some(url));
        }
        let text = match file {
            Some(path) => Some(read_secret(self.file_flag, path)?),
            None => variable.filter(|url| !url.is_empty()),
        };
        text.map(|text| ConnectionUrl::parse(&text)).transpose()
    }
}

/// What a run stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum TestbedKind {
    /// Local, unless an image or Redpanda is named.
    #[default]
    Auto,
    /// Servers of its own in containers on this machine, removed afterwards; images that are missing are pulled.
    Containers,
    /// Servers of its own as processes on this machine, removed afterwards.
    Local,
    /// Your PostgreSQL and your brokers.
    External,
}

/// Where the servers are.
#[derive(Clone, Default, Args)]
pub struct ExternalArgs {
    /// What the run stands on
    #[arg(long, value_enum, default_value_t, env = "CROSSOVER_TESTBED")]
    pub testbed: TestbedKind,
    /// Your PostgreSQL, as postgres://user@host:port/database. The password belongs in PGPASSWORD or ~/.pgpass; or give the
    /// whole URL in CROSSOVER_EXTERNAL_DATABASE_URL instead of this flag
    #[arg(long, value_name = "URL", conflicts_with = "external_database_file")]
    pub external_database: Option<String>,
    /// File that holds the URL of your PostgreSQL, password included, and that only you can read
    #[arg(long, value_name = "FILE")]
    pub external_database_file: Option<PathBuf>,
    /// A broker of yours, as host:port; repeat for several
    #[arg(long, value_name = "HOST:PORT")]
    pub external_broker: Vec<String>,
    /// File of librdkafka properties (`key=value` lines), for TLS and SASL to your brokers
    #[arg(long, value_name = "FILE", env = "CROSSOVER_KAFKA_CONFIG")]
    pub kafka_config: Option<PathBuf>,
    /// Let the scenario's faults reach your servers too
    #[arg(long)]
    pub allow_faults: bool,
}

impl fmt::Debug for ExternalArgs {
    /// Not the URL: it may hold a password where it should not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalArgs")
            .field("testbed", &self.testbed)
            .field("external_broker", &self.external_broker)
            .field("kafka_config", &self.kafka_config)
            .field("allow_faults", &self.allow_faults)
            .finish_non_exhaustive()
    }
}

impl TestbedKind {
    /// The flag's value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Containers => "containers",
            Self::Local => "local",
            Self::External => "external",
        }
    }
}

impl ExternalArgs {
    /// Whether the run stands on the user's servers. A variable alone does not say so: it may be left over.
    ///
    /// # Errors
    /// `BadInput` if flags name servers that would not be used.
    pub fn is_external(&self) -> Result<bool> {
        let is_external = self.testbed == TestbedKind::External;
        let flag = if self.external_database.is_some() {
            "--external-database"
        } else if self.external_database_file.is_some() {
            "--external-database-file"
        } else if !self.external_broker.is_empty() {
            "--external-broker"
        } else if self.allow_faults {
            "--allow-faults"
        } else {
            return Ok(is_external);
        };
        if is_external {
            return Ok(true);
        }
        Err(TestbedError::BadInput(format!(
            "{flag} is about servers of your own, and the run would not use them; add --testbed external, or leave it out"
        )))
    }

    /// The URL of the user's PostgreSQL: of the flag or file, else of the variable.
    ///
    /// # Errors
    /// `BadInput` if there is none, it is none, or others could read its password.
    pub fn database(&self) -> Result<ConnectionUrl> {
        self.database_or(std::env::var(DATABASE_URL).ok())
    }

    fn database_or(&self, variable: Option<String>) -> Result<ConnectionUrl> {
        let found = OF_A_RUN.find(
            self.external_database.as_deref(),
            self.external_database_file.as_deref(),
            variable,
        )?;
        found.ok_or_else(|| {
            TestbedError::BadInput(format!(
                "--testbed external: no PostgreSQL is given; set {DATABASE_URL} to its URL, or pass --external-database or \
                 --external-database-file"
            ))
        })
    }

    /// How the engine reaches the user's brokers; names begin with `prefix`.
    ///
    /// # Errors
    /// `BadInput` if none is given.
    pub fn kafka(&self, prefix: &str) -> Result<KafkaArgs> {
        if self.external_broker.is_empty() {
            return Err(TestbedError::BadInput(
                "--testbed external: no broker is given, and this mode needs one; pass --external-broker host:port"
                    .to_owned(),
            ));
        }
        Ok(KafkaArgs {
            broker: self.external_broker.clone(),
            kafka_config: self.kafka_config.clone(),
            topic_prefix: prefix.to_owned(),
        })
    }
}

/// Reads a file that nobody else can.
fn read_secret(flag: &str, path: &Path) -> Result<String> {
    let shown = path.display();
    let refuse = |problem: String| TestbedError::BadInput(format!("{flag} {shown}: {problem}"));
    let metadata = std::fs::metadata(path).map_err(|error| refuse(format!("it can't be read: {error}")))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(refuse(format!(
            "its mode is {mode:o}, so other users may read the password in it; chmod 600 {shown}"
        )));
    }
    std::fs::read_to_string(path).map_err(|error| refuse(format!("it can't be read: {error}")))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    fn external() -> ExternalArgs {
        ExternalArgs {
            testbed: TestbedKind::External,
            ..ExternalArgs::default()
        }
    }

    #[test]
    fn a_password_on_the_command_line_is_refused_and_not_quoted() {
        let with = |url: &str| ExternalArgs {
            external_database: Some(url.to_owned()),
            ..external()
        };
        let error = with("postgres://ann:hunter2@h/x")
            .database_or(None)
            .unwrap_err()
            .to_string();
        assert!(error.contains(DATABASE_URL) && !error.contains("hunter2"), "{error}");
        let url = with("postgres://ann@h/x").database_or(Some("postgres://b:c@other".to_owned()));
        assert_eq!(url.unwrap().host(), "h", "the flag comes before the variable");
        assert!(!format!("{:?}", with("postgres://ann:hunter2@h/x")).contains("hunter2"));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "postgres://ann:hunter2@h/x\n").unwrap();
        let args = ExternalArgs {
            external_database_file: Some(file.path().to_path_buf()),
            ..external()
        };
        std::fs::set_permissions(file.path(), Permissions::from_mode(0o640)).unwrap();
        let error = args.database_or(None).unwrap_err().to_string();
        assert!(error.contains("640") && error.contains("chmod 600"), "{error}");
        std::fs::set_permissions(file.path(), Permissions::from_mode(0o600)).unwrap();
        assert_eq!(args.database_or(None).unwrap().reveal_password(), "hunter2");
    }

    #[test]
    fn flags_for_servers_that_would_not_be_used_are_refused() {
        let args = ExternalArgs {
            external_broker: vec!["h:9092".to_owned()],
            ..ExternalArgs::default()
        };
        let error = args.is_external().unwrap_err().to_string();
        assert!(
            error.contains("--external-broker") && error.contains("--testbed external"),
            "{error}"
        );
        assert!(!ExternalArgs::default().is_external().unwrap());
        assert!(external().is_external().unwrap());
    }

    #[test]
    fn what_is_not_given_is_named() {
        let error = external().database_or(None).unwrap_err().to_string();
        assert!(error.contains(DATABASE_URL), "{error}");
        let error = external().kafka("p.").unwrap_err().to_string();
        assert!(error.contains("--external-broker host:port"), "{error}");
    }
}
