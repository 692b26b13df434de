//! Topics that are missing, deleted, or not as they should be.

use crate::servers::wait_until;

use super::bed::{Bed, PARTITIONS, SOON};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn topics_are_made_before_the_first_row_and_at_first_sight() {
    let bed = Bed::new().await;
    bed.define("known").await;
    bed.relay("r1", &[]).await;
    let partitions = |topic: String| {
        let admin = bed.admin();
        let metadata = admin.inner().fetch_metadata(None, SOON).unwrap();
        let found = metadata.topics().iter().find(|it| it.name() == topic);
        found.map_or(0, |topic| topic.partitions().len())
    };
    let wanted = usize::try_from(PARTITIONS).unwrap();
    wait_until("the topic of a definition is made", SOON, async || {
        partitions(bed.topic("known")) == wanted && partitions(bed.topic("known").replace("jobs", "dead-letters")) == 1
    })
    .await;
    assert_eq!(partitions(bed.topic("seen")), 0);
    bed.fill("seen", 3, 3, 10).await;
    bed.all_sent().await;
    assert_eq!(partitions(bed.topic("seen")), wanted);
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
