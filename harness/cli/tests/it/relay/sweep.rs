//! Records that are lost are sent again, and those that only wait are not.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::bed::{Bed, PARTITIONS, SOON, config};
use crate::servers::wait_until;

const SWEEPING: [&str; 2] = ["--redispatch-after", "500ms"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn the_sweeper_brings_back_the_records_of_a_deleted_topic() {
    let bed = Bed::new().await;
    let address = bed.relay("r1", &SWEEPING).await;
    bed.fill("work", 10, 5, 100).await;
    bed.all_sent().await;
    bed.delete_topic("work").await;
    wait_until("all are dispatched again", SOON, async || {
        bed.database
            .number("SELECT count(DISTINCT job_id) FROM outbox WHERE id > 50")
            .await
            == 50
    })
    .await;
    bed.all_sent().await;
    let jobs = bed.records("work").await;
    assert!(jobs.len() >= 50, "{}", jobs.len());
    assert!(bed.metric(&address, "relay_redispatched_total").await >= 50.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn lag_explains_the_wait_and_a_committed_record_does_not() {
    let bed = Bed::new().await;
    bed.relay("r1", &SWEEPING).await;
    bed.fill("work", 40, 1, 100).await;
    bed.all_sent().await;
    // Ten rounds of the sweeper.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(
        bed.database.number("SELECT count(*) FROM outbox").await,
        40,
        "nobody has read them yet"
    );

    // A group that read half of partition 0, and lost it.
    let in_first = bed
        .database
        .number("SELECT count(*) FROM outbox WHERE partition = 0")
        .await;
    assert!(in_first >= 2, "40 keys over {PARTITIONS} partitions");
    commit(&bed, in_first / 2).await;
    let again = "SELECT count(*) FROM outbox WHERE id > 40";
    wait_until("they are dispatched again", SOON, async || {
        bed.database.number(again).await == in_first / 2
    })
    .await;
    bed.all_sent().await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(
        bed.database.number(again).await,
        in_first / 2,
        "their new records are explained by lag"
    );
}

/// As the group of the workers would.
async fn commit(bed: &Bed, offset: i64) {
    let (broker, topic) = (bed.broker.clone(), bed.topic("work"));
    let group = format!("{}.workers.work", bed.database.name);
    let committing = tokio::task::spawn_blocking(move || {
        // Left to itself, it would commit all that came before it is dropped.
        let mut config = config(&broker);
        config.set("group.id", group).set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Offset(offset)).unwrap();
        consumer.assign(&list).unwrap();
        consumer.commit(&list, CommitMode::Sync).unwrap();
    });
    committing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn sent_rows_are_removed_after_the_retention() {
    let bed = Bed::new().await;
    let flags = ["--redispatch-after", "500ms", "--retention", "1s"];
    bed.relay("r1", &flags).await;
    bed.fill("work", 10, 2, 100).await;
    bed.all_sent().await;
    // Those of jobs that wait are kept: the sweeper needs them.
    bed.database
        .execute("UPDATE job SET state = 'completed' WHERE id <= 15")
        .await;
    wait_until("they are removed", SOON, async || {
        bed.database.number("SELECT count(*) FROM outbox").await == 5
    })
    .await;
}
