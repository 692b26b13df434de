//! From addresses to a database and a prefix that a run may use, with their removal arranged before they are made.

use std::path::Path;
use std::time::{Duration, Instant};

use crossover_engine::kafka::KafkaArgs;
use crossover_testbed::{ConnectionUrl, Result, Supervisor};

use crate::args::ExternalArgs;
use crate::cleanup;
use crate::kafka::{self, KafkaFacts};
use crate::names::Names;
use crate::postgres::{self, PostgresFacts};

/// What a run wants.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Part of all names.
    pub run_id: &'a str,
    /// Whether it uses brokers: in polling mode, those are not even looked at.
    pub has_brokers: bool,
    /// Our own executable, which knows the subcommand [`cleanup::SUBCOMMAND`].
    pub program: &'a Path,
    /// Is told what to do by hand ([`External::by_hand`]) before anything is made.
    pub tell: &'a (dyn Fn(&[String]) + Sync),
}

/// What the user's servers are.
#[derive(Debug, Clone)]
pub struct Examined {
    /// The database server.
    pub postgres: PostgresFacts,
    /// The brokers; none in polling mode.
    pub kafka: Option<KafkaFacts>,
}

impl Examined {
    /// Why a run's numbers may not be used.
    pub fn invalid_reasons(&self) -> impl Iterator<Item = &String> {
        self.postgres.invalid_reasons.iter()
    }

    /// What differs from servers of our own, and is in the numbers.
    pub fn differences(&self) -> impl Iterator<Item = &String> {
        let of_kafka = self.kafka.iter().flat_map(|facts| &facts.differences);
        self.postgres.differences.iter().chain(of_kafka)
    }

    /// What an acknowledgement means, for each server.
    #[must_use]
    pub fn acknowledgements(&self) -> Vec<(String, String)> {
        let mut all = vec![("PostgreSQL".to_owned(), self.postgres.acknowledgement.clone())];
        all.extend(
            self.kafka
                .iter()
                .map(|facts| ("Kafka".to_owned(), facts.acknowledgement.clone())),
        );
        all
    }
}

/// Looks at the user's servers, and refuses those that will not do. Changes nothing.
///
/// # Errors
/// `BadInput` or `Unavailable`, with address, finding and remedy.
pub async fn examine(args: &ExternalArgs, has_brokers: bool) -> Result<Examined> {
    let postgres = postgres::examine(&args.database()?).await?;
    let kafka = if has_brokers {
        Some(kafka::examine(&args.kafka("")?).await?)
    } else {
        None
    };
    Ok(Examined { postgres, kafka })
}

/// A database and a prefix of topics on the user's servers. Dropping it removes nothing: the supervisor does, at its end.
#[derive(Debug)]
pub struct External {
    maintenance: ConnectionUrl,
    database: ConnectionUrl,
    kafka: Option<KafkaArgs>,
    names: Names,
    examined: Examined,
    commit_us_p50: u64,
    took: Duration,
}

impl External {
    /// Examines the servers, arranges for the removal, and makes the database. Topics are the relay's to make.
    ///
    /// # Errors
    /// `BadInput` or `Unavailable` if a server will not do, or holds something of our names; nothing was made then.
    pub async fn prepare(args: &ExternalArgs, wanted: &Wanted<'_>, supervisor: &Supervisor) -> Result<Self> {
        let begun = Instant::now();
        let names = Names::of_run(wanted.run_id);
        let maintenance = args.database()?;
        let kafka = if wanted.has_brokers {
            Some(args.kafka(&names.topic_prefix)?)
        } else {
            None
        };
        let examined = examine(args, wanted.has_brokers).await?;
        postgres::require_absent(&maintenance, &names).await?;
        if let (Some(kafka), Some(facts)) = (&kafka, &examined.kafka) {
            kafka::require_free(kafka, facts.replication).await?;
        }
        // From here on, whatever carries our names is ours.
        let log = supervisor.log_dir().join("external-cleanup.log");
        let spec = cleanup::spec(wanted.program, &log, &maintenance, &names, kafka.as_ref());
        supervisor.run_at_end(spec).await?;
        (wanted.tell)(&by_hand(&names, kafka.as_ref()));
        let database = postgres::create(&maintenance, &names).await?;
        let commit_us_p50 = postgres::time_commits(&database).await?;
        Ok(Self {
            maintenance,
            database,
            kafka,
            names,
            examined,
            commit_us_p50,
            took: begun.elapsed(),
        })
    }

    /// The run's database.
    #[must_use]
    pub fn database(&self) -> &ConnectionUrl {
        &self.database
    }

    /// The database that the user gave: of the server, but not the run's.
    #[must_use]
    pub fn maintenance(&self) -> &ConnectionUrl {
        &self.maintenance
    }

    /// How processes of the engine reach the brokers, prefix included; none in polling mode.
    #[must_use]
    pub fn kafka(&self) -> Option<&KafkaArgs> {
        self.kafka.as_ref()
    }

    /// What the servers are.
    #[must_use]
    pub fn examined(&self) -> &Examined {
        &self.examined
    }

    /// Median time of a durable commit of one row, round trip included (µs).
    #[must_use]
    pub fn commit_us_p50(&self) -> u64 {
        self.commit_us_p50
    }

    /// How long it took to get here.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }

    /// What to do by hand if harness and supervisor are killed together, or a server is out of reach at the end.
    #[must_use]
    pub fn by_hand(&self) -> Vec<String> {
        by_hand(&self.names, self.kafka.as_ref())
    }
}

fn by_hand(names: &Names, kafka: Option<&KafkaArgs>) -> Vec<String> {
    let mut all = vec![format!("DROP DATABASE {} WITH (FORCE);", names.database)];
    if let Some(kafka) = kafka {
        let (brokers, pattern) = (kafka.broker.join(","), kafka.topic_prefix.replace('.', "\\."));
        all.push(format!(
            "kafka-topics.sh --bootstrap-server {brokers} --delete --topic '{pattern}.*'"
        ));
        let groups = format!("kafka-consumer-groups.sh --bootstrap-server {brokers}");
        all.push(format!(
            "{groups} --list | grep '^{pattern}' | xargs -n 1 {groups} --delete --group"
        ));
    }
    all
}
