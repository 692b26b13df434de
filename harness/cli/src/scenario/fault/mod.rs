//! `[[faults]]`: what is broken, when, for how long, and how often.
//!
//! | module | owns |
//! |---|---|
//! | this | the table's keys |
//! | [`action`] | what a table means: its keys together, checked against the topology |
//! | [`target`] | which part or link is meant |
//! | [`schedule`] | the moments of a fault that comes again |

mod action;
mod schedule;
mod target;

use std::fmt;
use std::time::Duration;

use crossover_proto::schema::DurationText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use action::{Action, DownstreamFault, LinkFault, PostgresFault, ProcessFault, TopicFault};
pub(super) use schedule::collision;
pub use schedule::moments;
pub use target::ProcessTarget;

/// How long a fault lasts that does not say.
const LASTS: Duration = Duration::from_secs(1);

/// Something is broken at a moment of the load, and mended after a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What is done.
    pub kind: FaultKind,
    /// To which part or link.
    pub target: String,
    /// From the start of the load.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "DurationText")]
    pub at: Duration,
    /// Until it is mended: started again, continued, or let through; `1s` if absent. It must end within the load.
    #[serde(default, rename = "for", with = "humantime_serde")]
    #[schemars(with = "Option<DurationText>")]
    pub lasts: Option<Duration>,
    /// Again after so long, from `at` on, to the end of the load.
    #[serde(default, with = "humantime_serde")]
    #[schemars(with = "Option<DurationText>")]
    pub every: Option<Duration>,
    /// Each time it is late by up to this, as the seed has it.
    #[serde(default, with = "humantime_serde")]
    #[schemars(with = "Option<DurationText>")]
    pub jitter: Option<Duration>,
    /// Of a link: which way the data flow that are spoiled; both if absent.
    #[serde(default)]
    pub direction: Option<Flow>,
    /// Of `latency`: how long all data are delayed; of `downstream-slow`: how much later a call is answered.
    #[serde(default, with = "humantime_serde")]
    #[schemars(with = "Option<DurationText>")]
    pub latency: Option<Duration>,
    /// Of `latency`: by up to so much more or less.
    #[serde(default, with = "humantime_serde")]
    #[schemars(with = "Option<DurationText>")]
    pub latency_jitter: Option<Duration>,
    /// Of `bandwidth`: how much gets through.
    #[serde(default)]
    pub kb_per_s: Option<u64>,
    /// Of `timeout` and `reset`: how long a connection stays open; of `slow-close`: how long its end is held up.
    #[serde(default, with = "humantime_serde")]
    #[schemars(with = "Option<DurationText>")]
    pub after: Option<Duration>,
    /// Of `limit-message-size`: the largest batch that the topic takes.
    #[serde(default)]
    pub bytes: Option<u32>,
    /// Of `poison`: how many.
    #[serde(default)]
    pub records: Option<u32>,
    /// Of `downstream-fail`: share of the calls that fail; all if absent.
    #[serde(default)]
    pub share: Option<f64>,
}

impl Fault {
    /// Until it is mended.
    pub fn lasts(&self) -> Duration {
        match self.kind {
            FaultKind::Restart => Duration::ZERO,
            _ => self.lasts.unwrap_or(LASTS),
        }
    }
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// SIGKILL; started again when mended.
    Kill,
    /// SIGSTOP; continued when mended.
    Stop,
    /// SIGTERM; started again when mended. For PostgreSQL: a fast shutdown.
    Terminate,
    /// SIGTERM, and started again at once.
    Restart,
    /// A link is cut: its connections are closed, and new ones refused.
    Down,
    /// A link delays all data.
    Latency,
    /// A link lets little through.
    Bandwidth,
    /// A link lets nothing through, and its connections stay open.
    Timeout,
    /// A link resets its connections.
    Reset,
    /// A link holds up the end of its connections.
    SlowClose,
    /// PostgreSQL ends the sessions of the engine's processes.
    TerminateBackends,
    /// All connections that PostgreSQL allows are taken.
    ExhaustConnections,
    /// A transaction stays open, and nothing that is dead since can be vacuumed.
    HoldTransaction,
    /// A topic is deleted.
    DeleteTopic,
    /// A topic takes smaller batches than before.
    LimitMessageSize,
    /// Records that no worker can read come into a topic.
    Poison,
    /// The service that handlers call fails calls.
    DownstreamFail,
    /// The service that handlers call answers late.
    DownstreamSlow,
    /// The broker refuses writes to a topic, or to let anybody take part in a group.
    Deny,
}

impl FaultKind {
    /// Is something set, and set back at the end, whoever has set it?
    fn is_a_switch(self) -> bool {
        matches!(
            self,
            Self::DownstreamFail | Self::DownstreamSlow | Self::Deny | Self::LimitMessageSize
        )
    }
}

/// As in a scenario.
impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Which way data flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// From the engine to the server.
    Upstream,
    /// From the server to the engine.
    Downstream,
    /// Both ways.
    Both,
}
