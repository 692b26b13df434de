//! A real PostgreSQL: started, used, crashed, restarted, removed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossover_testbed::{LocalPostgres, PostgresOptions, Signal, Supervisor, TestbedError, usage};
use sqlx::{Connection, PgConnection, Row};

use crate::support::{command_lines, supervisor, unique_run};

async fn connect(server: &LocalPostgres) -> PgConnection {
    PgConnection::connect(&server.url().reveal()).await.unwrap()
}

async fn show(connection: &mut PgConnection, setting: &str) -> String {
    let row = sqlx::query("select current_setting($1)")
        .bind(setting)
        .fetch_one(connection)
        .await
        .unwrap();
    row.get(0)
}

async fn start(supervisor: &Supervisor, options: &PostgresOptions) -> LocalPostgres {
    LocalPostgres::start(supervisor, options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_survives_every_kind_of_halt_and_then_leaves_nothing() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    let options = PostgresOptions::new(&unique_run());
    let server = start(&supervisor, &options).await;
    println!("start: {:?}", server.start_times());
    let (directory, first_pid) = (server.data_directory(), server.pid().unwrap());
    let mut connection = connect(&server).await;
    sqlx::query("create table kept (n int)")
        .execute(&mut connection)
        .await
        .unwrap();

    let halts = [Signal::Int, Signal::Quit, Signal::Kill];
    for (n, signal) in (1_i32..).zip(halts) {
        let mut connection = connect(&server).await;
        sqlx::query("insert into kept values ($1)")
            .bind(n)
            .execute(&mut connection)
            .await
            .unwrap();
        let took = server.restart(signal).await.unwrap();
        println!("ready again {took:?} after {signal:?}");
    }
    assert_ne!(server.pid(), Some(first_pid));
    let mut connection = connect(&server).await;
    let row = sqlx::query("select count(*) from kept")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(row.get::<i64, _>(0), 3, "what was committed is there after each halt");

    supervisor.shutdown().await.unwrap();
    assert!(!directory.parent().unwrap().exists(), "no leftovers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_durable_private_and_as_it_was_asked_for() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    let mut options = PostgresOptions::new(&unique_run());
    options.settings = BTreeMap::from([("work_mem".to_owned(), "7MB".to_owned())]);
    let server = start(&supervisor, &options).await;
    let mut connection = connect(&server).await;
    let wanted = [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ""),
        ("max_connections", "200"),
        ("track_io_timing", "on"),
        ("password_encryption", "scram-sha-256"),
        ("server_encoding", "UTF8"),
        ("work_mem", "7MB"),
    ];
    for (setting, value) in wanted {
        assert_eq!(show(&mut connection, setting).await, value, "{setting}");
    }
    if server.has_pg_stat_statements() {
        sqlx::query("create extension pg_stat_statements")
            .execute(&mut connection)
            .await
            .unwrap();
        sqlx::query("select * from pg_stat_statements")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    }
    let wrong = server.url().reveal().replace("crossover:", "crossover:x");
    assert!(
        PgConnection::connect(&wrong).await.is_err(),
        "a wrong password is refused"
    );

    let used = usage::tree(server.pid().unwrap()).unwrap();
    println!("{used:?}");
    assert!(used.processes >= 5 && used.resident_bytes > 10 << 20, "{used:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_on_no_command_line_and_in_no_log() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    let done = Arc::new(AtomicBool::new(false));
    let watcher = std::thread::spawn({
        let done = Arc::clone(&done);
        move || {
            let mut seen = BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                seen.extend(command_lines().into_iter().map(|(_, line)| line));
            }
            seen
        }
    });
    let server = start(&supervisor, &PostgresOptions::new(&unique_run())).await;
    done.store(true, Ordering::Relaxed);
    let seen = watcher.join().unwrap();
    let url = server.url().reveal();
    let password = url.split([':', '@']).nth(2).unwrap();
    assert_eq!(password.len(), 32);
    assert!(
        seen.iter().any(|line| line.contains("initdb")),
        "the watcher saw the start"
    );
    assert!(seen.iter().all(|line| !line.contains(password)));
    for entry in std::fs::read_dir(logs.path()).unwrap() {
        assert!(
            !std::fs::read_to_string(entry.unwrap().path())
                .unwrap()
                .contains(password)
        );
    }
    assert!(!format!("{server:?}").contains(password));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_keeps_its_connections_and_answers_after_the_thaw() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    let server = start(&supervisor, &PostgresOptions::new(&unique_run())).await;
    let mut connection = connect(&server).await;
    server.freeze().await.unwrap();
    let asked = tokio::spawn(async move { sqlx::query("select 1").execute(&mut connection).await.map(drop) });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!asked.is_finished());
    server.thaw().await.unwrap();
    asked.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_taken_port_is_refused_by_its_number() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = PostgresOptions {
        port: Some(port),
        ..PostgresOptions::new(&unique_run())
    };
    let error = LocalPostgres::start(&supervisor, &options).await.unwrap_err();
    assert!(
        matches!(&error, TestbedError::BadInput(message) if message.contains(&port.to_string())),
        "{error}"
    );
}

#[tokio::test]
async fn a_full_disk_is_found_before_anything_is_made() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    let options = PostgresOptions {
        disk_needed_bytes: u64::MAX / 2,
        ..PostgresOptions::new(&unique_run())
    };
    let error = LocalPostgres::start(&supervisor, &options).await.unwrap_err();
    assert!(
        matches!(&error, TestbedError::Unavailable { what, .. } if what.starts_with("full disk")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_postgres_does_not_know_is_bad_input_and_leaves_nothing() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    let mut options = PostgresOptions::new(&unique_run());
    options.settings = BTreeMap::from([("no_such_setting".to_owned(), "1".to_owned())]);
    let error = LocalPostgres::start(&supervisor, &options).await.unwrap_err();
    assert!(
        matches!(&error, TestbedError::BadInput(message) if message.contains("no_such_setting")),
        "{error}"
    );
    supervisor.shutdown().await.unwrap();
    assert!(
        !options
            .base
            .join(format!("crossover-{}-postgres", options.run_id))
            .exists()
    );
}

#[tokio::test]
async fn a_base_directory_that_the_server_could_not_enter_is_refused() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    let missing = logs.path().join("missing");
    let closed = tempfile::tempdir().unwrap();
    std::fs::set_permissions(closed.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let mut bases = vec![missing.as_path()];
    if nix::unistd::geteuid().is_root() {
        bases.push(closed.path());
    }
    for base in bases {
        let options = PostgresOptions {
            base: base.to_path_buf(),
            ..PostgresOptions::new(&unique_run())
        };
        let error = LocalPostgres::start(&supervisor, &options).await.unwrap_err();
        assert!(
            matches!(&error, TestbedError::BadInput(message) if message.contains("CROSSOVER_DATA_DIR")),
            "{error}"
        );
    }
}
