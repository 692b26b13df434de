//! Topics that are missing, deleted, or not as they should be.

use crossover_testbed::kafka::Access;
use rdkafka::admin::{AdminOptions, AlterConfig, ResourceSpecifier};

use crate::servers::wait_until;

use super::bed::{Bed, PARTITIONS, SOON};

/// Partitions of a topic; 0 if there is none.
fn partitions(bed: &Bed, topic: &str) -> usize {
    let metadata = bed.admin().inner().fetch_metadata(None, SOON).unwrap();
    let found = metadata.topics().iter().find(|it| it.name() == topic);
    found.map_or(0, |topic| topic.partitions().len())
}

/// How often the relay has made a topic.
fn times_made(bed: &Bed, topic: &str) -> usize {
    let made = |line: &&str| line.contains("topic made") && line.contains(topic);
    bed.log("r1").lines().filter(made).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn topics_are_made_before_the_first_row_and_at_first_sight() {
    let bed = Bed::new().await;
    bed.define("known").await;
    bed.relay("r1", &[]).await;
    let wanted = usize::try_from(PARTITIONS).unwrap();
    let dead_letters = bed.topic("known").replace("jobs", "dead-letters");
    wait_until("the topic of a definition is made", SOON, async || {
        partitions(&bed, &bed.topic("known")) == wanted && partitions(&bed, &dead_letters) == 1
    })
    .await;
    bed.admin()
        .delete_topics(&[&dead_letters], &AdminOptions::new())
        .await
        .unwrap();
    wait_until("it is made again, though nobody asks", SOON, async || {
        times_made(&bed, &dead_letters) == 2
    })
    .await;
    assert_eq!(partitions(&bed, &bed.topic("seen")), 0);
    bed.fill("seen", 3, 3, 10).await;
    bed.all_sent().await;
    assert_eq!(partitions(&bed, &bed.topic("seen")), wanted);
    assert_eq!(bed.assert_all_arrived_in_order("seen").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_deleted_topic_is_made_again_and_holds_up_no_other() {
    let bed = Bed::new().await;
    bed.relay("r1", &["--redispatch-after", "1h"]).await;
    for job_type in ["gone", "good"] {
        bed.fill(job_type, 5, 5, 100).await;
    }
    bed.all_sent().await;
    bed.delete_topic("gone").await;
    // Until it knows of the deletion, the broker goes on to acknowledge records.
    let gone = bed.topic("gone");
    wait_until("the broker knows", SOON, async || {
        partitions(&bed, &gone) == 0 || times_made(&bed, &gone) == 2
    })
    .await;
    // What was in it is for the sweeper, which is off here.
    bed.database.execute("DELETE FROM outbox").await;
    for _ in 0..5 {
        bed.fill("gone", 20, 5, 100).await;
        bed.fill("good", 20, 5, 100).await;
    }
    bed.all_sent().await;
    let records = bed.records("good").await;
    assert!(records.len() < 25 + 2 * 500, "{}: sent again and again", records.len());
    bed.assert_all_arrived_in_order("gone").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_topic_that_refuses_all_records_is_tried_less_and_less_often_and_holds_up_no_other() {
    let bed = Bed::new().await;
    let age = "message.timestamp.before.max.ms";
    // It takes those that reach it within the millisecond of their timestamp.
    bed.make_topic("closed", PARTITIONS, &[(age, "0")]).await;
    let good = "SELECT count(*) FROM outbox WHERE sent_at IS NULL AND job_type = 'good'";
    let address = bed.relay("r1", &["--redispatch-after", "1h"]).await;
    bed.fill("closed", 10, 5, 100).await;
    for _ in 0..10 {
        bed.fill("good", 20, 5, 100).await;
        wait_until("the others are marked", SOON, async || {
            bed.database.number(good).await == 0
        })
        .await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let failures = bed.metric(&address, "relay_send_failures_total").await;
    assert!((1.0..10.0).contains(&failures), "{failures} in more than two seconds");
    assert_eq!(
        bed.database
            .number("SELECT count(*) FROM job WHERE state <> 'queued'")
            .await,
        0
    );

    let topic = bed.topic("closed");
    let open = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set(age, "3600000");
    bed.admin().alter_configs([&open], &AdminOptions::new()).await.unwrap();
    bed.all_sent().await;
    bed.assert_all_arrived_in_order("closed").await;
    bed.assert_all_arrived_in_order("good").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_topic_that_may_not_be_written_is_tried_again_and_holds_up_no_other() {
    let bed = Bed::new().await;
    bed.relay("r1", &["--redispatch-after", "1h"]).await;
    for job_type in ["secret", "good"] {
        bed.fill(job_type, 5, 5, 100).await;
    }
    bed.all_sent().await;
    let (kafka, topic) = (bed.servers.kafka().await, bed.topic("secret"));
    assert!(kafka.deny(Access::WriteTopic, &topic).await.unwrap());
    bed.fill("secret", 10, 5, 100).await;
    for _ in 0..5 {
        bed.fill("good", 20, 5, 100).await;
        wait_until("the others are marked", SOON, async || bed.pending().await == 50).await;
    }
    let said = bed.log("r1");
    assert!(
        said.contains("TopicAuthorizationFailed") && said.contains(&topic),
        "{said}"
    );

    assert!(kafka.permit(Access::WriteTopic, &topic).await.unwrap());
    bed.all_sent().await;
    bed.assert_all_arrived_in_order("secret").await;
    bed.assert_all_arrived_in_order("good").await;
}
