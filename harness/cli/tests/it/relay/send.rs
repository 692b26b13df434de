//! What arrives, and in which order.

use std::time::Duration;

use crossover_proto::history::{Event, read_file};
use crossover_testbed::Signal;
use sqlx::Connection;

use super::bed::{Bed, SOON, fill};
use crate::servers::{servers, wait_until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn every_row_arrives_once_and_each_instance_in_order() {
    let bed = Bed::new().await;
    bed.fill("work", 200, 20, 200).await;
    let history = tempfile::tempdir().unwrap();
    let flags = ["--history", &history.path().display().to_string(), "--batch", "300"];
    let address = bed.relay("r1", &flags).await;
    bed.all_sent().await;
    assert_eq!(bed.assert_all_arrived_in_order("work").await, 0);
    assert_eq!(bed.metric(&address, "relay_rows_sent_total").await, 4_000.0);

    // The table says where each record is.
    let records = bed.records("work").await;
    let mut places: Vec<_> = records.iter().map(|it| (it.outbox, it.partition, it.offset)).collect();
    places.sort_unstable();
    let noted: Vec<(i64, i32, i64)> = sqlx::query_as("SELECT id, partition, record_offset FROM outbox ORDER BY id")
        .fetch_all(&bed.database.pool)
        .await
        .unwrap();
    assert_eq!(noted, places);

    // The history has both hops of each row, the sending after the reading.
    let file = std::fs::read_dir(history.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let history = read_file(&file).unwrap();
    let mut picked = std::collections::HashMap::new();
    let mut acked = 0;
    for record in history.records() {
        match record.event {
            Event::Picked { outbox, .. } => assert!(picked.insert(outbox, record.at).is_none()),
            Event::Acked { outbox, .. } => {
                assert!(picked[&outbox] <= record.at);
                acked += 1;
            }
            other => panic!("{other:?} is not the relay's"),
        }
    }
    assert_eq!((picked.len(), acked), (4_000, 4_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_transaction_that_commits_late_is_not_passed_over() {
    let bed = Bed::new().await;
    bed.relay("r1", &["--interval", "20ms"]).await;
    let mut late = sqlx::PgConnection::connect(&bed.database.url.reveal()).await.unwrap();
    let mut transaction = late.begin().await.unwrap();
    fill(&mut transaction, "work", 3, 2, 100).await;
    // Higher ids, committed first.
    bed.fill("work", 5, 2, 100).await;
    bed.all_sent().await;
    assert_eq!(bed.assert_all_arrived_in_order("work").await, 0);
    transaction.commit().await.unwrap();
    wait_until("the late rows are sent", SOON, async || {
        bed.pending().await == 0 && bed.records("work").await.len() == 16
    })
    .await;
    assert_eq!(bed.assert_all_arrived_in_order("work").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_notification_ends_the_wait_for_new_rows() {
    let bed = Bed::new().await;
    bed.define("work").await;
    bed.relay("r1", &["--interval", "1h"]).await;
    bed.fill("work", 1, 1, 10).await;
    let listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()";
    wait_until("the relay listens", SOON, async || {
        bed.database.number(listening).await == 1
    })
    .await;
    // Until the first notification, only the topic's being made could have ended the wait.
    for round in 1..=20 {
        bed.fill("work", 1, 1, 10).await;
        bed.database
            .execute("SELECT pg_notify('crossover_ready', 'test work')")
            .await;
        wait_until(&format!("row {round} is sent"), Duration::from_secs(5), async || {
            bed.pending().await == 0
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_record_too_large_for_the_broker_becomes_a_dead_letter_and_its_neighbours_arrive() {
    let bed = Bed::new().await;
    // Batches of the good ones are too large, too: they must not go with it.
    bed.make_topic("work", super::bed::PARTITIONS, &[("max.message.bytes", "20000")])
        .await;
    bed.fill("work", 50, 20, 400).await;
    bed.fill("work", 1, 1, 30_000).await;
    bed.fill("work", 50, 20, 400).await;
    bed.fill("other", 10, 1, 10).await;
    let address = bed.relay("r1", &[]).await;
    bed.all_sent().await;
    let dead = "SELECT count(*) FROM job WHERE state = 'dead_letter' AND last_error LIKE '%max.message.bytes%'";
    assert_eq!(bed.database.number(dead).await, 1);
    assert_eq!(
        bed.database
            .number("SELECT count(*) FROM job WHERE state <> 'queued'")
            .await,
        1
    );
    assert_eq!(bed.metric(&address, "relay_rows_refused_total").await, 1.0);
    let unsent = "DELETE FROM outbox WHERE record_offset IS NULL";
    assert_eq!(bed.database.execute(unsent).await, 1, "it has no record");
    bed.assert_all_arrived_in_order("work").await;
    bed.assert_all_arrived_in_order("other").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn what_is_compressed_is_too_large_only_if_the_broker_says_so() {
    let bed = Bed::new().await;
    bed.make_topic("work", super::bed::PARTITIONS, &[("max.message.bytes", "20000")])
        .await;
    let mut properties = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut properties, b"compression.codec=lz4\n").unwrap();
    // Of one letter, and of random bytes.
    bed.fill("work", 2, 1, 30_000).await;
    let random = "UPDATE outbox SET payload = (SELECT string_agg(uuid_send(gen_random_uuid()), '') FROM generate_series(1, 1875))
                  WHERE id = 2";
    assert_eq!(bed.database.execute(random).await, 1);
    bed.fill("work", 20, 5, 200).await;
    bed.relay("r1", &["--kafka-config", &properties.path().display().to_string()])
        .await;
    bed.all_sent().await;
    let dead = "SELECT job_id FROM outbox WHERE sent_at IS NOT NULL AND record_offset IS NULL";
    let dead_id = bed.database.number(dead).await;
    let of_random = "SELECT job_id FROM outbox WHERE id = 2";
    assert_eq!(dead_id, bed.database.number(of_random).await);
    bed.database.execute("DELETE FROM outbox WHERE id = 2").await;
    bed.assert_all_arrived_in_order("work").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_limit_that_is_lowered_and_raised_again_costs_one_new_producer_each_time() {
    let bed = Bed::new().await;
    bed.fill("work", 10, 5, 200).await;
    let address = bed.relay("r1", &["--redispatch-after", "1h"]).await;
    bed.all_sent().await;
    bed.limit_messages("work", 4_000).await;
    for _ in 0..10 {
        bed.fill("work", 2, 1, 6_000).await;
        // A batch of them is too large, too.
        bed.fill("work", 4, 20, 200).await;
        bed.all_sent().await;
    }
    let dead = "SELECT count(*) FROM job WHERE state = 'dead_letter' AND last_error LIKE '%max.message.bytes%'";
    assert_eq!(bed.database.number(dead).await, 20);
    assert_eq!(bed.metric(&address, "relay_rows_refused_total").await, 20.0);
    assert_eq!(
        bed.metric(&address, "relay_send_failures_total").await,
        1.0,
        "it has learnt the limit"
    );

    // No record had to fail for that.
    bed.limit_messages("work", 1_000_000).await;
    bed.fill("work", 2, 1, 6_000).await;
    bed.fill("work", 4, 20, 200).await;
    bed.all_sent().await;
    assert_eq!(bed.database.number(dead).await, 20, "none that the topic takes");
    assert_eq!(bed.metric(&address, "relay_send_failures_total").await, 1.0);
    let unsent = "DELETE FROM outbox WHERE record_offset IS NULL";
    assert_eq!(bed.database.execute(unsent).await, 20, "they have no record");
    assert_eq!(bed.assert_all_arrived_in_order("work").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_broker_that_crashes_and_comes_back_loses_nothing() {
    let kafka = servers().await.own_kafka("kafka-of-the-relay").await;
    let bed = Bed::at(kafka.bootstrap()).await;
    let address = bed.relay("r1", &["--window", "500"]).await;
    bed.fill("work", 20, 5, 200).await;
    bed.all_sent().await;
    kafka.halt(1, Signal::Kill).await.unwrap();
    bed.fill("work", 200, 20, 200).await;
    wait_until("the window is full", SOON, async || {
        bed.metric(&address, "relay_rows_in_flight").await >= 250.0
    })
    .await;
    kafka.start_again(1).await.unwrap();
    bed.all_sent().await;
    bed.assert_all_arrived_in_order("work").await;
    assert_eq!(bed.metric(&address, "relay_is_leader").await, 1.0);
    kafka.halt(1, Signal::Kill).await.unwrap();
}
