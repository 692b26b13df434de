//! What a fault acts on, found at its moment: who leads, which one `any` is. A fault on a part that is down already finds
//! nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use crossover_testbed::kafka::Access;
use crossover_testbed::links::Link;
use sqlx::{Connection, PgConnection};

use super::postgres::Held;
use super::{Timeline, topic};
use crate::scenario::{Action, DownstreamFault, LinkFault, PostgresFault, ProcessFault, ProcessTarget, TopicFault};

/// What is broken. Clones share what is held.
#[derive(Debug, Clone)]
pub(super) enum Hit {
    /// Processes.
    Processes(ProcessFault, Vec<Process>),
    /// Links.
    Links(LinkFault, Vec<Link>),
    /// The engine's sessions at PostgreSQL.
    Sessions,
    /// Connections to PostgreSQL.
    Connections(Arc<Held>),
    /// A snapshot in PostgreSQL.
    Snapshot(Arc<Held>),
    /// A topic, by its name.
    Topic(TopicFault, String),
    /// The service that handlers call.
    Downstream(DownstreamFault),
    /// What is refused, of which topic or group.
    Denied(Access, String),
}

/// A process, and how it is started again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Process {
    /// Of the engine.
    Part(String),
    /// A broker and its process.
    Broker(u32, String),
    /// The database server's.
    Postgres(String),
}

impl Process {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Part(name) | Self::Broker(_, name) | Self::Postgres(name) => name,
        }
    }
}

impl Hit {
    /// What is mended first, when all is: processes need connections, links and servers to start.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Connections(_) | Self::Snapshot(_) | Self::Sessions => 0,
            Self::Links(..) | Self::Topic(..) | Self::Downstream(_) | Self::Denied(..) => 1,
            Self::Processes(_, processes) => match processes.first() {
                Some(Process::Part(_)) => 3,
                _ => 2,
            },
        }
    }
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, names: Vec<String>| f.write_str(&names.join(", "));
        match self {
            Self::Processes(_, processes) => list(f, processes.iter().map(|p| p.name().to_owned()).collect()),
            Self::Links(_, links) => list(f, links.iter().map(|link| format!("link {link}")).collect()),
            Self::Sessions => f.write_str("sessions of the engine"),
            Self::Connections(_) => f.write_str("connections of PostgreSQL"),
            Self::Snapshot(_) => f.write_str("snapshot in PostgreSQL"),
            Self::Topic(_, topic) => write!(f, "topic {topic}"),
            Self::Downstream(_) => f.write_str("downstream"),
            Self::Denied(Access::WriteTopic, topic) => write!(f, "writes to topic {topic}"),
            Self::Denied(Access::ReadGroup, group) => write!(f, "group {group}"),
        }
    }
}

/// Who leads, as the relays have agreed.
const LEADER: &str = "/* harness_leader */ SELECT leader FROM relay_lead";
/// A PostgreSQL that is stopped takes the connection and never answers.
const LEADER_WITHIN: Duration = Duration::from_secs(2);

impl Timeline {
    /// Finds what is to be hit.
    pub(super) async fn hit(&self, action: &Action, draw: u64) -> anyhow::Result<Hit> {
        Ok(match action {
            Action::Process(fault, target) => Hit::Processes(*fault, self.processes(target, draw).await?),
            Action::Link(fault, links) => Hit::Links(fault.clone(), links.clone()),
            Action::Postgres(PostgresFault::TerminateBackends) => Hit::Sessions,
            Action::Postgres(PostgresFault::ExhaustConnections) => Hit::Connections(Arc::default()),
            Action::Postgres(PostgresFault::HoldTransaction) => Hit::Snapshot(Arc::default()),
            Action::Downstream(fault) => Hit::Downstream(*fault),
            Action::Deny(access, job_type) => {
                let broker = self.broker()?;
                let name = match access {
                    Access::WriteTopic => broker.topic(job_type),
                    Access::ReadGroup => broker.group(job_type),
                };
                Hit::Denied(*access, name)
            }
            Action::Topic(fault, job_type) => Hit::Topic(*fault, self.broker()?.topic(job_type)),
        })
    }

    async fn processes(&self, target: &ProcessTarget, draw: u64) -> anyhow::Result<Vec<Process>> {
        let topology = &self.document.topology;
        let all = |role: &str| {
            let numbers = 1..=topology.count_of(role).unwrap_or(0);
            let parts = numbers.map(|number| Process::Part(format!("{role}-{number}")));
            parts.collect::<Vec<_>>()
        };
        let found = match target {
            ProcessTarget::Part(name) => vec![Process::Part(name.clone())],
            ProcessTarget::AnyPart(role) => {
                let one = self.one_of(all(role), draw);
                vec![one.with_context(|| format!("no {role} runs"))?]
            }
            ProcessTarget::RelayLeader => vec![Process::Part(self.leader().await?)],
            ProcessTarget::RelayStandby => {
                let leader = self.leader().await?;
                let mut relays = all("relay");
                relays.retain(|relay| relay.name() != leader);
                vec![self.one_of(relays, draw).context("no standby runs")?]
            }
            ProcessTarget::Broker(id) => vec![self.broker_process(*id)?],
            ProcessTarget::AnyBroker => vec![self.one_of(self.all_brokers()?, draw).context("no broker runs")?],
            ProcessTarget::AllBrokers => self.all_brokers()?,
            ProcessTarget::BrokerLeader(job_type) => {
                let broker = self.broker()?;
                let id = topic::leader(&broker, &broker.topic(job_type)).await?;
                vec![self.broker_process(id)?]
            }
            ProcessTarget::Postgres => vec![Process::Postgres(self.postgres()?.name().to_owned())],
        };
        // A leader may have died already; nobody has taken over then.
        for process in &found {
            let name = process.name();
            ensure!(self.supervisor.is_alive(name), "{name} does not run");
        }
        Ok(found)
    }

    /// One of those that run.
    fn one_of(&self, mut processes: Vec<Process>, draw: u64) -> Option<Process> {
        processes.retain(|process| self.supervisor.is_alive(process.name()));
        let place = draw.checked_rem(processes.len() as u64)?;
        Some(processes.swap_remove(place as usize))
    }

    fn all_brokers(&self) -> anyhow::Result<Vec<Process>> {
        let ids = self.kafka()?.ids();
        ids.into_iter().map(|id| self.broker_process(id)).collect()
    }

    fn broker_process(&self, id: u32) -> anyhow::Result<Process> {
        Ok(Process::Broker(id, self.kafka()?.name_of(id)?.to_owned()))
    }

    async fn leader(&self) -> anyhow::Result<String> {
        let asked = async {
            let connected = PgConnection::connect(&self.servers.database.reveal()).await;
            let mut connection = connected.context("PostgreSQL can't be asked who leads")?;
            let leader = sqlx::query_scalar(LEADER).fetch_one(&mut connection).await;
            let _ = connection.close().await;
            leader.context("no relay leads")
        };
        let answered = tokio::time::timeout(LEADER_WITHIN, asked).await;
        answered.context("PostgreSQL does not say who leads")?
    }
}
