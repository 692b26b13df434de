//! An engine under test: a fresh database, replicas, perhaps workers, in one dispatch mode; and the test in the part of
//! client and worker.
//!
//! Cases say *take* and *report*, never how a job reaches a worker: that is the mode's.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossover_engine::serve::MAX_MESSAGE_BYTES;
use crossover_proto::InstanceId;
use crossover_proto::definition::{Definition, JobSpec, RetryPolicy, Step};
use crossover_proto::engine::engine_client::EngineClient;
use crossover_proto::engine::{self as wire, Outcome, StartOutcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::transport::{Channel, Endpoint};

use super::Mode;
use super::topics::{PARTITIONS, Topics};
use crate::replayed::assert_tables_equal_audit;
use crate::servers::{Database, Servers, servers};

/// A lease that no test outlives.
pub const LONG_LEASE_MS: u32 = 60_000;
/// What happens at once takes milliseconds; a machine full of other tests may take a hundred times as long.
pub const SOON: Duration = Duration::from_secs(10);
/// Starts and reports in one call.
const BATCH: usize = 500;

pub type Client = EngineClient<Channel>;

pub struct System {
    mode: Mode,
    pub servers: &'static Servers,
    pub database: Database,
    replicas: Mutex<Vec<Part>>,
    relays: Mutex<Vec<Part>>,
    workers: Mutex<Vec<Part>>,
    /// Event-driven only.
    topics: Option<Topics>,
}

/// A process of the system.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its name with the supervisor.
    pub name: String,
    /// `host:port`.
    pub address: String,
}

impl System {
    /// One replica and what else brings jobs to workers, no worker.
    pub async fn start(mode: Mode) -> Self {
        let servers = servers().await;
        let database = servers.database().await;
        let topics = match mode {
            Mode::Polling => None,
            Mode::EventDriven => {
                let brokers = servers.kafka().await.bootstrap();
                Some(Topics::new(&brokers, &prefix_of(&database)))
            }
        };
        let system = Self {
            mode,
            servers,
            database,
            replicas: Mutex::default(),
            relays: Mutex::default(),
            workers: Mutex::default(),
            topics,
        };
        system.add_replica().await;
        if let Mode::EventDriven = mode {
            system.add_relay().await;
        }
        system
    }

    /// One more replica.
    pub async fn add_replica(&self) -> Part {
        let dispatch = match self.mode {
            Mode::Polling => "polling",
            Mode::EventDriven => "event-driven",
        };
        // Housekeeping is quick, so that what it does is soon seen.
        let args = [
            "serve",
            "--dispatch",
            dispatch,
            "--notify",
            "--housekeeping-interval",
            "20ms",
        ];
        self.add(&self.replicas, "replica", &args).await
    }

    async fn add_relay(&self) -> Part {
        let partitions = PARTITIONS.to_string();
        let mut all = ["relay", "--partitions", &partitions].map(str::to_owned).to_vec();
        all.extend(self.broker_flags().await);
        let args: Vec<&str> = all.iter().map(String::as_str).collect();
        self.add(&self.relays, "relay", &args).await
    }

    async fn broker_flags(&self) -> Vec<String> {
        let bootstrap = self.servers.kafka().await.bootstrap();
        let prefix = prefix_of(&self.database);
        ["--broker", &bootstrap, "--topic-prefix", &prefix]
            .map(str::to_owned)
            .to_vec()
    }

    /// One more worker, for `job_types`.
    pub async fn add_worker(&self, job_types: &[&str], args: &[&str]) -> Part {
        let mut all = vec!["worker".to_owned()];
        all.extend(
            list(&self.replicas)
                .iter()
                .flat_map(|part| ["--engine".to_owned(), format!("http://{}", part.address)]),
        );
        all.extend(
            job_types
                .iter()
                .flat_map(|job_type| ["--job-type".to_owned(), (*job_type).to_owned()]),
        );
        match self.mode {
            Mode::Polling => all.extend(["--interval", "20ms"].map(str::to_owned)),
            Mode::EventDriven => {
                all.extend(["--dispatch", "event-driven"].map(str::to_owned));
                all.extend(self.broker_flags().await);
            }
        }
        all.extend(args.iter().map(|arg| (*arg).to_owned()));
        self.add(
            &self.workers,
            "worker",
            &all.iter().map(String::as_str).collect::<Vec<_>>(),
        )
        .await
    }

