//! A replica in event-driven mode on a database of its own, topics of a prefix of its own, and the test in the part of the
//! relay.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crossover_engine::store::outbox::{OutboxRow, Reading, SentRow, mark_sent, read};
use crossover_proto::InstanceId;
use crossover_proto::definition::{Definition, JobSpec};
use crossover_proto::engine::{self as wire, StartOutcome};
use crossover_proto::event::{DispatchedJob, RelayStamp};
use crossover_proto::history::{Event, JobKey, Record, read_file};
use crossover_proto::load::service_time::Distribution;
use crossover_proto::load::{ServiceTime, Work};
use crossover_testbed::Signal;
use prost::Message;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::task::JoinHandle;

use crate::conformance::system::{Client, Part, client_of, flow, job, metrics_of, start, start_item, value_of};
use crate::servers::{Database, Servers, servers, unique, wait_until};

/// What happens within seconds; a machine full of other tests may take ten times as long.
pub const SOON: Duration = Duration::from_secs(60);
/// The one job type of most tests.
pub const WORK: &str = "work";

pub struct Bed {
    pub servers: &'static Servers,
    pub database: Database,
    pub broker: String,
    replica: Part,
    replicas: Mutex<Vec<Part>>,
    workers: Mutex<Vec<Part>>,
    partitions: i32,
    relay: Mutex<Option<JoinHandle<()>>>,
    histories: tempfile::TempDir,
}

impl Bed {
    /// A replica, a definition `one` of a single job, its topic, and a relay.
    pub async fn new(partitions: i32) -> Self {
        let bed = Self::without_topics(partitions).await;
        bed.make_topic(&bed.topic(WORK), partitions).await;
        bed.make_topic(&bed.dead_letter_topic(), 1).await;
        bed.register(&flow("one", [vec![job(WORK)]])).await;
        bed.relay();
        bed
    }

    /// As [`Bed::new`], but there is no topic, no definition and no relay yet.
    pub async fn without_topics(partitions: i32) -> Self {
        let servers = servers().await;
        let broker = servers.kafka().await.bootstrap();
        let database = servers.database().await;
        let name = format!("{}-replica-1", database.name);
        let address = servers.start_engine(&name, &serve(&[]), Some(&database.url)).await;
        let replica = Part { name, address };
        Self {
            servers,
            database,
            broker,
            replicas: Mutex::new(vec![replica.clone()]),
            workers: Mutex::default(),
            replica,
            partitions,
            relay: Mutex::default(),
            histories: tempfile::tempdir().unwrap(),
        }
    }

    pub fn prefix(&self) -> String {
        format!("{}.", self.database.name)
    }

    pub fn topic(&self, job_type: &str) -> String {
        format!("{}jobs.{job_type}", self.prefix())
    }

    pub fn dead_letter_topic(&self) -> String {
        format!("{}dead-letters.{WORK}", self.prefix())
    }

    pub fn group(&self) -> String {
        format!("{}workers.{WORK}", self.prefix())
    }

    // --- processes ---

    /// A worker for [`WORK`], with a history.
    pub async fn worker(&self, args: &[&str]) -> Part {
        self.worker_of(&[WORK], args).await
    }

    pub async fn worker_of(&self, job_types: &[&str], args: &[&str]) -> Part {
        let name = format!("{}-worker-{}", self.database.name, unique());
        let engine = format!("http://{}", self.replica.address);
        let (prefix, histories) = (self.prefix(), self.histories.path().display().to_string());
        let mut all = vec!["worker", "--dispatch", "event-driven", "--engine", &engine];
        all.extend([
            "--broker",
            &self.broker,
            "--topic-prefix",
            &prefix,
            "--history",
            &histories,
        ]);
        all.extend(job_types.iter().flat_map(|job_type| ["--job-type", job_type]));
        all.extend(args);
        let address = self.servers.start_engine(&name, &all, None).await;
        let part = Part { name, address };
        self.workers.lock().unwrap().push(part.clone());
        part
    }

    /// Waits until the worker has so many partitions.
    pub async fn owns(&self, worker: &Part, partitions: i32) {
        let what = format!("{} owns {partitions} partitions", worker.name);
        wait_until(&what, SOON, || async {
            self.metric(worker, "worker_partitions_assigned").await == f64::from(partitions)
        })
        .await;
    }

    pub async fn signal(&self, part: &Part, signal: Signal) {
        self.servers.supervisor.signal(&part.name, signal).await.unwrap();
    }

    pub async fn kill(&self, part: &Part) {
        self.signal(part, Signal::Kill).await;
        self.servers.supervisor.wait_exit(&part.name, SOON).await.unwrap();
    }

