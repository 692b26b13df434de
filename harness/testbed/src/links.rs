//! Which role reaches which server through which proxy.
//!
//! ```text
//!   relay ──▶ kafka-<id>-relay ──▶ RELAY listener of broker <id>          advertised: the proxy
//!   worker ─▶ kafka-<id>-worker ─▶ WORKER listener of broker <id>         advertised: the proxy
//!   replica ▶ postgres-replicas ─┐
//!   relay ──▶ postgres-relay-work ┼▶ PostgreSQL
//!   relay ──▶ postgres-relay-lock ┘
//!   harness ─────────────────────▶ HARNESS listeners, PostgreSQL: no proxy, ever
//! ```
//!
//! The relay's lock connection has a proxy of its own, so that a leader can lose its lock and keep its work, or the other
//! way round. *Invariant*: a client is never told an address that bypasses its proxy; [`Links::bypasses`] looks.
//!
//! Must not start servers, and must not decide when to break a link.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use crate::error::{Result, TestbedError};
use crate::kafka::{BrokerListeners, brokers_seen_at};
use crate::ports::free_port;
use crate::postgres::ConnectionUrl;
use crate::toxiproxy::{Direction, Toxic, ToxiproxyClient};

/// A role that reaches Kafka through proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KafkaRole {
    /// Relays: they produce.
    Relay,
    /// Workers: they consume.
    Worker,
}

/// A role that reaches PostgreSQL through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PostgresRole {
    /// Replicas of the engine, all of them.
    Replicas,
    /// Relays, for what they read and mark.
    RelayWork,
    /// Relays, for the session that holds the lock of the leader.
    RelayLock,
}

impl PostgresRole {
    const ALL: [Self; 3] = [Self::Replicas, Self::RelayWork, Self::RelayLock];
}

/// One link; its name is the proxy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// From a role to the broker of this id.
    Kafka(KafkaRole, u32),
    /// From a role to PostgreSQL.
    Postgres(PostgresRole),
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kafka(KafkaRole::Relay, id) => write!(f, "kafka-{id}-relay"),
            Self::Kafka(KafkaRole::Worker, id) => write!(f, "kafka-{id}-worker"),
            Self::Postgres(PostgresRole::Replicas) => f.write_str("postgres-replicas"),
            Self::Postgres(PostgresRole::RelayWork) => f.write_str("postgres-relay-work"),
            Self::Postgres(PostgresRole::RelayLock) => f.write_str("postgres-relay-lock"),
        }
    }
}

/// The two ends of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkEnds {
    /// Where clients connect.
    pub proxy: SocketAddr,
    /// Where the server listens.
    pub server: SocketAddr,
}

/// The links of a run, each with a proxy.
#[derive(Debug, Clone)]
pub struct Links {
    client: ToxiproxyClient,
    ends: BTreeMap<Link, LinkEnds>,
}

impl Links {
    /// Makes the proxies for the servers that a run has; these need not listen yet.
    ///
    /// # Errors
    /// `BadInput` if a proxy's port was taken since it was drawn; `Unavailable` if there are no ports; `Other` if Toxiproxy
    /// fails.
    pub async fn set_up(
        client: ToxiproxyClient,
        postgres_port: Option<u16>,
        brokers: &[BrokerListeners],
    ) -> Result<Self> {
        let mut ends = of_kafka(brokers);
        if let Some(port) = postgres_port {
            ends.extend(of_postgres(port)?);
        }
        for (link, ends) in &ends {
            client.create(&link.to_string(), ends.proxy, ends.server).await?;
        }
        Ok(Self { client, ends })
    }

    /// All links, in order.
    pub fn all(&self) -> impl Iterator<Item = (Link, LinkEnds)> {
        self.ends.iter().map(|(link, ends)| (*link, *ends))
    }

    /// `bootstrap.servers` of a role; none in a run without brokers.
    #[must_use]
    pub fn bootstrap(&self, role: KafkaRole) -> Option<String> {
        let of_role = self
            .all()
            .filter(|(link, _)| matches!(link, Link::Kafka(its, _) if *its == role));
        let addresses: Vec<String> = of_role.map(|(_, ends)| ends.proxy.to_string()).collect();
        (!addresses.is_empty()).then(|| addresses.join(","))
    }

    /// `direct`, by way of a role's proxy.
    ///
    /// # Errors
    /// `Other` in a run whose PostgreSQL has no proxies.
    pub fn postgres_url(&self, role: PostgresRole, direct: &ConnectionUrl) -> Result<ConnectionUrl> {
        let proxy = self.ends(Link::Postgres(role))?.proxy;
        Ok(direct.with_address(&proxy.ip().to_string(), proxy.port()))
    }

