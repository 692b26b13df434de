//! A relay: one leads, reads the outbox in id order, sends it to the broker, and marks what was acknowledged.
//!
//! ```text
//!  lead ── advisory lock, beats, epoch            topics ── made, looked at ──┐
//!   │                                                                         ▼
//!   └▶ pump:  read (epoch must be ours) ──▶ window ──▶ send ──▶ broker topics jobs.<job_type>
//!       ▲          ▲ ids in flight excluded   ▲                     │
//!  wake ┘          │                          └──── mark ◀── acks ──┘
//!  sweep ── lost records: new rows ──▶ outbox ◀── rows sent long ago: removed
//! ```
//!
//! Invariant: there is no cursor over ids. A read takes the lowest pending rows that are not in flight, so a transaction that
//! commits late is not passed over; and one reader at a time sends them in that order, so the records of an instance are in
//! the order of its commits.
//!
//! Invariant: a row is marked only after its acknowledgement. What happens between the two makes duplicates, never gaps:
//!
//! | what fails | what happens | what it costs |
//! |---|---|---|
//! | the leader dies | the server ends its session, a standby has the lock within a try | its window is sent again |
//! | the leader is stopped (SIGSTOP) | silent for 2 s: the server ends its session | the same; continued, it may send what was in its producer, and no more |
//! | the lock session is lost | what is not sent is dropped, back to standby | the same |
//! | another epoch, and the lock session lives | the relays do not agree on the lock: it says so, and stops competing | one relay less |
//! | reading or marking | tried again on a new connection; what is in flight goes on | time |
//! | the broker is away | records wait in the producer, in order, up to the window | time |
//! | a record is refused for good | everything settles, a new producer is made, the lowest unmarked rows are read | a moment |
//! | … for its size | so it is once, and batches are within the topic's limit from then on | a moment |
//! | … and the limit is not for the relay to know | sent once more as a batch of its own; refused again, its job is a dead letter | that job |
//! | a row is larger than the topic's limit | the limit is asked for once more, five seconds at most; the job is a dead letter, and no producer has seen it | that job |
//! | a topic is missing, or takes no records | its job type is left out of reads for a while, doubled up to 30 s | that job type waits |
//! | an acknowledged record is lost with its topic | the sweeper writes a new row | `redispatch_after` |
//! | SIGTERM | nothing more is read; what is in flight is waited for, two seconds at most, and marked | nothing |
//!
//! PostgreSQL can't fence the broker: a topic can hold duplicates, from former leaders too. The stamp in each record says who
//! sent it; workers and engine absorb them.
//!
//! It never touches job rows, but for records that are refused for good and for the sweeper.

mod desk;
mod flight;
mod held;
mod lead;
mod limits;
mod partitions;
mod pump;
mod routes;
mod send;
mod session;
mod sweep;
mod topics;
mod wake;

use std::time::Duration;

use crossover_proto::history::Recorder;
use metrics::gauge;
use sqlx::postgres::PgConnectOptions;

use crate::EngineError;
use crate::command::{RelayArgs, RelayStrategy};
use crate::kafka::Kafka;
use crate::service::{Stop, listen, metrics_router, serve, stop_on_signal, stopped};
use crate::store::outbox;
use lead::{Candidate, Lead};
use pump::{End, Pump, Settings, Tools};
use session::Session;

/// The job types are asked for this long when the lead is taken; what is not known by then is seen in the rows.
const TYPES_WITHIN: Duration = Duration::from_secs(1);
/// Wait before the job types are asked for again at the start of the process.
const RETRY: Duration = Duration::from_millis(500);

/// What lasts as long as the process.
struct Relay {
    args: RelayArgs,
    application: String,
    settings: Settings,
    shape: topics::Shape,
    candidate: Candidate,
    recorder: Recorder,
    stop: Stop,
}

/// Runs a relay until SIGTERM.
pub(crate) async fn run(args: RelayArgs) -> Result<(), EngineError> {
    let relay = Relay::new(args)?;
    let process = &relay.args.process;
    tokio::spawn({
        let metrics = metrics_router();
        let listener = listen(process.listen, process.ready_file.as_deref()).await?;
        serve(listener, metrics, relay.stop.clone())
    });
    gauge!("relay_lock_misconfigured").set(0.0);
    tokio::select! {
        ended = relay.lead_and_stand_by() => ended,
        wrong = relay.wrong_topics() => Err(wrong),
    }
}

