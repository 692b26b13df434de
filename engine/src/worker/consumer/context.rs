//! What the broker's client calls back with. Rebalances are only noted here: the consumer's loop carries them out and
//! polls on meanwhile, so that partitions which stay are not held up by those that go.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use super::inbox::Inbox;

/// The same complaint is not repeated sooner: an outage brings hundreds a second.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// A rebalance that is to be carried out.
pub(super) enum Rebalance {
    Assign(TopicPartitionList),
    Revoke(TopicPartitionList),
}

pub(super) struct Context {
    inbox: Arc<Inbox>,
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// Events that were consumed by a poll that returned nothing.
    handled: AtomicU64,
    /// The broker has said that there is no such topic, and nothing has come of it since.
    topic_gone: AtomicBool,
    /// What is settled is to be committed once more: a commit has failed, or an offset could not be stored.
    commit_due: AtomicBool,
    /// The loop has ended: rebalances are answered on the spot.
    closing: AtomicBool,
    complaint: Mutex<Option<(String, Instant)>>,
}

impl Context {
    pub(super) fn new(inbox: Arc<Inbox>) -> Self {
        Self {
            inbox,
            rebalances: Mutex::default(),
            handled: AtomicU64::new(0),
            topic_gone: AtomicBool::new(false),
            commit_due: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            complaint: Mutex::default(),
        }
    }

    /// The oldest rebalance that is not carried out yet.
    pub(super) fn next_rebalance(&self) -> Option<Rebalance> {
        let mut rebalances = self.rebalances.lock().unwrap_or_else(PoisonError::into_inner);
        rebalances.pop_front()
    }

    /// Callbacks so far.
    pub(super) fn handled(&self) -> u64 {
        self.handled.load(Ordering::Relaxed)
    }

    /// Was the topic gone when this was last looked at, or since?
    pub(super) fn take_topic_gone(&self) -> bool {
        self.topic_gone.swap(false, Ordering::Relaxed)
    }

    /// Offsets could not be committed.
    pub(super) fn commit_failed(&self, error: &KafkaError) {
        // What comes again meanwhile is refused or a twin.
        self.complain(error, "offsets could not be committed");
        self.commit_later();
    }

    /// What is settled is to be committed once more.
    pub(super) fn commit_later(&self) {
        self.commit_due.store(true, Ordering::Relaxed);
    }

    /// Was that so at any time since the last look?
    pub(super) fn take_commit_due(&self) -> bool {
        self.commit_due.swap(false, Ordering::Relaxed)
    }

    /// Says what the broker refuses, once in a while.
    pub(super) fn complain(&self, error: &KafkaError, reason: &str) {
        let text = error.to_string();
        let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        let said = complaint
            .as_ref()
            .is_some_and(|(last, at)| *last == text && at.elapsed() < SAY_AGAIN);
        if !said {
            tracing::warn!(%error, reason, "broker");
            *complaint = Some((text, Instant::now()));
        }
    }

    /// From here on nobody looks at rebalances.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition) {
            self.topic_gone.store(true, Ordering::Relaxed);
        }
        self.complain(&error, reason);
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        self.handled.fetch_add(1, Ordering::Relaxed);
        let assign = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Relaxed) {
            let answered = if assign {
                consumer.incremental_assign(partitions)
            } else {
                consumer.incremental_unassign(partitions)
            };
            if let Err(error) = answered {
                tracing::debug!(%error, "rebalance while closing");
            }
            return;
        }
        let rebalance = if assign {
            Rebalance::Assign(partitions.clone())
        } else {
            Rebalance::Revoke(partitions.clone())
        };
        let mut rebalances = self.rebalances.lock().unwrap_or_else(PoisonError::into_inner);
        rebalances.push_back(rebalance);
        drop(rebalances);
        self.inbox.wake();
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        self.handled.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = result {
            self.commit_failed(&error);
        }
    }
}
