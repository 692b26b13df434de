//! Runs handlers, however their jobs came: records the start, draws what the handler does, records its end, passes the
//! report on.

use std::io;
use std::sync::Arc;

use crossover_proto::history::{Event, JobKey, Outcome};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Shared;
use super::consumer::Ticket;
use super::downstream::Downstream;
use super::handler::{self, Failure, Running};
use super::reporter::Report;
use crate::command::HandlerKind;

/// What a handler needs. Its methods want a runtime around them.
#[derive(Clone)]
pub(super) struct Executor {
    shared: Arc<Shared>,
    reports: mpsc::UnboundedSender<Report>,
    handler: HandlerKind,
    /// The service that handlers call; none if there is none.
    downstream: Option<Arc<Downstream>>,
}

impl Executor {
    pub(super) fn new(
        shared: Arc<Shared>,
        reports: mpsc::UnboundedSender<Report>,
        handler: HandlerKind,
        downstream: Option<Downstream>,
    ) -> Self {
        Self {
            shared,
            reports,
            handler,
            downstream: downstream.map(Arc::new),
        }
    }

    /// Starts one job's handler, right after its record. Only what is left of a handler that takes time goes into a task:
    /// so handlers start in the order of the calls.
    pub(super) fn start(&self, key: JobKey, payload: &[u8], ticket: Option<Ticket>) -> io::Result<()> {
        self.shared.recorder.record(Event::Started(key))?;
        let running = handler::start(self.handler, &key, payload);
        if running.service.is_zero() && running.calls.is_none() {
            return self.finish(key, running.failure, ticket);
        }
        let end = Instant::now() + running.service;
        let executor = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until(end).await;
            let failure = executor.rest_of(running).await;
            if let Err(error) = executor.finish(key, failure, ticket) {
                give_up(&error);
            }
        });
        Ok(())
    }

    /// What a handler does after its service time: the call, if it makes one. A call that failed tells more than the draw.
    async fn rest_of(&self, running: Running) -> Option<Failure> {
        let called = match (&running.calls, &self.downstream) {
            (None, _) => Ok(()),
            (Some(policy), Some(downstream)) => downstream.call(policy).await,
            (Some(policy), None) => Err(Failure {
                permanent: true,
                reason: format!(
                    "the handler calls a downstream service under the policy {policy:?}, and this worker was started without --downstream"
                ),
            }),
        };
        called.err().or(running.failure)
    }

    /// Records the end of a handler and passes the report on.
    fn finish(&self, key: JobKey, failure: Option<Failure>, ticket: Option<Ticket>) -> io::Result<()> {
        let outcome = match &failure {
            None => Outcome::Done,
            Some(failure) if failure.permanent => Outcome::Permanent,
            Some(_) => Outcome::Transient,
        };
        self.shared.recorder.record(Event::Finished(key, outcome))?;
        if let Some(ticket) = &ticket {
            ticket.ended();
        }
        // The reporter outlives the handlers; if it is gone, the process is going too, and the lease runs out.
        let _ = self.reports.send(Report { key, failure, ticket });
        Ok(())
    }
}

/// A history that can't be written makes the run worthless: better to be seen dead than to work unrecorded.
pub(super) fn give_up(error: &io::Error) -> ! {
    tracing::error!(%error, "can't record the history: is the disk full?");
    std::process::exit(1)
}
