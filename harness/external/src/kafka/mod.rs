//! The user's brokers: whether they will do, what differs from ours, and the removal of our topics and groups.
//!
//! Must not make topics: the relay does. Must not touch what does not begin with the run's prefix.
//!
//! | module | owns |
//! |---|---|
//! | [`client`] | a client with the user's properties, and why it gets no answer |

mod client;

use std::time::{Duration, Instant};

use crossover_engine::kafka::{Kafka, KafkaArgs};
use crossover_testbed::kafka::{BrokersFound, SecurityProtocol, check_brokers};
use crossover_testbed::{Result, TestbedError};
use rdkafka::admin::{AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::types::RDKafkaErrorCode;

use crate::names::{is_group_of, is_topic_of, require_prefix};
use client::Client;

/// Making or removing a topic takes a controller milliseconds; a busy one of many partitions, seconds.
const REQUEST: Duration = Duration::from_secs(8);

/// A worker that was killed is a member of its group until its session times out, which is six seconds.
const GROUP_EMPTY_WITHIN: Duration = Duration::from_secs(8);
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What an acknowledged record means, by the broker's defaults for a topic.
const MIN_IN_SYNC: &str = "min.insync.replicas";
const FLUSH: &str = "log.flush.interval.messages";
const UNCLEAN: &str = "unclean.leader.election.enable";

/// Replicas of a topic where there are as many brokers: what clusters that must not lose anything have.
const REPLICATION_MAX: u32 = 3;

/// What the brokers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaFacts {
    /// How many there are: a topic can't have more replicas.
    pub brokers: usize,
    /// How many replicas the run's topics are to have.
    pub replication: u32,
    /// `kafka` or `redpanda`.
    pub kind: String,
    /// Whether consumers may ask for `group.protocol=consumer` (KIP-848); unknown where clients must speak TLS.
    pub has_consumer_protocol: Option<bool>,
    /// What an acknowledged record means there.
    pub acknowledgement: String,
    /// What else the numbers depend on, that brokers of our own have not.
    pub differences: Vec<String>,
}

/// Looks at the brokers, and refuses those that will not do. Changes nothing.
///
/// # Errors
/// `BadInput` or `Unavailable`, with address, finding and remedy.
pub async fn examine(args: &KafkaArgs) -> Result<KafkaFacts> {
    let kafka = kafka_of(args)?;
    let protocol: SecurityProtocol = kafka
        .config("crossover")
        .get("security.protocol")
        .unwrap_or("plaintext")
        .parse()?;
    let found = check_brokers(&args.broker, protocol).await?;
    let client = Client::connect(&kafka).await?;
    let settings = read_settings(&client).await;
    let facts = facts(&found, &client, protocol, &settings);
    require_writable(facts.replication, setting(&settings, MIN_IN_SYNC), kafka.brokers())?;
    Ok(facts)
}

/// Refuses brokers that would acknowledge nothing: `acks=all` waits for more replicas than a topic has.
fn require_writable(replication: u32, min_in_sync: Option<&str>, at: &str) -> Result<()> {
    match min_in_sync.and_then(|number| number.parse::<u32>().ok()) {
        Some(number) if number > replication => Err(TestbedError::unavailable(
            format!(
                "{MIN_IN_SYNC} is {number} on the brokers at {at}, and the run's topics would have {replication} replicas: no record would be \
                 acknowledged"
            ),
            format!("set it to {replication} or less, or add brokers"),
        )),
        _ => Ok(()),
    }
}

/// Refuses a prefix under which there are topics, and brokers on which we may make none.
///
/// # Errors
/// `BadInput` or `Unavailable`.
pub async fn require_free(args: &KafkaArgs, replication: u32) -> Result<()> {
    let prefix = &args.topic_prefix;
    require_prefix(prefix)?;
    let client = Client::connect(&kafka_of(args)?).await?;
    if let Some(topic) = client.topics().iter().find(|topic| topic.starts_with(prefix.as_str())) {
        return Err(TestbedError::BadInput(format!(
            "the topic {topic} exists already at {}, and this run's topics would begin with {prefix}; use another run id",
            args.broker.join(",")
        )));
    }
    require_may_create(&client, prefix, replication, &args.broker.join(",")).await
}

