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
use crossover_proto::history::{Event, JobKey};
use crossover_proto::{InstanceId, JobId};
use metrics::{counter, histogram};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::Shared;
use super::executor::{Executor, give_up};
use crate::command::{Wake, WorkerArgs};
use crate::service::{Stop, stopped};

/// Wait after a poll that failed.
const RETRY: Duration = Duration::from_millis(200);

pub(super) struct Poller {
    shared: Arc<Shared>,
    executor: Executor,
    request: wire::PollRequest,
    interval: Duration,
    wake: Wake,
}

impl Poller {
    pub(super) fn new(args: &WorkerArgs, job_type: &str, shared: Arc<Shared>, executor: Executor) -> Self {
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
            executor,
            request,
            interval: args.interval,
            wake: args.wake,
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
            self.executor.start(key, &job.payload, None)?;
        }
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
