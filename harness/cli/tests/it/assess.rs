//! `assess` on schemas that are not ours, under load: healthy, contended, hidden, quiet; and nothing is written.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossover_testbed::ConnectionUrl;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::task::JoinHandle;

use crate::servers::{servers, unique, wait_until};
use crate::support::{Finished, Place, Said, read_json, said};

/// The shortest that is allowed: 60 looks, five in each of twelve windows.
const SHORT: [&str; 4] = ["--duration", "6s", "--interval", "100ms"];

/// As River lays it out, without what its fetch does not touch.
const RIVER: &str = "CREATE TABLE river_job (
        id bigserial PRIMARY KEY, state text NOT NULL DEFAULT 'available', attempt smallint NOT NULL DEFAULT 0,
        max_attempts smallint NOT NULL DEFAULT 25, attempted_at timestamptz, created_at timestamptz NOT NULL DEFAULT now(),
        finalized_at timestamptz, scheduled_at timestamptz NOT NULL DEFAULT now(), priority smallint NOT NULL DEFAULT 1,
        args jsonb NOT NULL DEFAULT '{}', attempted_by text[], kind text NOT NULL DEFAULT 'mail', queue text NOT NULL DEFAULT 'default');
    CREATE INDEX river_job_prioritized_fetching_index ON river_job (state, queue, priority, scheduled_at, id);
    INSERT INTO river_job (priority) SELECT 1 FROM generate_series(1, 20000)";

/// As River fetches.
const RIVER_FETCH: &str = "WITH locked_jobs AS (
        SELECT * FROM river_job
        WHERE state = 'available' AND queue = 'default' AND scheduled_at <= now()
        ORDER BY priority ASC, scheduled_at ASC, id ASC LIMIT 10 FOR UPDATE SKIP LOCKED)
    UPDATE river_job SET state = 'running', attempt = river_job.attempt + 1, attempted_at = now(),
        attempted_by = array_append(river_job.attempted_by, 'test')
    FROM locked_jobs WHERE river_job.id = locked_jobs.id RETURNING river_job.id";

/// As graphile-worker lays it out: its tables are private, in a schema of their own.
const GRAPHILE: &str = "CREATE SCHEMA graphile_worker;
    CREATE TABLE graphile_worker._private_jobs (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job_queue_id int, task_id int NOT NULL DEFAULT 1,
        payload json NOT NULL DEFAULT '{}', priority smallint NOT NULL DEFAULT 0, run_at timestamptz NOT NULL DEFAULT now(),
        attempts smallint NOT NULL DEFAULT 0, max_attempts smallint NOT NULL DEFAULT 25, locked_at timestamptz, locked_by text,
        is_available boolean GENERATED ALWAYS AS (locked_at IS NULL AND attempts < max_attempts) STORED NOT NULL);
    CREATE INDEX jobs_main_index ON graphile_worker._private_jobs (priority, run_at, id) WHERE is_available;
    CREATE TABLE graphile_worker._private_tasks (id int PRIMARY KEY, identifier text);
    INSERT INTO graphile_worker._private_jobs (priority) SELECT 0 FROM generate_series(1, 20000)";

/// As graphile-worker takes a job, and as somebody would who forgot SKIP LOCKED.
const GRAPHILE_FETCH: &str = "WITH j AS (
        SELECT jobs.id FROM graphile_worker._private_jobs AS jobs
        WHERE is_available AND run_at <= now() ORDER BY priority ASC, run_at ASC LIMIT 1 FOR UPDATE)
    UPDATE graphile_worker._private_jobs AS jobs SET attempts = jobs.attempts + 1, locked_by = 'test', locked_at = now()
    FROM j WHERE jobs.id = j.id RETURNING jobs.id";

/// A database that is not ours, with nothing but its schema.
struct Foreign {
    url: ConnectionUrl,
    place: Place,
}

impl Foreign {
    async fn new(schema: &'static str) -> Self {
        Self::on(&servers().await.postgres.url(), schema).await
    }

    async fn on(server: &ConnectionUrl, schema: &'static str) -> Self {
        let name = format!("foreign_{}", unique());
        let url = server.with_database(&name);
        execute(server, format!("CREATE DATABASE {name}")).await;
        execute(&url, schema.to_owned()).await;
        let place = Place::new();
        Self { url, place }
    }

    /// `assess` of it, not started yet.
    fn command(&self, flags: &[&str]) -> Command {
        let mut command = self.place.crossover(["assess", "--output"]);
        command.arg(self.place.path("runs"));
        command.args(flags).env("CROSSOVER_DATABASE_URL", self.url.reveal());
        command
    }

