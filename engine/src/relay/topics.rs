//! The topics: made where they are missing, and looked at, with their limits, before anything is sent to them.
//!
//! A job type can be sent as soon as its own topic is there. Its dead-letter topic is made with it, and tried for as long as
//! it is missing: without it, a record that can't be read would hold up its partition.
//!
//! A topic whose number of partitions is another than this relay's is not written to: the place of a key would change,
//! and with it the order within an instance.
//!
//! It must not know the outbox.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::limits;
use crate::EngineError;
use crate::kafka::Kafka;

/// A broker that is there answers in milliseconds; one that starts may need a moment.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Nobody waits longer for a topic because its limit is not known.
const LIMITS_WITHIN: Duration = Duration::from_secs(1);
/// Waits between rounds that left something to do: doubled from the first to the last.
const RETRY: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// Topics that nobody waits for are looked at this often: one may have been deleted, or a permission given.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

type Admin = AdminClient<DefaultClientContext>;

/// What topics should be like.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) kafka: Kafka,
    pub(super) partitions: u32,
    pub(super) replication: u32,
}

/// A job type whose topic is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) job_type: String,
    pub(super) limit: Limit,
}

/// Largest batch that a topic takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Bytes(usize),
    /// It is not for this client to know.
    Unknown,
    /// The broker was asked, and has not answered: what was known before stands.
    NotAnswered,
}

/// Makes topics, on a task of its own.
#[derive(Debug)]
pub(super) struct Maker {
    wanted: mpsc::UnboundedSender<String>,
    ready: mpsc::UnboundedReceiver<Ready>,
    task: JoinHandle<()>,
}

impl Maker {
    pub(super) fn start(shape: Shape, client_id: &str) -> Self {
        let (wanted, wishes) = mpsc::unbounded_channel();
        let (done, ready) = mpsc::unbounded_channel();
        let task = tokio::spawn(make_all(shape, client_id.to_owned(), wishes, done));
        Self { wanted, ready, task }
    }

    /// Asks for the topics of a job type, and for its limit anew.
    pub(super) fn want(&self, job_type: &str) {
        // The task lives as long as we do.
        let _ = self.wanted.send(job_type.to_owned());
    }

