//! One statement at a time, on a session of its own, while everything else goes on.

use std::pin::Pin;

use super::session::Session;

type Work<T> = Pin<Box<dyn Future<Output = (Session, T)> + Send>>;

/// A session, or the statement that has it.
pub(super) struct Desk<T> {
    idle: Option<Session>,
    busy: Option<Work<T>>,
}

impl<T> Desk<T> {
    pub(super) fn new(session: Session) -> Self {
        Self {
            idle: Some(session),
            busy: None,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.idle.is_some()
    }

    /// Begins, if it is idle.
    pub(super) fn begin<W: Future<Output = (Session, T)> + Send + 'static>(&mut self, work: impl FnOnce(Session) -> W) {
        if let Some(session) = self.idle.take() {
            self.busy = Some(Box::pin(work(session)));
        }
    }

    /// Waits for the end of what was begun; for ever if nothing was. May be dropped and called again.
    pub(super) async fn done(&mut self) -> T {
        let Some(work) = &mut self.busy else {
            return std::future::pending().await;
        };
        let (session, outcome) = work.as_mut().await;
        self.busy = None;
        self.idle = Some(session);
        outcome
    }
}