    async fn add(&self, parts: &Mutex<Vec<Part>>, role: &str, args: &[&str]) -> Part {
        let name = format!("{}-{role}-{}", self.database.name, list(parts).len() + 1);
        let database = (role != "worker").then_some(&self.database.url);
        let address = self.servers.start_engine(&name, args, database).await;
        let part = Part { name, address };
        list(parts).push(part.clone());
        part
    }

    /// The end of every case: no process of it failed, and the audit log gives the tables.
    pub async fn finish(&self) {
        for part in self.parts() {
            let exit = self.servers.supervisor.stop(&part.name).await.unwrap();
            assert_eq!(
                (exit.code, exit.signal),
                (Some(0), None),
                "{}:\n{}",
                part.name,
                self.log_of(&part)
            );
        }
        assert_tables_equal_audit(&self.database.pool).await;
    }

    /// What a replica calls the leases that it has given out.
    pub fn leases_metric(&self) -> &'static str {
        match self.mode {
            Mode::Polling => "engine_jobs_claimed_total",
            Mode::EventDriven => "engine_jobs_begun_total",
        }
    }

    /// All processes, in the order in which they are stopped.
    pub fn parts(&self) -> Vec<Part> {
        [&self.workers, &self.relays, &self.replicas]
            .map(|parts| list(parts).clone())
            .concat()
    }

    /// Stops a worker for good.
    pub async fn stop_worker(&self, part: &Part) {
        self.servers.supervisor.stop(&part.name).await.unwrap();
        list(&self.workers).retain(|worker| worker.name != part.name);
    }

    /// What a process said.
    pub fn log_of(&self, part: &Part) -> String {
        std::fs::read_to_string(self.servers.file(&format!("{}.log", part.name))).unwrap_or_default()
    }

    /// The first replica.
    pub fn replica(&self) -> Part {
        list(&self.replicas)[0].clone()
    }

    /// A client of the first replica.
    pub fn client(&self) -> Client {
        client_of(&self.replica())
    }

    // --- the part of a client ---

    /// Registers a definition.
    pub async fn register(&self, definition: &Definition) -> wire::RegisterResponse {
        let request = wire::RegisterRequest {
            document_json: definition.to_json(),
        };
        self.client().register(request).await.unwrap().into_inner()
    }

    /// Starts an instance; it must be new.
    pub async fn start_one(&self, definition: &str) -> InstanceId {
        self.start_many(definition, 1).await[0]
    }

    /// Starts instances; all must be new.
    pub async fn start_many(&self, definition: &str, count: usize) -> Vec<InstanceId> {
        let ids: Vec<InstanceId> = (0..count).map(|_| InstanceId::new()).collect();
        for batch in ids.chunks(BATCH) {
            let items = batch.iter().map(|id| start_item(*id, definition)).collect();
            let outcomes = start(&self.client(), items).await;
            assert!(
                outcomes.iter().all(|outcome| *outcome == StartOutcome::Accepted),
                "{outcomes:?}"
            );
        }
        ids
    }

    /// Cancels one instance.
    pub async fn cancel(&self, id: InstanceId) -> wire::CancelOutcome {
        let request = wire::CancelRequest {
            instance_ids: vec![id.to_wire().to_vec().into()],
        };
        let answer = self.client().cancel(request).await.unwrap().into_inner();
        answer.outcomes().next().unwrap()
    }

    /// The instance, its jobs and its audit trail.
    pub async fn inspect(&self, id: InstanceId) -> wire::InspectResponse {
        let request = wire::InspectRequest {
            instance_id: id.to_wire().to_vec().into(),
            job_id: 0,
        };
        self.client().inspect(request).await.unwrap().into_inner()
    }

    /// State of the instance.
    pub async fn state(&self, id: InstanceId) -> String {
        self.inspect(id).await.state
    }

    /// State and attempt of each of its jobs, in the order of their creation.
    pub async fn jobs(&self, id: InstanceId) -> Vec<(String, u32)> {
        self.inspect(id)
            .await
            .jobs
            .into_iter()
            .map(|job| (job.state, job.attempt))
            .collect()
    }

    /// Its audit trail: `instance_started`, or `job_queued 2@1` for the second job that was created, on attempt 1.
    pub async fn trail(&self, id: InstanceId) -> Vec<String> {
        let view = self.inspect(id).await;
        let place: HashMap<i64, usize> = view.jobs.iter().map(|job| job.job_id).zip(1..).collect();
        let line = |entry: wire::AuditEntry| match place.get(&entry.job_id) {
            Some(place) => format!("{} {place}@{}", entry.event, entry.attempt),
            None => entry.event,
        };
        view.audit.into_iter().map(line).collect()
    }

    /// Every scheduled job is due now: tests bend the time instead of waiting for it.
    pub async fn make_due(&self) -> u64 {
        self.database
            .execute("UPDATE job SET run_at = now() WHERE state = 'scheduled'")
            .await
    }

    // --- the part of a worker ---

    /// Waits for exactly `count` jobs of a type, as a worker gets them, under a long lease.
    pub async fn take(&self, job_type: &str, count: usize) -> Vec<wire::JobRef> {
        self.take_from(&self.client(), job_type, count, LONG_LEASE_MS).await
    }

    /// Waits for one job.
    pub async fn take_one(&self, job_type: &str) -> wire::JobRef {
        self.take(job_type, 1).await.remove(0)
    }

    /// As [`System::take`], by another replica or under another lease.
    pub async fn take_from(&self, client: &Client, job_type: &str, count: usize, lease_ms: u32) -> Vec<wire::JobRef> {
        let jobs = self.take_whole(client, job_type, count, lease_ms).await;
        jobs.into_iter().map(|job| job.job.unwrap()).collect()
    }

    /// As [`System::take_from`], with all that a worker is told of each job.
    pub async fn take_whole(&self, client: &Client, job_type: &str, count: usize, lease_ms: u32) -> Vec<wire::Job> {
        let begun = Instant::now();
        let mut jobs = Vec::with_capacity(count);
        while jobs.len() < count {
            assert!(
                begun.elapsed() < SOON,
                "only {} of {count} jobs of type {job_type} came",
                jobs.len()
            );
            let more = match &self.topics {
                None => {
                    let max_jobs = u32::try_from((count - jobs.len()).min(BATCH)).unwrap();
                    let request = wire::PollRequest {
                        max_jobs,
                        lease_ms,
                        wait_ms: 2_000,
                        ..asking(job_type)
                    };
                    poll(client, request).await
                }
                Some(topics) => {
                    let most = (count - jobs.len()).min(BATCH);
                    receive(topics, client, job_type, most, lease_ms).await
                }
            };
            jobs.extend(more);
        }
        jobs
    }

    /// No job of this type is ready.
    pub async fn assert_nothing_ready(&self, job_type: &str) {
        let jobs = match &self.topics {
            None => poll(&self.client(), asking(job_type)).await,
            Some(topics) => receive(topics, &self.client(), job_type, 1, LONG_LEASE_MS).await,
        };
        assert!(jobs.is_empty(), "{jobs:?}");
    }

    /// Reports completions.
    pub async fn complete(&self, jobs: &[wire::JobRef]) -> Vec<Outcome> {
        complete(&self.client(), jobs).await
    }

    /// Reports a completion that must change the job.
    pub async fn complete_one(&self, job: &wire::JobRef) {
        assert_eq!(self.complete(std::slice::from_ref(job)).await, [Outcome::Done]);
    }

    /// Reports a failure.
    pub async fn fail(&self, job: &wire::JobRef, permanent: bool) -> Outcome {
        let failure = wire::Failure {
            job: Some(job.clone()),
            permanent,
            reason: "as the test wants it".to_owned(),
        };
        fail(&self.client(), vec![failure]).await[0]
    }

    /// Prolongs leases.
    pub async fn extend(&self, jobs: &[wire::JobRef], lease_ms: u32) -> Vec<Outcome> {
        let request = wire::LeaseRequest {
            jobs: jobs.to_vec(),
            worker: "test".to_owned(),
            lease_ms,
        };
        self.client()
            .extend(request)
            .await
            .unwrap()
            .into_inner()
            .outcomes()
            .collect()
    }

    /// Gives jobs back.
    pub async fn release(&self, jobs: &[wire::JobRef]) -> Vec<Outcome> {
        let request = wire::LeaseRequest {
            jobs: jobs.to_vec(),
            worker: "test".to_owned(),
            lease_ms: 0,
        };
        self.client()
            .release(request)
            .await
            .unwrap()
            .into_inner()
            .outcomes()
            .collect()
    }
}

