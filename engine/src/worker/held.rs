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
    leases: Mutex<HashMap<JobId, Lease>>,
}

struct Lease {
    key: JobKey,
    since: Instant,
    /// The engine would not prolong it: the attempt is over, or somebody else's.
    lost: bool,
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
        leases.extend(keys.map(|key| {
            let lease = Lease {
                key,
                since: now,
                lost: false,
            };
            (key.job, lease)
        }));
        gauge!("worker_jobs_held").set(leases.len() as f64);
    }

    /// Is the lease of this attempt this worker's, as far as it knows?
    pub(super) fn holds(&self, key: &JobKey) -> bool {
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases
            .get(&key.job)
            .is_some_and(|lease| lease.key.attempt == key.attempt && !lease.lost)
    }

    /// These are reported, or not to be run: their slots are free.
    pub(super) fn remove(&self, keys: impl Iterator<Item = JobKey>) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let mut freed = 0;
        for key in keys {
            // The same job may be held again under a later attempt; each attempt has a slot of its own.
            if leases
                .get(&key.job)
                .is_some_and(|lease| lease.key.attempt == key.attempt)
            {
                leases.remove(&key.job);
            }
            freed += 1;
        }
        gauge!("worker_jobs_held").set(leases.len() as f64);
        drop(leases);
        self.slots.add_permits(freed);
    }

    fn older_than(&self, age: Duration) -> Vec<JobKey> {
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases
            .values()
            .filter(|lease| !lease.lost && lease.since.elapsed() >= age)
            .map(|lease| lease.key)
            .collect()
    }

    /// What the engine answered to a wish to prolong, asked at `at`; returns how many are prolonged.
    fn renew(&self, answers: impl Iterator<Item = (JobKey, bool)>, at: Instant) -> u64 {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let mut prolonged = 0;
        for (key, held) in answers {
            prolonged += u64::from(held);
            // Meanwhile it may have been reported, and begun again under a later attempt.
            if let Some(lease) = leases.get_mut(&key.job)
                && lease.key.attempt == key.attempt
            {
                lease.since = at;
                lease.lost = !held;
            }
        }
        prolonged
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
                    let held = answer.outcomes().map(|outcome| outcome == wire::Outcome::Done);
                    let prolonged = shared.held.renew(keys.iter().copied().zip(held), asked);
                    counter!("worker_leases_extended_total").increment(prolonged);
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

#[cfg(test)]
mod tests {
    use crossover_proto::InstanceId;

    use super::*;

    fn key(attempt: u16) -> JobKey {
        JobKey {
            instance: InstanceId::new(),
            job: JobId(1),
            attempt,
            step: 0,
            ordinal: 0,
        }
    }

    #[test]
    fn an_attempt_whose_lease_was_not_prolonged_is_held_no_more() {
        let (held, first) = (Held::new(4), key(1));
        held.add([first].into_iter());
        assert!(held.holds(&first));
        assert_eq!(held.renew([(first, true)].into_iter(), Instant::now()), 1);
        assert!(held.holds(&first));
        assert_eq!(held.renew([(first, false)].into_iter(), Instant::now()), 0);
        assert!(!held.holds(&first));
        assert_eq!(held.older_than(Duration::ZERO), []);
    }

    #[test]
    fn an_answer_about_an_earlier_attempt_says_nothing_of_the_later() {
        let (held, second) = (Held::new(4), key(2));
        held.add([second].into_iter());
        held.renew([(key(1), false)].into_iter(), Instant::now());
        assert!(held.holds(&second));
        assert!(!held.holds(&key(1)));
    }
}
