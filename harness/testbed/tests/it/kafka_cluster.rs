//! Kafkas of their own: three brokers, and what is refused.

use std::collections::BTreeMap;
use std::net::TcpListener;

use crossover_testbed::kafka::{BrokerCount, brokers_seen_at};
use crossover_testbed::{KafkaOptions, LocalKafka, Signal, TestbedError};

use crate::kafka::{Bed, TOPICS, fetched, options, tool};
use crate::support::{command_lines, supervisor, unique_run};

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn three_brokers_form_a_cluster_and_then_leave_nothing() {
    fetched();
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    let options = options(BrokerCount::Three);
    let bed = Bed::start(&supervisor, &options).await;
    assert_eq!(bed.kafka.ids(), [1, 2, 3]);
    assert_eq!(bed.kafka.settings()["min.insync.replicas"], "2");
    for address in bed.kafka.bootstrap().split(',') {
        let seen = brokers_seen_at(address).await.unwrap();
        let ids: Vec<i32> = seen.iter().map(|broker| broker.id).collect();
        assert_eq!(ids, [1, 2, 3], "as {address} sees it");
    }
    assert_eq!(bed.links.all().count(), 6);
    assert_eq!(bed.links.bypasses().await.unwrap(), Vec::<String>::new());

    let harness = bed.kafka.bootstrap();
    tool(TOPICS, &["--bootstrap-server", &harness, "--create", "--topic", "safe"]);
    let topic = tool(
        TOPICS,
        &["--bootstrap-server", &harness, "--describe", "--topic", "safe"],
    );
    for wanted in ["ReplicationFactor: 3", "min.insync.replicas=2"] {
        assert!(topic.contains(wanted), "an acknowledgement means two brokers: {topic}");
    }

    for id in [2, 3] {
        bed.kafka.halt(id, Signal::Kill).await.unwrap();
    }
    let took = bed.kafka.start_all_again().await.unwrap();
    println!("two of three ready again {took:?} after SIGKILL");

    let directories: Vec<_> = bed
        .kafka
        .ids()
        .iter()
        .map(|id| bed.kafka.data_directory(*id).unwrap())
        .collect();
    supervisor.shutdown().await.unwrap();
    assert!(directories.iter().all(|data| !data.parent().unwrap().exists()));
    assert!(command_lines().iter().all(|(_, line)| !line.contains(&options.run_id)));
}

#[tokio::test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_taken_port_is_refused_by_its_number() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut options = KafkaOptions::new(&unique_run(), BrokerCount::One).unwrap();
    options.listeners[0].worker.port = port;
    let error = LocalKafka::start(&supervisor, &options).await.unwrap_err();
    assert!(
        matches!(&error, TestbedError::BadInput(message) if message.contains(&port.to_string())),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_value_that_kafka_refuses_is_bad_input_and_leaves_nothing() {
    fetched();
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    for (name, value) in [("num.network.threads", "several"), ("log.dirs", "/tmp")] {
        let options = KafkaOptions {
            settings: BTreeMap::from([(name.to_owned(), value.to_owned())]),
            name: name.replace('.', "-"),
            ..KafkaOptions::new(&unique_run(), BrokerCount::One).unwrap()
        };
        let error = LocalKafka::start(&supervisor, &options).await.unwrap_err();
        assert!(
            matches!(&error, TestbedError::BadInput(message) if message.contains(name)),
            "{error}"
        );
    }
    let options = KafkaOptions {
        disk_needed_bytes: u64::MAX / 2,
        ..KafkaOptions::new(&unique_run(), BrokerCount::One).unwrap()
    };
    let error = LocalKafka::start(&supervisor, &options).await.unwrap_err();
    assert!(
        matches!(&error, TestbedError::Unavailable { what, .. } if what.starts_with("full disk")),
        "{error}"
    );
    supervisor.shutdown().await.unwrap();
}
