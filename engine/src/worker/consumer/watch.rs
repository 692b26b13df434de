//! The metrics of a consumer.

use metrics::{Counter, Gauge, counter, gauge};

use super::tracker::Tracker;

pub(super) struct Watch {
    pub(super) received: Counter,
    pub(super) twins: Counter,
    pub(super) unreadable: Counter,
    assigned: Gauge,
    paused: Gauge,
    window: Gauge,
    shown: Option<(usize, usize, usize)>,
    job_type: String,
}

impl Watch {
    pub(super) fn new(job_type: &str) -> Self {
        let label = || job_type.to_owned();
        Self {
            received: counter!("worker_records_received_total", "job_type" => label()),
            twins: counter!("worker_records_duplicate_total", "job_type" => label()),
            unreadable: counter!("worker_records_unreadable_total", "job_type" => label()),
            assigned: gauge!("worker_partitions_assigned", "job_type" => label()),
            paused: gauge!("worker_partitions_paused", "job_type" => label()),
            window: gauge!("worker_window_records", "job_type" => label()),
            shown: None,
            job_type: label(),
        }
    }

    /// A rebalance: `assigned`, `revoked` or `lost`.
    pub(super) fn rebalanced(&self, kind: &'static str) {
        counter!("worker_rebalances_total", "job_type" => self.job_type.clone(), "kind" => kind).increment(1);
    }

    pub(super) fn show(&mut self, tracker: &Tracker) {
        let sizes = tracker.sizes();
        if self.shown.replace(sizes) != Some(sizes) {
            let (assigned, paused, records) = sizes;
            self.assigned.set(assigned as f64);
            self.paused.set(paused as f64);
            self.window.set(records as f64);
        }
    }
}
