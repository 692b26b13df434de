//! The program that removes what a run made on the user's servers: started by the supervisor, when all processes of the run
//! are gone, whatever ended it. It can be run by hand too.

use std::path::Path;

use clap::Args;
use crossover_engine::kafka::KafkaArgs;
use crossover_testbed::{ConnectionUrl, ProcessSpec, Result, TestbedError};

use crate::args::DATABASE_URL;
use crate::names::{Names, require_prefix};
use crate::{kafka, postgres};

/// Name of the subcommand.
pub const SUBCOMMAND: &str = "external-cleanup";

/// Flags of the program. The URL of the server comes in CROSSOVER_EXTERNAL_DATABASE_URL: it has a password in it.
#[derive(Debug, Clone, Args)]
pub struct CleanupArgs {
    /// The run's database
    #[arg(long)]
    pub database: String,
    /// What the comment on it says; without that, it is left alone
    #[arg(long)]
    pub marker: String,
    /// The brokers and the prefix of the run's topics; none in polling mode
    #[command(flatten)]
    pub kafka: KafkaArgs,
}

/// How the supervisor is to start it: `program` is our own executable.
pub(crate) fn spec(
    program: &Path,
    log: &Path,
    url: &ConnectionUrl,
    names: &Names,
    kafka: Option<&KafkaArgs>,
) -> ProcessSpec {
    let mut spec = ProcessSpec::new(SUBCOMMAND, program, log)
        .args([SUBCOMMAND, "--database", &names.database, "--marker", &names.marker])
        // Not on the command line, and not in a file that could stay behind.
        .env(DATABASE_URL, url.reveal());
    if let Some(kafka) = kafka {
        spec = spec.args(["--topic-prefix", &kafka.topic_prefix]);
        for broker in &kafka.broker {
            spec = spec.args(["--broker", broker]);
        }
        if let Some(config) = &kafka.kafka_config {
            spec = spec.args(["--kafka-config".to_owned(), config.display().to_string()]);
        }
    }
    spec
}

/// Removes database and topics: the one even if the other can't be.
///
/// # Errors
/// The first failure, when all was tried.
pub async fn run(args: &CleanupArgs) -> Result<()> {
    let url = std::env::var(DATABASE_URL);
    let url = url.map_err(|_| {
        TestbedError::BadInput(format!(
            "{DATABASE_URL} is not set; set it to the URL of your PostgreSQL"
        ))
    })?;
    let url = ConnectionUrl::parse(&url)?;
    // Together: the time is short, and the one that is slow must not use up the other's.
    let of_kafka = async {
        match args.kafka.broker.is_empty() {
            true => Ok(()),
            false => remove_topics(&args.kafka).await,
        }
    };
    let (of_postgres, of_kafka) = tokio::join!(postgres::remove(&url, &args.database, &args.marker), of_kafka);
    if let Ok(removed) = of_postgres {
        tracing::info!(database = args.database, ?removed, "database of the run");
    }
    match (of_postgres, of_kafka) {
        // Both must be told.
        (Err(first), Err(second)) => Err(TestbedError::Other(format!("{first}; and: {second}"))),
        (first, second) => first.map(drop).and(second),
    }
}

async fn remove_topics(args: &KafkaArgs) -> Result<()> {
    require_prefix(&args.topic_prefix)?;
    let removed = kafka::remove(args).await?;
    tracing::info!(
        topics = removed.topics.len(),
        groups = removed.groups.len(),
        "topics and groups of the run"
    );
    if removed.left_alone.is_empty() {
        return Ok(());
    }
    Err(TestbedError::Other(format!(
        "these topics have the run's prefix, and no run makes such topics: they are left alone: {}",
        removed.left_alone.join(", ")
    )))
}