impl Drop for System {
    /// A failed case shows what its processes said.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for part in self.parts() {
                eprintln!("--- {}\n{}", part.name, self.log_of(&part));
            }
        }
    }
}

/// Topics of a test begin with the name of its database.
fn prefix_of(database: &Database) -> String {
    format!("{}.", database.name)
}

/// Reads up to `most` records as they come and begins their jobs; those that can't be begun are passed over.
async fn receive(topics: &Topics, client: &Client, job_type: &str, most: usize, lease_ms: u32) -> Vec<wire::Job> {
    let mut records = Vec::new();
    while records.len() < most {
        match topics.next(job_type, Duration::from_millis(300)).await {
            Some(record) => records.push(record),
            None => break,
        }
    }
    let as_job = |record: crossover_proto::event::DispatchedJob| wire::Job {
        job: Some(wire::JobRef {
            job_id: record.key.job.0,
            attempt: record.key.attempt.into(),
            instance_id: record.key.instance.to_wire().to_vec().into(),
        }),
        job_type: record.job_type,
        step: record.key.step.into(),
        ordinal: record.key.ordinal.into(),
        payload: record.payload,
    };
    let jobs: Vec<wire::Job> = records.into_iter().map(as_job).collect();
    if jobs.is_empty() {
        return jobs;
    }
    let request = wire::LeaseRequest {
        jobs: jobs.iter().filter_map(|job| job.job.clone()).collect(),
        worker: "test".to_owned(),
        lease_ms,
    };
    let answer = client.clone().begin(request).await.unwrap().into_inner();
    let begun = jobs.into_iter().zip(answer.outcomes().collect::<Vec<_>>());
    begun
        .filter(|(_, outcome)| *outcome == Outcome::Done)
        .map(|(job, _)| job)
        .collect()
}

