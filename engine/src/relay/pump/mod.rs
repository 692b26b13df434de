//! Reads, sends, marks: while batches are on their way, the next one is read, and what was acknowledged is marked.
//!
//! One loop, one event at a time; the module above has the picture. A statement under way never holds up anything else: the
//! reader, the marker and the one that refuses rows each have a [`Desk`].

mod outcomes;
mod phases;
mod sending;

use std::collections::HashSet;
use std::time::Duration;

use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::Recorder;
use metrics::gauge;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use outcomes::statement_failed;

use crate::EngineError;
use crate::kafka::Kafka;
use crate::relay::desk::Desk;
use crate::relay::flight::Flight;
use crate::relay::held::Held;
use crate::relay::lead::Lead;
use crate::relay::routes::Routes;
use crate::relay::send::{BATCH_BYTES_MAX, Batching, Delivery, Sender};
use crate::relay::session::Session;
use crate::relay::topics::{Limit, Maker, Ready};
use crate::relay::wake::Listener;
use crate::service::{Stop, stopped};
use crate::store::outbox::{Reading, RefusedRow, SentRow, mark_sent, read, refuse};

/// Bytes read and not marked, beyond which no more are read: the window is meant for rows of a kilobyte.
const WINDOW_BYTES: usize = 64 << 20;
/// A read that brought this many bytes may have ended before the rows that were asked for: large rows come in parts.
const LARGE_READ: usize = 1 << 20;
/// After a failure, what is on its way may settle for this long.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);
/// After SIGTERM.
const DRAIN_WITHIN: Duration = Duration::from_secs(2);
/// When the lead is lost, acknowledgements may still be noted for this long: each saves a duplicate.
const LAST_MARK_WITHIN: Duration = Duration::from_millis(500);
/// First wait after a failure; doubled up to the last while nothing is acknowledged.
const RETRY: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// Acknowledgements are noted this often, or as soon as so many are there: nobody waits for the note, and each is a commit.
const MARK_GAP: Duration = Duration::from_millis(10);
const MARK_ROWS: usize = 1_000;
/// Deadlines and gauges are looked at this often.
const CLOCK: Duration = Duration::from_millis(100);
/// Once a record has failed, what the producer takes back is purged this often.
const PURGE: Duration = Duration::from_millis(5);
/// Once a record is refused for its size, the topic's limit is waited for this long.
const LIMIT_WITHIN: Duration = Duration::from_secs(1);
/// A row that is held for its size is sent after all if nobody has said by then that it is too large.
const HELD_WITHIN: Duration = Duration::from_secs(5);

/// Why a leader stopped pumping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The process is to end.
    Stopped,
    /// The lock session is lost: back to standby.
    LockLost,
    /// Another relay raised the epoch while we hold the lock: the two do not agree on the lock.
    Superseded,
}

/// How a leader pumps.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) kafka: Kafka,
    pub(super) client_id: String,
    /// Of each topic.
    pub(super) partitions: u32,
    pub(super) batch: usize,
    pub(super) window: usize,
    pub(super) interval: Duration,
    pub(super) linger: Duration,
    pub(super) fenced: bool,
}

/// What a leader has while it leads.
pub(super) struct Tools {
    pub(super) reader: Session,
    pub(super) marker: Session,
    pub(super) refuser: Session,
    pub(super) maker: Maker,
    pub(super) listener: Listener,
    pub(super) recorder: Recorder,
    pub(super) stop: Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Sending,
    /// Nothing is read until all that was sent is settled, and a new producer is made.
    Settling(Instant),
    /// The process is to end.
    Stopping(Instant),
}

/// Which suspects were found: if none was too large itself, the batch was.
#[derive(Debug, Clone, Copy, Default)]
struct Shown {
    good: bool,
    too_large: bool,
}

enum Event {
    Read(Result<Reading, EngineError>),
    Marked(Vec<SentRow>, Result<u64, EngineError>),
    Refused(Vec<RefusedRow>, Result<usize, EngineError>),
    Delivered(Vec<Delivery>),
    TopicReady(Ready),
    Look,
    MarksDue,
    PurgeDue,
    Clock,
    LockLost,
    Stop,
}

