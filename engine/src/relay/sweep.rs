//! The chores of the leader: jobs whose record is lost are dispatched again, rows that were sent long ago are removed.
//!
//! A record is lost only if it can't come any more: its topic or partition is gone; the partition ends before it (made
//! again) or begins behind it (the broker's own retention); or the group has committed past it, and the job waits all the
//! same. Until then lag explains the wait, and an outage causes no storm. What the broker does not tell counts as
//! explained.
//!
//! Dispatching twice is harmless (the begin of the lease absorbs it), so this is not fenced.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::session::Session;
use crate::EngineError;
use crate::kafka::Kafka;
use crate::store::sweep::{Position, StuckJob, redispatch, stuck};
use crate::store::{Attempt, outbox};

/// Jobs looked at, and rows removed, by one statement: milliseconds each.
const PAGE: u32 = 5_000;
/// The sweeper looks no more often than this.
const INTERVAL_MIN: Duration = Duration::from_millis(250);
/// A broker that is there answers in milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// What the chores need.
pub(super) struct Chores {
    pub(super) session: Session,
    pub(super) kafka: Kafka,
    pub(super) name: String,
    pub(super) redispatch_after: Duration,
    pub(super) retention: Duration,
}

/// Where a partition begins and ends, and how far its group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reach {
    low: i64,
    high: i64,
    /// `None` if the group has never committed.
    committed: Option<i64>,
}

/// What the broker says of a partition; `None` if it is gone.
type Reaches = HashMap<(String, i32), Option<Reach>>;

impl Chores {
    /// Until dropped.
    pub(super) async fn run(mut self) -> Infallible {
        let mut tick = interval((self.redispatch_after / 4).max(INTERVAL_MIN));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let groups = Arc::new(Groups::new(self.kafka.clone()));
        loop {
            tick.tick().await;
            if let Err(error) = self.sweep(&groups).await {
                tracing::warn!(%error, "sweeping failed");
            }
            if let Err(error) = self.remove().await {
                tracing::warn!(%error, "removing sent rows failed");
            }
        }
    }

    async fn sweep(&mut self, groups: &Arc<Groups>) -> Result<(), EngineError> {
        let mut after = Position::default();
        loop {
            let waited = self.redispatch_after;
            let page = self
                .session
                .run(async |connection| stuck(connection, &after, waited, PAGE).await);
            let (jobs, last) = page.await?;
            if !jobs.is_empty() {
                self.dispatch_lost(groups, jobs).await?;
            }
            match last {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
    }

    async fn dispatch_lost(&mut self, groups: &Arc<Groups>, jobs: Vec<StuckJob>) -> Result<(), EngineError> {
        let asked = groups.clone();
        let asking = spawn_blocking(move || {
            let reaches = asked.reaches(&jobs);
            (jobs, reaches)
        });
        let (jobs, reaches) = asking.await.map_err(|error| EngineError::Kafka(error.to_string()))?;
        let lost: Vec<Attempt> = jobs
            .iter()
            .filter(|job| is_lost(job, &reaches))
            .map(|job| job.attempt)
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        let name = self.name.clone();
        let dispatched = self
            .session
            .run(async |connection| redispatch(connection, &lost, &name).await);
        let dispatched = dispatched.await?;
        counter!("relay_redispatched_total").increment(dispatched as u64);
        tracing::warn!(jobs = dispatched, "dispatched again: their records are lost");
        Ok(())
    }

    async fn remove(&mut self) -> Result<(), EngineError> {
        let (age, mut after) = (self.retention, 0);
        loop {
            let page = self
                .session
                .run(async |connection| outbox::remove_sent(connection, age, after, PAGE).await);
            let (removed, next) = page.await?;
            counter!("relay_rows_removed_total").increment(removed);
            match next {
                Some(next) => after = next,
                None => return Ok(()),
            }
        }
    }
}

/// Can the record of a job still come? If its place is not known, the broker did not answer.
fn is_lost(job: &StuckJob, reaches: &Reaches) -> bool {
    let Some((partition, offset)) = job.record else {
        // It was never dispatched, and no pending row will do it.
        return true;
    };
    match reaches.get(&(job.job_type.clone(), partition)) {
        None => false,
        Some(None) => true,
        Some(Some(reach)) => reach.is_behind(offset),
    }
}

impl Reach {
    fn is_behind(self, offset: i64) -> bool {
        if offset < 0 {
            // Acknowledged, but the broker did not say where: lost once the group has read all there is.
            return self.committed.is_some_and(|committed| committed >= self.high);
        }
        offset >= self.high || offset < self.low || self.committed.is_some_and(|committed| committed > offset)
    }
}

/// A client for each group; none ever joins its group.
struct Groups {
    kafka: Kafka,
    clients: std::sync::Mutex<BTreeMap<String, Arc<BaseConsumer>>>,
}

impl Groups {
    fn new(kafka: Kafka) -> Self {
        Self {
            kafka,
            clients: std::sync::Mutex::default(),
        }
    }

    fn client(&self, job_type: &str) -> Result<Arc<BaseConsumer>, String> {
        let mut clients = self.clients.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(client) = clients.get(job_type) {
            return Ok(client.clone());
        }
        let group = self.kafka.group(job_type);
        let mut config = self.kafka.config("crossover-sweeper");
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("allow.auto.create.topics", "false");
        let client: BaseConsumer = config.create().map_err(|error| error.to_string())?;
        Ok(clients.entry(job_type.to_owned()).or_insert(Arc::new(client)).clone())
    }

    /// Asks the broker about all partitions that hold a record of the jobs. What it does not tell is left out, and the rest
    /// is not the worse for it. It blocks.
    fn reaches(&self, jobs: &[StuckJob]) -> Reaches {
        let mut wanted: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
        for job in jobs {
            if let Some((partition, _)) = job.record {
                wanted.entry(&job.job_type).or_default().insert(partition);
            }
        }
        let mut reaches = Reaches::new();
        for (job_type, partitions) in wanted {
            match self.reaches_of_type(job_type, partitions) {
                Ok(found) => {
                    let named = found.into_iter();
                    reaches.extend(named.map(|(partition, reach)| ((job_type.to_owned(), partition), reach)));
                }
                Err(error) => tracing::debug!(job_type, error, "the broker can't say what is lost"),
            }
        }
        reaches
    }

    fn reaches_of_type(&self, job_type: &str, wanted: BTreeSet<i32>) -> Result<Vec<(i32, Option<Reach>)>, String> {
        let client = self.client(job_type)?;
        let topic = self.kafka.topic(job_type);
        // Asked for by its name: a list of all topics leaves out one that we may not see.
        let metadata = client
            .fetch_metadata(Some(&topic), ANSWER_WITHIN)
            .map_err(|error| error.to_string())?;
        let seen = metadata.topics().iter().find(|seen| seen.name() == topic);
        let seen = seen.ok_or_else(|| format!("nothing is said of topic {topic}"))?;
        let count = partitions_of(seen.error().map(RDKafkaErrorCode::from), seen.partitions().len())?;
        let (there, gone): (Vec<i32>, Vec<i32>) = wanted.into_iter().partition(|partition| *partition < count);
        let mut found: Vec<_> = gone.into_iter().map(|partition| (partition, None)).collect();
        if !there.is_empty() {
            found.extend(reaches_in(&client, &topic, &there).map_err(|error| error.to_string())?);
        }
        Ok(found)
    }
}

/// Partitions of a topic: none only if the broker says that it does not exist.
fn partitions_of(error: Option<RDKafkaErrorCode>, count: usize) -> Result<i32, String> {
    match error {
        None => i32::try_from(count).map_err(|error| error.to_string()),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition) => Ok(0),
        Some(error) => Err(error.to_string()),
    }
}

/// Those partitions of which the broker tells.
fn reaches_in(client: &BaseConsumer, topic: &str, partitions: &[i32]) -> KafkaResult<Vec<(i32, Option<Reach>)>> {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(topic, *partition);
    }
    // First what is committed, then where the partition ends: so "all was read" is never said too early.
    let list = client.committed_offsets(list, ANSWER_WITHIN)?;
    let mut reaches = Vec::with_capacity(partitions.len());
    for element in list.elements() {
        let partition = element.partition();
        let committed = match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        let ends = element
            .error()
            .and_then(|()| client.fetch_watermarks(topic, partition, ANSWER_WITHIN));
        match ends {
            Ok((low, high)) => reaches.push((partition, Some(Reach { low, high, committed }))),
            Err(error) => tracing::debug!(topic, partition, %error, "the broker can't say what is lost"),
        }
    }
    Ok(reaches)
}

