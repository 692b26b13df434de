//! What a relay says and does when it starts: no broker, wrong topics, wrong settings.

use std::time::Duration;

use crossover_testbed::ports::free_port;
use tokio::net::{TcpListener, TcpStream};

use super::bed::{Bed, SOON};
use crate::servers::{servers, wait_until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_broker_that_is_absent_at_the_start_is_waited_for() {
    let kafka = servers().await.kafka().await.bootstrap();
    let port = free_port().unwrap();
    let mut bed = Bed::at(format!("127.0.0.1:{port}")).await;
    bed.fill("work", 20, 5, 100).await;
    let address = bed.relay("r1", &[]).await;
    bed.leads("r1", SOON).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bed.metric(&address, "relay_is_leader").await, 1.0);
    assert_eq!(bed.pending().await, 100);

    // The way there opens; the broker says itself where it is.
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    bed.broker.clone_from(&kafka);
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let to = kafka.clone();
            tokio::spawn(async move {
                let mut to = TcpStream::connect(to).await.unwrap();
                // Either side may hang up.
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
    bed.all_sent().await;
    assert_eq!(bed.assert_all_arrived_in_order("work").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_topic_with_other_partitions_ends_the_start_with_the_remedy() {
    let bed = Bed::new().await;
    bed.define("work").await;
    bed.make_topic("work", 3, &[]).await;
    let (code, said) = bed.relay_that_ends("r1", &["--partitions", "5"]).await;
    assert!(code.is_some_and(|code| code != 0), "{code:?}: {said}");
    let remedy = format!(
        "topic {} has 3 partitions, and this relay is to use 5; start it with --partitions 3",
        bed.topic("work")
    );
    assert!(said.contains(&remedy), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_without_the_feature_ends_the_start_with_the_remedy() {
    let bed = Bed::at("127.0.0.1:1".to_owned()).await;
    let file = bed.servers.file(&format!("{}.properties", bed.database.name));
    std::fs::write(&file, "security.protocol=SSL\nssl.key.password=hunter2\n").unwrap();
    let file = file.display().to_string();
    let (code, said) = bed.relay_that_ends("r1", &["--kafka-config", &file]).await;
    assert!(code.is_some_and(|code| code != 0), "{code:?}: {said}");
    assert!(
        said.contains("--features kafka-tls") && !said.contains("hunter2"),
        "{said}"
    );
    wait_until("it is gone", SOON, async || {
        !bed.servers.supervisor.is_alive(&bed.name("r1"))
    })
    .await;
}