/// What was removed, and what was not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removed {
    /// Topics that are gone.
    pub topics: Vec<String>,
    /// Consumer groups that are gone.
    pub groups: Vec<String>,
    /// Topics with our prefix that the engine does not make.
    pub left_alone: Vec<String>,
}

/// Removes the topics and groups of the engine under the run's prefix.
///
/// # Errors
/// If the brokers refuse.
pub async fn remove(args: &KafkaArgs) -> Result<Removed> {
    let prefix = args.topic_prefix.as_str();
    require_prefix(prefix)?;
    let client = Client::connect(&kafka_of(args)?).await?;
    let with_prefix = client.topics().into_iter().filter(|topic| topic.starts_with(prefix));
    let (topics, left_alone): (Vec<_>, Vec<_>) = with_prefix.partition(|topic| is_topic_of(prefix, topic));
    remove_topics(&client, &topics).await?;
    let groups = client
        .groups()?
        .into_iter()
        .filter(|group| is_group_of(prefix, group))
        .collect();
    let groups = remove_groups(&client, groups).await?;
    Ok(Removed {
        topics,
        groups,
        left_alone,
    })
}

async fn remove_topics(client: &Client, topics: &[String]) -> Result<()> {
    if topics.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let removed = client.admin().delete_topics(&names, &options()).await;
    let refused: Vec<String> = removed
        .map_err(|error| TestbedError::Other(format!("topics can't be removed: {error}")))?
        .into_iter()
        .filter_map(Result::err)
        // Another cleanup was faster.
        .filter(|(_, code)| *code != RDKafkaErrorCode::UnknownTopicOrPartition)
        .map(|(topic, code)| format!("{topic}: {code}"))
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    Err(TestbedError::Other(format!(
        "topics can't be removed: {}; remove them by hand",
        refused.join(", ")
    )))
}

/// A group that still has members is asked for again; one that is gone by itself is fine.
async fn remove_groups(client: &Client, groups: Vec<String>) -> Result<Vec<String>> {
    let deadline = Instant::now() + GROUP_EMPTY_WITHIN;
    let (mut left, mut removed) = (groups, Vec::new());
    while !left.is_empty() {
        let names: Vec<&str> = left.iter().map(String::as_str).collect();
        let answers = client.admin().delete_groups(&names, &options()).await;
        let answers =
            answers.map_err(|error| TestbedError::Other(format!("consumer groups can't be removed: {error}")))?;
        let (mut held, mut refused) = (Vec::new(), Vec::new());
        for answer in answers {
            match answer {
                Ok(group) => removed.push(group),
                Err((_, RDKafkaErrorCode::GroupIdNotFound)) => {}
                Err((group, RDKafkaErrorCode::NonEmptyGroup)) if Instant::now() < deadline => held.push(group),
                Err((group, code)) => refused.push(format!("{group}: {code}")),
            }
        }
        if !refused.is_empty() {
            return Err(TestbedError::Other(format!(
                "consumer groups can't be removed: {}; they expire by themselves",
                refused.join(", ")
            )));
        }
        left = held;
        if !left.is_empty() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
    Ok(removed)
}

/// Asks whether a topic could be made, and makes none.
async fn require_may_create(client: &Client, prefix: &str, replication: u32, at: &str) -> Result<()> {
    let name = format!("{prefix}jobs.check");
    let replicas = i32::try_from(replication).unwrap_or(i32::MAX);
    let topic = NewTopic::new(&name, 1, TopicReplication::Fixed(replicas));
    let answers = client
        .admin()
        .create_topics([&topic], &options().validate_only(true))
        .await;
    let answers = answers
        .map_err(|error| TestbedError::Other(format!("the brokers at {at} can't be asked for topics: {error}")))?;
    match answers.into_iter().find_map(Result::err) {
        None => Ok(()),
        Some((
            _,
            code @ (RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed),
        )) => Err(TestbedError::unavailable(
            format!("no topic may be made at {at}: {code}"),
            "let an administrator run: kafka-acls.sh --add --allow-principal User:<you> --operation All --topic crossover- --group \
                 crossover- --resource-pattern-type prefixed",
        )),
        Some((_, code)) => Err(TestbedError::unavailable(
            format!("no topic {name} with {replication} replicas can be made at {at}: {code}"),
            "see what the brokers' policy for new topics allows",
        )),
    }
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(REQUEST))
        .operation_timeout(Some(REQUEST))
}