#[cfg(test)]
mod tests {
    use crossover_proto::{InstanceId, JobId};

    use super::*;

    fn job(record: Option<(i32, i64)>) -> StuckJob {
        StuckJob {
            attempt: Attempt {
                job: JobId(1),
                attempt: 1,
                instance: InstanceId(uuid::Uuid::nil()),
            },
            job_type: "mail".to_owned(),
            record,
        }
    }

    fn lost(offset: i64, low: i64, high: i64, committed: Option<i64>) -> bool {
        let reach = Reach { low, high, committed };
        is_lost(
            &job(Some((0, offset))),
            &HashMap::from([(("mail".to_owned(), 0), Some(reach))]),
        )
    }

    #[test]
    fn lag_explains_the_wait() {
        assert!(!lost(5, 0, 10, Some(5)), "the next record of the group");
        assert!(!lost(5, 0, 10, None), "a group that never committed has all before it");
        assert!(!lost(-1001, 0, 10, Some(9)), "somewhere in what is still to be read");
    }

    #[test]
    fn a_record_that_can_not_come_is_lost() {
        assert!(lost(5, 0, 10, Some(6)), "the group is past it");
        assert!(lost(5, 0, 5, None), "the partition was made again");
        assert!(lost(5, 6, 10, None), "the broker's retention took it");
        assert!(lost(-1001, 0, 10, Some(10)), "all was read");
        let gone = HashMap::from([(("mail".to_owned(), 3), None)]);
        assert!(is_lost(&job(Some((3, 5))), &gone), "the partition is gone");
        assert!(is_lost(&job(None), &Reaches::new()), "it was never dispatched");
    }

    #[test]
    fn what_the_broker_does_not_tell_is_explained() {
        assert!(!is_lost(&job(Some((0, 5))), &Reaches::new()));
    }

    #[test]
    fn a_topic_is_gone_only_if_the_broker_says_so() {
        assert_eq!(partitions_of(None, 3), Ok(3));
        assert_eq!(partitions_of(Some(RDKafkaErrorCode::UnknownTopicOrPartition), 0), Ok(0));
        for unclear in [
            RDKafkaErrorCode::TopicAuthorizationFailed,
            RDKafkaErrorCode::LeaderNotAvailable,
        ] {
            assert!(partitions_of(Some(unclear), 0).is_err(), "{unclear}");
        }
    }
}
