//! The reaper and the scheduler of a replica: take back jobs whose lease ran out, make due jobs ready.
//!
//! Safe with many replicas: rows that another replica is working on are passed over (SKIP LOCKED).

use std::collections::HashSet;
use std::time::Duration;

use metrics::counter;
use tokio::time::MissedTickBehavior;

use super::wake::Wakeups;
use crate::EngineError;
use crate::service::{Stop, stopped};
use crate::store::Store;

/// Jobs handled in one statement: small enough to hold row locks for milliseconds only.
const BATCH: u32 = 500;

/// Runs both until asked to stop.
pub(super) fn spawn(store: Store, wakeups: Wakeups, interval: Duration, stop: Stop) {
    tokio::spawn(async move {
        // Replicas started together must not look together.
        tokio::time::sleep(interval.mul_f64(rand::random())).await;
        let mut tick = tokio::time::interval(interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = stopped(stop.clone()) => return,
            }
            if let Err(error) = round(&store, &wakeups).await {
                tracing::warn!(%error, "housekeeping failed");
            }
        }
    });
}

async fn round(store: &Store, wakeups: &Wakeups) -> Result<(), EngineError> {
    loop {
        let reaped = store.reap(BATCH).await?;
        counter!("engine_leases_expired_total").increment(reaped.jobs as u64);
        tell(wakeups, &reaped.ready);
        if !reaped.more {
            break;
        }
    }
    loop {
        let promoted = store.promote(BATCH).await?;
        counter!("engine_jobs_promoted_total").increment(promoted.jobs as u64);
        tell(wakeups, &promoted.ready);
        if !promoted.more {
            return Ok(());
        }
    }
}

fn tell(wakeups: &Wakeups, ready: &HashSet<String>) {
    if !ready.is_empty() {
        wakeups.ready(ready.iter().map(String::as_str));
    }
}
