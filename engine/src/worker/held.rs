//! What a worker holds: slots, and the leases behind them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossover_proto::JobId;
use crossover_proto::engine as wire;
use crossover_proto::history::JobKey;
use metrics::{counter, gauge};
use tokio::sync::Semaphore;

use super::Shared;

/// Jobs from their receipt to the answer to their report; at most the worker's concurrency.
pub(super) struct Held {
    slots: Semaphore,
    leases: Mutex<HashMap<JobId, (JobKey, Instant)>>,
}

impl Held {
    pub(super) fn new(concurrency: u32) -> Self {
        Self {
            slots: Semaphore::new(concurrency as usize),
            leases: Mutex::default(),
        }
    }

    /// Waits for a free slot and takes up to `max`. Each must come back by [`Held::free`].
    pub(super) async fn take(&self, max: u32) -> u32 {
        // The semaphore is never closed.
        let Ok(first) = self.slots.acquire().await else {
            return 0;
        };
        first.forget();
        1 + self.try_take(max.saturating_sub(1))
    }

    /// As [`Held::take`], but does not wait: it may get none.
    pub(super) fn try_take(&self, max: u32) -> u32 {
        let slots = u32::try_from(self.slots.available_permits())
            .unwrap_or(u32::MAX)
            .min(max);
        match self.slots.try_acquire_many(slots) {
            Ok(taken) => {
                taken.forget();
                slots
            }
            Err(_) => 0,
        }
    }

    /// Gives slots back.
    pub(super) fn free(&self, slots: u32) {
        self.slots.add_permits(slots as usize);
    }

    /// These are held now.
    pub(super) fn add(&self, keys: impl Iterator<Item = JobKey>) {
        let now = Instant::now();
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.extend(keys.map(|key| (key.job, (key, now))));
        gauge!("worker_jobs_held").set(leases.len() as f64);
    }

    /// These are reported: their slots are free.
    pub(super) fn remove(&self, keys: impl Iterator<Item = JobKey>) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let mut freed = 0;
        for key in keys {
            // The same job may be held again under a later attempt; each attempt has a slot of its own.
            if leases
                .get(&key.job)
                .is_some_and(|(held, _)| held.attempt == key.attempt)
            {
                leases.remove(&key.job);
            }
            freed += 1;
        }
        drop(leases);
        self.slots.add_permits(freed);
    }

    fn older_than(&self, age: Duration) -> Vec<JobKey> {
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases
            .values()
            .filter(|(_, since)| since.elapsed() >= age)
            .map(|(key, _)| *key)
            .collect()
    }

    fn renew(&self, keys: &[JobKey], at: Instant) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if let Some((_, since)) = leases.get_mut(&key.job) {
                *since = at;
            }
        }
    }

    /// Gives back all that is held, at the end of the grace time.
    pub(super) async fn release_all(&self, shared: &Shared) {
        // Without an answer the leases run out.
        let _ = release(shared, &self.older_than(Duration::ZERO)).await;
    }
}

/// Gives jobs back unfinished; are they given back (or not ours any more)?
pub(super) async fn release(shared: &Shared, keys: &[JobKey]) -> bool {
    if keys.is_empty() {
        return true;
    }
    tracing::info!(jobs = keys.len(), "giving unfinished jobs back");
    let request = wire::LeaseRequest {
        jobs: keys.iter().map(job_ref).collect(),
        worker: shared.name.clone(),
        lease_ms: 0,
    };
    let answer = shared
        .client
        .call(
            Duration::ZERO,
            |mut replica| async move { replica.release(request).await },
        )
        .await;
    if let Err(status) = &answer {
        tracing::warn!(%status, "jobs could not be given back: their leases will run out");
    }
    answer.is_ok()
}

/// Prolongs leases that are a third used, for as long as the worker lives.
pub(super) async fn keep(shared: Arc<Shared>) {
    let third = shared.lease / 3;
    loop {
        tokio::time::sleep(third / 2).await;
        let keys = shared.held.older_than(third);
        for keys in keys.chunks(1_000) {
            let asked = Instant::now();
            let request = wire::LeaseRequest {
                jobs: keys.iter().map(job_ref).collect(),
                worker: shared.name.clone(),
                lease_ms: u32::try_from(shared.lease.as_millis()).unwrap_or(u32::MAX),
            };
            match shared
                .client
                .call(
                    Duration::ZERO,
                    |mut replica| async move { replica.extend(request).await },
                )
                .await
            {
                Ok(answer) => {
                    let held = |outcome: &&i32| **outcome == i32::from(wire::Outcome::Done);
                    counter!("worker_leases_extended_total")
                        .increment(answer.outcomes.iter().filter(held).count() as u64);
                    shared.held.renew(keys, asked);
                }
                Err(status) => tracing::warn!(%status, "leases could not be prolonged"),
            }
        }
    }
}

/// The wire form of an attempt.
pub(super) fn job_ref(key: &JobKey) -> wire::JobRef {
    wire::JobRef {
        job_id: key.job.0,
        attempt: u32::from(key.attempt),
        instance_id: key.instance.to_wire().to_vec().into(),
    }
}
