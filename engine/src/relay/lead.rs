//! Who leads: an advisory lock, held by a session of its own.
//!
//! The session beats every [`BEAT`] under an `idle_session_timeout` of [`IDLE`]. A leader that is killed loses its socket
//! and with it the lock; one that is stopped (SIGSTOP keeps the socket open) goes silent, and the server ends its session.
//! A beat that is not answered within [`BEAT_ANSWERED_WITHIN`] counts as lost: together less than the idle timeout, so a
//! leader that is cut off steps down before another one can lead.
//!
//! It must not read the outbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossover_proto::clock::MonotonicNs;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::EngineError;
use crate::store::{DatabaseUrl, outbox};

/// Time between two beats of the leader.
const BEAT: Duration = Duration::from_millis(500);
/// A beat without an answer for this long means that the session is lost.
const BEAT_ANSWERED_WITHIN: Duration = Duration::from_millis(1_200);
/// The server ends a lock session that is silent for this long; the setting's own form.
const IDLE: &str = "2s";
/// A leader whose last answered beat was sent longer ago than this can't know that it leads: less than [`IDLE`].
const FRESH: Duration = Duration::from_millis(1_900);
/// Time between two tries of a standby. It never waits for the lock: a blocked wait would hold back vacuum, and show as a
/// permanent `Lock` wait.
const TRY: Duration = Duration::from_millis(250);
/// Connecting and single statements of this session. Raising the epoch waits for a read of the former leader at most:
/// see `session::read_options`.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Where the lock is, and who asks for it.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    options: PgConnectOptions,
    place: String,
    key: i64,
    name: String,
}

/// The lead: kept while the session lives.
#[derive(Debug)]
pub(super) struct Lead {
    /// This term.
    pub(super) epoch: i64,
    asks: mpsc::Sender<oneshot::Sender<bool>>,
    last_beat: Arc<AtomicU64>,
    keeper: JoinHandle<()>,
}

impl Candidate {
    pub(super) fn new(url: &DatabaseUrl, application: &str, key: i64, name: &str) -> Self {
        let options = url.options(application);
        Self {
            options: options.options([("idle_session_timeout", IDLE), ("statement_timeout", "5s")]),
            place: url.to_string(),
            key,
            name: name.to_owned(),
        }
    }

    /// Stands by until the lock is ours and the epoch is raised; through restarts of PostgreSQL, for ever.
    pub(super) async fn stand_by(&self) -> Lead {
        let mut told = false;
        loop {
            match self.compete().await {
                Ok(lead) => return lead,
                Err(error) if told => tracing::debug!(%error, "lock session"),
                Err(error) => tracing::warn!(%error, lock = %self.place, "no session for the leader's lock; trying on"),
            }
            told = true;
            sleep(TRY).await;
        }
    }

    /// On one session: tries until it has the lock.
    async fn compete(&self) -> Result<Lead, EngineError> {
        let mut connection = answered(async { Ok(self.options.connect().await?) }).await?;
        while !answered(outbox::try_lock(&mut connection, self.key)).await? {
            sleep(TRY).await;
        }
        let before = MonotonicNs::now();
        let epoch = answered(outbox::take_lead(&mut connection, &self.name)).await?;
        Ok(Lead::keep(connection, epoch, before))
    }
}

impl Lead {
    fn keep(connection: PgConnection, epoch: i64, beat: MonotonicNs) -> Self {
        let (asks, asked) = mpsc::channel(1);
        let last_beat = Arc::new(AtomicU64::new(beat.0));
        let keeper = tokio::spawn(keep(connection, asked, last_beat.clone()));
        Self {
            epoch,
            asks,
            last_beat,
            keeper,
        }
    }

    /// Was the session known to live a moment ago? After a stop of the whole process it was not, whatever the rest says.
    pub(super) fn is_fresh(&self) -> bool {
        let beat = MonotonicNs(self.last_beat.load(Ordering::Relaxed));
        MonotonicNs::now().saturating_since(beat) < FRESH
    }

    /// Asks the session now: does it live?
    pub(super) async fn lives(&self) -> bool {
        let (ask, answer) = oneshot::channel();
        self.asks.send(ask).await.is_ok() && answer.await.unwrap_or(false)
    }

    /// Waits until the session is lost. May be dropped and called again.
    pub(super) async fn lost(&self) {
        self.asks.closed().await;
    }

    /// Gives the lock back.
    pub(super) async fn release(self) {
        drop(self.asks);
        // It ends within one beat and one close, both bounded; a panic in it is logged by the runtime.
        let _ = self.keeper.await;
    }
}

/// Beats until the session is lost (the channel closes) or the lead is given back (its other end is dropped).
async fn keep(
    mut connection: PgConnection,
    mut asked: mpsc::Receiver<oneshot::Sender<bool>>,
    last_beat: Arc<AtomicU64>,
) {
    let mut tick = interval(BEAT);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let ask = tokio::select! {
            _ = tick.tick() => None,
            ask = asked.recv() => match ask {
                Some(ask) => Some(ask),
                None => break,
            },
        };
        let before = MonotonicNs::now();
        let beat = timeout(BEAT_ANSWERED_WITHIN, outbox::beat(&mut connection)).await;
        let lives = matches!(beat, Ok(Ok(())));
        if lives {
            last_beat.store(before.0, Ordering::Relaxed);
        }
        if let Some(ask) = ask {
            // Nobody waits any more: nobody needs to know.
            let _ = ask.send(lives);
        }
        match beat {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return tracing::warn!(%error, "the session that held the leader's lock is lost"),
            Err(_) => return tracing::warn!("the session that held the leader's lock does not answer"),
        }
    }
    // A server that does not hear it ends the session by itself.
    let _ = timeout(BEAT_ANSWERED_WITHIN, connection.close()).await;
}

async fn answered<T>(work: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
    let late = |_| EngineError::Database(sqlx::Error::PoolTimedOut);
    timeout(ANSWER_WITHIN, work).await.map_err(late)?
}
