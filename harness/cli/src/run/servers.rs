//! The servers of a run: whose they are, and by which address each role reaches them.
//!
//! The harness itself always goes past all proxies.

use std::path::PathBuf;

use crossover_engine::kafka::{Kafka, KafkaArgs};
use crossover_external::External;
use crossover_testbed::links::{KafkaRole, PostgresRole};
use crossover_testbed::{ConnectionUrl, Links, LocalKafka, LocalPostgres};

use crate::args::Mode;

/// All servers of a run.
pub struct Servers {
    /// How jobs reach workers.
    pub mode: Mode,
    /// The engine's database, past all proxies.
    pub database: ConnectionUrl,
    /// Whose they are.
    pub provider: Provider,
}

/// Whose the servers are.
pub enum Provider {
    /// Ours, on this machine: they end with the run.
    Local(Box<Local>),
    /// The user's: they are borrowed.
    External(Box<External>),
}

/// Servers of our own.
pub struct Local {
    /// The database server.
    pub postgres: LocalPostgres,
    /// The brokers; none in polling mode.
    pub kafka: Option<LocalKafka>,
    /// A proxy on every link, if the scenario wants them.
    pub links: Option<Links>,
}

impl Servers {
    /// The servers, if they are ours to start, stop and look into.
    pub fn local(&self) -> Option<&Local> {
        match &self.provider {
            Provider::Local(local) => Some(local),
            Provider::External(_) => None,
        }
    }

    /// The database, as a role reaches it.
    ///
    /// # Errors
    /// If the role has no proxy in a run with proxies.
    pub fn database_of(&self, role: PostgresRole) -> anyhow::Result<ConnectionUrl> {
        match self.local().and_then(|local| local.links.as_ref()) {
            Some(links) => Ok(links.postgres_url(role, &self.database)?),
            None => Ok(self.database.clone()),
        }
    }

    /// How many replicas the topics have.
    pub fn replication(&self) -> u32 {
        match &self.provider {
            Provider::External(external) => external.examined().kafka.as_ref().map_or(1, |kafka| kafka.replication),
            // One of our own clusters is of one broker or of three.
            Provider::Local(local) => local
                .kafka
                .as_ref()
                .map_or(1, |kafka| u32::try_from(kafka.ids().len()).unwrap_or(u32::MAX)),
        }
    }

    /// The brokers, as a role reaches them; `None` in polling mode.
    pub fn brokers_of(&self, role: KafkaRole) -> Option<KafkaArgs> {
        match &self.provider {
            Provider::External(external) => external.kafka().cloned(),
            Provider::Local(local) => {
                let kafka = local.kafka.as_ref()?;
                let proxied = local.links.as_ref().and_then(|links| links.bootstrap(role));
                Some(brokers_at(&proxied.unwrap_or_else(|| kafka.bootstrap())))
            }
        }
    }

    /// The brokers, as the harness reaches them; `None` in polling mode.
    ///
    /// # Errors
    /// If there is no address.
    pub fn broker(&self) -> anyhow::Result<Option<Kafka>> {
        let args = match &self.provider {
            Provider::External(external) => external.kafka().cloned(),
            Provider::Local(local) => local.kafka.as_ref().map(|kafka| brokers_at(&kafka.bootstrap())),
        };
        Ok(args.as_ref().map(Kafka::new).transpose()?)
    }

    /// Does the server count what statements cost, so that the extension that shows it can be made? On servers of the
    /// user's own nothing is made; there it is read where it is.
    pub fn counts_statements(&self) -> bool {
        self.local()
            .is_some_and(|local| local.postgres.has_pg_stat_statements())
    }

    /// Data directory of each server of ours, by the name of its process.
    pub fn data_directories(&self) -> Vec<(String, PathBuf)> {
        let Some(local) = self.local() else { return Vec::new() };
        let postgres = (local.postgres.name().to_owned(), local.postgres.data_directory());
        let of_kafka = local.kafka.iter().flat_map(|kafka| {
            let of_broker = |id| Some((kafka.name_of(id).ok()?.to_owned(), kafka.data_directory(id).ok()?));
            kafka.ids().into_iter().filter_map(of_broker)
        });
        std::iter::once(postgres).chain(of_kafka).collect()
    }
}

fn brokers_at(bootstrap: &str) -> KafkaArgs {
    KafkaArgs {
        broker: bootstrap.split(',').map(str::to_owned).collect(),
        ..KafkaArgs::default()
    }
}
