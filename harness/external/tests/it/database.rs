//! A database on the user's PostgreSQL: made, marked, dropped, and no other.

use crossover_external::names::Names;
use crossover_external::{External, examine, postgres};
use crossover_testbed::{ConnectionUrl, TestbedError};
use sqlx::{Connection, Executor, PgConnection};

use crate::own::{Test, as_owner, databases, nobody, own_postgres, user};

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_create_databases_gets_one_that_is_gone_at_the_end() {
    let test = Test::new();
    let url = user("creator", "CREATEDB").await;
    as_owner(&["CREATE DATABASE crossover_of_somebody_else".to_owned()]).await;
    let supervisor = test.supervisor().await;
    let external = External::prepare(&test.args(&url), &test.wanted(false), &supervisor)
        .await
        .unwrap();
    let facts = &external.examined().postgres;
    println!(
        "{}; round trip {} µs; commit {} µs; ready in {:?}; {}; {:?}",
        facts.version,
        facts.round_trip_us_p50,
        external.commit_us_p50(),
        external.took(),
        facts.acknowledgement,
        facts.differences
    );
    assert!(external.commit_us_p50() > facts.round_trip_us_p50);
    assert_eq!(external.examined().invalid_reasons().count(), 0);
    let name = external.database().database().to_owned();
    assert_eq!(databases(&name).await, [name.as_str()]);
    crossover_engine::store::migrate(&external.database().reveal().parse().unwrap())
        .await
        .unwrap();

    // Somebody still works in it: that does not hold it.
    let _session = PgConnection::connect(&external.database().reveal()).await.unwrap();
    supervisor.shutdown().await.unwrap();
    assert_eq!(databases(&name).await, [] as [&str; 0]);
    assert_eq!(databases("crossover_of_somebody_else").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_the_run_did_not_make_is_refused_and_never_dropped() {
    let test = Test::new();
    let url = own_postgres().await.url();
    let names = Names::of_run(&test.run);
    let name = names.database.clone();
    as_owner(&[format!("CREATE DATABASE {name}")]).await;
    let error = postgres::require_absent(&url, &names).await.unwrap_err();
    assert!(
        matches!(&error, TestbedError::BadInput(message) if message.contains("was not made by a run")),
        "{error}"
    );

    // Not even when asked for by name: without a marker, and with another run's.
    let error = postgres::remove(&url, &name, "crossover run r").await.unwrap_err();
    assert!(error.to_string().contains("has no marker, not this run's"), "{error}");
    as_owner(&[format!("COMMENT ON DATABASE {name} IS 'crossover run r, marker 1'")]).await;
    let error = postgres::remove(&url, &name, "crossover run r, marker 2")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("left alone"), "{error}");
    assert_eq!(databases(&name).await, [name.as_str()]);
    // It is the marker that counts.
    let removed = postgres::remove(&url, &name, "crossover run r, marker 1")
        .await
        .unwrap();
    assert_eq!(removed, postgres::Removed::Dropped);
    let again = postgres::remove(&url, &name, "crossover run r, marker 1")
        .await
        .unwrap();
    assert_eq!(again, postgres::Removed::Absent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_made_and_not_marked_is_known_by_its_name() {
    let url = own_postgres().await.url();
    let names = Names::of_run(&Test::new().run);
    as_owner(&[format!("CREATE DATABASE {}", names.database)]).await;
    let other = Names::of_run("other").marker;
    let error = postgres::remove(&url, &names.database, &other).await.unwrap_err();
    assert!(error.to_string().contains("left alone"), "{error}");
    let removed = postgres::remove(&url, &names.database, &names.marker).await.unwrap();
    assert_eq!(removed, postgres::Removed::Dropped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_create_databases_is_told_the_statement_that_helps() {
    let test = Test::new();
    let url = user("visitor", "NOCREATEDB").await;
    let error = examine(&test.args(&url), false).await.unwrap_err();
    assert!(
        matches!(&error, TestbedError::Unavailable { remedy, .. } if remedy.contains("ALTER ROLE \"visitor\" CREATEDB")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn weak_durability_makes_the_run_invalid() {
    let test = Test::new();
    let url = user("careless", "CREATEDB").await;
    as_owner(&["ALTER ROLE careless SET synchronous_commit = off".to_owned()]).await;
    let examined = examine(&test.args(&url), false).await.unwrap();
    let reasons: Vec<&String> = examined.invalid_reasons().collect();
    assert!(
        matches!(&reasons[..], [reason] if reason.contains("synchronous_commit is off")),
        "{reasons:?}"
    );
    let told = examined.acknowledgements();
    assert!(told[0].1.contains("before its WAL record is on disk"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_us_out_is_named_and_the_password_is_not() {
    let test = Test::new();
    let server = own_postgres().await.url();
    let (host, port) = (server.host(), server.port());
    let free = nobody();
    let odd = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let odd_port = odd.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in odd.incoming() {
            let _ = std::io::Write::write_all(&mut stream.unwrap(), b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let user = server.user();
    let cases = [
        (
            format!("postgres://{user}:hunter2@{host}:{port}/postgres"),
            "correct the password",
        ),
        (
            format!("{}/missing", server.reveal().trim_end_matches("/postgres")),
            "instead of missing",
        ),
        (format!("postgres://{user}:hunter2@{host}:{free}"), "no PostgreSQL at"),
        (
            format!("postgres://{user}:hunter2@no-such-host.invalid"),
            "no host is named \"no-such-host.invalid\"",
        ),
        (
            format!("postgres://{user}:hunter2@127.0.0.1:{odd_port}"),
            "correct host and port",
        ),
        #[cfg(not(feature = "postgres-tls"))]
        (
            format!("postgres://{user}:hunter2@{host}:{port}?sslmode=require"),
            "--features postgres-tls",
        ),
    ];
    for (url, words) in cases {
        let url = ConnectionUrl::parse(&url).unwrap();
        let error = examine(&test.args(&url), false).await.unwrap_err().to_string();
        println!("{error}");
        assert!(error.contains(words), "no {words:?} in: {error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert!(error.contains(&format!("{}:{}", url.host(), url.port())), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_is_told_by_its_refusal_of_a_sessions_settings() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // As PgBouncer says it.
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut start = [0; 512];
        // A client with TLS asks for that first: eight bytes.
        if stream.read(&mut start).await.unwrap() == 8 {
            stream.write_all(b"N").await.unwrap();
            assert!(stream.read(&mut start).await.unwrap() > 0);
        }
        let fields = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0";
        let length = u8::try_from(fields.len() + 4).unwrap();
        stream.write_all(&[b'E', 0, 0, 0, length]).await.unwrap();
        stream.write_all(fields).await.unwrap();
        let _ = stream.read(&mut start).await;
    });
    let url = ConnectionUrl::parse(&format!("postgres://ann:x@127.0.0.1:{port}")).unwrap();
    let error = examine(&Test::new().args(&url), false).await.unwrap_err().to_string();
    assert!(error.contains("there is a pooler in front of it"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleanup_that_can_not_reach_the_server_says_so() {
    let test = Test::new();
    let url = user("leaver", "CREATEDB").await;
    let supervisor = test.supervisor().await;
    let external = External::prepare(&test.args(&url), &test.wanted(false), &supervisor)
        .await
        .unwrap();
    let name = external.database().database().to_owned();
    as_owner(&["ALTER ROLE leaver NOLOGIN".to_owned()]).await;
    let error = supervisor.shutdown().await.unwrap_err().to_string();
    assert!(
        error.contains("external-cleanup") && error.contains("not permitted to log in"),
        "{error}"
    );
    assert!(!error.contains("p@ss") && !error.contains("p%40ss"), "{error}");
    // What is told to do by hand does it.
    assert_eq!(external.by_hand(), [format!("DROP DATABASE {name} WITH (FORCE);")]);
    as_owner(&external.by_hand()).await;
    let mut connection = PgConnection::connect(&own_postgres().await.url().reveal())
        .await
        .unwrap();
    connection.execute("SELECT 1").await.unwrap();
    assert_eq!(databases(&name).await, [] as [&str; 0]);
}