    /// Cuts a link: its connections are closed, and new ones refused.
    ///
    /// # Errors
    /// `Other` if there is no such link, or Toxiproxy fails.
    pub async fn cut(&self, link: Link) -> Result<()> {
        self.ends(link)?;
        self.client.disable(&link.to_string()).await
    }

    /// The end of [`Links::cut`].
    ///
    /// # Errors
    /// As there.
    pub async fn mend(&self, link: Link) -> Result<()> {
        self.ends(link)?;
        self.client.enable(&link.to_string()).await
    }

    /// Spoils what flows in one direction.
    ///
    /// # Errors
    /// `Other` if there is no such link, it is spoiled in this way already, or Toxiproxy fails.
    pub async fn spoil(&self, link: Link, toxic: Toxic, direction: Direction) -> Result<()> {
        self.ends(link)?;
        self.client.add_toxic(&link.to_string(), toxic, direction).await
    }

    /// The end of [`Links::spoil`].
    ///
    /// # Errors
    /// `Other` if it is not spoiled in this way, or Toxiproxy fails.
    pub async fn clear(&self, link: Link, toxic: Toxic, direction: Direction) -> Result<()> {
        self.ends(link)?;
        self.client
            .remove_toxic(&link.to_string(), &toxic.name(direction))
            .await
    }

    /// The end of all faults on all links.
    ///
    /// # Errors
    /// `Other` if Toxiproxy fails.
    pub async fn heal(&self) -> Result<()> {
        self.client.reset().await
    }

    /// Asks each broker, by way of each role's proxy, whom it names, and answers the addresses that are no proxy of that
    /// role: none, unless the brokers are misconfigured.
    ///
    /// # Errors
    /// As [`brokers_seen_at`], if a link is cut or a broker down.
    pub async fn bypasses(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for (link, ends) in self.all() {
            let Link::Kafka(role, _) = link else { continue };
            let proxies = self.bootstrap(role).unwrap_or_default();
            let proxies: Vec<&str> = proxies.split(',').collect();
            for broker in brokers_seen_at(&ends.proxy.to_string()).await? {
                if !proxies.contains(&broker.address.as_str()) {
                    found.push(format!("{} (broker {}, told to {link})", broker.address, broker.id));
                }
            }
        }
        Ok(found)
    }

    fn ends(&self, link: Link) -> Result<LinkEnds> {
        let ends = self.ends.get(&link).copied();
        ends.ok_or_else(|| TestbedError::Other(format!("this run has no link {link}")))
    }
}

/// Brokers have ids from 1, in order, and advertise the proxies that are made here.
fn of_kafka(brokers: &[BrokerListeners]) -> BTreeMap<Link, LinkEnds> {
    let ends = |listener: crate::kafka::Listener| LinkEnds {
        proxy: listener.advertised(),
        server: listener.address(),
    };
    let of_one = |(id, broker): (u32, &BrokerListeners)| {
        [
            (Link::Kafka(KafkaRole::Relay, id), ends(broker.relay)),
            (Link::Kafka(KafkaRole::Worker, id), ends(broker.worker)),
        ]
    };
    (1..).zip(brokers).flat_map(of_one).collect()
}

fn of_postgres(port: u16) -> Result<BTreeMap<Link, LinkEnds>> {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let of_role = |role| {
        let proxy = at(free_port()?);
        let ends = LinkEnds {
            proxy,
            server: at(port),
        };
        Ok((Link::Postgres(role), ends))
    };
    PostgresRole::ALL.into_iter().map(of_role).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_a_proxy_to_each_broker_and_postgres_has_three() {
        let brokers = [BrokerListeners::draw().unwrap(), BrokerListeners::draw().unwrap()];
        let mut ends = of_kafka(&brokers);
        ends.extend(of_postgres(5432).unwrap());
        let names: Vec<String> = ends.keys().map(ToString::to_string).collect();
        let wanted = [
            "kafka-1-relay",
            "kafka-2-relay",
            "kafka-1-worker",
            "kafka-2-worker",
            "postgres-replicas",
            "postgres-relay-work",
            "postgres-relay-lock",
        ];
        assert_eq!(names, wanted);
        assert_eq!(
            ends[&Link::Kafka(KafkaRole::Relay, 2)].proxy,
            brokers[1].relay.advertised()
        );
        let mut proxies: Vec<SocketAddr> = ends.values().map(|ends| ends.proxy).collect();
        proxies.sort();
        proxies.dedup();
        assert_eq!(proxies.len(), 7, "a proxy each");
    }
}
