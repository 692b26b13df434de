//! The service that handlers call, as the harness sees it: what it has counted, from its `/metrics`.

use std::time::Duration;

use crossover_evidence::downstream::PolicyCounts;
use crossover_evidence::samples::Sample;
use crossover_proto::clock::MonotonicNs;
use tokio::time::MissedTickBehavior;

use super::metrics::{self, Metrics};
use super::parts::Parts;
use super::samplers::Sink;
use crate::scenario::Document;

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(200);

/// Asks the service what it has counted.
pub struct DownstreamView {
    metrics: Metrics,
    address: String,
    policies: Vec<String>,
}

impl DownstreamView {
    /// `None` if the run has no such service.
    pub fn new(parts: &Parts, document: &Document) -> Option<Self> {
        let policies = document.downstream.as_ref()?.policies.keys().cloned().collect();
        Some(Self {
            metrics: Metrics::new(),
            address: parts.downstream_address()?,
            policies,
        })
    }

    /// By policy; `None` if it does not answer.
    pub async fn counts(&self) -> Option<Vec<PolicyCounts>> {
        let page = self.metrics.page(&self.address).await;
        let counts = |policy: &String| of_policy(&page, policy);
        (!page.is_empty()).then(|| self.policies.iter().map(counts).collect())
    }

    /// One look, as a sample.
    pub async fn look(&self) -> Option<Sample> {
        let policies = self.counts().await?;
        Some(Sample::Downstream {
            at: MonotonicNs::now().0,
            policies,
        })
    }

    /// Looks again and again.
    pub(super) async fn watch(self, sink: Sink) {
        let mut tick = tokio::time::interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tick.tick().await;
            if let Some(sample) = self.look().await {
                sink.write(&sample);
            }
        }
    }
}

/// A series that has not begun stands at zero.
fn of_policy(page: &str, policy: &str) -> PolicyCounts {
    let count = |series: String| metrics::value(page, &series).unwrap_or(0.0) as u64;
    let requests = |health| {
        count(format!(
            "downstream_requests_total{{policy=\"{policy}\",health=\"{health}\"}}"
        ))
    };
    let answers = |answer| {
        count(format!(
            "downstream_answers_total{{policy=\"{policy}\",answer=\"{answer}\"}}"
        ))
    };
    let while_sick = requests("sick");
    PolicyCounts {
        policy: policy.to_owned(),
        requests: while_sick + requests("well"),
        requests_while_sick: while_sick,
        ok: answers("ok"),
        slow: answers("slow"),
        refused: answers("refused"),
        failed: answers("failed"),
        abandoned: answers("abandoned"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_a_policy_are_its_series_and_nobody_elses() {
        let page = "# TYPE downstream_requests_total counter\n\
                    downstream_requests_total{policy=\"naive\",health=\"well\"} 40\n\
                    downstream_requests_total{policy=\"naive\",health=\"sick\"} 7\n\
                    downstream_requests_total{policy=\"naive-2\",health=\"sick\"} 900\n\
                    downstream_answers_total{policy=\"naive\",answer=\"ok\"} 41\n\
                    downstream_answers_total{policy=\"naive\",answer=\"failed\"} 6\n";
        let counts = of_policy(page, "naive");
        assert_eq!((counts.requests, counts.requests_while_sick), (47, 7));
        assert_eq!((counts.ok, counts.failed, counts.refused), (41, 6, 0));
    }
}