    /// A job type that was asked for, or whose limit has changed. May be dropped and called again.
    pub(super) async fn ready(&mut self) -> Ready {
        match self.ready.recv().await {
            Some(ready) => ready,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn make_all(
    shape: Shape,
    client_id: String,
    mut wishes: mpsc::UnboundedReceiver<String>,
    done: mpsc::UnboundedSender<Ready>,
) {
    let Ok(admin) = shape
        .admin(&client_id)
        .inspect_err(|error| tracing::error!(%error, "no topics are made"))
    else {
        return;
    };
    // All job types that were ever asked for, and those that somebody waits for.
    let (mut known, mut waited_for) = (BTreeSet::new(), BTreeSet::new());
    let (mut limits, mut told) = (BTreeMap::new(), BTreeMap::new());
    let mut wait = RETRY;
    loop {
        let pause = if waited_for.is_empty() { LOOK_AGAIN } else { wait };
        match timeout(pause, wishes.recv()).await {
            Ok(Some(wish)) => {
                waited_for.insert(wish);
                waited_for.extend(std::iter::from_fn(|| wishes.try_recv().ok()));
                known.extend(waited_for.iter().cloned());
                wait = RETRY;
            }
            Ok(None) => return,
            Err(_) if known.is_empty() => continue,
            Err(_) => wait = (wait * 2).min(RETRY_MAX),
        }
        match shape.look_and_make(&admin, &known).await {
            Ok(round) => {
                for ready in round.ready {
                    let changed = ready.limit != Limit::NotAnswered
                        && limits.insert(ready.job_type.clone(), ready.limit) != Some(ready.limit);
                    if waited_for.remove(&ready.job_type) || changed {
                        // Nobody waits any more: the lead is lost.
                        let _ = done.send(ready);
                    }
                }
                // Each is said once, not every two seconds.
                for (topic, problem) in &round.problems {
                    if told.get(topic) != Some(problem) {
                        tracing::error!(topic, "{problem}");
                    }
                }
                told = round.problems;
            }
            Err(error) => tracing::debug!(%error, "topics"),
        }
    }
}

/// What a round came to.
#[derive(Debug, Default)]
struct Round {
    /// Job types that can be sent.
    ready: Vec<Ready>,
    /// By topic, for people.
    problems: BTreeMap<String, String>,
}

/// Partitions by topic.
type Existing = BTreeMap<String, usize>;

impl Shape {
    fn admin(&self, client_id: &str) -> Result<Arc<Admin>, EngineError> {
        let mut config = self.kafka.config(client_id);
        config.set("allow.auto.create.topics", "false");
        let made = config.create().map(Arc::new);
        made.map_err(|error| EngineError::Kafka(format!("the settings of the client are refused: {error}")))
    }

    /// Looks once at the topics that exist already. For the start of the process: later, a wrong topic stops its job type
    /// alone.
    ///
    /// # Errors
    /// If one has other partitions than this relay makes. A broker that does not answer is asked for ever.
    pub(super) async fn verify(&self, client_id: &str, job_types: &[String]) -> Result<(), EngineError> {
        let admin = self.admin(client_id)?;
        let existing = loop {
            match look(&admin).await {
                Ok(existing) => break existing,
                Err(error) => tracing::debug!(%error, "topics"),
            }
            sleep(RETRY_MAX).await;
        };
        let problem = job_types.iter().find_map(|job_type| self.mismatch(&existing, job_type));
        problem.map_or(Ok(()), |problem| Err(EngineError::Kafka(problem)))
    }

    /// Why the topic of a job type can't be written to.
    fn mismatch(&self, existing: &Existing, job_type: &str) -> Option<String> {
        let (topic, wanted) = (self.kafka.topic(job_type), self.partitions);
        let found = *existing.get(&topic)?;
        (u32::try_from(found) != Ok(wanted)).then(|| {
            format!(
                "topic {topic} has {found} partitions, and this relay is to use {wanted}; start it with --partitions {found}, or \
                 delete the topic and the relay makes it again"
            )
        })
    }

    async fn look_and_make(&self, admin: &Arc<Admin>, wanted: &BTreeSet<String>) -> Result<Round, String> {
        let existing = look(admin).await?;
        let mut refused = self.make_missing(admin, &existing, wanted).await?;
        let topics: Vec<String> = wanted.iter().map(|job_type| self.kafka.topic(job_type)).collect();
        // Records can be sent without: a broker that says nothing of its settings may be there all the same.
        let limits = limits::ask(admin, &topics, &options(LIMITS_WITHIN)).await;
        let limits = limits.inspect_err(|error| tracing::debug!(%error, "limits of topics"));
        let mut round = Round::default();
        for job_type in wanted {
            let (topic, dead) = (self.kafka.topic(job_type), self.kafka.dead_letter_topic(job_type));
            if let Some(problem) = refused.remove(&dead) {
                let problem =
                    format!("records of type {job_type} that can't be read hold up their partition: {problem}");
                round.problems.insert(dead, problem);
            }
            match self.mismatch(&existing, job_type).or_else(|| refused.remove(&topic)) {
                None => round.ready.push(Ready {
                    job_type: job_type.clone(),
                    limit: match &limits {
                        Ok(limits) => limits.get(&topic).copied().map_or(Limit::Unknown, Limit::Bytes),
                        Err(_) => Limit::NotAnswered,
                    },
                }),
                Some(problem) => {
                    let problem = format!("jobs of type {job_type} wait: {problem}");
                    round.problems.insert(topic, problem);
                }
            }
        }
        Ok(round)
    }

    /// Answers what could not be made, and why.
    async fn make_missing(
        &self,
        admin: &Arc<Admin>,
        existing: &Existing,
        wanted: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, String>, String> {
        let topics = wanted.iter().flat_map(|job_type| {
            let dead_letters = (self.kafka.dead_letter_topic(job_type), 1);
            [(self.kafka.topic(job_type), self.partitions), dead_letters]
        });
        let missing: Vec<(String, u32)> = topics.filter(|(topic, _)| !existing.contains_key(topic)).collect();
        if missing.is_empty() {
            return Ok(BTreeMap::new());
        }
        let replication = i32::try_from(self.replication).unwrap_or(i32::MAX);
        let mut new = Vec::with_capacity(missing.len());
        for (topic, partitions) in &missing {
            let partitions = i32::try_from(*partitions).unwrap_or(i32::MAX);
            new.push(NewTopic::new(topic, partitions, TopicReplication::Fixed(replication)));
        }
        let answers = admin
            .create_topics(&new, &options(ANSWER_WITHIN))
            .await
            .map_err(|error| error.to_string())?;
        let mut refused = BTreeMap::new();
        for answer in answers {
            match answer {
                Ok(topic) => tracing::info!(topic, "topic made"),
                Err((topic, code)) => {
                    let problem = self.why_not_made(&topic, code);
                    refused.insert(topic, problem);
                }
            }
        }
        Ok(refused)
    }

    fn why_not_made(&self, topic: &str, code: RDKafkaErrorCode) -> String {
        use RDKafkaErrorCode::{
            ClusterAuthorizationFailed, InvalidReplicationFactor, TopicAlreadyExists, TopicAuthorizationFailed,
        };
        match code {
            TopicAuthorizationFailed | ClusterAuthorizationFailed => format!(
                "no permission for the operation Create on topic {topic}; permit it to the relay's user, or make the topic with {} \
                 partitions and permit Describe and Write",
                self.partitions
            ),
            InvalidReplicationFactor => format!(
                "topic {topic} can't be made with {} replicas: there are fewer brokers; start the relay with a smaller --replication",
                self.replication
            ),
            // Being deleted, or made by another at this moment: the next round sees which.
            TopicAlreadyExists => format!("topic {topic} is being made or deleted at this moment"),
            _ => format!("topic {topic} can't be made: {code}"),
        }
    }
}

fn options(within: Duration) -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(within))
        .operation_timeout(Some(within))
}

/// All topics that a client may see. Asking for single ones would leave a handle of each in the client.
async fn look(admin: &Arc<Admin>) -> Result<Existing, String> {
    let admin = admin.clone();
    let looked = spawn_blocking(move || existing(&admin)).await;
    looked.map_err(|error| error.to_string())?
}

/// It blocks.
fn existing(admin: &Admin) -> Result<Existing, String> {
    let metadata = admin.inner().fetch_metadata(None, ANSWER_WITHIN);
    let metadata = metadata.map_err(|error| error.to_string())?;
    let topics = metadata.topics().iter().filter(|topic| topic.error().is_none());
    Ok(topics
        .map(|topic| (topic.name().to_owned(), topic.partitions().len()))
        .collect())
}
