//! The user's PostgreSQL, one for all tests, and what tests do with it as its owner.
//!
//! Nothing here is ever dropped: the end of this process closes the supervisor's pipe, and that ends all.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crossover_external::{ExternalArgs, TestbedKind, Wanted};
use crossover_testbed::{ConnectionUrl, LocalPostgres, PostgresOptions, Supervisor};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The program that plays supervisor, cleanup and harness.
pub const HELPER: &str = env!("CARGO_BIN_EXE_crossover-external-helper");

/// A name for a run that no other has.
pub fn unique_run() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("it-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// What a test has of its own: a place for logs and files.
pub struct Test {
    pub directory: TempDir,
    pub run: String,
}

impl Test {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            directory,
            run: unique_run(),
        }
    }

    pub async fn supervisor(&self) -> Supervisor {
        supervisor(self.directory.path()).await
    }

    /// Flags for this server; the password is in a file, since variables belong to the whole process.
    pub fn args(&self, url: &ConnectionUrl) -> ExternalArgs {
        ExternalArgs {
            testbed: TestbedKind::External,
            external_database_file: Some(self.secret("url", &url.reveal())),
            ..ExternalArgs::default()
        }
    }

    /// A file that only we can read.
    pub fn secret(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub fn wanted(&self, has_brokers: bool) -> Wanted<'_> {
        Wanted {
            run_id: &self.run,
            has_brokers,
            program: Path::new(HELPER),
            tell: &|_| (),
        }
    }
}

pub async fn supervisor(logs: &Path) -> Supervisor {
    Supervisor::start_with(Path::new(HELPER), &["supervise"], logs)
        .await
        .unwrap()
}

/// A directory that lives as long as this process's supervisors.
pub fn shared_directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The user's PostgreSQL, as its superuser.
pub async fn own_postgres() -> &'static LocalPostgres {
    static SERVER: OnceCell<(Supervisor, LocalPostgres)> = OnceCell::const_new();
    let start = || async {
        let supervisor = supervisor(&shared_directory("own-postgres")).await;
        let options = PostgresOptions {
            disk_needed_bytes: 1 << 30,
            ..PostgresOptions::new(&unique_run())
        };
        let server = LocalPostgres::start(&supervisor, &options).await.unwrap();
        (supervisor, server)
    };
    &SERVER.get_or_init(start).await.1
}

/// Runs statements as the superuser.
pub async fn as_owner(statements: &[String]) {
    let mut connection = PgConnection::connect(&own_postgres().await.url().reveal())
        .await
        .unwrap();
    for statement in statements {
        connection.execute(AssertSqlSafe(statement.clone())).await.unwrap();
    }
    connection.close().await.unwrap();
}

/// A user of that name and these attributes, with a password that needs escaping.
pub async fn user(name: &str, attributes: &str) -> ConnectionUrl {
    let statement = format!("CREATE ROLE {name} LOGIN PASSWORD 'p@ss/w:rd' {attributes}");
    as_owner(&[statement]).await;
    let server = own_postgres().await.url();
    let text = format!(
        "postgres://{name}:p%40ss%2Fw%3Ard@{}:{}/postgres",
        server.host(),
        server.port()
    );
    ConnectionUrl::parse(&text).unwrap()
}

/// Names of the databases that begin with `prefix`.
pub async fn databases(prefix: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(&own_postgres().await.url().reveal())
        .await
        .unwrap();
    sqlx::query_scalar("SELECT datname FROM pg_database WHERE starts_with(datname, $1) ORDER BY 1")
        .bind(prefix)
        .fetch_all(&mut connection)
        .await
        .unwrap()
}

/// Asks until the answer is yes.
pub async fn wait_until<F: Future<Output = bool>>(what: &str, within: Duration, condition: impl Fn() -> F) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A port where nobody listens.
pub fn nobody() -> u16 {
    crossover_testbed::ports::free_port().unwrap()
}
