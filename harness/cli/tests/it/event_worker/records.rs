//! Records that are not as they should be.

use std::time::{Duration, Instant};

use crossover_engine::store::outbox::{Reading, read};
use crossover_proto::load::Work;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::Producer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::bed::{Bed, SOON, WORK, send, taking};
use crate::servers::wait_until;

/// Reads so many records of the dead-letter topic.
async fn dead_letters(bed: &Bed, count: usize) -> Vec<OwnedMessage> {
    let (config, topic) = (bed.config(), bed.dead_letter_topic());
    let read = move || {
        let consumer: BaseConsumer = config.clone().set("group.id", "test").create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        let (mut found, begun) = (Vec::new(), Instant::now());
        while found.len() < count {
            assert!(begun.elapsed() < SOON, "{} of {count} dead letters", found.len());
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                found.push(message.detach());
            }
        }
        found
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

fn header(message: &OwnedMessage, name: &str) -> String {
    let headers = message.headers().unwrap();
    let value = headers
        .iter()
        .find(|header| header.key == name)
        .and_then(|header| header.value);
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}

pub async fn a_record_that_can_not_be_read_goes_to_the_dead_letter_topic_and_blocks_nothing() {
    let bed = Bed::new(1).await;
    let trace = OwnedHeaders::new().insert(Header {
        key: "trace",
        value: Some("7"),
    });
    bed.produce(b"somebody", b"not an event", trace);
    // With the headers beside it, its copy is larger than the broker allows.
    let large = vec![0xff; 1_048_400];
    bed.produce(b"somebody", &large, OwnedHeaders::new());
    let good = bed.start_one(&Work::default()).await;
    let worker = bed.worker(&[]).await;
    bed.completed(good).await;

    let found = dead_letters(&bed, 2).await;
    let small = found
        .iter()
        .find(|message| header(message, "crossover.origin.offset") == "0")
        .unwrap();
    assert_eq!(
        (small.key(), small.payload()),
        (Some(&b"somebody"[..]), Some(&b"not an event"[..]))
    );
    assert_eq!(header(small, "trace"), "7");
    assert_eq!(header(small, "crossover.origin.topic"), bed.topic(WORK));
    assert_eq!(header(small, "crossover.origin.partition"), "0");
    let error = header(small, "crossover.error");
    assert!(error.contains("not a crossover.event.v1.Event"), "{error}");
    let other = found
        .iter()
        .find(|message| header(message, "crossover.origin.offset") == "1")
        .unwrap();
    assert_eq!(
        (other.payload(), header(other, "crossover.omitted.bytes")),
        (None, "1048400".to_owned())
    );

    bed.all_committed().await;
    assert_eq!(bed.metric(&worker, "worker_records_unreadable_total").await, 2.0);
    bed.terminate(&worker).await;
}

pub async fn a_dead_letter_waits_for_its_topic_and_holds_the_offset_back() {
    let bed = Bed::new(1).await;
    bed.delete_topic(&bed.dead_letter_topic()).await;
    let worker = bed.worker(&[]).await;
    let first = bed.start_one(&Work::default()).await;
    bed.completed(first).await;
    bed.produce(b"k", b"\xff\xff\xff", OwnedHeaders::new());
    let second = bed.start_one(&Work::default()).await;
    bed.completed(second).await;
    wait_until("the worker says that it can't be sent", SOON, || async {
        bed.log_of(&worker).contains("the dead letter could not be sent")
    })
    .await;
    assert_eq!(bed.offsets().await, [(1, 3)]);
    bed.make_topic(&bed.dead_letter_topic(), 1).await;
    bed.all_committed().await;
    assert_eq!(dead_letters(&bed, 1).await[0].payload(), Some(&b"\xff\xff\xff"[..]));
}

pub async fn a_record_that_comes_twice_runs_once() {
    let bed = Bed::new(1).await;
    bed.stop_relay();
    let worker = bed.worker(&[]).await;
    bed.owns(&worker, 1).await;
    let id = bed.start_one(&taking(Duration::from_millis(500))).await;
    let row = {
        let mut connection = bed.database.pool.acquire().await.unwrap();
        let Reading::Rows(rows) = read(&mut connection, None, &[], &[], 9).await.unwrap() else {
            panic!("there is no fence here");
        };
        rows.into_iter().next().unwrap()
    };
    let (producer, topic) = (bed.producer(), bed.topic(WORK));
    (0..3).for_each(|_| send(&producer, &topic, &row));
    producer.flush(SOON).unwrap();
    wait_until("all three came", SOON, || async {
        bed.metric(&worker, "worker_records_received_total").await == 3.0
    })
    .await;
    assert_eq!(bed.metric(&worker, "worker_records_duplicate_total").await, 2.0);
    assert_eq!(bed.offsets().await, [(0, 3)], "they wait for the one that runs");
    bed.completed(id).await;
    bed.all_committed().await;

    send(&producer, &topic, &row);
    producer.flush(SOON).unwrap();
    bed.all_committed().await;
    let refused = "worker_begin_refused_total{outcome=\"already-completed\"}";
    let metrics = crate::conformance::system::metrics_of(&worker).await;
    assert_eq!(crate::conformance::system::value_of(&metrics, refused), 1.0);
    assert_eq!(bed.started(&worker).len(), 1);
    let claimed = "SELECT count(*) FROM audit WHERE event = 'job_claimed'";
    assert_eq!(bed.database.number(claimed).await, 1);
}
