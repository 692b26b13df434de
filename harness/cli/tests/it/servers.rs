//! The servers of the whole test binary: one supervisor and one PostgreSQL, started by the first test that asks, and a
//! fresh database for each test.
//!
//! Nothing here is ever dropped: the end of this process, whatever its cause, closes the supervisor's pipe, and the
//! supervisor removes every process and directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crossover_engine::store::{DatabaseUrl, Store, migrate};
use crossover_testbed::kafka::{BrokerCount, BrokerKind};
use crossover_testbed::owned::OwnedDirectory;
use crossover_testbed::{
    ConnectionUrl, Containers, ContainersOptions, KafkaOptions, LocalKafka, LocalPostgres, PostgresOptions,
    ProcessSpec, Signal, Supervisor,
};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::sync::OnceCell;

/// The program under test.
pub const CROSSOVER: &str = env!("CARGO_BIN_EXE_crossover");

/// Holds the engine's schema; every test's database is a copy of it.
const TEMPLATE: &str = "engine_template";

/// A debug build on a busy machine of two processors takes a tenth of it.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// What all tests share.
pub struct Servers {
    pub supervisor: Supervisor,
    pub postgres: LocalPostgres,
    kafka: OnceCell<LocalKafka>,
    directory: PathBuf,
    run: String,
}

/// Whether the servers of these tests are to be in containers: all of them run on either provider.
pub fn wants_containers() -> bool {
    std::env::var("CROSSOVER_TESTBED").is_ok_and(|provider| provider == "containers")
}

/// The servers, started by the first call.
pub async fn servers() -> &'static Servers {
    static SERVERS: OnceCell<Servers> = OnceCell::const_new();
    SERVERS.get_or_init(Servers::start).await
}

/// A number that no other call in this process gets.
pub fn unique() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

