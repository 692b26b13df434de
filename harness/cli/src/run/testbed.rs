//! The servers of a run: started, described for the report, given their database.

use std::time::Duration;

use anyhow::Context;
use crossover_engine::kafka::KafkaArgs;
use crossover_evidence::result::{BrokerInfo, PostgresVersion, TestbedInfo};
use crossover_external::{Act, External, ExternalArgs, Wanted, check_faults};
use crossover_testbed::containers::images::Part;
use crossover_testbed::kafka::BrokerCount;
use crossover_testbed::toxiproxy::ToxiproxyOptions;
use crossover_testbed::{
    ConnectionUrl, KafkaOptions, Links, LocalKafka, LocalPostgres, LocalToxiproxy, PostgresOptions, Supervisor,
    affinity, disk, usage,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::machine::machine;
use super::meta::{BrokerAddress, Meta};
use super::progress::Progress;
use super::provider;
use super::servers::{Local, Provider, Servers};
use super::{Options, acknowledgement};
use crate::args::Mode;
use crate::failure::bad_input;
use crate::scenario::{Action, Document, Fault};

/// Name of the engine's database.
const DATABASE: &str = "crossover";

/// The least that a broker grants unless it is told otherwise; ours are (see the testbed).
const SESSION_TIMEOUT_MIN: Duration = Duration::from_secs(6);

/// Settings that the numbers depend on.
const SETTINGS: [&str; 12] = [
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
    "max_connections",
    "autovacuum",
    "autovacuum_naptime",
    "random_page_cost",
    "data_checksums",
];

/// Gets the servers that the mode needs, ours or the user's, and makes the engine's database.
///
/// # Errors
/// If one is not to be had, will not do, or does not start.
pub async fn start(
    supervisor: &Supervisor,
    meta: &Meta,
    document: &Document,
    options: &Options,
    progress: &Progress,
) -> anyhow::Result<Servers> {
    let id = id_of(meta);
    let (database, provider) = match options.external.is_external()? {
        true => borrow(supervisor, meta, options, &id, progress).await?,
        false => start_local(supervisor, meta, document, options, &id, progress).await?,
    };
    Ok(Servers {
        mode: options.mode,
        database,
        provider,
    })
}

/// Part of all names of the run's servers. Points of a sweep are all named 01, 02, …, and two runs may begin in one second:
/// the process tells them apart.
pub fn id_of(meta: &Meta) -> String {
    format!("{}-{}", meta.get().id, std::process::id())
}

/// Refuses what can't be had on servers of the user's own, or on this machine.
///
/// # Errors
/// Bad input, with its place.
pub fn check_external(document: &Document, external: &ExternalArgs) -> anyhow::Result<()> {
    if !external.is_external()? {
        let processors = document.topology.postgres_processors;
        processors.map_or(Ok(()), |wanted| affinity::check("topology.postgres_processors", wanted))?;
        return Ok(());
    }
    if document.topology.proxied {
        let why = "with --testbed external, processes reach your servers at their own addresses; leave it out";
        return Err(bad_input(format!("topology.proxied: found true; {why}")));
    }
    if let Some(found) = document.topology.postgres_processors {
        let why = "with --testbed external, the processors of your servers are yours to choose; leave it out";
        return Err(bad_input(format!("topology.postgres_processors: found {found}; {why}")));
    }
    for (table, settings) in [("postgres", &document.postgres), ("kafka", &document.kafka)] {
        if let Some(name) = settings.keys().next() {
            let why = "with --testbed external, the settings of your servers are yours to make; take it out";
            return Err(bad_input(format!("{table}.{name}: {why}")));
        }
    }
    if document.event_driven.authorizer {
        let why = "with --testbed external, the access rules of your brokers are yours to make; leave it out";
        return Err(bad_input(format!("event_driven.authorizer: found true; {why}")));
    }
    if document.event_driven.session_timeout < SESSION_TIMEOUT_MIN {
        let found = humantime::format_duration(document.event_driven.session_timeout);
        let why = "a broker refuses less than 6s unless its group.min.session.timeout.ms is changed; with --testbed external, \
                   give 6s or more";
        return Err(bad_input(format!("event_driven.session_timeout: found {found}; {why}")));
    }
    let act = |fault: &Fault| match fault.action(&document.topology) {
        Ok(Action::Process(..)) | Err(_) => Act::Signal,
        Ok(Action::Link(..) | Action::Postgres(_) | Action::Topic(..) | Action::Downstream(_) | Action::Deny(..)) => {
            Act::Client
        }
    };
    let faults = document.faults.iter().map(|fault| (fault.target.as_str(), act(fault)));
    Ok(check_faults(faults, external.allow_faults)?)
}

/// A database and a prefix of topics on the user's servers.
async fn borrow(
    supervisor: &Supervisor,
    meta: &Meta,
    options: &Options,
    id: &str,
    progress: &Progress,
) -> anyhow::Result<(ConnectionUrl, Provider)> {
    progress.stage("looking at your servers");
    let program = std::env::current_exe().context("can't find our own executable")?;
    // Before anything is made: what follows may be interrupted.
    let tell = |by_hand: &[String]| {
        for line in by_hand {
            progress.note(&format!(
                "removed at the end; should that be prevented, by hand: {line}"
            ));
        }
        if let Err(error) = meta.update(|meta| meta.by_hand = by_hand.to_vec()) {
            tracing::warn!(%error, "what to do by hand could not be saved");
        }
    };
    let wanted = Wanted {
        run_id: id,
        has_brokers: options.mode == Mode::EventDriven,
        program: &program,
        tell: &tell,
    };
    let external = External::prepare(&options.external, &wanted, supervisor).await?;
    let examined = external.examined();
    let settings = settings_of(external.database()).await?;
    let kafka = external.kafka().zip(examined.kafka.as_ref());
    let address = kafka
        .map(|(kafka, facts)| address_of(kafka, facts.brokers))
        .transpose()?;
    for text in examined.differences() {
        meta.event(format!("your servers: {text}"));
    }
    let commit_us = external.commit_us_p50();
    meta.event(format!(
        "your servers: a commit of one row takes {commit_us} µs (median), round trip included"
    ));
    meta.update(|meta| {
        meta.invalid_reasons.extend(examined.invalid_reasons().cloned());
        meta.kafka = address;
        meta.testbed = Some(TestbedInfo {
            provider: "external".to_owned(),
            postgres: PostgresVersion {
                version: examined.postgres.version.clone(),
                settings,
            },
            broker: examined.kafka.as_ref().map(|kafka| BrokerInfo {
                kind: kafka.kind.clone(),
                version: String::new(),
            }),
            acknowledgement: examined.acknowledgements(),
            fsync_us_p50: None,
            file_system: String::new(),
            cpus: u32::try_from(usage::cpus()).unwrap_or(u32::MAX),
            memory_mb: usage::memory_bytes().unwrap_or_default() / 1_048_576,
            machine: machine(),
            startup_ms: vec![("your servers examined".to_owned(), millis(external.took()))],
        });
    })?;
    Ok((external.database().clone(), Provider::External(Box::new(external))))
}

/// Of brokers of the user's. A kept system may be looked at from another directory.
fn address_of(kafka: &KafkaArgs, brokers: usize) -> anyhow::Result<BrokerAddress> {
    let config = kafka.kafka_config.as_deref().map(std::path::absolute).transpose();
    Ok(BrokerAddress {
        bootstrap: kafka.broker.join(","),
        prefix: kafka.topic_prefix.clone(),
        kafka_config: config.context("the path of --kafka-config")?,
        brokers: Some(brokers),
    })
}

async fn start_local(
    supervisor: &Supervisor,
    meta: &Meta,
    document: &Document,
    options: &Options,
    id: &str,
    progress: &Progress,
) -> anyhow::Result<(ConnectionUrl, Provider)> {
    progress.stage("starting PostgreSQL");
    let postgres = start_postgres(supervisor, meta, document, options, id).await?;
    let kafka = match options.mode {
        Mode::Polling => None,
        Mode::EventDriven => Some(kafka_options(document, options, id)?),
    };
    let links = match document.topology.proxied {
        true => Some(link_up(supervisor, meta, &postgres, kafka.as_ref(), id, progress).await?),
        false => None,
    };
    let kafka = match kafka {
        Some(asked) => Some(start_kafka(supervisor, meta, document, &asked, progress).await?),
        None => None,
    };
    let database = create_database(&postgres, DATABASE).await?;
    let local = Local { postgres, kafka, links };
    Ok((database, Provider::Local(Box::new(local))))
}

/// The brokers' addresses are drawn with their options: proxies are made for them before they listen.
fn kafka_options(document: &Document, options: &Options, id: &str) -> anyhow::Result<KafkaOptions> {
    let count = match document.topology.brokers {
        3 => BrokerCount::Three,
        _ => BrokerCount::One,
    };
    let mut asked = KafkaOptions::new(id, count)?;
    asked.kind = provider::broker_kind(document, &options.containers)?;
    asked.settings = document.kafka.clone();
    asked.flush_every_messages = document.event_driven.flush_every_messages;
    asked.session_timeout = Some(document.event_driven.session_timeout);
    asked.authorizer = document.event_driven.authorizer;
    Ok(asked)
}

async fn link_up(
    supervisor: &Supervisor,
    meta: &Meta,
    postgres: &LocalPostgres,
    kafka: Option<&KafkaOptions>,
    id: &str,
    progress: &Progress,
) -> anyhow::Result<Links> {
    progress.stage("starting Toxiproxy");
    let begun = std::time::Instant::now();
    let toxiproxy = LocalToxiproxy::start(supervisor, &ToxiproxyOptions::new(id)).await?;
    let brokers = kafka.map(|asked| asked.listeners.as_slice()).unwrap_or_default();
    let links = Links::set_up(toxiproxy.client().clone(), Some(postgres.url().port()), brokers).await?;
    add_startup(meta, &[("Toxiproxy ready", begun.elapsed())])?;
    Ok(links)
}

async fn start_kafka(
    supervisor: &Supervisor,
    meta: &Meta,
    document: &Document,
    asked: &KafkaOptions,
    progress: &Progress,
) -> anyhow::Result<LocalKafka> {
    progress.stage("starting the broker");
    let kafka = LocalKafka::start(supervisor, asked).await?;
    let (times, kind) = (kafka.start_times(), kafka.kind());
    let found = provider::how_found(supervisor, kind.part()).await?;
    add_startup(
        meta,
        &[
            (&found, times.find),
            (&format!("{kind} formatted"), times.format),
            (&format!("{kind} ready"), times.ready),
        ],
    )?;
    meta.update(|meta| {
        meta.kafka = Some(BrokerAddress {
            bootstrap: kafka.bootstrap(),
            prefix: String::new(),
            kafka_config: None,
            brokers: Some(kafka.ids().len()),
        });
        let Some(testbed) = meta.testbed.as_mut() else { return };
        testbed.broker = Some(BrokerInfo {
            kind: kind.name().to_owned(),
            version: kafka.version().to_owned(),
        });
        testbed
            .acknowledgement
            .push((kind.to_string(), acknowledgement::of_broker(document, kind)));
    })?;
    Ok(kafka)
}

/// Notes how long parts took to start.
///
/// # Errors
/// If it can't be saved.
pub fn add_startup(meta: &Meta, times: &[(&str, Duration)]) -> anyhow::Result<()> {
    meta.update(|meta| {
        if let Some(testbed) = meta.testbed.as_mut() {
            let times = times.iter().map(|(name, time)| ((*name).to_owned(), millis(*time)));
            testbed.startup_ms.extend(times);
        }
    })
}

async fn start_postgres(
    supervisor: &Supervisor,
    meta: &Meta,
    document: &Document,
    options: &Options,
    id: &str,
) -> anyhow::Result<LocalPostgres> {
    let mut asked = PostgresOptions::new(id);
    asked.port = options.postgres_port;
    asked.settings = document.postgres.clone();
    asked.processors = document.topology.postgres_processors;
    let postgres = LocalPostgres::start(supervisor, &asked).await?;
    let info = describe(supervisor, &postgres).await?;
    let file_system = disk::file_system(&postgres.data_directory())?;
    meta.update(|meta| {
        if file_system.is_memory {
            meta.invalid_reasons.push(format!(
                "PostgreSQL's directory lies in memory ({}): a commit costs nothing there; set CROSSOVER_DATA_DIR to a disk",
                file_system.name
            ));
        }
        meta.testbed = Some(info);
    })?;
    Ok(postgres)
}

/// Makes a database.
///
/// # Errors
/// If PostgreSQL does not answer, or it exists.
pub async fn create_database(postgres: &LocalPostgres, name: &str) -> anyhow::Result<ConnectionUrl> {
    let mut admin = PgConnection::connect(&postgres.url().reveal()).await?;
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut admin)
        .await?;
    admin.close().await?;
    Ok(postgres.url().with_database(name))
}

