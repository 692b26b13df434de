//! The settings of a broker: pure.
//!
//! Whatever differs from Kafka's defaults is here, with the reason.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use super::listeners::{BrokerListeners, CONTROLLER};
use super::options::KafkaOptions;
use crate::error::{Result, TestbedError};

/// Ours alone: they place the broker, or an acknowledgement would mean less than the report says.
const REFUSED: [&str; 14] = [
    "advertised.listeners",
    "broker.id",
    "controller.listener.names",
    "controller.quorum.bootstrap.servers",
    "controller.quorum.voters",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "listeners",
    "log.dir",
    "log.dirs",
    "min.insync.replicas",
    "node.id",
    "process.roles",
    "unclean.leader.election.enable",
];

/// Heartbeats also tell a member of a rebalance: longer waits would be in every figure.
const HEARTBEAT_MAX: Duration = Duration::from_millis(500);

/// Refuses settings that are not the caller's to make.
pub(super) fn validate(settings: &BTreeMap<String, String>) -> Result<()> {
    if let Some(name) = settings.keys().find(|name| REFUSED.contains(&name.as_str())) {
        return Err(TestbedError::BadInput(format!(
            "the setting {name} of Kafka is not to be changed: it places the broker, or weakens its durability; leave it out"
        )));
    }
    let bad = |text: &String| text.chars().any(char::is_control);
    if let Some((name, _)) = settings.iter().find(|(name, value)| bad(name) || bad(value)) {
        return Err(TestbedError::BadInput(format!(
            "the setting {name:?} of Kafka has a control character in it"
        )));
    }
    Ok(())
}

/// The settings of broker `node_id` (from 1) of all that the options list; the caller's own win over ours.
pub(super) fn effective(
    node_id: u32,
    own: &BrokerListeners,
    data: &Path,
    options: &KafkaOptions,
) -> BTreeMap<String, String> {
    let all = &options.listeners;
    let mut settings = placement(node_id, all, own, data);
    settings.extend(behaviour(all.len()));
    if let Some(messages) = options.flush_every_messages {
        settings.insert("log.flush.interval.messages".to_owned(), messages.to_string());
    }
    settings.extend(options.session_timeout.map(group_times).unwrap_or_default());
    if options.authorizer {
        settings.extend(access_rules());
    }
    settings.extend(options.settings.clone());
    settings
}

/// Rules are heeded, and none is there yet. Nobody is a `super.users`: all our clients, brokers included, are the same
/// anonymous one, and a rule would not hold for it then.
fn access_rules() -> BTreeMap<String, String> {
    map([
        (
            "authorizer.class.name",
            "org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned(),
        ),
        ("allow.everyone.if.no.acl.found", "true".to_owned()),
    ])
}

fn placement(node_id: u32, all: &[BrokerListeners], own: &BrokerListeners, data: &Path) -> BTreeMap<String, String> {
    let joined = |parts: Vec<String>| parts.join(",");
    let named = own.named();
    let listeners = named.iter().map(|(name, at)| format!("{name}://{}", at.address()));
    let advertised = named.iter().filter(|(name, _)| *name != CONTROLLER);
    let advertised = advertised.map(|(name, at)| format!("{name}://{}", at.advertised()));
    let protocols = named.iter().map(|(name, _)| format!("{name}:PLAINTEXT"));
    let voters = (1..)
        .zip(all)
        .map(|(id, broker)| format!("{id}@{}", broker.controller.address()));
    map([
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", node_id.to_string()),
        ("listeners", joined(listeners.collect())),
        ("advertised.listeners", joined(advertised.collect())),
        ("listener.security.protocol.map", joined(protocols.collect())),
        ("inter.broker.listener.name", "INTERNAL".to_owned()),
        ("controller.listener.names", CONTROLLER.to_owned()),
        ("controller.quorum.voters", joined(voters.collect())),
        ("log.dirs", data.display().to_string()),
    ])
}

fn behaviour(brokers: usize) -> BTreeMap<String, String> {
    let replicas = brokers.min(3).to_string();
    let in_sync = if brokers >= 3 { "2" } else { "1" }.to_owned();
    map([
        // The default, 3 s, is for groups whose members arrive over minutes; it would be the first figure of every run.
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
        // A run that crashes workers is to see it soon: the defaults allow 6 s and more (classic), and 45 s and more.
        ("group.min.session.timeout.ms", "500".to_owned()),
        ("group.consumer.min.session.timeout.ms", "500".to_owned()),
        ("group.consumer.max.session.timeout.ms", "300000".to_owned()),
        ("group.consumer.min.heartbeat.interval.ms", "100".to_owned()),
        // A topic that comes into being by a typing error would have the wrong partitions.
        ("auto.create.topics.enable", "false".to_owned()),
        ("default.replication.factor", replicas.clone()),
        ("min.insync.replicas", in_sync.clone()),
        ("unclean.leader.election.enable", "false".to_owned()),
        // Their default is 3, which one broker can't give.
        ("offsets.topic.replication.factor", replicas.clone()),
        ("transaction.state.log.replication.factor", replicas.clone()),
        ("transaction.state.log.min.isr", in_sync.clone()),
        ("share.coordinator.state.topic.replication.factor", replicas),
        ("share.coordinator.state.topic.min.isr", in_sync),
    ])
}