fn list(parts: &Mutex<Vec<Part>>) -> std::sync::MutexGuard<'_, Vec<Part>> {
    parts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A client of a replica.
pub fn client_of(part: &Part) -> Client {
    let endpoint = Endpoint::from_shared(format!("http://{}", part.address)).unwrap();
    EngineClient::new(endpoint.connect_lazy())
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// A poll for one job that answers at once.
pub fn asking(job_type: &str) -> wire::PollRequest {
    wire::PollRequest {
        job_type: job_type.to_owned(),
        max_jobs: 1,
        worker: "test".to_owned(),
        lease_ms: LONG_LEASE_MS,
        wait_ms: 0,
    }
}

pub async fn poll(client: &Client, request: wire::PollRequest) -> Vec<wire::Job> {
    client.clone().poll(request).await.unwrap().into_inner().jobs
}

pub async fn start(client: &Client, items: Vec<wire::StartItem>) -> Vec<StartOutcome> {
    client
        .clone()
        .start(wire::StartRequest { items })
        .await
        .unwrap()
        .into_inner()
        .outcomes()
        .collect()
}

pub async fn complete(client: &Client, jobs: &[wire::JobRef]) -> Vec<Outcome> {
    let request = wire::CompleteRequest {
        jobs: jobs.to_vec(),
        worker: "test".to_owned(),
    };
    client
        .clone()
        .complete(request)
        .await
        .unwrap()
        .into_inner()
        .outcomes()
        .collect()
}

pub async fn fail(client: &Client, failures: Vec<wire::Failure>) -> Vec<Outcome> {
    let request = wire::FailRequest {
        failures,
        worker: "test".to_owned(),
    };
    client
        .clone()
        .fail(request)
        .await
        .unwrap()
        .into_inner()
        .outcomes()
        .collect()
}

/// A start without payload or delay.
pub fn start_item(id: InstanceId, definition: &str) -> wire::StartItem {
    wire::StartItem {
        instance_id: id.to_wire().to_vec().into(),
        definition: definition.to_owned(),
        payload: Vec::new().into(),
        delay_ms: 0,
    }
}

/// A definition whose steps hold these jobs.
pub fn flow<const STEPS: usize>(name: &str, steps: [Vec<JobSpec>; STEPS]) -> Definition {
    let step = |(number, jobs)| Step {
        name: format!("step-{number}"),
        jobs,
    };
    Definition {
        name: name.to_owned(),
        steps: (1..).zip(steps).map(step).collect(),
    }
}

/// A job without delay, with the default retries.
pub fn job(job_type: &str) -> JobSpec {
    JobSpec {
        job_type: job_type.to_owned(),
        count: 1,
        delay: Duration::ZERO,
        retry: RetryPolicy::default(),
    }
}

/// What a process answers on /metrics.
pub async fn metrics_of(part: &Part) -> String {
    let mut stream = tokio::net::TcpStream::connect(&part.address).await.unwrap();
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        part.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    body.to_owned()
}

/// The value of a series in such an answer; 0 if it is not there yet.
pub fn value_of(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
}