impl Servers {
    async fn start() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let run = format!("it-{}-{}", std::process::id(), now.as_millis());
        let directory = OwnedDirectory::create(&std::env::temp_dir(), &run, "servers").unwrap();
        let directory = directory.path().to_path_buf();
        let supervisor = Supervisor::start_with(Path::new(CROSSOVER), &["supervise"], &directory)
            .await
            .unwrap();
        supervisor.remove_at_end(&directory).await.unwrap();
        let supervisor = match wants_containers() {
            true => {
                let containers = Containers::connect(ContainersOptions::new(&run)).await.unwrap();
                supervisor.with_containers(containers).await.unwrap()
            }
            false => supervisor,
        };
        let options = postgres_options(&run);
        let postgres = LocalPostgres::start(&supervisor, &options).await.unwrap();
        let servers = Self {
            supervisor,
            postgres,
            kafka: OnceCell::const_new(),
            directory,
            run,
        };
        servers.run_sql(&format!("CREATE DATABASE {TEMPLATE}")).await;
        migrate(&engine_url(&servers.postgres.url().with_database(TEMPLATE)))
            .await
            .unwrap();
        servers
    }

    /// The broker of all tests that break nothing of it, started by the first one; each has a topic prefix of its own.
    pub async fn kafka(&self) -> &LocalKafka {
        self.kafka.get_or_init(|| self.start_kafka("kafka", &[])).await
    }

    /// A PostgreSQL that one test has for itself.
    pub async fn own_postgres(&self, name: &str, settings: &[(&str, &str)]) -> LocalPostgres {
        let options = PostgresOptions {
            name: name.to_owned(),
            settings: owned(settings),
            ..postgres_options(&self.run)
        };
        LocalPostgres::start(&self.supervisor, &options).await.unwrap()
    }

    /// A broker that one test may halt, and that may be started again soon after.
    pub async fn own_kafka(&self, name: &str) -> LocalKafka {
        let quick = [
            ("broker.session.timeout.ms", "2000"),
            ("broker.heartbeat.interval.ms", "500"),
        ];
        self.start_kafka(name, &quick).await
    }

    async fn start_kafka(&self, name: &str, settings: &[(&str, &str)]) -> LocalKafka {
        let options = KafkaOptions {
            name: name.to_owned(),
            kind: Some(BrokerKind::Kafka),
            settings: owned(settings),
            // Without a rule, everything is allowed.
            authorizer: true,
            disk_needed_bytes: 1 << 30,
            ..KafkaOptions::new(&self.run, BrokerCount::One).unwrap()
        };
        LocalKafka::start(&self.supervisor, &options).await.unwrap()
    }

    /// A database with the engine's schema that nobody else uses.
    pub async fn database(&self) -> Database {
        let name = format!("test_{}", unique());
        self.run_sql(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
            .await;
        let url = self.postgres.url().with_database(&name);
        let pool = PgPoolOptions::new()
            .max_connections(2)
            .connect(&url.reveal())
            .await
            .unwrap();
        Database {
            name,
            url,
            pool,
            supervisor: self.supervisor.clone(),
        }
    }

    /// A file for a process: its log, or where it says that it is ready.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Starts a process of the engine; does not wait for it. Answers its ready file and its log.
    pub async fn spawn_engine(
        &self,
        name: &str,
        args: &[&str],
        database: Option<&ConnectionUrl>,
    ) -> (PathBuf, PathBuf) {
        let (ready, log) = (self.file(&format!("{name}.ready")), self.file(&format!("{name}.log")));
        let spec = ProcessSpec::new(name, CROSSOVER, &log)
            .args(["engine"].iter().chain(args).copied())
            .args(["--name", name, "--ready-file", &ready.display().to_string()])
            .stop(Signal::Term, Duration::from_secs(10));
        let spec = match database {
            Some(url) => spec.env("CROSSOVER_DATABASE_URL", url.reveal()),
            None => spec,
        };
        self.supervisor.spawn(spec).await.unwrap();
        (ready, log)
    }

    /// Starts a process of the engine and waits until it listens; answers its address.
    pub async fn start_engine(&self, name: &str, args: &[&str], database: Option<&ConnectionUrl>) -> String {
        let (ready, log) = self.spawn_engine(name, args, database).await;
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        let begun = Instant::now();
        loop {
            if let Ok(address) = std::fs::read_to_string(&ready) {
                return address;
            }
            assert!(
                self.supervisor.is_alive(name),
                "{name} ended before it was ready:\n{}",
                said()
            );
            assert!(
                begun.elapsed() < READY_WITHIN,
                "{name} was not ready in time:\n{}",
                said()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn run_sql(&self, statement: &str) {
        let mut connection = PgConnection::connect(&self.postgres.url().reveal()).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }
}

/// Small, for tests.
fn postgres_options(run: &str) -> PostgresOptions {
    PostgresOptions {
        disk_needed_bytes: 1 << 30,
        ..PostgresOptions::new(run)
    }
}

fn owned(settings: &[(&str, &str)]) -> BTreeMap<String, String> {
    let one = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    settings.iter().map(one).collect()
}

/// A database of one test.
pub struct Database {
    /// Its name; also the prefix of its processes' names.
    pub name: String,
    pub url: ConnectionUrl,
    /// For what a test wants to know or to bend; not the engine's connections.
    pub pool: PgPool,
    supervisor: Supervisor,
}

impl Drop for Database {
    /// Processes that a test leaves running would be a burden to those that come after it.
    fn drop(&mut self) {
        let prefix = format!("{}-", self.name);
        for (_, pid) in self
            .supervisor
            .pids()
            .into_iter()
            .filter(|(name, _)| name.starts_with(&prefix))
        {
            let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
            // One that has ended by itself is as gone as it can be.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

impl Database {
    /// The engine's own statements on it.
    pub fn store(&self, connections: u32) -> Store {
        Store::new(&engine_url(&self.url), "crossover-test", connections)
    }

    /// One number.
    pub async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }

    /// Runs a statement; answers the rows that it changed.
    pub async fn execute(&self, statement: &'static str) -> u64 {
        sqlx::query(statement)
            .execute(&self.pool)
            .await
            .unwrap()
            .rows_affected()
    }
}

/// The engine's form of a connection string.
pub fn engine_url(url: &ConnectionUrl) -> DatabaseUrl {
    url.reveal().parse().unwrap()
}

/// Asks until the answer is yes.
pub async fn wait_until<F: Future<Output = bool>>(what: &str, within: Duration, condition: impl Fn() -> F) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