/// What the broker gives to members of the newer group protocol, which can't ask for it; heartbeats as our classic ones have.
fn group_times(session: Duration) -> BTreeMap<String, String> {
    let heartbeat = (session / 3).min(HEARTBEAT_MAX);
    map([
        ("group.consumer.session.timeout.ms", session.as_millis().to_string()),
        (
            "group.consumer.heartbeat.interval.ms",
            heartbeat.as_millis().to_string(),
        ),
    ])
}

/// In the form of a `.properties` file, in which a backslash escapes.
pub(super) fn to_file(settings: &BTreeMap<String, String>) -> String {
    let mut text = String::from("# Written by crossover for one run.\n");
    for (name, value) in settings {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{name}={}", value.replace('\\', "\\\\"));
    }
    text
}

fn map<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::listeners::numbered as broker;
    use crate::kafka::options::BrokerCount;

    fn of_cluster(brokers: &[BrokerListeners], theirs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let theirs = theirs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let options = KafkaOptions {
            listeners: brokers.to_vec(),
            flush_every_messages: Some(1),
            session_timeout: Some(Duration::from_secs(1)),
            settings: theirs.collect(),
            ..KafkaOptions::new("r1", BrokerCount::One).unwrap()
        };
        effective(1, &brokers[0], Path::new("/data"), &options)
    }

    #[test]
    fn relays_and_workers_are_told_their_proxies_and_the_harness_the_broker() {
        let settings = of_cluster(&[broker(100)], &[]);
        assert_eq!(
            settings["advertised.listeners"],
            "INTERNAL://127.0.0.1:100,HARNESS://127.0.0.1:102,RELAY://127.0.0.1:113,WORKER://127.0.0.1:114"
        );
        assert_eq!(settings["controller.quorum.voters"], "1@127.0.0.1:101");
        assert_eq!(settings["offsets.topic.replication.factor"], "1");
        assert_eq!(settings["log.flush.interval.messages"], "1");
    }

    #[test]
    fn of_three_brokers_two_must_have_a_record() {
        let settings = of_cluster(&[broker(100), broker(200), broker(300)], &[]);
        assert_eq!(settings["min.insync.replicas"], "2");
        assert_eq!(settings["offsets.topic.replication.factor"], "3");
        assert_eq!(
            settings["controller.quorum.voters"],
            "1@127.0.0.1:101,2@127.0.0.1:201,3@127.0.0.1:301"
        );
    }

    #[test]
    fn a_callers_setting_wins_unless_it_is_ours_alone() {
        let settings = of_cluster(&[broker(100)], &[("group.initial.rebalance.delay.ms", "7")]);
        assert_eq!(settings["group.initial.rebalance.delay.ms"], "7");
        let refused = BTreeMap::from([("log.dirs".to_owned(), "/tmp".to_owned())]);
        let message = validate(&refused).unwrap_err().to_string();
        assert!(message.contains("log.dirs"), "{message}");
        let broken = BTreeMap::from([("a".to_owned(), "1\nlog.dirs=/tmp".to_owned())]);
        assert!(validate(&broken).is_err());
    }

    #[test]
    fn access_rules_are_heeded_only_if_asked_for_and_nobody_is_above_them() {
        assert!(!of_cluster(&[broker(100)], &[]).contains_key("authorizer.class.name"));
        let settings = access_rules();
        assert_eq!(settings["allow.everyone.if.no.acl.found"], "true");
        assert!(!settings.contains_key("super.users"));
    }

    #[test]
    fn a_session_timeout_holds_in_both_group_protocols() {
        let settings = of_cluster(&[broker(100)], &[]);
        assert_eq!(settings["group.min.session.timeout.ms"], "500");
        assert_eq!(settings["group.consumer.session.timeout.ms"], "1000");
        assert_eq!(settings["group.consumer.heartbeat.interval.ms"], "333");
    }

    #[test]
    fn a_backslash_survives_the_file() {
        let text = to_file(&map([("a", "b\\c".to_owned())]));
        assert!(text.ends_with("a=b\\\\c\n"), "{text}");
    }
}
