//! Why a run did not get faster: the causes of a plateau, each with its share, its number and what would lift it.
//!
//! - `window`: did the run keep up, and if not, in which part of it is the cause looked for?
//! - `database`, `machine`, `parts`: a group of causes each, every one with its share;
//! - `dominant`: does one of them explain it?
//!
//! Shares are of different things, each said in its evidence: of the active backends, of the processors, of the workers'
//! slots, of a statement's time. So they don't add up to 1, and the largest number need not be the cause.

mod database;
mod dominant;
mod machine;
mod parts;
#[cfg(test)]
mod tests;
mod window;

use crossover_proto::clock::MonotonicNs;
use serde::{Deserialize, Serialize};

use crate::ledger::Ledger;
use crate::result::PhaseResult;
use crate::samples::Sample;
use crate::series::Series;

use self::database::Database;
use self::machine::Machine;
use self::parts::Parts;
use self::window::Window;

/// What an attribution is made from.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// What became of every job.
    pub ledger: &'a Ledger<'a>,
    /// In the order of the plan.
    pub phases: &'a [PhaseResult],
    /// With what the samplers saw.
    pub series: &'a Series,
    /// What the samplers saw.
    pub samples: &'a [Sample],
    /// The end of the drain.
    pub end: MonotonicNs,
    /// Processors of the machine.
    pub cpus: u32,
    /// Jobs that all workers together can hold at once.
    pub worker_slots: u64,
}

/// What limited the run; `None` if it kept up with its load, or nothing tells whether it did.
#[must_use]
pub fn attribute(observed: &Observed<'_>) -> Option<Attribution> {
    let window = Window::find(observed)?;
    let database = Database::of(observed, &window);
    let machine = Machine::of(observed, &window);
    let parts = Parts::of(observed, &window);
    let (dominant, reason) = dominant::judge(&database, &machine, &parts);
    let mut findings = database.findings(&machine);
    findings.extend(machine.findings());
    findings.extend(parts.findings(observed.ledger.evidence().mode));
    // What was not measured comes last.
    let weight = |finding: &Finding| (Some(finding.cause) == dominant, finding.share.unwrap_or(-1.0));
    findings.sort_by(|a, b| weight(b).partial_cmp(&weight(a)).unwrap_or(std::cmp::Ordering::Equal));
    Some(Attribution {
        dominant,
        detail: format!("{}; {reason}", window.detail),
        findings,
    })
}

/// Is it the tag of a statement that claims jobs?
pub(crate) fn is_claim(statement: &str) -> bool {
    statement == "claim" || statement == "claim_blocking"
}

/// A share in words.
fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

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
    /// As people call it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::JobRowLocks => "waits for rows of job",
            Self::ClaimLwlocks => "lightweight locks in claims",
            Self::ClaimCpu => "running claims",
            Self::ClaimBlocks => "dead entries that claims walk past",
            Self::HeldHorizon => "a transaction that holds the vacuum horizon",
            Self::Wal => "the write-ahead log",
            Self::Io => "data files",
            Self::StatementCpu => "running statements other than claims",
            Self::PostgresCpu => "too few processors for PostgreSQL",
            Self::Pool => "too few connections",
            Self::Broker => "the way from the outbox to the broker",
            Self::Workers => "full workers",
            Self::HostCpu => "all processors of the machine busy",
            Self::Harness => "the load generator",
        }
    }

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