/// After a prefill: statistics and visibility as autovacuum would leave them, and no checkpoint owed.
///
/// # Errors
/// If PostgreSQL does not answer.
pub async fn settle_statistics(database: &ConnectionUrl) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(&database.reveal()).await?;
    sqlx::query("VACUUM ANALYZE").execute(&mut connection).await?;
    sqlx::query("CHECKPOINT").execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

async fn settings_of(server: &ConnectionUrl) -> anyhow::Result<Vec<(String, String)>> {
    let mut connection = PgConnection::connect(&server.reveal())
        .await
        .context("PostgreSQL does not answer")?;
    let query = "SELECT name, current_setting(name) AS value FROM pg_settings WHERE name = ANY ($1) ORDER BY name";
    let rows = sqlx::query(query)
        .bind(SETTINGS.map(str::to_owned))
        .fetch_all(&mut connection)
        .await?;
    let mut settings = Vec::new();
    for row in &rows {
        settings.push((row.try_get("name")?, row.try_get("value")?));
    }
    connection.close().await?;
    Ok(settings)
}

/// The server and the machine, for a report.
///
/// # Errors
/// If PostgreSQL does not answer.
pub async fn describe(supervisor: &Supervisor, postgres: &LocalPostgres) -> anyhow::Result<TestbedInfo> {
    let settings = settings_of(&postgres.url()).await?;
    let data = postgres.data_directory();
    let times = postgres.start_times();
    let found = provider::how_found(supervisor, Part::Postgres).await?;
    let mut startup_ms = vec![
        (found, millis(times.find)),
        ("PostgreSQL cluster made".to_owned(), millis(times.initdb)),
        ("PostgreSQL ready".to_owned(), millis(times.ready)),
    ];
    startup_ms.extend(times.copy.map(|time| ("PostgreSQL copied".to_owned(), millis(time))));
    Ok(TestbedInfo {
        provider: provider::name(supervisor).to_owned(),
        postgres: PostgresVersion { version: postgres.installation().version.to_string(), settings },
        broker: None,
        acknowledgement: vec![(
            "PostgreSQL".to_owned(),
            "a commit answers after its WAL record is flushed to disk (fsync and synchronous_commit on); one server, no replica"
                .to_owned(),
        )],
        fsync_us_p50: disk::fsync_us_p50(&data).ok().map(|micros| micros.round() as u64),
        file_system: disk::file_system(&data)?.name,
        cpus: u32::try_from(usage::cpus()).unwrap_or(u32::MAX),
        memory_mb: usage::memory_bytes()? / 1_048_576,
        machine: machine(),
        startup_ms,
    })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
