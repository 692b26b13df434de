//! The loop of a consumer's thread: what came, from the broker or from the worker, and what follows from it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossover_proto::clock::MonotonicNs;
use crossover_proto::engine as wire;
use crossover_proto::event::{DispatchedJob, UnreadableRecord};
use crossover_proto::history::{Event, JobKey};
use metrics::counter;
use prost::bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::begin::{self, BATCH_MAX};
use super::context::Context;
use super::dead_letter::{DeadLetter, DeadLetters};
use super::inbox::{Inbox, Note, Ticket};
use super::rebalance::{self, Rebalancer, commit, quietly};
use super::settings;
use super::tracker::{Received, RecordId, Tracker};
use super::watch::Watch;
use super::window::Flow;
use crate::EngineError;
use crate::batches::may_call;
use crate::command::WorkerArgs;
use crate::kafka::Kafka;
use crate::worker::Shared;
use crate::worker::executor::{Executor, give_up};
use crate::worker::held::release;

/// Records taken in one turn of the loop.
const RECEIVE_MAX: usize = 500;
/// The thread is woken by all that matters; this only bounds what a wake-up that was missed would cost.
const SLEEP_MAX: Duration = Duration::from_millis(100);
/// Wait after a commit that failed (during a rebalance the group takes none), or that is made twice.
const COMMIT_AGAIN: Duration = Duration::from_millis(500);
/// Wait before a client that its group refuses for good is replaced.
const JOIN_AGAIN: Duration = Duration::from_secs(1);
/// Jobs in one call that gives them back.
const RELEASE_MAX: usize = 1_000;

pub(super) struct Reader {
    topic: String,
    job_type: String,
    shared: Arc<Shared>,
    executor: Executor,
    inbox: Arc<Inbox>,
    tracker: Tracker,
    dead_letters: DeadLetters,
    /// Records on their way to the dead-letter topic.
    dying: usize,
    rebalancer: Rebalancer,
    watch: Watch,
    commit_again: Option<Instant>,
    /// The group refuses this member, and its client has given up: the next one is made then.
    join_again: Option<Instant>,
    calls: usize,
    /// Slots that were waited for and have come.
    slots: u32,
    waits_for_slots: bool,
    grace: Duration,
    stop_by: Option<Instant>,
}

impl Reader {
    pub(super) fn new(
        args: &WorkerArgs,
        kafka: &Kafka,
        job_type: &str,
        shared: Arc<Shared>,
        executor: Executor,
        inbox: Arc<Inbox>,
    ) -> Self {
        let dead_letter_topic = kafka.dead_letter_topic(job_type);
        Self {
            topic: kafka.topic(job_type),
            job_type: job_type.to_owned(),
            shared,
            executor,
            tracker: Tracker::new(args.partition_window as usize, settings::ahead(args.concurrency)),
            dead_letters: DeadLetters::new(settings::producer(kafka, args), &dead_letter_topic, inbox.clone()),
            inbox,
            dying: 0,
            rebalancer: Rebalancer::new(kafka.topic(job_type), settings::revoke_within(args)),
            watch: Watch::new(job_type),
            commit_again: None,
            join_again: None,
            calls: 0,
            slots: 0,
            waits_for_slots: false,
            grace: args.grace,
            stop_by: None,
        }
    }

    /// Runs until asked to stop, then comes to an end within the grace time and leaves the group. `connect` makes the client
    /// again.
    pub(super) fn run(
        mut self,
        mut consumer: BaseConsumer<Context>,
        connect: &dyn Fn() -> Result<BaseConsumer<Context>, EngineError>,
    ) -> Result<(), EngineError> {
        self.inbox.attend();
        let mut notes = Vec::new();
        let mut keys = Vec::new();
        loop {
            if self.join_again.take_if(|at| Instant::now() >= *at).is_some() {
                self.lose_all(&consumer);
                consumer = connect()?;
            }
            let received = self.receive(&consumer, &mut keys)?;
            self.inbox.take(&mut notes);
            let idle = received == 0 && notes.is_empty();
            for note in notes.drain(..) {
                self.heed(note, &consumer);
            }
            // A client that has given up carries nothing out any more.
            if self.join_again.is_none() {
                self.rebalancer
                    .proceed(&consumer, &mut self.tracker, &self.watch)
                    .map_err(|error| self.failed(&error))?;
            }
            while let Some((id, key, payload)) = self.tracker.start() {
                if self.shared.held.holds(&key) {
                    self.start(id, key, &payload);
                } else {
                    self.drop_lost(id, key);
                }
            }
            self.ask();
            self.settle_up(&consumer);
            if self.stop_by.is_some_and(|by| self.is_done() || Instant::now() >= by) {
                break;
            }
            if idle {
                std::thread::park_timeout(self.sleep());
            }
        }
        self.leave(&consumer);
        Ok(())
    }

    /// The group has taken everything away; what has begun goes on by its lease. What the client still calls back for is
    /// answered on the spot.
    fn lose_all(&mut self, consumer: &BaseConsumer<Context>) {
        let partitions: Vec<i32> = self.tracker.assigned().collect();
        self.tracker.unassign(&partitions);
        self.rebalancer.forget();
        self.watch.rebalanced("lost");
        consumer.context().close();
    }

