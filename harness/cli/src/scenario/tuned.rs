//! `[polling.tuned]`: what a team would try on the polling it has, before the architecture is blamed.

use std::time::Duration;

use crossover_proto::schema::DurationText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Claim, Polling, WakeKind};

/// Settings that take the place of those of `[polling]` where polling is run tuned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tuned {
    /// In place of `polling.interval` where `capacity` and `map` run polling tuned.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "DurationText")]
    pub interval: Duration,
    /// Likewise in place of `polling.batch`.
    pub batch: u32,
    /// Likewise in place of `polling.wake`.
    pub wake: WakeKind,
    /// Likewise in place of `polling.claim`.
    pub claim: Claim,
}

impl Default for Tuned {
    /// NOTIFY finds new jobs, so the interval is only for those whose notification was lost; a large batch makes one commit
    /// do for many jobs; and no claim waits for the rows of another.
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(50),
            batch: 500,
            wake: WakeKind::Notify,
            claim: Claim::SkipLocked,
        }
    }
}

impl Polling {
    /// The overrides (`KEY=VALUE`) that make a scenario's polling tuned.
    pub fn tuned_overrides(&self) -> Vec<String> {
        let Tuned {
            interval,
            batch,
            wake,
            claim,
        } = &self.tuned;
        vec![
            format!("polling.interval={}", humantime::format_duration(*interval)),
            format!("polling.batch={batch}"),
            format!("polling.wake={}", wake.flag()),
            format!("polling.claim={}", claim.flag()),
        ]
    }
}
