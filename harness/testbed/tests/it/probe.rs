//! What is no broker is named as what it is.

use std::net::TcpListener;

use crossover_testbed::toxiproxy::ToxiproxyOptions;
use crossover_testbed::{LocalPostgres, LocalToxiproxy, PostgresOptions, TestbedError, probe_broker};

use crate::support::{supervisor, unique_run};

async fn refusal(address: &str) -> TestbedError {
    let error = probe_broker(address).await.unwrap_err();
    println!("{error}");
    assert!(error.to_string().contains(address), "it names the address: {error}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_of_postgres_given_as_a_broker_is_named_as_such() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    let server = LocalPostgres::start(&supervisor, &PostgresOptions::new(&unique_run()))
        .await
        .unwrap();
    let error = refusal(&format!("127.0.0.1:{}", server.port())).await;
    assert!(
        matches!(&error, TestbedError::BadInput(message) if message.contains("is a PostgreSQL, not a Kafka broker")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_proxy_with_nothing_behind_it_is_no_broker() {
    crate::kafka::fetched();
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    let server = LocalToxiproxy::start(&supervisor, &ToxiproxyOptions::new(&unique_run()))
        .await
        .unwrap();
    let (proxy, nobody) = (free(), free());
    server
        .client()
        .create("empty", proxy.parse().unwrap(), nobody.parse().unwrap())
        .await
        .unwrap();
    let error = refusal(&proxy).await;
    assert!(
        matches!(&error, TestbedError::Unavailable { what, .. } if what.contains("without an answer")),
        "{error}"
    );
}

#[tokio::test]
async fn nobody_and_nonsense_name_their_remedy() {
    let error = refusal(&free()).await;
    assert!(matches!(error, TestbedError::Unavailable { .. }), "{error}");
    let error = refusal("no port").await;
    assert!(
        matches!(&error, TestbedError::BadInput(message) if message.contains("host:port")),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    // The kernel takes the connection; nobody reads it.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = refusal(&mute.local_addr().unwrap().to_string()).await;
    assert!(
        matches!(&error, TestbedError::Unavailable { what, .. } if what.contains("no answer")),
        "{error}"
    );
}

fn free() -> String {
    format!("127.0.0.1:{}", crossover_testbed::ports::free_port().unwrap())
}