impl Relay {
    fn new(args: RelayArgs) -> Result<Self, EngineError> {
        let stop = stop_on_signal()?;
        let kafka = Kafka::new(&args.kafka)?;
        if args.batch == 0 || args.window == 0 || args.partitions == 0 || args.replication == 0 {
            let problem = "--batch, --window, --partitions and --replication must be 1 or more";
            return Err(EngineError::Kafka(problem.to_owned()));
        }
        if args.interval.is_zero() {
            return Err(EngineError::Kafka(
                "--interval must be more than nothing; 1ms is allowed".to_owned(),
            ));
        }
        let name = &args.process.name;
        let application = format!("crossover-engine-{name}");
        let lock = args.lock_database_url.as_ref().unwrap_or(&args.database.database_url);
        Ok(Self {
            settings: Settings {
                kafka: kafka.clone(),
                client_id: application.clone(),
                partitions: args.partitions,
                batch: usize::try_from(args.batch).unwrap_or(usize::MAX),
                window: usize::try_from(args.window).unwrap_or(usize::MAX),
                interval: args.interval,
                linger: args.linger,
                fenced: !args.unfenced,
            },
            shape: topics::Shape {
                kafka,
                partitions: args.partitions,
                replication: args.replication,
            },
            candidate: Candidate::new(lock, &application, args.lock_key, name),
            recorder: crate::serve::recorder(&args.process)?,
            application,
            stop,
            args,
        })
    }

    /// Until the process is to end.
    async fn lead_and_stand_by(&self) -> Result<(), EngineError> {
        loop {
            gauge!("relay_is_leader").set(0.0);
            let lead = tokio::select! {
                lead = self.candidate.stand_by() => lead,
                () = stopped(self.stop.clone()) => return Ok(()),
            };
            tracing::info!(epoch = lead.epoch, "leading");
            gauge!("relay_is_leader").set(1.0);
            gauge!("relay_epoch").set(lead.epoch as f64);
            let end = self.lead(&lead).await;
            let epoch = lead.epoch;
            lead.release().await;
            match end? {
                End::Stopped => return Ok(()),
                End::LockLost => tracing::warn!(epoch, "the lead is lost; standing by"),
                End::Superseded => return self.stop_competing(epoch).await,
            }
        }
    }

    /// Leads, as long as the lock session lives.
    async fn lead(&self, lead: &Lead) -> Result<End, EngineError> {
        let mut reader = Session::new(session::read_options(
            &self.args.database.database_url,
            &self.application,
        ));
        let asked = reader.run(async |connection| outbox::job_types(connection).await);
        let job_types = match tokio::time::timeout(TYPES_WITHIN, asked).await {
            Ok(Ok(job_types)) => job_types,
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        let tools = Tools {
            reader,
            marker: Session::new(self.work_options()),
            refuser: Session::new(self.work_options()),
            maker: topics::Maker::start(self.shape.clone(), &self.application),
            listener: match self.args.strategy {
                RelayStrategy::Notify => wake::Listener::start(self.work_options()),
                RelayStrategy::Poll => wake::Listener::deaf(),
            },
            recorder: self.recorder.clone(),
            stop: self.stop.clone(),
        };
        let mut pump = Pump::new(&self.settings, lead, tools)?;
        pump.expect(&job_types);
        let chores = sweep::Chores {
            session: Session::new(self.work_options()),
            kafka: self.settings.kafka.clone(),
            name: self.args.process.name.clone(),
            redispatch_after: self.args.redispatch_after,
            retention: self.args.retention,
        };
        tokio::select! {
            end = pump.run() => end,
            never = chores.run() => match never {},
        }
    }

    fn work_options(&self) -> PgConnectOptions {
        session::work_options(&self.args.database.database_url, &self.application)
    }

    /// Stays up: a supervisor that starts us again would only start the fight again.
    async fn stop_competing(&self, epoch: i64) -> Result<(), EngineError> {
        gauge!("relay_is_leader").set(0.0);
        gauge!("relay_lock_misconfigured").set(1.0);
        tracing::error!(
            epoch,
            lock_key = self.args.lock_key,
            "another relay took the lead while this one held the leader's lock: the lock is misconfigured; give all relays of \
             this database the same --lock-key, and a lock database URL that reaches the same database in session mode, not \
             through a pooler in transaction mode; this relay does not compete any more until it is started again"
        );
        stopped(self.stop.clone()).await;
        Ok(())
    }

    /// Ends only if a topic that exists at the start has other partitions than this relay is to use.
    async fn wrong_topics(&self) -> EngineError {
        let mut session = Session::new(self.work_options());
        let job_types = loop {
            match session
                .run(async |connection| outbox::job_types(connection).await)
                .await
            {
                Ok(job_types) => break job_types,
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        };
        drop(session);
        match self.shape.verify(&self.application, &job_types).await {
            Ok(()) => std::future::pending().await,
            Err(wrong) => wrong,
        }
    }
}
