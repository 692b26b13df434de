//! Polls for jobs of one type and hands them to handlers.
//!
//! With `--wake interval` it looks at fixed ticks, from a random phase. A full answer means that there may be more: it
//! looks again at once, so that a backlog is not drained at batch ÷ interval. With `--wake notify` the replica holds
//! the call until a job is ready, and the interval bounds the wait.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossover_proto::clock::MonotonicNs;
use crossover_proto::engine as wire;
use crossover_proto::history::{Event, JobKey, Outcome};
use crossover_proto::{InstanceId, JobId};
use metrics::{counter, histogram};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::Shared;
use super::handler::{self, Failure};
use super::reporter::Report;
use crate::command::{HandlerKind, Wake, WorkerArgs};
use crate::service::{Stop, stopped};

/// Wait after a poll that failed.
const RETRY: Duration = Duration::from_millis(200);

pub(super) struct Poller {
    shared: Arc<Shared>,
    reports: mpsc::UnboundedSender<Report>,
    request: wire::PollRequest,
    interval: Duration,
    wake: Wake,
    handler: HandlerKind,
}

impl Poller {
    pub(super) fn new(
        args: &WorkerArgs,
        job_type: &str,
        shared: Arc<Shared>,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Self {
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let request = wire::PollRequest {
            job_type: job_type.to_owned(),
            max_jobs: most_at_once(args),
            worker: args.process.name.clone(),
            lease_ms: millis(args.lease),
            wait_ms: if args.wake == Wake::Notify {
                millis(args.interval)
            } else {
                0
            },
        };
        Self {
            shared,
            reports,
            request,
            interval: args.interval,
            wake: args.wake,
            handler: args.handler,
        }
    }

    /// Polls until asked to stop.
    pub(super) async fn run(self, stop: Stop) {
        let phase = self.interval.mul_f64(rand::random());
        let mut tick = interval_at(Instant::now() + phase, self.interval);
        // Fixed ticks: a late one does not move the next.
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while !*stop.borrow() {
            if self.wake == Wake::Interval {
                tokio::select! {
                    _ = tick.tick() => {}
                    () = stopped(stop.clone()) => return,
                }
            }
            self.drain(&stop).await;
        }
    }

    /// Polls until an answer is not full.
    async fn drain(&self, stop: &Stop) {
        loop {
            let slots = tokio::select! {
                slots = self.shared.held.take(self.request.max_jobs) => slots,
                () = stopped(stop.clone()) => return,
            };
            let request = wire::PollRequest {
                max_jobs: slots,
                ..self.request.clone()
            };
            // Never broken off: jobs of an unread answer would wait out their leases. On a stop, a long poll ends
            // within the interval.
            let jobs = match self.shared.client.poll(request).await {
                Ok(jobs) => jobs,
                Err(status) => {
                    tracing::warn!(%status, "poll failed");
                    self.shared.held.free(slots);
                    tokio::time::sleep(RETRY).await;
                    return;
                }
            };
            let found = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
            self.shared.held.free(slots.saturating_sub(found));
            counter!("worker_polls_total").increment(1);
            histogram!("worker_poll_jobs").record(f64::from(found));
            if let Err(error) = self.receive(jobs) {
                give_up(&error);
            }
            if found < slots || *stop.borrow() {
                return;
            }
        }
    }

    fn receive(&self, jobs: Vec<wire::Job>) -> io::Result<()> {
        let jobs: Vec<(JobKey, wire::Job)> = jobs.into_iter().filter_map(|job| Some((key_of(&job)?, job))).collect();
        self.shared.held.add(jobs.iter().map(|(key, _)| *key));
        let received = jobs.iter().map(|(key, _)| Event::Received(*key));
        self.shared.recorder.record_all(MonotonicNs::now(), received)?;
        for (key, job) in jobs {
            self.start(key, &job)?;
        }
        Ok(())
    }

    /// Starts one job's handler. Handlers start in the order of the claim, each right after its record; only what is
    /// left of a handler that takes time goes into a task.
    fn start(&self, key: JobKey, job: &wire::Job) -> io::Result<()> {
        self.shared.recorder.record(Event::Started(key))?;
        let running = handler::start(self.handler, &key, &job.payload);
        if running.service.is_zero() {
            return finish(&self.shared, &self.reports, key, running.failure);
        }
        let end = Instant::now() + running.service;
        let (shared, reports) = (self.shared.clone(), self.reports.clone());
        tokio::spawn(async move {
            tokio::time::sleep_until(end).await;
            if let Err(error) = finish(&shared, &reports, key, running.failure) {
                give_up(&error);
            }
        });
        Ok(())
    }
}

/// Jobs in one poll. A long poll holds its slots while it waits: no type may hold those of all the others.
fn most_at_once(args: &WorkerArgs) -> u32 {
    let types = u32::try_from(args.job_type.len()).unwrap_or(u32::MAX).max(1);
    match args.wake {
        Wake::Interval => args.batch,
        Wake::Notify => args.batch.min((args.concurrency / types).max(1)),
    }
}

/// Records the end of a handler and passes the report on.
fn finish(
    shared: &Shared,
    reports: &mpsc::UnboundedSender<Report>,
    key: JobKey,
    failure: Option<Failure>,
) -> io::Result<()> {
    let outcome = match &failure {
        None => Outcome::Done,
        Some(failure) if failure.permanent => Outcome::Permanent,
        Some(_) => Outcome::Transient,
    };
    shared.recorder.record(Event::Finished(key, outcome))?;
    // The reporter outlives the handlers; if it is gone, the process is going too, and the lease runs out.
    let _ = reports.send(Report { key, failure });
    Ok(())
}

/// A history that can't be written makes the run worthless: better to be seen dead than to work unrecorded.
pub(super) fn give_up(error: &io::Error) -> ! {
    tracing::error!(%error, "can't record the history: is the disk full?");
    std::process::exit(1)
}

fn key_of(job: &wire::Job) -> Option<JobKey> {
    let reference = job.job.as_ref()?;
    Some(JobKey {
        instance: InstanceId::from_wire(&reference.instance_id)?,
        job: JobId(reference.job_id),
        attempt: u16::try_from(reference.attempt).ok()?,
        step: u16::try_from(job.step).ok()?,
        ordinal: u16::try_from(job.ordinal).ok()?,
    })
}