/// A leader at work.
pub(super) struct Pump<'a> {
    settings: &'a Settings,
    lead: &'a Lead,
    recorder: Recorder,
    stop: Stop,
    maker: Maker,
    listener: Listener,
    reading: Desk<Result<Reading, EngineError>>,
    marking: Desk<(Vec<SentRow>, Result<u64, EngineError>)>,
    refusing: Desk<(Vec<RefusedRow>, Result<usize, EngineError>)>,
    interval: Interval,
    clock: Interval,

    sender: Sender,
    routes: Routes,
    flight: Flight,
    held: Held,
    phase: Phase,
    /// There may be rows to read.
    look: bool,
    /// What the read under way brings is not to be sent.
    discard: bool,
    /// A record failed: what the producer still holds must not be sent.
    failed: bool,
    /// When it is purged again.
    purge_at: Instant,
    /// Most rows that the read under way may bring.
    asked: usize,
    acked: Vec<SentRow>,
    mark_at: Instant,
    refused: Vec<RefusedRow>,
    /// Rows that were refused for their size in a batch with others: each is sent once more as a batch of its own.
    suspects: HashSet<i64>,
    /// What the single sending of suspects has shown so far.
    shown: Shown,
    /// The topic whose limit is waited for, and until when.
    asked_limit: Option<(usize, Instant)>,
    batch_bytes: u32,
    failures: u32,
    not_before: Instant,
}