    /// SIGTERM; it must end well.
    pub async fn terminate(&self, part: &Part) {
        self.signal(part, Signal::Term).await;
        let exit = self.servers.supervisor.wait_exit(&part.name, SOON).await.unwrap();
        assert_eq!((exit.code, exit.signal), (Some(0), None), "{}", self.log_of(part));
    }

    pub async fn kill_replicas(&self) {
        let replicas = std::mem::take(&mut *self.replicas.lock().unwrap());
        for replica in replicas {
            self.kill(&replica).await;
        }
    }

    /// A new replica at the address of the first.
    pub async fn start_replica_again(&self) {
        let name = format!("{}-replica-{}", self.database.name, unique());
        let args = serve(&["--listen", &self.replica.address]);
        let address = self.servers.start_engine(&name, &args, Some(&self.database.url)).await;
        self.replicas.lock().unwrap().push(Part { name, address });
    }

    pub fn log_of(&self, part: &Part) -> String {
        std::fs::read_to_string(self.servers.file(&format!("{}.log", part.name))).unwrap_or_default()
    }

    /// The value of a worker's series, of the first label set.
    pub async fn metric(&self, worker: &Part, series: &str) -> f64 {
        let metrics = metrics_of(worker).await;
        let line = metrics
            .lines()
            .find(|line| line.starts_with(&format!("{series}{{")) || line.starts_with(&format!("{series} ")));
        line.map_or(0.0, |line| value_of(line, line.rsplit_once(' ').unwrap().0))
    }

    /// What the worker recorded.
    pub fn history(&self, worker: &Part) -> Vec<Record> {
        let file = |path: &PathBuf| path.to_string_lossy().contains(&format!("{}-", worker.name));
        let mut files = std::fs::read_dir(self.histories.path()).unwrap();
        let path = files
            .find_map(|entry| Some(entry.unwrap().path()).filter(file))
            .unwrap();
        read_file(&path).unwrap().records().collect()
    }

    /// The jobs that the worker's handlers were started for.
    pub fn started(&self, worker: &Part) -> Vec<JobKey> {
        let started = |record: Record| match record.event {
            Event::Started(key) => Some(key),
            _ => None,
        };
        self.history(worker).into_iter().filter_map(started).collect()
    }

    // --- the engine ---

    pub fn client(&self) -> Client {
        client_of(&self.replica)
    }

    pub async fn register(&self, definition: &Definition) {
        let request = wire::RegisterRequest {
            document_json: definition.to_json(),
        };
        self.client().register(request).await.unwrap();
    }

    pub async fn define(&self, name: &str, jobs: Vec<JobSpec>) {
        self.register(&flow(name, [jobs])).await;
    }

    /// Starts instances whose handlers do as `work` says.
    pub async fn start(&self, definition: &str, count: usize, work: &Work) -> Vec<InstanceId> {
        let ids: Vec<InstanceId> = (0..count).map(|_| InstanceId::new()).collect();
        for (batch, seed) in ids.chunks(500).zip(1_000..) {
            let item = |(seed, id): (u64, &InstanceId)| wire::StartItem {
                payload: Work { seed, ..work.clone() }.encode_to_vec().into(),
                ..start_item(*id, definition)
            };
            let items = (seed * 1_000..).zip(batch).map(item).collect();
            let outcomes = start(&self.client(), items).await;
            assert!(outcomes.iter().all(|outcome| *outcome == StartOutcome::Accepted));
        }
        ids
    }

    pub async fn start_one(&self, work: &Work) -> InstanceId {
        self.start("one", 1, work).await[0]
    }

    pub async fn state(&self, id: InstanceId) -> String {
        sqlx::query_scalar("SELECT state::text FROM instance WHERE id = $1")
            .bind(id.0)
            .fetch_one(&self.database.pool)
            .await
            .unwrap()
    }

    pub async fn completed(&self, id: InstanceId) {
        wait_until("the instance is completed", SOON, || async {
            self.state(id).await == "completed"
        })
        .await;
    }

    pub async fn all_completed(&self, count: i64) {
        let query = "SELECT count(*) FROM instance WHERE state = 'completed'";
        wait_until(&format!("{count} instances are completed"), SOON, || async {
            self.database.number(query).await == count
        })
        .await;
    }

