//! Why a run did not get faster: the causes of a plateau, each with its share, its number and what would lift it.

use serde::{Deserialize, Serialize};

/// What limited a run that could not keep up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attribution {
    /// The cause that explains the plateau; `null` if none stands out, and then why, in `detail`.
    pub dominant: Option<Cause>,
    /// One sentence with the numbers.
    pub detail: String,
    /// All causes that were looked at, gravest first.
    pub findings: Vec<Finding>,
}

/// One cause and what speaks for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub cause: Cause,
    /// How much of the limiting resource it takes, 0 to 1; `null` if it was not measured.
    pub share: Option<f64>,
    /// The number that says so.
    pub evidence: String,
    /// What would lift it.
    pub lift: String,
}

/// What can limit a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Engine backends wait for `job` rows that others hold.
    JobRowLocks,
    /// Lightweight locks inside the claim statement.
    ClaimLwlocks,
    /// CPU time of the claim statement.
    ClaimCpu,
    /// Blocks read per claimed row: dead index entries.
    ClaimBlocks,
    /// A transaction that holds back the vacuum horizon.
    HeldHorizon,
    /// Flushing the write-ahead log, and commits.
    Wal,
    /// Reading and writing data files.
    Io,
    /// CPU time of statements other than the claim.
    StatementCpu,
    /// PostgreSQL has fewer processors than it asks for.
    PostgresCpu,
    /// Statements wait for a connection of the replica's pool.
    Pool,
    /// Broker or relay.
    Broker,
    /// Workers are full: handlers take as long as they take.
    Workers,
    /// All processors of the machine are busy: it says nothing of either mode.
    HostCpu,
    /// The load generator or a sampler.
    Harness,
}

impl Cause {
    /// Does it lie in claiming jobs, which the event-driven mode does not do?
    #[must_use]
    pub fn is_in_claiming(self) -> bool {
        matches!(
            self,
            Self::JobRowLocks | Self::ClaimLwlocks | Self::ClaimCpu | Self::ClaimBlocks
        )
    }

    /// Does it say nothing of the mode, because the machine or the instrument ended first?
    #[must_use]
    pub fn is_not_the_engine(self) -> bool {
        matches!(self, Self::HostCpu | Self::Harness)
    }
}
