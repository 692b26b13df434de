//! The test in the part of a consumer: reads what the relay has sent, topic by topic, in no group.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossover_proto::event::DispatchedJob;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

/// Partitions of every topic in these tests.
pub const PARTITIONS: i32 = 3;

/// One reader a job type.
pub struct Topics {
    brokers: String,
    prefix: String,
    readers: Mutex<HashMap<String, Arc<BaseConsumer>>>,
}

impl Topics {
    pub fn new(brokers: &str, prefix: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            prefix: prefix.to_owned(),
            readers: Mutex::default(),
        }
    }

    /// The next record of a job type; `None` if none comes in time.
    pub async fn next(&self, job_type: &str, within: Duration) -> Option<DispatchedJob> {
        let reader = self.reader(job_type);
        tokio::task::spawn_blocking(move || {
            let begun = std::time::Instant::now();
            loop {
                match reader.poll(within.saturating_sub(begun.elapsed())) {
                    None => return None,
                    Some(Ok(message)) => {
                        let bytes = message.payload().unwrap().to_vec();
                        return Some(DispatchedJob::from_record(bytes.into()).unwrap());
                    }
                    // The relay has not made it yet.
                    Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownTopicOrPartition))) => {}
                    Some(Err(error)) => panic!("{error}"),
                }
            }
        })
        .await
        .unwrap()
    }

    fn reader(&self, job_type: &str) -> Arc<BaseConsumer> {
        let mut readers = self.readers.lock().unwrap();
        if let Some(reader) = readers.get(job_type) {
            return reader.clone();
        }
        let reader: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", "a-test-that-joins-no-group")
            .set("enable.auto.commit", "false")
            .set("topic.metadata.refresh.interval.ms", "200")
            .create()
            .unwrap();
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            let topic = format!("{}jobs.{job_type}", self.prefix);
            all.add_partition_offset(&topic, partition, Offset::Beginning).unwrap();
        }
        reader.assign(&all).unwrap();
        readers.insert(job_type.to_owned(), Arc::new(reader));
        readers[job_type].clone()
    }
}