    fn failed(&self, error: &KafkaError) -> EngineError {
        super::failed(&self.job_type, error)
    }

    fn sleep(&self) -> Duration {
        let until = [self.rebalancer.until(), self.stop_by, self.join_again]
            .into_iter()
            .flatten()
            .min();
        until.map_or(SLEEP_MAX, |until| {
            until.saturating_duration_since(Instant::now()).min(SLEEP_MAX)
        })
    }

    // --- from the broker ---

    /// Takes what is there, at most [`RECEIVE_MAX`]; answers how much it was.
    fn receive(&mut self, consumer: &BaseConsumer<Context>, keys: &mut Vec<JobKey>) -> Result<usize, EngineError> {
        keys.clear();
        let (mut taken, mut handled) = (0, consumer.context().handled());
        while taken < RECEIVE_MAX {
            match consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    taken += 1;
                    self.take(consumer, &message, keys)?;
                }
                Some(Err(error @ KafkaError::MessageConsumptionFatal(RDKafkaErrorCode::GroupAuthorizationFailed))) => {
                    consumer.context().complain(&error, "a new client will try again");
                    self.join_again.get_or_insert(Instant::now() + JOIN_AGAIN);
                    break;
                }
                Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(self.failed(&error)),
                // The context has said it; the client goes on by itself.
                Some(Err(_)) => taken += 1,
                // Nothing, or an event that is no record: then there may be more behind it.
                None if consumer.context().handled() == handled => break,
                None => handled = consumer.context().handled(),
            }
        }
        if !keys.is_empty() {
            let received = keys.iter().map(|key| Event::Received(*key));
            if let Err(error) = self.shared.recorder.record_all(MonotonicNs::now(), received) {
                give_up(&error);
            }
            self.watch.received.increment(keys.len() as u64);
            // Whatever was said of it before: the topic is there.
            consumer.context().take_topic_gone();
        }
        Ok(taken)
    }

    fn take(
        &mut self,
        consumer: &BaseConsumer<Context>,
        message: &BorrowedMessage<'_>,
        keys: &mut Vec<JobKey>,
    ) -> Result<(), EngineError> {
        let (partition, offset) = (message.partition(), message.offset());
        match self.read(message) {
            Ok(job) => match self.tracker.receive(partition, offset, job.key, job.payload) {
                Received::Ignored => return Ok(()),
                Received::Kept => keys.push(job.key),
                Received::Twin => {
                    keys.push(job.key);
                    self.watch.twins.increment(1);
                }
            },
            Err(error) => {
                let bytes = message.payload().map_or(0, <[u8]>::len);
                let Some(place) = self.tracker.place(partition, offset, bytes) else {
                    return Ok(());
                };
                tracing::warn!(%error, topic = self.topic, partition, offset, "a record can't be read");
                self.watch.unreadable.increment(1);
                self.dying += 1;
                let letter = DeadLetter::new(message, &error.to_string());
                self.dead_letters
                    .send(place, letter)
                    .map_err(|error| self.failed(&error))?;
            }
        }
        self.control(consumer, partition);
        Ok(())
    }

    /// A record of another job type would run under the wrong name: it is as bad as one that can't be read.
    fn read(&self, message: &BorrowedMessage<'_>) -> Result<DispatchedJob, UnreadableRecord> {
        let job = DispatchedJob::from_record(Bytes::copy_from_slice(message.payload().unwrap_or_default()))?;
        if job.job_type != self.job_type {
            return Err(UnreadableRecord::Field {
                field: "job.job_type",
                found: job.job_type,
                allowed: "the job type of the topic",
            });
        }
        Ok(job)
    }

    /// Pauses or resumes a partition, as its window says.
    fn control(&mut self, consumer: &BaseConsumer<Context>, partition: i32) {
        if let Some(flow) = self.tracker.flow(partition) {
            let mut list = TopicPartitionList::with_capacity(1);
            list.add_partition(&self.topic, partition);
            quietly(match flow {
                Flow::Pause => consumer.pause(&list),
                Flow::Resume => consumer.resume(&list),
            });
        }
    }

    // --- from the worker ---

    fn heed(&mut self, note: Note, consumer: &BaseConsumer<Context>) {
        match note {
            Note::Answered(records) => self.answered(records),
            Note::Slots(slots) => {
                self.slots += slots;
                self.waits_for_slots = false;
            }
            Note::Ended(id) => self.tracker.ended(id),
            Note::Reported(id) => self.tracker.settle(id),
            Note::DeadLettered(place) => {
                self.dying -= 1;
                self.tracker.settle_place(place);
            }
            Note::Stop => {
                self.stop_by = Some(Instant::now() + self.grace);
                self.tracker.stop();
                if let Ok(assigned) = consumer.assignment() {
                    quietly(consumer.pause(&assigned));
                }
            }
        }
    }

    fn answered(&mut self, records: Vec<(RecordId, JobKey, wire::Outcome)>) {
        self.calls -= 1;
        let begun = |(_, _, outcome): &&(RecordId, JobKey, wire::Outcome)| *outcome == wire::Outcome::Done;
        self.shared
            .held
            .add(records.iter().filter(begun).map(|(_, key, _)| *key));
        let mut refused = 0;
        for (id, _, outcome) in records {
            if outcome == wire::Outcome::Done {
                self.tracker.begun(id);
            } else {
                refused += 1;
                counter!("worker_begin_refused_total", "outcome" => begin::label_of(outcome)).increment(1);
                if outcome == wire::Outcome::StaleAttempt {
                    self.tracker.stale(id);
                } else {
                    self.tracker.settle(id);
                }
            }
        }
        self.shared.held.free(refused);
    }

    // --- what follows ---

    fn start(&self, id: RecordId, key: JobKey, payload: &[u8]) {
        let ticket = Ticket {
            inbox: self.inbox.clone(),
            record: id,
        };
        if let Err(error) = self.executor.start(key, payload, Some(ticket)) {
            give_up(&error);
        }
    }

    /// A job that waited for its turn longer than its lease held: the engine has given the next attempt away, or it is over.
    fn drop_lost(&mut self, id: RecordId, key: JobKey) {
        counter!("worker_leases_lost_total").increment(1);
        self.shared.held.remove(std::iter::once(key));
        self.tracker.settle(id);
    }

    /// Asks the engine for the leases of what may begin, as far as slots go.
    fn ask(&mut self) {
        while may_call(self.tracker.ready(), self.calls) {
            let wanted = u32::try_from(self.tracker.ready().min(BATCH_MAX)).unwrap_or(u32::MAX);
            if self.slots < wanted {
                self.slots += self.shared.held.try_take(wanted - self.slots);
            }
            if self.slots == 0 {
                self.wait_for_slots(wanted);
                return;
            }
            let records = self.tracker.ask((self.slots as usize).min(BATCH_MAX));
            if records.is_empty() {
                break;
            }
            self.slots -= u32::try_from(records.len()).unwrap_or(self.slots);
            self.calls += 1;
            tokio::spawn(begin::begin(self.shared.clone(), self.inbox.clone(), records));
        }
        // Not kept from other job types.
        self.shared.held.free(std::mem::take(&mut self.slots));
    }

    fn wait_for_slots(&mut self, wanted: u32) {
        if !std::mem::replace(&mut self.waits_for_slots, true) {
            let (shared, inbox) = (self.shared.clone(), self.inbox.clone());
            tokio::spawn(async move { inbox.push(Note::Slots(shared.held.take(wanted).await)) });
        }
    }

    /// Stores how far each partition is settled, resumes those that have room again, shows the figures.
    fn settle_up(&mut self, consumer: &BaseConsumer<Context>) {
        let mut positions = self.tracker.take_begun();
        // A partition that has begun is committed once more: when a topic was made again under its readers, client and
        // broker may still have to forget the offset of the old one, and with it what is committed now.
        if !positions.is_empty() || consumer.context().take_commit_due() {
            self.commit_again.get_or_insert(Instant::now() + COMMIT_AGAIN);
        }
        if self.commit_again.take_if(|at| Instant::now() >= *at).is_some() {
            // The client makes up for what is stored by itself, but not for the begin of a partition.
            positions = self.tracker.positions();
        }
        if !positions.is_empty() {
            rebalance::commit_at(consumer, &self.topic, &positions);
        }
        store(consumer, &mut self.tracker, &self.topic);
        let assigned: Vec<i32> = self.tracker.assigned().collect();
        for partition in assigned {
            self.control(consumer, partition);
        }
        self.watch.show(&self.tracker);
    }

    // --- the end ---

    fn is_done(&self) -> bool {
        self.tracker.is_quiet() && self.dying == 0
    }

    /// Gives back what is in hand, commits, and leaves the group.
    fn leave(mut self, consumer: &BaseConsumer<Context>) {
        let runtime = tokio::runtime::Handle::current();
        for records in self.tracker.in_hand().chunks(RELEASE_MAX) {
            let keys: Vec<JobKey> = records.iter().map(|(_, key)| *key).collect();
            if runtime.block_on(release(&self.shared, &keys)) {
                // What had begun is over, or dispatched again. The rest may never have begun, and so be queued as it was:
                // its record is all that there is of it.
                for (id, _) in records {
                    if self.tracker.has_begun(*id) {
                        self.tracker.settle(*id);
                    }
                }
            }
        }
        store(consumer, &mut self.tracker, &self.topic);
        commit(consumer);
        consumer.context().close();
    }
}

/// Stores the ends of settled prefixes that have moved; the client commits them.
pub(super) fn store(consumer: &BaseConsumer<Context>, tracker: &mut Tracker, topic: &str) {
    for (partition, offset) in tracker.take_progress() {
        if let Err(error) = consumer.store_offset(topic, partition, offset) {
            // The group has taken it away meanwhile.
            tracing::debug!(%error, partition, offset, "offset not stored");
            consumer.context().commit_later();
        }
    }
}
