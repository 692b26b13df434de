//! `[[faults]]`: what is broken, when, and for how long.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Topology;

/// Something is broken at a moment of the load, and mended after a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What is done.
    pub kind: FaultKind,
    /// To which part: `worker:1`, `replica:2`, `relay:1`, `relay:leader`, `broker:1` or `postgres`. A run in polling mode has
    /// no relay and no broker: it goes on without faults on these.
    pub target: String,
    /// From the start of the load.
    #[serde(with = "humantime_serde")]
    pub at: Duration,
    /// Until it is mended: started again, or continued.
    #[serde(default = "one_second", rename = "for", with = "humantime_serde")]
    pub lasts: Duration,
}

/// What is done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// SIGKILL; started again when mended.
    Kill,
    /// SIGSTOP; continued when mended.
    Stop,
    /// SIGTERM; started again when mended. For PostgreSQL: a fast shutdown.
    Terminate,
}

fn one_second() -> Duration {
    Duration::from_secs(1)
}

/// What a fault acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A worker, replica or relay, by the name of its process.
    Part(String),
    /// The relay that leads when the fault comes.
    RelayLeader,
    /// A broker, by its id.
    Broker(u32),
    /// The database server.
    Postgres,
}

impl Target {
    /// Reads `worker:1`, `replica:2`, `relay:1`, `relay:leader`, `broker:1` or `postgres`.
    ///
    /// # Errors
    /// What was found and what the topology allows.
    pub fn parse(text: &str, topology: &Topology) -> Result<Self, String> {
        let allowed = || {
            format!(
                "found {text:?}; allowed are postgres, replica:1 to replica:{}, worker:1 to worker:{}, relay:leader, relay:1 to \
                 relay:{} and broker:1 to broker:{}",
                topology.replicas, topology.workers, topology.relays, topology.brokers
            )
        };
        if text == "postgres" {
            return Ok(Self::Postgres);
        }
        if text == "relay:leader" {
            return Ok(Self::RelayLeader);
        }
        let (role, number) = text.split_once(':').ok_or_else(allowed)?;
        let number: u32 = number.parse().map_err(|_| allowed())?;
        let count = match role {
            "worker" => topology.workers,
            "replica" => topology.replicas,
            "relay" => topology.relays,
            "broker" => topology.brokers,
            _ => return Err(allowed()),
        };
        if !(1..=count).contains(&number) {
            return Err(allowed());
        }
        Ok(match role {
            "broker" => Self::Broker(number),
            _ => Self::Part(format!("{role}-{number}")),
        })
    }

    /// Is it there in polling mode too?
    pub fn is_in_every_mode(&self) -> bool {
        match self {
            Self::Postgres => true,
            Self::Part(name) => !name.starts_with("relay-"),
            Self::RelayLeader | Self::Broker(_) => false,
        }
    }
}
