//! Carries out what the group decided: partitions come, go, or are lost.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::context::{Context, Rebalance};
use super::reader::store;
use super::tracker::Tracker;
use super::watch::Watch;

/// A revocation under way: what is in hand of these partitions is waited for.
struct Leaving {
    list: TopicPartitionList,
    partitions: Vec<i32>,
    until: Instant,
}

pub(super) struct Rebalancer {
    topic: String,
    within: Duration,
    leaving: Option<Leaving>,
}

impl Rebalancer {
    /// `within`: how long a revoked partition may wait for what is in hand.
    pub(super) fn new(topic: String, within: Duration) -> Self {
        Self {
            topic,
            within,
            leaving: None,
        }
    }

    /// When the revocation under way will wait no longer.
    pub(super) fn until(&self) -> Option<Instant> {
        self.leaving.as_ref().map(|leaving| leaving.until)
    }

    /// The client is no more: its rebalance is over.
    pub(super) fn forget(&mut self) {
        self.leaving = None;
    }

    /// Does what can be done now; one after the other, as they came.
    pub(super) fn proceed(
        &mut self,
        consumer: &BaseConsumer<Context>,
        tracker: &mut Tracker,
        watch: &Watch,
    ) -> Result<(), KafkaError> {
        loop {
            match self.leaving.take() {
                Some(leaving) if !is_over(&leaving, consumer, tracker) => {
                    self.leaving = Some(leaving);
                    return Ok(());
                }
                Some(leaving) => self.leave(&leaving, consumer, tracker, watch)?,
                None => {}
            }
            match consumer.context().next_rebalance() {
                Some(Rebalance::Assign(list)) => assign(list, consumer, tracker, watch)?,
                Some(Rebalance::Revoke(list)) => {
                    let partitions = partitions_of(&list);
                    // What comes of them now would be dropped: let it not come.
                    quietly(consumer.pause(&list));
                    tracker.revoke(&partitions);
                    self.leaving = Some(Leaving {
                        list,
                        partitions,
                        until: Instant::now() + self.within,
                    });
                }
                None => return Ok(()),
            }
        }
    }

    fn leave(
        &self,
        leaving: &Leaving,
        consumer: &BaseConsumer<Context>,
        tracker: &mut Tracker,
        watch: &Watch,
    ) -> Result<(), KafkaError> {
        let partitions = &leaving.partitions;
        let lost = consumer.assignment_lost();
        if !lost {
            store(consumer, tracker, &self.topic);
            commit(consumer);
        }
        let drained = tracker.is_drained(partitions);
        tracker.unassign(partitions);
        consumer.incremental_unassign(&leaving.list)?;
        watch.rebalanced(if lost { "lost" } else { "revoked" });
        tracing::info!(?partitions, lost, drained, "partitions given away");
        Ok(())
    }
}

fn assign(
    mut list: TopicPartitionList,
    consumer: &BaseConsumer<Context>,
    tracker: &mut Tracker,
    watch: &Watch,
) -> Result<(), KafkaError> {
    let partitions = partitions_of(&list);
    partitions.iter().for_each(|partition| tracker.assign(*partition));
    if consumer.context().take_topic_gone() {
        // It is another one of the name now, but the group still has the offsets of the old: as soon as the new one is as
        // long, reading on from there would pass records over.
        list.set_all_offsets(Offset::Beginning)?;
    }
    consumer.incremental_assign(&list)?;
    // One that was paused when it was given away may still be.
    quietly(consumer.resume(&list));
    watch.rebalanced("assigned");
    tracing::info!(?partitions, "partitions assigned");
    Ok(())
}

fn is_over(leaving: &Leaving, consumer: &BaseConsumer<Context>, tracker: &Tracker) -> bool {
    consumer.assignment_lost() || tracker.is_drained(&leaving.partitions) || Instant::now() >= leaving.until
}

/// Commits what is stored, and waits for the answer.
pub(super) fn commit(consumer: &BaseConsumer<Context>) {
    match consumer.commit_consumer_state(CommitMode::Sync) {
        Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
        // What comes again elsewhere is refused by the engine.
        Err(error) => tracing::warn!(%error, "offsets could not be committed"),
    }
}

/// Commits how far partitions are settled. By itself the client commits only what is past the last commit that it knows of,
/// and after a topic was made again that is one of the old topic: it would never commit again before the new one is as
/// long.
pub(super) fn commit_at(consumer: &BaseConsumer<Context>, topic: &str, partitions: &[(i32, i64)]) {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    let listed = partitions
        .iter()
        .try_for_each(|(partition, offset)| list.add_partition_offset(topic, *partition, Offset::Offset(*offset)));
    if let Err(error) = listed.and_then(|()| consumer.commit(&list, CommitMode::Async)) {
        consumer.context().commit_failed(&error);
    }
}

pub(super) fn partitions_of(list: &TopicPartitionList) -> Vec<i32> {
    list.elements().iter().map(|element| element.partition()).collect()
}

/// A pause or a resume that fails is of a partition that is gone already.
pub(super) fn quietly(result: Result<(), KafkaError>) {
    if let Err(error) = result {
        tracing::debug!(%error, "pause or resume");
    }
}
