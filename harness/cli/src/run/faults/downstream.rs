//! The service that handlers call, made sick: seen to take effect by requests of workers that it has answered with a
//! failure, or late, since.

use std::time::Duration;

use anyhow::Context;
use crossover_evidence::downstream::PolicyCounts;
use crossover_proto::downstream::Sickness;
use crossover_proto::downstream::downstream_client::DownstreamClient;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::transport::Endpoint;

use super::Timeline;
use crate::run::downstream::DownstreamView;
use crate::scenario::DownstreamFault;

/// The service takes an instruction at once, however sick it is.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// Time between looks at what it has counted.
const PAUSE: Duration = Duration::from_millis(50);

impl Timeline {
    /// True if a request was answered as the fault has it before its time was up.
    pub(super) async fn make_sick(&self, fault: DownstreamFault, lasts: Duration) -> anyhow::Result<bool> {
        let until = Instant::now() + lasts;
        let view = DownstreamView::new(&self.parts, &self.document).context("this run has no downstream service")?;
        let before = view.counts().await.context("the downstream service does not answer")?;
        let sickness = match fault {
            DownstreamFault::Fail { share } => Sickness {
                fail_share: Some(share),
                slow_us: None,
            },
            DownstreamFault::Slow { latency } => Sickness {
                fail_share: None,
                slow_us: Some(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)),
            },
        };
        self.set_sickness(sickness).await?;
        while Instant::now() < until {
            let now = view.counts().await.unwrap_or_default();
            if suffered(fault, &now) > suffered(fault, &before) {
                return Ok(true);
            }
            sleep_until(until.min(Instant::now() + PAUSE)).await;
        }
        Ok(false)
    }

    /// Takes the sickness of this fault away; that of another stays.
    pub(super) async fn make_well(&self, fault: DownstreamFault) -> anyhow::Result<()> {
        let (fail_share, slow_us) = match fault {
            DownstreamFault::Fail { .. } => (Some(0.0), None),
            DownstreamFault::Slow { .. } => (None, Some(0)),
        };
        self.set_sickness(Sickness { fail_share, slow_us }).await
    }

    async fn set_sickness(&self, sickness: Sickness) -> anyhow::Result<()> {
        let address = self
            .parts
            .downstream_address()
            .context("this run has no downstream service")?;
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
        let mut client = DownstreamClient::new(endpoint.connect_lazy());
        let set = timeout(ANSWERS_WITHIN, client.set_sickness(sickness)).await;
        set.context("the downstream service does not answer")??;
        Ok(())
    }
}

/// Requests under all policies that were answered as the fault has it. Of a slow service, also those whose callers left.
fn suffered(fault: DownstreamFault, counts: &[PolicyCounts]) -> u64 {
    let of_policy = |counts: &PolicyCounts| match fault {
        DownstreamFault::Fail { .. } => counts.failed,
        DownstreamFault::Slow { .. } => counts.slow + counts.abandoned,
    };
    counts.iter().map(of_policy).sum()
}
