//! The servers of a run: which there are, and by which address each role reaches them.
//!
//! The harness itself always goes past all proxies.

use std::path::PathBuf;

use crossover_engine::kafka::{Kafka, KafkaArgs};
use crossover_testbed::links::{KafkaRole, PostgresRole};
use crossover_testbed::{ConnectionUrl, Links, LocalKafka, LocalPostgres};

use crate::args::Mode;

/// All servers of a run.
pub struct Servers {
    /// The database server.
    pub postgres: LocalPostgres,
    /// The brokers; none in polling mode.
    pub kafka: Option<LocalKafka>,
    /// A proxy on every link, if the scenario wants them.
    pub links: Option<Links>,
    /// The engine's database, past all proxies.
    pub database: ConnectionUrl,
}

impl Servers {
    /// How jobs reach workers.
    pub fn mode(&self) -> Mode {
        match self.kafka {
            Some(_) => Mode::EventDriven,
            None => Mode::Polling,
        }
    }

    /// The database, as a role reaches it.
    ///
    /// # Errors
    /// If the role has no proxy in a run with proxies.
    pub fn database_of(&self, role: PostgresRole) -> anyhow::Result<ConnectionUrl> {
        match &self.links {
            Some(links) => Ok(links.postgres_url(role, &self.database)?),
            None => Ok(self.database.clone()),
        }
    }

    /// Addresses of the brokers, as a role reaches them; none in polling mode.
    pub fn brokers_of(&self, role: KafkaRole) -> Vec<String> {
        let Some(kafka) = &self.kafka else { return Vec::new() };
        let proxied = self.links.as_ref().and_then(|links| links.bootstrap(role));
        split(&proxied.unwrap_or_else(|| kafka.bootstrap()))
    }

    /// Data directory of each server, by the name of its process.
    pub fn data_directories(&self) -> Vec<(String, PathBuf)> {
        let mut all = vec![(self.postgres.name().to_owned(), self.postgres.data_directory())];
        let kafka = self.kafka.iter();
        all.extend(kafka.flat_map(|kafka| {
            let of_broker = |id| Some((kafka.name_of(id).ok()?.to_owned(), kafka.data_directory(id).ok()?));
            kafka.ids().into_iter().filter_map(of_broker)
        }));
        all
    }

    /// The brokers, as the harness reaches them; `None` in polling mode.
    ///
    /// # Errors
    /// If there is no address.
    pub fn broker(&self) -> anyhow::Result<Option<Kafka>> {
        let Some(kafka) = &self.kafka else { return Ok(None) };
        let args = KafkaArgs {
            broker: split(&kafka.bootstrap()),
            ..KafkaArgs::default()
        };
        Ok(Some(Kafka::new(&args)?))
    }
}

fn split(bootstrap: &str) -> Vec<String> {
    bootstrap.split(',').map(str::to_owned).collect()
}
