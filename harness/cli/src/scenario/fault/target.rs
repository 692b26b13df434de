//! What a fault acts on, in words: `worker:1`, `relay:leader`, `broker:leader(work)`, `link:kafka-relay`. Pure.

use crossover_testbed::links::{KafkaRole, Link, PostgresRole};

use crate::scenario::Topology;

/// A part that runs as a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessTarget {
    /// A worker, replica or relay, by the name of its process.
    Part(String),
    /// One of those of a role that run, as the seed has it.
    AnyPart(String),
    /// The relay that leads when the fault comes.
    RelayLeader,
    /// A relay that does not lead when the fault comes.
    RelayStandby,
    /// A broker, by its id.
    Broker(u32),
    /// One of the brokers that run, as the seed has it.
    AnyBroker,
    /// All brokers at once.
    AllBrokers,
    /// The broker that leads partition 0 of a job type's topic when the fault comes.
    BrokerLeader(String),
    /// The database server.
    Postgres,
}

impl ProcessTarget {
    /// Reads it; the error says what the topology allows.
    pub(super) fn parse(text: &str, topology: &Topology) -> Result<Self, String> {
        Self::parsed(text, topology).ok_or_else(|| {
            format!(
                "found {text:?}; allowed are postgres, replica:1 to replica:{}, worker:1 to worker:{}, relay:1 to relay:{}, broker:1 \
                 to broker:{}, each of these with :any, relay:leader, relay:standby, broker:all and broker:leader(JOB_TYPE)",
                topology.replicas, topology.workers, topology.relays, topology.brokers
            )
        })
    }

    fn parsed(text: &str, topology: &Topology) -> Option<Self> {
        if text == "postgres" {
            return Some(Self::Postgres);
        }
        let (role, which) = text.split_once(':')?;
        let count = topology.count_of(role)?;
        let numbered = || {
            let number: u32 = which.parse().ok()?;
            (1..=count).contains(&number).then_some(number)
        };
        let led = || {
            let job_type = which.strip_prefix("leader(")?.strip_suffix(')')?;
            (!job_type.is_empty()).then(|| Self::BrokerLeader(job_type.to_owned()))
        };
        match (role, which) {
            ("relay", "leader") => Some(Self::RelayLeader),
            ("relay", "standby") => (count > 1).then_some(Self::RelayStandby),
            ("broker", "any") => Some(Self::AnyBroker),
            ("broker", "all") => Some(Self::AllBrokers),
            ("broker", _) => numbered().map(Self::Broker).or_else(led),
            (_, "any") => Some(Self::AnyPart(role.to_owned())),
            _ => numbered().map(|number| Self::Part(format!("{role}-{number}"))),
        }
    }

    /// Is it there in polling mode too?
    pub(super) fn is_in_every_mode(&self) -> bool {
        match self {
            Self::Postgres => true,
            Self::Part(name) => !name.starts_with("relay-"),
            Self::AnyPart(role) => role != "relay",
            Self::RelayLeader
            | Self::RelayStandby
            | Self::Broker(_)
            | Self::AnyBroker
            | Self::AllBrokers
            | Self::BrokerLeader(_) => false,
        }
    }
}

/// Reads the links that are meant: one, or those of a role to all brokers.
pub(super) fn links(text: &str, topology: &Topology) -> Result<Vec<Link>, String> {
    let of_brokers = |role| {
        (1..=topology.brokers)
            .map(|id| Link::Kafka(role, id))
            .collect::<Vec<_>>()
    };
    let all = [
        ("link:kafka-relay", of_brokers(KafkaRole::Relay)),
        ("link:kafka-worker", of_brokers(KafkaRole::Worker)),
        (
            "link:kafka",
            [of_brokers(KafkaRole::Relay), of_brokers(KafkaRole::Worker)].concat(),
        ),
    ];
    let single = all[2]
        .1
        .iter()
        .copied()
        .chain([PostgresRole::Replicas, PostgresRole::RelayWork, PostgresRole::RelayLock].map(Link::Postgres));
    let single: Vec<(String, Vec<Link>)> = single.map(|link| (format!("link:{link}"), vec![link])).collect();
    let known = all
        .iter()
        .map(|(name, links)| (*name, links))
        .chain(single.iter().map(|(name, links)| (name.as_str(), links)));
    let names: Vec<&str> = known.clone().map(|(name, _)| name).collect();
    let found = known.into_iter().find(|(name, _)| *name == text);
    found
        .map(|(_, links)| links.clone())
        .ok_or_else(|| format!("found {text:?}; a fault of a link allows {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology() -> Topology {
        Topology {
            workers: 2,
            relays: 2,
            brokers: 3,
            ..Topology::default()
        }
    }

    #[test]
    fn parts_are_meant_by_number_by_role_and_by_what_they_do() {
        let parse = |text| ProcessTarget::parse(text, &topology());
        assert_eq!(parse("worker:2"), Ok(ProcessTarget::Part("worker-2".to_owned())));
        assert_eq!(parse("replica:any"), Ok(ProcessTarget::AnyPart("replica".to_owned())));
        assert_eq!(parse("relay:leader"), Ok(ProcessTarget::RelayLeader));
        assert_eq!(parse("relay:standby"), Ok(ProcessTarget::RelayStandby));
        assert_eq!(parse("broker:3"), Ok(ProcessTarget::Broker(3)));
        assert_eq!(parse("broker:all"), Ok(ProcessTarget::AllBrokers));
        assert_eq!(
            parse("broker:leader(work)"),
            Ok(ProcessTarget::BrokerLeader("work".to_owned()))
        );
        for wrong in [
            "worker:3",
            "worker:0",
            "worker",
            "broker:leader()",
            "postgres:1",
            "kafka:1",
            "",
        ] {
            let problem = parse(wrong).unwrap_err();
            assert!(
                problem.contains(&format!("found {wrong:?}")) && problem.contains("worker:2"),
                "{problem}"
            );
        }
    }

    #[test]
    fn a_standby_needs_a_second_relay() {
        let alone = Topology {
            relays: 1,
            ..topology()
        };
        assert!(ProcessTarget::parse("relay:standby", &alone).is_err());
    }

    #[test]
    fn a_link_is_meant_alone_or_with_its_like() {
        let links = |text| links(text, &topology());
        assert_eq!(
            links("link:postgres-relay-lock"),
            Ok(vec![Link::Postgres(PostgresRole::RelayLock)])
        );
        assert_eq!(
            links("link:kafka-2-worker"),
            Ok(vec![Link::Kafka(KafkaRole::Worker, 2)])
        );
        assert_eq!(links("link:kafka-relay").map(|links| links.len()), Ok(3));
        assert_eq!(links("link:kafka").map(|links| links.len()), Ok(6));
        assert!(links("link:kafka-4-relay").unwrap_err().contains("link:kafka-3-relay"));
    }
}