impl<'a> Pump<'a> {
    pub(super) fn new(settings: &'a Settings, lead: &'a Lead, tools: Tools) -> Result<Self, EngineError> {
        let batching = Batching::Bytes(BATCH_BYTES_MAX);
        let ticks = |every| {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        Ok(Self {
            settings,
            lead,
            recorder: tools.recorder,
            stop: tools.stop,
            maker: tools.maker,
            listener: tools.listener,
            reading: Desk::new(tools.reader),
            marking: Desk::new(tools.marker),
            refusing: Desk::new(tools.refuser),
            interval: ticks(settings.interval),
            clock: ticks(CLOCK),
            sender: Sender::new(&settings.kafka, &settings.client_id, settings.linger, batching)?,
            routes: Routes::new(settings.kafka.clone(), settings.partitions),
            flight: Flight::default(),
            held: Held::default(),
            phase: Phase::Sending,
            look: true,
            discard: false,
            failed: false,
            purge_at: Instant::now(),
            asked: 0,
            acked: Vec::new(),
            mark_at: Instant::now(),
            refused: Vec::new(),
            suspects: HashSet::new(),
            shown: Shown::default(),
            asked_limit: None,
            batch_bytes: BATCH_BYTES_MAX,
            failures: 0,
            not_before: Instant::now(),
        })
    }

    /// Job types that are known before any row of theirs is read.
    pub(super) fn expect(&mut self, job_types: &[String]) {
        for job_type in job_types {
            self.routes.add(job_type);
            self.maker.want(job_type);
        }
    }

    /// Pumps until the lead is lost or the process is to end.
    ///
    /// # Errors
    /// If the history can't be written, or the producer's settings are refused.
    pub(super) async fn run(mut self) -> Result<End, EngineError> {
        let end = loop {
            if let Some(end) = self.turn().await? {
                break end;
            }
        };
        self.finish().await?;
        Ok(end)
    }

    async fn turn(&mut self) -> Result<Option<End>, EngineError> {
        self.begin_statements();
        match self.next_event().await {
            Event::Read(outcome) => return self.on_read(outcome).await,
            Event::Marked(rows, outcome) => self.on_marked(rows, outcome),
            Event::Refused(rows, outcome) => self.on_refused(rows, outcome),
            Event::Delivered(deliveries) => self.on_deliveries(deliveries)?,
            Event::TopicReady(ready) => self.on_topic_ready(&ready),
            Event::Look => self.look = true,
            Event::MarksDue => {}
            // Records on their way fail after the first one, are queued once more, and would wait there for ever.
            Event::PurgeDue => self.purge(),
            Event::Clock => self.on_clock(),
            Event::LockLost => return Ok(Some(End::LockLost)),
            Event::Stop => self.phase = Phase::Stopping(Instant::now() + DRAIN_WITHIN),
        }
        self.advance().await
    }

    async fn next_event(&mut self) -> Event {
        let stopping = matches!(self.phase, Phase::Stopping(_));
        tokio::select! {
            () = self.lead.lost() => Event::LockLost,
            () = stopped(self.stop.clone()), if !stopping => Event::Stop,
            deliveries = self.sender.deliveries() => Event::Delivered(deliveries),
            (rows, outcome) = self.marking.done() => Event::Marked(rows, outcome),
            (rows, outcome) = self.refusing.done() => Event::Refused(rows, outcome),
            outcome = self.reading.done() => Event::Read(outcome),
            ready = self.maker.ready() => Event::TopicReady(ready),
            () = self.listener.woken() => Event::Look,
            _ = self.interval.tick() => Event::Look,
            () = sleep_until(self.mark_at), if self.marks_wait() => Event::MarksDue,
            () = sleep_until(self.purge_at), if self.failed => Event::PurgeDue,
            _ = self.clock.tick() => Event::Clock,
        }
    }

    /// What was acknowledged while a mark was under way goes into the next one.
    fn begin_statements(&mut self) {
        let due = self.phase != Phase::Sending || self.acked.len() >= MARK_ROWS || Instant::now() >= self.mark_at;
        if due && self.marks_wait() {
            self.mark_at = Instant::now() + MARK_GAP;
            let rows = std::mem::take(&mut self.acked);
            self.marking.begin(|mut session| async move {
                let outcome = session.run(async |connection| mark_sent(connection, &rows).await).await;
                (session, (rows, outcome))
            });
        }
        if !self.refused.is_empty() && self.refusing.is_idle() {
            let rows = std::mem::take(&mut self.refused);
            self.refusing.begin(|mut session| async move {
                let outcome = session.run(async |connection| refuse(connection, &rows).await).await;
                (session, (rows, outcome))
            });
        }
        if let Some(max) = self.rows_wanted() {
            self.begin_read(max);
        }
    }

    fn marks_wait(&self) -> bool {
        !self.acked.is_empty() && self.marking.is_idle()
    }

    /// How many rows to read now. With a backlog, reads of a few rows each would cost more than they bring: half a batch
    /// must fit in.
    fn rows_wanted(&self) -> Option<usize> {
        let may = self.look && self.phase == Phase::Sending && self.reading.is_idle();
        if !may || self.flight.bytes() >= WINDOW_BYTES || Instant::now() < self.not_before {
            return None;
        }
        let batch = self.settings.batch.min(self.settings.window);
        let room = self.settings.window.saturating_sub(self.flight.len() + self.held.len());
        (room >= batch.div_ceil(2)).then(|| batch.min(room))
    }

    fn begin_read(&mut self, max: usize) {
        self.look = false;
        self.discard = false;
        self.asked = max;
        let epoch = self.settings.fenced.then_some(self.lead.epoch);
        let mut in_flight = self.flight.ids();
        in_flight.extend(self.held.ids());
        let parked = self.routes.parked();
        let max = u32::try_from(max).unwrap_or(u32::MAX);
        self.reading.begin(|mut session| async move {
            let rows = session.run(async |connection| read(connection, epoch, &in_flight, &parked, max).await);
            let rows = rows.await;
            (session, rows)
        });
    }

    async fn on_read(&mut self, outcome: Result<Reading, EngineError>) -> Result<Option<End>, EngineError> {
        match outcome {
            Ok(Reading::Rows(rows)) => {
                let bytes: usize = rows.iter().map(|row| row.payload.len()).sum();
                let there_is_more = rows.len() >= self.asked || bytes >= LARGE_READ;
                // Rows that wait for a first acknowledgement are read again when it comes, not over and over until then.
                let routed = self.send_all(rows)?;
                self.look |= there_is_more && routed > 0;
                self.advance().await
            }
            Ok(Reading::Superseded) if self.lead.lives().await => Ok(Some(End::Superseded)),
            Ok(Reading::Superseded) => Ok(Some(End::LockLost)),
            Err(error) => {
                statement_failed("read", &error);
                self.look = true;
                Ok(None)
            }
        }
    }

    fn on_topic_ready(&mut self, ready: &Ready) {
        if let Some(place) = self.routes.place(&ready.job_type) {
            self.routes.set_there(place, ready.limit);
            self.look |= self.routes.open_due(Instant::now());
            if ready.limit != Limit::NotAnswered {
                self.on_limit(place);
            }
        }
    }

    fn on_clock(&mut self) {
        self.look |= self.routes.open_due(Instant::now());
        let now = MonotonicNs::now();
        while let Some(place) = self.held.overdue(now, HELD_WITHIN) {
            self.routes.forget_limit(place);
            self.on_limit(place);
        }
        let oldest = self.flight.oldest_open().map(|since| now.saturating_since(since));
        gauge!("relay_rows_in_flight").set(self.flight.open() as f64);
        gauge!("relay_oldest_in_flight_seconds").set(oldest.unwrap_or_default().as_secs_f64());
    }
}