    // --- the broker ---

    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.broker)
            .set("message.max.bytes", "2000000")
            .set("allow.auto.create.topics", "false");
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config().create().unwrap()
    }

    pub async fn make_topic(&self, topic: &str, partitions: i32) {
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let made = self.admin().create_topics([&new], &AdminOptions::new()).await.unwrap();
        assert_eq!(made, [Ok(topic.to_owned())]);
    }

    pub async fn delete_topic(&self, topic: &str) {
        let options = AdminOptions::new();
        let gone = self.admin().delete_topics(&[topic], &options).await.unwrap();
        assert_eq!(gone, [Ok(topic.to_owned())]);
    }

    pub fn producer(&self) -> ThreadedProducer<DefaultProducerContext> {
        self.config().set("enable.idempotence", "true").create().unwrap()
    }

    /// Puts bytes into the topic of [`WORK`], as they are, and waits for the broker.
    pub fn produce(&self, key: &[u8], payload: &[u8], headers: OwnedHeaders) {
        let producer = self.producer();
        let topic = self.topic(WORK);
        let record = BaseRecord::to(&topic).key(key).payload(payload).headers(headers);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(SOON).unwrap();
    }

    /// Committed offset and end of each partition of [`WORK`]'s topic.
    pub async fn offsets(&self) -> Vec<(i64, i64)> {
        let (topic, partitions, group) = (self.topic(WORK), self.partitions, self.group());
        let consumer: BaseConsumer = self.config().set("group.id", &group).create().unwrap();
        let read = move || {
            let mut list = TopicPartitionList::new();
            for partition in 0..partitions {
                list.add_partition(&topic, partition);
            }
            let committed = consumer.committed_offsets(list, SOON).unwrap();
            let of = |partition| {
                let offset = committed.find_partition(&topic, partition).unwrap().offset();
                let end = consumer.fetch_watermarks(&topic, partition, SOON).unwrap().1;
                (if let Offset::Offset(offset) = offset { offset } else { 0 }, end)
            };
            (0..partitions).map(of).collect()
        };
        tokio::task::spawn_blocking(read).await.unwrap()
    }

    /// Waits until the group has committed all that is in the topic.
    pub async fn all_committed(&self) {
        let begun = Instant::now();
        let mut offsets = self.offsets().await;
        while offsets.iter().any(|(committed, end)| committed != end) {
            assert!(begun.elapsed() < SOON, "not committed within {SOON:?}: {offsets:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
            offsets = self.offsets().await;
        }
    }

    // --- the relay ---

    /// Sends what the outbox holds, until [`Bed::stop_relay`].
    pub fn relay(&self) {
        let (pool, producer, prefix) = (self.database.pool.clone(), self.producer(), self.prefix());
        let relay = tokio::spawn(async move {
            loop {
                let mut connection = pool.acquire().await.unwrap();
                let Reading::Rows(rows) = read(&mut connection, None, &[], &[], 1_000).await.unwrap() else {
                    panic!("there is no fence here");
                };
                for row in &rows {
                    send(&producer, &format!("{prefix}jobs.{}", row.job_type), row);
                }
                producer.flush(SOON).unwrap();
                let sent = |row: &OutboxRow| SentRow {
                    id: row.id,
                    partition: 0,
                    offset: 0,
                };
                mark_sent(&mut connection, &rows.iter().map(sent).collect::<Vec<_>>())
                    .await
                    .unwrap();
                drop(connection);
                if rows.is_empty() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        });
        if let Some(relay) = self.relay.lock().unwrap().replace(relay) {
            relay.abort();
        }
    }

    pub fn stop_relay(&self) {
        if let Some(relay) = self.relay.lock().unwrap().take() {
            relay.abort();
        }
    }
}

impl Drop for Bed {
    /// A failed test shows what its workers said.
    fn drop(&mut self) {
        self.stop_relay();
        if std::thread::panicking() {
            for worker in self.workers.lock().unwrap().iter() {
                eprintln!("--- {}\n{}", worker.name, self.log_of(worker));
            }
        }
    }
}

/// Sends one row's record; whoever needs it there flushes.
pub fn send(producer: &ThreadedProducer<DefaultProducerContext>, topic: &str, row: &OutboxRow) {
    let record = DispatchedJob {
        key: row.key,
        job_type: row.job_type.clone(),
        payload: row.payload.clone().into(),
        created_unix_us: row.created_unix_us,
        source: row.source.clone(),
        attributes: std::collections::BTreeMap::new(),
        relay: Some(RelayStamp {
            outbox_id: row.id,
            epoch: 1,
        }),
    }
    .to_record();
    let key = row.key.instance.to_wire();
    let record = BaseRecord::to(topic).key(&key[..]).payload(&record);
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

fn serve<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec![
        "serve",
        "--dispatch",
        "event-driven",
        "--notify",
        "--housekeeping-interval",
        "20ms",
    ];
    args.extend(more);
    args
}

/// Handlers that take exactly so long.
pub fn taking(time: Duration) -> Work {
    let service = ServiceTime {
        distribution: Distribution::Constant.into(),
        mean_us: u64::try_from(time.as_micros()).unwrap(),
        sigma: 0.0,
    };
    Work {
        service: Some(service),
        ..Work::default()
    }
}
