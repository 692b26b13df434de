//! Wakes long polls when jobs become ready: this replica's at once, the other replicas' by NOTIFY.
//!
//! NOTIFY is never inside a job's transaction: it takes a database-wide lock through commit, ends group commit, and
//! would show as a `Lock` wait that has nothing to do with job rows. It is sent after the commit, on a connection of
//! its own, at most once in [`NOTIFY_GAP`]. A crash between commit and NOTIFY costs one poll interval, no job.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnection, PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::EngineError;
use crate::service::{Stop, stopped};
use crate::store::DatabaseUrl;
use crate::store::notify::{CHANNEL, PAYLOAD_BYTES_MAX, notify};

/// Shortest time between two NOTIFYs of a replica: more would not make a poll earlier than its round trip.
const NOTIFY_GAP: Duration = Duration::from_millis(1);
/// Wait before a broken connection is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Shared by the API, the housekeeping and the two NOTIFY tasks of a replica.
#[derive(Debug, Clone)]
pub(super) struct Wakeups(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    replica: String,
    waiting: Mutex<HashMap<String, Arc<Notify>>>,
    /// Job types to tell other replicas of; `None` when NOTIFY is off.
    outgoing: Mutex<Option<HashSet<String>>>,
    outgoing_any: Notify,
}

impl Wakeups {
    pub(super) fn new(replica: &str) -> Self {
        Self(Arc::new(Inner {
            replica: replica.replace(' ', "_"),
            waiting: Mutex::default(),
            outgoing: Mutex::default(),
            outgoing_any: Notify::new(),
        }))
    }

    /// What a long poll for this job type waits on.
    pub(super) fn of(&self, job_type: &str) -> Arc<Notify> {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.get(job_type) {
            Some(notify) => notify.clone(),
            None => waiting.entry(job_type.to_owned()).or_default().clone(),
        }
    }

    /// Jobs of these types are committed and ready.
    pub(super) fn ready<'a>(&self, job_types: impl Iterator<Item = &'a str> + Clone) {
        self.wake_local(job_types.clone());
        let mut outgoing = self.0.outgoing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pending) = outgoing.as_mut() {
            for job_type in job_types {
                if !pending.contains(job_type) {
                    pending.insert(job_type.to_owned());
                }
            }
            self.0.outgoing_any.notify_one();
        }
    }

    fn wake_local<'a>(&self, job_types: impl Iterator<Item = &'a str>) {
        let waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for notify in job_types.filter_map(|job_type| waiting.get(job_type)) {
            notify.notify_waiters();
        }
    }

    fn wake_all(&self) {
        let waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.values().for_each(|notify| notify.notify_waiters());
    }

    /// `REPLICA JOB_TYPE JOB_TYPE …`, as many as one notification holds; `None` if there are none left.
    fn take_outgoing(&self) -> Option<String> {
        let mut outgoing = self.0.outgoing.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = outgoing.as_mut().filter(|pending| !pending.is_empty())?;
        let mut payload = self.0.replica.clone();
        pending.retain(|job_type| {
            let fits = payload.len() + 1 + job_type.len() <= PAYLOAD_BYTES_MAX;
            if fits {
                payload.push(' ');
                payload.push_str(job_type);
            }
            !fits
        });
        Some(payload)
    }

    fn receive(&self, payload: &str) {
        let mut words = payload.split(' ');
        // Our own came back: its jobs were woken for at the commit.
        if words.next() != Some(self.0.replica.as_str()) {
            self.wake_local(words);
        }
    }
}

/// Tells the others: on a connection of its own.
pub(super) fn spawn_sender(wakeups: &Wakeups, url: &DatabaseUrl, application: &str, stop: Stop) {
    *wakeups.0.outgoing.lock().unwrap_or_else(PoisonError::into_inner) = Some(HashSet::new());
    let sending = send_loop(wakeups.clone(), url.clone(), application.to_owned());
    tokio::spawn(until(stop, sending));
}

/// Hears the others: on a connection of its own.
pub(super) async fn spawn_listener(
    wakeups: &Wakeups,
    url: &DatabaseUrl,
    application: &str,
    stop: Stop,
) -> Result<(), EngineError> {
    let listener = connect_listener(url, application).await?;
    let (url, application) = (url.clone(), application.to_owned());
    tokio::spawn(until(stop, listen_loop(wakeups.clone(), url, application, listener)));
    Ok(())
}

async fn until(stop: Stop, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = stopped(stop) => {}
    }
}

async fn send_loop(wakeups: Wakeups, url: DatabaseUrl, application: String) {
    let mut connection: Option<PgConnection> = None;
    loop {
        wakeups.0.outgoing_any.notified().await;
        while let Some(payload) = wakeups.take_outgoing() {
            let next = Instant::now() + NOTIFY_GAP;
            if let Err(error) = send(&mut connection, &url, &application, &payload).await {
                // The slow poll covers what was not told.
                tracing::warn!(%error, "NOTIFY failed");
                connection = None;
                tokio::time::sleep(RETRY).await;
            }
            sleep_until(next).await;
        }
    }
}

async fn send(
    connection: &mut Option<PgConnection>,
    url: &DatabaseUrl,
    application: &str,
    payload: &str,
) -> Result<(), sqlx::Error> {
    let connection = match connection {
        Some(open) => open,
        None => connection.insert(url.options(application).connect().await?),
    };
    notify(connection, payload).await
}

async fn connect_listener(url: &DatabaseUrl, application: &str) -> Result<PgListener, EngineError> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(url.options(application))
        .await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

async fn listen_loop(wakeups: Wakeups, url: DatabaseUrl, application: String, mut listener: PgListener) {
    loop {
        match listener.try_recv().await {
            Ok(Some(notification)) => wakeups.receive(notification.payload()),
            // The connection was lost and made again: what came between is unknown, so everybody looks.
            Ok(None) => wakeups.wake_all(),
            Err(error) => {
                tracing::warn!(%error, "LISTEN failed");
                tokio::time::sleep(RETRY).await;
                if let Ok(again) = connect_listener(&url, &application).await {
                    listener = again;
                    wakeups.wake_all();
                }
            }
        }
    }
}