fn kafka_of(args: &KafkaArgs) -> Result<Kafka> {
    Kafka::new(args).map_err(|error| TestbedError::BadInput(error.to_string()))
}

/// Settings of a broker; none where we may not read them, as on hosted ones.
async fn read_settings(client: &Client) -> Vec<(&'static str, String)> {
    let Some(broker) = client.broker_ids().into_iter().next() else {
        return Vec::new();
    };
    let asked = [ResourceSpecifier::Broker(broker)];
    let answers = client
        .admin()
        .describe_configs(&asked, &options())
        .await
        .unwrap_or_default();
    let Some(Ok(resource)) = answers.into_iter().next() else {
        return Vec::new();
    };
    let value = |name| Some((name, resource.get(name)?.value.clone()?));
    [MIN_IN_SYNC, FLUSH, UNCLEAN].into_iter().filter_map(value).collect()
}

fn facts(
    found: &BrokersFound,
    client: &Client,
    protocol: SecurityProtocol,
    settings: &[(&'static str, String)],
) -> KafkaFacts {
    let brokers = client.broker_ids().len();
    let kind = if client.cluster_id().is_some_and(|id| id.starts_with("redpanda")) {
        "redpanda"
    } else {
        "kafka"
    };
    let mut differences = Vec::new();
    if protocol != SecurityProtocol::default() {
        differences.push(format!("clients speak {protocol}"));
    }
    if setting(settings, UNCLEAN) == Some("true") {
        differences.push(format!(
            "{UNCLEAN} is true: what was acknowledged can be lost when a leader dies"
        ));
    }
    let replication = u32::try_from(brokers).unwrap_or(u32::MAX).clamp(1, REPLICATION_MAX);
    KafkaFacts {
        brokers,
        replication,
        kind: kind.to_owned(),
        has_consumer_protocol: found.answer.as_ref().map(|answer| answer.has_consumer_protocol()),
        acknowledgement: acknowledgement(
            brokers,
            replication,
            setting(settings, MIN_IN_SYNC),
            setting(settings, FLUSH),
        ),
        differences,
    }
}

fn setting<'a>(settings: &'a [(&'static str, String)], wanted: &str) -> Option<&'a str> {
    let found = settings.iter().find(|(name, _)| *name == wanted);
    found.map(|(_, value)| value.as_str())
}

fn acknowledgement(brokers: usize, replication: u32, min_in_sync: Option<&str>, flush: Option<&str>) -> String {
    let of = match (brokers, replication) {
        (1, _) => "one broker, no replica".to_owned(),
        _ => format!("{replication} replicas on {brokers} brokers"),
    };
    let copies = match min_in_sync {
        Some(number) => format!("at least {number} have the record ({MIN_IN_SYNC}={number})"),
        None => format!("how many have the record is not known ({MIN_IN_SYNC} could not be read)"),
    };
    let flushed = match flush {
        Some("1") => format!("flushed to disk before the answer ({FLUSH}=1)"),
        Some(_) => "in memory: the operating system flushes it when it will".to_owned(),
        None => "whether it was flushed to disk is not known".to_owned(),
    };
    format!("acks=all of {of}: {copies}, {flushed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_acknowledgement_means_follows_the_brokers_settings() {
        let text = acknowledgement(5, 3, Some("2"), Some("9223372036854775807"));
        assert!(
            text.contains("3 replicas on 5 brokers: at least 2") && text.contains("in memory"),
            "{text}"
        );
        assert!(acknowledgement(1, 1, Some("1"), Some("1")).contains("flushed to disk before the answer"));
        let unknown = acknowledgement(1, 1, None, None);
        assert!(
            unknown.contains("could not be read") && unknown.contains("not known"),
            "{unknown}"
        );
    }
    #[test]
    fn brokers_that_would_acknowledge_nothing_are_refused() {
        let error = require_writable(1, Some("2"), "h:1").unwrap_err().to_string();
        assert!(
            error.contains("is 2 on the brokers at h:1") && error.contains("1 replicas"),
            "{error}"
        );
        for fine in [Some("2"), Some("3"), None] {
            assert!(require_writable(3, fine, "h:1").is_ok(), "{fine:?}");
        }
    }
}
