//! Faults of topics, by the broker's own administration; and who leads one.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use crossover_engine::kafka::Kafka;
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use crate::scenario::TopicFault;

/// A broker that is there answers in milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

const MESSAGE_SIZE: &str = "max.message.bytes";

/// Ends off the runtime: the client waits for its own thread, which looks up ten times a second, and until then the load would
/// send nothing.
struct Admin(Option<AdminClient<DefaultClientContext>>);

impl Deref for Admin {
    type Target = AdminClient<DefaultClientContext>;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        let client = self.0.take();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(client));
        }
    }
}

fn admin(kafka: &Kafka) -> anyhow::Result<Admin> {
    Ok(Admin(Some(kafka.config("crossover-fault").create()?)))
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(ANSWER_WITHIN))
        .operation_timeout(Some(ANSWER_WITHIN))
}

/// True if the broker has done it.
pub(super) async fn inject(kafka: &Kafka, fault: TopicFault, topic: &str) -> anyhow::Result<bool> {
    let admin = admin(kafka)?;
    match fault {
        TopicFault::Delete => {
            let deleted = admin.delete_topics(&[topic], &options()).await?;
            Ok(deleted.iter().all(Result::is_ok))
        }
        TopicFault::LimitMessageSize { bytes } => {
            let bytes = bytes.to_string();
            alter(&admin, topic, Some((MESSAGE_SIZE, &bytes))).await?;
            Ok(limit(&admin, topic).await?.as_deref() == Some(&*bytes))
        }
        TopicFault::Poison { records } => poison(kafka, topic, records).await,
    }
}

/// A topic that was deleted is made again by the relay.
pub(super) async fn mend(kafka: &Kafka, fault: TopicFault, topic: &str) -> anyhow::Result<()> {
    match fault {
        TopicFault::Delete | TopicFault::Poison { .. } => Ok(()),
        TopicFault::LimitMessageSize { .. } => alter(&admin(kafka)?, topic, None).await,
    }
}

/// Counts what the broker has taken.
#[derive(Clone, Default)]
struct Taken(Arc<AtomicU32>);

impl ClientContext for Taken {}

impl ProducerContext for Taken {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.0.fetch_add(u32::from(result.is_ok()), Ordering::Relaxed);
    }
}

/// Sends bytes that are no event: a Protobuf field whose length never ends. True if the broker has taken all.
async fn poison(kafka: &Kafka, topic: &str, records: u32) -> anyhow::Result<bool> {
    let (kafka, topic) = (kafka.clone(), topic.to_owned());
    let send = move || -> anyhow::Result<bool> {
        let taken = Taken::default();
        let mut config = kafka.config("crossover-fault");
        config.set("acks", "all").set("allow.auto.create.topics", "false");
        let producer: ThreadedProducer<Taken> = config.create_with_context(taken.clone())?;
        for number in 0..records {
            let key = number.to_be_bytes();
            let record = BaseRecord::to(&topic)
                .key(&key[..])
                .payload(&[0x0a, 0xff, 0xff, 0xff][..]);
            producer.send(record).map_err(|(error, _)| error)?;
        }
        producer.flush(ANSWER_WITHIN)?;
        Ok(taken.0.load(Ordering::Relaxed) == records)
    };
    tokio::task::spawn_blocking(send).await?
}

/// Sets the only setting of the topic, or none: ours have no others.
async fn alter(admin: &Admin, topic: &str, setting: Option<(&str, &str)>) -> anyhow::Result<()> {
    let config = AlterConfig {
        specifier: ResourceSpecifier::Topic(topic),
        entries: setting.into_iter().collect(),
    };
    let answers = admin.alter_configs(&[config], &options()).await?;
    for answer in answers {
        if let Err((_, code)) = answer {
            bail!("the broker does not change topic {topic}: {code}");
        }
    }
    Ok(())
}

async fn limit(admin: &Admin, topic: &str) -> anyhow::Result<Option<String>> {
    let answers = admin
        .describe_configs(&[ResourceSpecifier::Topic(topic)], &options())
        .await?;
    let Some(Ok(config)) = answers.into_iter().next() else {
        bail!("the broker does not describe topic {topic}");
    };
    let entries: BTreeMap<_, _> = config
        .entries
        .into_iter()
        .map(|entry| (entry.name, entry.value))
        .collect();
    Ok(entries.get(MESSAGE_SIZE).cloned().flatten())
}

/// The broker that leads partition 0.
pub(super) async fn leader(kafka: &Kafka, topic: &str) -> anyhow::Result<u32> {
    let (admin, topic) = (admin(kafka)?, topic.to_owned());
    let found = tokio::task::spawn_blocking(move || {
        let metadata = admin.inner().fetch_metadata(Some(&topic), ANSWER_WITHIN)?;
        let partitions = metadata.topics().first().map(|topic| topic.partitions());
        let first = partitions.and_then(|all| all.iter().find(|partition| partition.id() == 0));
        let leader = first.map(|partition| partition.leader()).filter(|id| *id >= 0);
        leader.with_context(|| format!("topic {topic} has no leader"))
    });
    Ok(u32::try_from(found.await??)?)
}
