//! A database and a topic prefix of one test, relays on them, and a look into the topics.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossover_proto::InstanceId;
use crossover_proto::event::DispatchedJob;
use crossover_testbed::Signal;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sqlx::PgConnection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::servers::{Database, Servers, servers, wait_until};

/// A debug build on a busy machine of two processors takes a tenth of it.
pub const SOON: Duration = Duration::from_secs(20);
/// Partitions of every topic here.
pub const PARTITIONS: i32 = 4;

/// What one test has.
pub struct Bed {
    pub servers: &'static Servers,
    pub database: Database,
    pub broker: String,
}

/// A record of a topic.
#[derive(Debug, Clone)]
pub struct Found {
    pub outbox: i64,
    pub epoch: i64,
    pub instance: InstanceId,
    pub partition: i32,
    pub offset: i64,
    pub key: Vec<u8>,
}

impl Bed {
    /// On the broker of all tests.
    pub async fn new() -> Self {
        let servers = servers().await;
        let broker = servers.kafka().await.bootstrap();
        Self::at(broker).await
    }

    /// On a broker at an address.
    pub async fn at(broker: String) -> Self {
        let servers = servers().await;
        let database = servers.database().await;
        Self {
            servers,
            database,
            broker,
        }
    }

    /// Name of a process of this test.
    pub fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.database.name)
    }

    /// The topic of a job type.
    pub fn topic(&self, job_type: &str) -> String {
        format!("{}.jobs.{job_type}", self.database.name)
    }

    /// Arguments of a relay here.
    fn arguments(&self, flags: &[&str]) -> Vec<String> {
        let (prefix, partitions) = (format!("{}.", self.database.name), PARTITIONS.to_string());
        let own = ["relay", "--broker", &self.broker, "--topic-prefix", &prefix];
        let more = ["--partitions", &partitions];
        let more = if flags.contains(&"--partitions") {
            &[][..]
        } else {
            &more[..]
        };
        own.iter()
            .chain(more)
            .chain(flags)
            .map(|word| (*word).to_owned())
            .collect()
    }

    /// Starts a relay and waits until it listens; answers its address.
    pub async fn relay(&self, name: &str, flags: &[&str]) -> String {
        let arguments = self.arguments(flags);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (name, url) = (self.name(name), &self.database.url);
        self.servers.start_engine(&name, &arguments, Some(url)).await
    }

    /// Starts a relay that is to end by itself; answers its exit code and its log.
    pub async fn relay_that_ends(&self, name: &str, flags: &[&str]) -> (Option<i32>, String) {
        let arguments = self.arguments(flags);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (name, url) = (self.name(name), &self.database.url);
        let (_, log) = self.servers.spawn_engine(&name, &arguments, Some(url)).await;
        let exit = self.servers.supervisor.wait_exit(&name, SOON).await.unwrap();
        (exit.code, std::fs::read_to_string(log).unwrap())
    }

    /// What a relay has said so far.
    pub fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.log_file(name)).unwrap()
    }

    fn log_file(&self, name: &str) -> PathBuf {
        self.servers.file(&format!("{}.log", self.name(name)))
    }

    /// Sends a relay a signal.
    pub async fn signal(&self, name: &str, signal: Signal) {
        self.servers.supervisor.signal(&self.name(name), signal).await.unwrap();
    }

    /// Waits until a relay has taken the lead; answers how long.
    pub async fn leads(&self, name: &str, within: Duration) -> Duration {
        let (begun, name) = (Instant::now(), self.name(name));
        let leader = || async {
            let leader: String = sqlx::query_scalar("SELECT leader FROM relay_lead")
                .fetch_one(&self.database.pool)
                .await
                .unwrap();
            leader == name
        };
        wait_until(&format!("{name} leads"), within, leader).await;
        begun.elapsed()
    }

    /// Writes what the engine would: instances with queued jobs of a type, and their outbox rows.
    pub async fn fill(&self, job_type: &str, instances: i32, jobs: i32, bytes: i32) {
        let mut connection = self.database.pool.acquire().await.unwrap();
        fill(&mut connection, job_type, instances, jobs, bytes).await;
    }

    /// Makes job types known before a row of theirs is read.
    pub async fn define(&self, job_type: &str) {
        sqlx::query(
            "WITH d AS (INSERT INTO definition (name, version, document, step_widths) VALUES ($1, 1, '', '{1}') RETURNING id)
             INSERT INTO definition_job SELECT id, 0, 0, $1, 0, 1, 0, 1, 0, 0 FROM d",
        )
        .bind(job_type)
        .execute(&self.database.pool)
        .await
        .unwrap();
    }

    /// Rows that are not marked.
    pub async fn pending(&self) -> i64 {
        self.database
            .number("SELECT count(*) FROM outbox WHERE sent_at IS NULL")
            .await
    }

    /// Waits until all rows are marked.
    pub async fn all_sent(&self) {
        wait_until("all rows are marked", SOON, async || self.pending().await == 0).await;
    }

    /// All records of a job type, partition by partition.
    pub async fn records(&self, job_type: &str) -> Vec<Found> {
        let (broker, topic) = (self.broker.clone(), self.topic(job_type));
        tokio::task::spawn_blocking(move || read_topic(&broker, &topic))
            .await
            .unwrap()
    }

    /// Are all rows of a job type in its topic, and each instance in order (first receipts)? Answers the duplicates.
    pub async fn assert_all_arrived_in_order(&self, job_type: &str) -> usize {
        let wanted: Vec<i64> = sqlx::query_scalar("SELECT id FROM outbox WHERE job_type = $1 ORDER BY id")
            .bind(job_type)
            .fetch_all(&self.database.pool)
            .await
            .unwrap();
        let records = self.records(job_type).await;
        let mut seen: BTreeMap<i64, usize> = BTreeMap::new();
        let mut last: HashMap<InstanceId, i64> = HashMap::new();
        for record in &records {
            let count = seen.entry(record.outbox).or_default();
            *count += 1;
            if *count == 1 {
                let before = last.insert(record.instance, record.outbox);
                assert!(before < Some(record.outbox), "{record:?} comes after row {before:?}");
            }
            assert_eq!(record.key, record.instance.to_wire());
        }
        let missing: Vec<i64> = wanted.iter().copied().filter(|id| !seen.contains_key(id)).collect();
        let places: Vec<(i64, Option<i32>, Option<i64>)> =
            sqlx::query_as("SELECT id, partition, record_offset FROM outbox WHERE id = ANY ($1) ORDER BY id LIMIT 20")
                .bind(&missing)
                .fetch_all(&self.database.pool)
                .await
                .unwrap();
        let count = missing.len();
        assert!(
            missing.is_empty(),
            "{count} rows have no record; the first, where they say it is: {places:?}"
        );
        assert_eq!(seen.len(), wanted.len(), "no others");
        records.len() - wanted.len()
    }

    /// A client for topics.
    pub fn admin(&self) -> AdminClient<DefaultClientContext> {
        config(&self.broker).create().unwrap()
    }

    /// Makes a topic with settings of its own.
    pub async fn make_topic(&self, job_type: &str, partitions: i32, settings: &[(&str, &str)]) {
        let name = self.topic(job_type);
        let new = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        let new = settings.iter().fold(new, |new, (key, value)| new.set(key, value));
        let made = self.admin().create_topics([&new], &AdminOptions::new()).await.unwrap();
        assert_eq!(made, [Ok(name)]);
    }

    /// Sets the largest batch that the topic of a job type takes.
    pub async fn limit_messages(&self, job_type: &str, bytes: u32) {
        let (topic, bytes) = (self.topic(job_type), bytes.to_string());
        let limit = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("max.message.bytes", &bytes);
        self.admin()
            .alter_configs([&limit], &AdminOptions::new())
            .await
            .unwrap();
    }

    /// Deletes the topic of a job type.
    pub async fn delete_topic(&self, job_type: &str) {
        let name = self.topic(job_type);
        let gone = self
            .admin()
            .delete_topics(&[&name], &AdminOptions::new())
            .await
            .unwrap();
        assert_eq!(gone, [Ok(name)]);
    }

    /// A series of a relay's metrics.
    pub async fn metric(&self, address: &str, series: &str) -> f64 {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let line = answer
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }
}