    /// Assesses it while the tests' tasks go on.
    async fn assessed(&self, flags: &[&str]) -> Finished {
        let mut command = self.command(&[&SHORT, flags].concat());
        let said = tokio::task::spawn_blocking(move || said(&mut command)).await.unwrap();
        assert_eq!(said.code, Some(0), "{}\n{}", said.output, said.errors);
        Finished {
            directory: self.place.only_run(),
            said,
        }
    }

    async fn number(&self, query: &'static str) -> i64 {
        let mut connection = PgConnection::connect(&self.url.reveal()).await.unwrap();
        sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap()
    }

    /// Rows written, the next transaction id and the end of the write-ahead log, once they no longer change: what ended
    /// sessions have counted comes late.
    async fn written_when_still(&self) -> Vec<i64> {
        let mut last = Vec::new();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let now = vec![
                self.number(
                    "SELECT (tup_inserted + tup_updated + tup_deleted)::int8 FROM pg_stat_database WHERE datname = current_database()",
                )
                .await,
                self.number("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8").await,
                self.number("SELECT (pg_current_wal_insert_lsn() - '0/0')::int8").await,
            ];
            if now == last {
                return now;
            }
            last = now;
        }
        panic!("the server is never still: {last:?}");
    }
}

async fn execute(url: &ConnectionUrl, statement: String) {
    let mut connection = PgConnection::connect(&url.reveal()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

/// Workers that go on until this is dropped.
struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// Each takes jobs in a transaction, stays in it for `held`, and takes a break of `pause`.
    fn start(url: &ConnectionUrl, workers: usize, fetch: &'static str, held: Duration, pause: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let worker = || {
            let (stop, url) = (stop.clone(), url.reveal());
            tokio::spawn(async move {
                let mut connection = PgConnection::connect(&url).await.unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let mut transaction = connection.begin().await.unwrap();
                    sqlx::query(fetch).fetch_all(&mut *transaction).await.unwrap();
                    tokio::time::sleep(held).await;
                    transaction.commit().await.unwrap();
                    tokio::time::sleep(pause).await;
                }
            })
        };
        Self {
            tasks: (0..workers).map(|_| worker()).collect(),
            stop,
        }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

fn evidence(finished: &Finished) -> Value {
    read_json(&finished.directory.join("assess.json"))
}

fn kinds(evidence: &Value) -> Vec<&str> {
    let findings = evidence["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| finding["kind"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_river_that_skips_locked_rows_is_no_case_of_sustained_waits() {
    let foreign = Foreign::new(RIVER).await;
    let pause = Duration::from_millis(20);
    let load = Load::start(&foreign.url, 4, RIVER_FETCH, Duration::from_millis(2), pause);
    let finished = foreign.assessed(&[]).await;
    load.end().await;
    let evidence = evidence(&finished);
    assert_eq!(evidence["condition"]["answer"], "no", "{:#}", evidence["condition"]);
    assert_eq!(evidence["server"]["table"], "public.river_job");
    assert_eq!(evidence["server"]["guessed"], true);
    assert!(
        evidence["table"]["updated_per_s"].as_f64().unwrap() > 100.0,
        "{:#}",
        evidence["table"]
    );
    assert_eq!(evidence["looks"]["failed"], 0);
    assert!(
        !kinds(&evidence).contains(&"row-lock-waits"),
        "{:#}",
        evidence["findings"]
    );
    // What it said and wrote, and what it did not: its password.
    assert!(finished.said.output.contains("NO. "), "{}", finished.said.output);
    assert!(
        finished.said.errors.contains("public.river_job"),
        "{}",
        finished.said.errors
    );
    let secret = foreign.url.reveal_password();
    for file in ["report.html", "report.md", "assess.json", "samples.jsonl"] {
        assert!(!finished.text(file).contains(secret), "{file}");
    }
    assert!(!finished.said.output.contains(secret) && !finished.said.errors.contains(secret));
    // The same again, from the files.
    let page = finished.text("report.html");
    let again = said(foreign.place.crossover(["report"]).arg(&finished.directory));
    assert_eq!(again.code, Some(0), "{}", again.errors);
    assert_eq!(finished.text("report.html"), page);
}

/// Positive control: the same question, a system that waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graphile_that_waits_for_locked_rows_is_found() {
    let foreign = Foreign::new(GRAPHILE).await;
    let load = Load::start(
        &foreign.url,
        5,
        GRAPHILE_FETCH,
        Duration::from_millis(10),
        Duration::ZERO,
    );
    let finished = foreign.assessed(&["--table", "_private_jobs"]).await;
    load.end().await;
    let evidence = evidence(&finished);
    assert_eq!(evidence["condition"]["answer"], "yes", "{:#}", evidence["condition"]);
    assert_eq!(evidence["server"]["table"], "graphile_worker._private_jobs");
    let waits = &evidence["lock_waits"];
    assert!(waits["lock_wait_share"]["low"].as_f64().unwrap() > 0.5, "{waits:#}");
    assert!(waits["waiting_max"].as_u64().unwrap() >= 3, "{waits:#}");
    assert!(
        kinds(&evidence).contains(&"row-lock-waits"),
        "{:#}",
        evidence["findings"]
    );
    assert!(finished.said.output.contains("YES. "), "{}", finished.said.output);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_another_table_are_not_taken_for_those_of_the_job_table() {
    let foreign = Foreign::new(RIVER).await;
    execute(
        &foreign.url,
        "CREATE TABLE account AS SELECT 1 AS id, 0 AS money".to_owned(),
    )
    .await;
    let hot = "UPDATE account SET money = money + 1 WHERE id = 1 RETURNING id";
    let (held, pause) = (Duration::from_millis(10), Duration::from_millis(20));
    let others = Load::start(&foreign.url, 5, hot, held, Duration::ZERO);
    let load = Load::start(&foreign.url, 2, RIVER_FETCH, Duration::ZERO, pause);
    let finished = foreign.assessed(&["--table", "river_job"]).await;
    others.end().await;
    load.end().await;
    let evidence = evidence(&finished);
    assert_eq!(evidence["lock_waits"]["waiting_max"], 0, "{:#}", evidence["lock_waits"]);
    let waits = evidence["waits"].as_array().unwrap();
    assert!(
        waits
            .iter()
            .any(|wait| wait["type"] == "Lock" && wait["relation"] == "public.account"),
        "{waits:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_idles_is_named_and_a_quiet_table_is_no_clean_bill() {
    let foreign = Foreign::new(RIVER).await;
    let mut idle = PgConnection::connect(&foreign.url.reveal()).await.unwrap();
    sqlx::raw_sql("SET application_name = 'forgetful'; BEGIN; UPDATE river_job SET priority = 2 WHERE id = 1")
        .execute(&mut idle)
        .await
        .unwrap();
    // Its age at the end is beyond the threshold of 10 s.
    let flags = ["--duration", "11s", "--interval", "100ms"];
    let mut command = foreign.command(&flags);
    let said = tokio::task::spawn_blocking(move || said(&mut command)).await.unwrap();
    assert_eq!(said.code, Some(0), "{}", said.errors);
    let evidence = read_json(&foreign.place.only_run().join("assess.json"));
    assert_eq!(evidence["condition"]["answer"], "unknown");
    assert!(
        evidence["condition"]["reason"].as_str().unwrap().contains("no load"),
        "{:#}",
        evidence["condition"]
    );
    let finding = evidence["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["kind"] == "idle-in-transaction")
        .unwrap_or_else(|| panic!("{:#}", evidence["findings"]));
    assert!(
        finding["evidence"].as_str().unwrap().contains("forgetful"),
        "{finding:#}"
    );
    idle.close().await.unwrap();
}

/// Assessments, of which one must leave the write-ahead log as it is.
const TRIALS: u32 = 4;

/// A server of its own: the write-ahead log is everybody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_by_a_session_that_can_not_write() {
    let settings = [("autovacuum", "off"), ("max_connections", "20")];
    let quiet = servers().await.own_postgres("quiet-postgres", &settings).await;
    let foreign = Foreign::on(&quiet.url(), RIVER).await;
    let has_spy = spy(&foreign).await;
    execute(&foreign.url, "VACUUM (FREEZE, ANALYZE)".to_owned()).await;
    // The server writes for itself too: whoever first reads a page after it changed leaves marks on it (hint bits), which is
    // logged where there are checksums, and now and then the background writer notes what runs. Neither comes each time, and
    // what an assessment wrote would.
    let mut before = foreign.written_when_still().await;
    let mut is_still = false;
    for _ in 0..TRIALS {
        let finished = foreign.assessed(&[]).await;
        let after = foreign.written_when_still().await;
        assert_eq!(after[..2], before[..2], "rows, next transaction id");
        let statements = evidence(&finished)["statements"].to_string();
        let is_seen = statements.contains("read-only: on, path: pg_catalog, limit: 5s");
        assert!(is_seen || !has_spy, "{statements}");
        assert!(!statements.contains("a constant"), "{statements}");
        std::fs::remove_dir_all(finished.directory).unwrap();
        is_still = after == before;
        before = after;
        if is_still {
            break;
        }
    }
    assert!(is_still, "the write-ahead log grew in each of {TRIALS} assessments");
    if !has_spy {
        println!("not looked into the session: this PostgreSQL has no pg_stat_statements");
    }
    // The measure would have shown a write: a single row is one.
    execute(
        &foreign.url,
        "UPDATE river_job SET priority = 2 WHERE id = 1".to_owned(),
    )
    .await;
    assert_ne!(foreign.written_when_still().await, before);
}

/// In place of `pg_stat_statements`, a view that tells the settings of the session that reads it.
async fn spy(foreign: &Foreign) -> bool {
    let available = "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_stat_statements'";
    if foreign.number(available).await == 0 {
        return false;
    }
    let spy = "CREATE EXTENSION pg_stat_statements;
        ALTER EXTENSION pg_stat_statements DROP VIEW pg_stat_statements;
        DROP VIEW pg_stat_statements;
        CREATE VIEW pg_stat_statements AS SELECT 1::int8 AS queryid, oid AS dbid, '/* tag */ SELECT river_job read-only: '
            || current_setting('default_transaction_read_only') || ', path: ' || current_setting('search_path')
            || ', limit: ' || current_setting('statement_timeout') AS query,
            (extract(epoch FROM clock_timestamp()) * 1000)::int8 AS calls, 1.0::float8 AS total_exec_time, 1::int8 AS rows,
            0::int8 AS shared_blks_hit, 0::int8 AS shared_blks_read
        FROM pg_database WHERE datname = current_database()
        UNION ALL SELECT 2::int8, oid, 'COPY (SELECT ''a constant'' FROM river_job) TO STDOUT',
            (extract(epoch FROM clock_timestamp()) * 1000)::int8, 1.0::float8, 1::int8, 0::int8, 0::int8
        FROM pg_database WHERE datname = current_database()";
    execute(&foreign.url, spy.to_owned()).await;
    true
}

/// Positive control of partitions: the waits are for rows of one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_for_rows_of_a_partition_are_waits_for_rows_of_the_table() {
    let schema = "CREATE SCHEMA pgboss;
        CREATE TABLE pgboss.job (id bigint, name text NOT NULL, state text NOT NULL DEFAULT 'created') PARTITION BY LIST (name);
        CREATE TABLE pgboss.j1 PARTITION OF pgboss.job FOR VALUES IN ('mail');
        INSERT INTO pgboss.job (id, name) SELECT id, 'mail' FROM generate_series(1, 100) AS id";
    let foreign = Foreign::new(schema).await;
    let fetch = "WITH next AS (SELECT id FROM pgboss.job WHERE name = 'mail' ORDER BY id LIMIT 1 FOR UPDATE)
        UPDATE pgboss.job SET state = 'active' FROM next WHERE job.name = 'mail' AND job.id = next.id RETURNING job.id";
    let load = Load::start(&foreign.url, 4, fetch, Duration::from_millis(10), Duration::ZERO);
    let finished = foreign.assessed(&[]).await;
    load.end().await;
    let evidence = evidence(&finished);
    assert_eq!(evidence["server"]["table"], "pgboss.job");
    assert_eq!(evidence["server"]["relations"], 2);
    assert_eq!(evidence["condition"]["answer"], "yes", "{:#}", evidence["condition"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_can_not_see_the_waits_of_others_is_told_what_to_grant() {
    let foreign = Foreign::new(RIVER).await;
    let role = format!("watcher_{}", unique());
    execute(&foreign.url, format!("CREATE ROLE {role} LOGIN PASSWORD 'hunter2'")).await;
    let (host, port, database) = (foreign.url.host(), foreign.url.port(), foreign.url.database());
    let url = format!("postgres://{role}:hunter2@{host}:{port}/{database}");
    let as_role = || said(foreign.command(&SHORT).env("CROSSOVER_DATABASE_URL", &url));
    let grant = format!("GRANT pg_read_all_stats TO {role}");
    refused(&as_role(), 3, &["can't see what other roles wait for", &grant]);
    assert_eq!(foreign.place.runs().len(), 0);
    // No right on any table is needed.
    execute(&foreign.url, grant).await;
    let seen = as_role();
    assert_eq!(seen.code, Some(0), "{}", seen.errors);
    assert!(!seen.errors.contains("hunter2") && !seen.output.contains("hunter2"));
    execute(
        &foreign.url,
        format!("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC"),
    )
    .await;
    refused(
        &as_role(),
        2,
        &[&format!("GRANT CONNECT ON DATABASE {database} TO {role}")],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_track_what_its_backends_do_is_refused() {
    let foreign = Foreign::new(RIVER).await;
    let database = foreign.url.database();
    execute(
        &foreign.url,
        format!("ALTER DATABASE {database} SET track_activities = off"),
    )
    .await;
    refused(
        &said(&mut foreign.command(&SHORT)),
        3,
        &["track_activities is off", "SET track_activities = on"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_not_there_is_answered_with_the_nearest_names() {
    let foreign = Foreign::new(RIVER).await;
    let words = [
        "no table \"river_jobs\"",
        "did you mean \"river_job\"?",
        "public.river_job",
    ];
    refused(&said(&mut foreign.command(&["--table", "river_jobs"])), 2, &words);
    execute(&foreign.url, "CREATE TABLE que_jobs (id int)".to_owned()).await;
    let words = [
        "several tables may be the job table",
        "public.que_jobs, public.river_job",
        "--table",
    ];
    refused(&said(&mut foreign.command(&[])), 2, &words);
    execute(&foreign.url, "DROP TABLE que_jobs, river_job".to_owned()).await;
    refused(&said(&mut foreign.command(&[])), 2, &["no tables at all"]);
    assert_eq!(foreign.place.runs().len(), 0);
}

#[test]
fn what_can_not_be_looked_at_is_refused_before_anything_is_made() {
    let place = Place::new();
    let with = |url: Option<&str>, flags: &[&str]| {
        let mut command = place.crossover(["assess", "--output"]);
        command
            .arg(place.path("runs"))
            .args(flags)
            .env_remove("CROSSOVER_DATABASE_URL");
        if let Some(url) = url {
            command.env("CROSSOVER_DATABASE_URL", url);
        }
        said(&mut command)
    };
    refused(
        &with(None, &[]),
        2,
        &["CROSSOVER_DATABASE_URL", "--database-url", "--database-file"],
    );
    let nobody = Some("postgres://ann:hunter2@127.0.0.1:1/app");
    let said = with(nobody, &[]);
    refused(&said, 3, &["no PostgreSQL at 127.0.0.1:1", "correct host and port"]);
    assert!(!said.errors.contains("hunter2"), "{}", said.errors);
    let said = with(None, &["--database-url", "postgres://ann:hunter2@127.0.0.1:1/app"]);
    refused(
        &said,
        2,
        &[
            "--database-url has a password in it",
            "CROSSOVER_DATABASE_URL",
            "--database-file",
        ],
    );
    assert!(!said.errors.contains("hunter2"), "{}", said.errors);
    refused(
        &with(nobody, &["--duration", "5s"]),
        2,
        &["--duration: found 5s", "30s (60 looks"],
    );
    refused(
        &with(nobody, &["--interval", "1ms"]),
        2,
        &["--interval: found 1ms", "50ms"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_broken_off_reports_what_it_saw() {
    let foreign = Foreign::new(RIVER).await;
    let child = foreign.command(&["--interval", "50ms"]).spawn().unwrap();
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    let waited = tokio::task::spawn_blocking(move || Said::of(child.wait_with_output().unwrap()));
    let looked = || {
        let run = foreign.place.runs().pop();
        let lines = run.and_then(|run| std::fs::read_to_string(run.join("samples.jsonl")).ok());
        lines.is_some_and(|lines| lines.lines().count() > 10)
    };
    wait_until("it looks", Duration::from_secs(20), async || looked()).await;
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let said = waited.await.unwrap();
    assert_eq!(said.code, Some(130), "{}", said.errors);
    let evidence = read_json(&foreign.place.only_run().join("assess.json"));
    assert_eq!(evidence["sampled"]["interrupted"], true);
    assert_eq!(evidence["condition"]["answer"], "unknown");
    assert!(said.output.contains("(interrupted)"), "{}", said.output);
}

fn refused(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{}\n{}", said.output, said.errors);
    for word in words {
        assert!(said.errors.contains(word), "no {word:?} in:\n{}", said.errors);
    }
    assert!(!said.errors.contains("panicked"), "{}", said.errors);
}