/// [`Bed::fill`] on a connection of the caller's.
pub async fn fill(connection: &mut PgConnection, job_type: &str, instances: i32, jobs: i32, bytes: i32) {
    sqlx::query(
        "WITH i AS (
             INSERT INTO instance (id, definition_id, state, step, remaining, payload)
             SELECT gen_random_uuid(), 1, 'running', 0, $3, '' FROM generate_series(1, $2) RETURNING id
         ), j AS (
             INSERT INTO job (instance_id, state, step, ordinal, attempt, job_type, payload)
             SELECT i.id, 'queued', 0, ordinal, 1, $1, convert_to(repeat('x', $4), 'UTF8')
             FROM i, generate_series(0, $3 - 1) AS ordinal RETURNING *
         )
         INSERT INTO outbox (instance_id, job_id, attempt, step, ordinal, job_type, source, payload)
         SELECT instance_id, id, attempt, step, ordinal, job_type, 'test', payload FROM j ORDER BY ordinal, id",
    )
    .bind(job_type)
    .bind(instances)
    .bind(jobs)
    .bind(bytes)
    .execute(connection)
    .await
    .unwrap();
}

/// A client of the tests.
pub fn config(broker: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", broker)
        .set("allow.auto.create.topics", "false");
    config
}

fn read_topic(broker: &str, topic: &str) -> Vec<Found> {
    let consumer: BaseConsumer = config(broker)
        .set("group.id", "test")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "false")
        .create()
        .unwrap();
    // Next offset and end, by partition: what is fetched once more is no second record.
    let (mut list, mut left) = (TopicPartitionList::new(), BTreeMap::new());
    for partition in 0..PARTITIONS {
        let (low, high) = consumer.fetch_watermarks(topic, partition, SOON).unwrap();
        left.insert(partition, (low, high));
        list.add_partition_offset(topic, partition, Offset::Offset(low))
            .unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut found, begun) = (Vec::new(), Instant::now());
    while left.values().any(|(next, end)| next < end) {
        assert!(begun.elapsed() < SOON, "{left:?} of {topic} did not come");
        let Some(message) = consumer.poll(Duration::from_millis(100)) else {
            continue;
        };
        let message = message.unwrap();
        let (next, _) = left.get_mut(&message.partition()).unwrap();
        if message.offset() < *next {
            println!("{topic}: {} of {} again", message.offset(), message.partition());
            continue;
        }
        *next = message.offset() + 1;
        let job = DispatchedJob::from_record(message.payload().unwrap().to_vec().into()).unwrap();
        let stamp = job.relay.unwrap();
        found.push(Found {
            outbox: stamp.outbox_id,
            epoch: stamp.epoch,
            instance: job.key.instance,
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().unwrap().to_vec(),
        });
    }
    found
}
