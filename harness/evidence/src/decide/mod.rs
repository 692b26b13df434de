//! The rubric: a team's profile and what was measured → one of four verdicts, with every clause's number and run.
//!
//! ```text
//! profile      what the team needs and knows         thresholds  every number that is neither measured nor the team's
//! evidence     searches, waits, a live system        forecast    growth against a ceiling, with its range
//! waits, latency, clauses   each clause: holds, does not, unknown      verdict   the truth table, without numbers
//! sentence     the verdict for a manager             next        what to run when the evidence does not tell
//! ```
//!
//! Pure, and fast: from finished runs alone, so other thresholds can be applied to old ones. The date is an input.

pub mod answer;
pub mod clauses;
pub mod evidence;
#[cfg(test)]
pub(crate) mod fixture;
pub mod forecast;
mod latency;
mod next;
pub mod profile;
mod sentence;
#[cfg(test)]
mod tests;
pub mod thresholds;
pub mod verdict;
mod waits;

use serde::{Deserialize, Serialize};

pub use self::answer::Answer;
pub use self::clauses::Clause;
pub use self::evidence::{Evidence, LiveWaits, LockWaits};
pub use self::forecast::Forecast;
pub use self::next::Next;
pub use self::profile::Profile;
pub use self::thresholds::Thresholds;
pub use self::verdict::{Reason, Verdict};
use crate::capacity::{Interval, Variant};

/// Raised when a reader of the last version would misread this one.
pub const SCHEMA_VERSION: u32 = 1;

/// `decision.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// Directory name: `decision-<utc>`.
    pub id: String,
    /// The command that repeats it.
    pub command: String,
    /// Commit of this tool, with `-dirty` where it applies; `null` outside a checkout.
    pub git_commit: Option<String>,
    /// RFC 3339, UTC; its day is the one that a plan's date is held against.
    pub decided_at: String,
    /// The machine on which all was measured; `null` if nothing was.
    pub machine: Option<String>,
    /// The scenario of all of it.
    pub scenario: String,
    /// What to do.
    pub verdict: Verdict,
    /// The rule that decided.
    pub reason: Reason,
    /// The verdict for a manager.
    pub sentence: String,
    /// What it does not say.
    pub caveats: Vec<String>,
    /// The polling path's ceiling is hit, or will be within the horizon.
    pub condition_1: Answer,
    /// The team can run Kafka, or will.
    pub condition_2: Answer,
    /// Every clause.
    pub clauses: Vec<Clause>,
    /// When growth meets polling's ceiling.
    pub forecast: Forecast,
    /// What to run next; empty unless inconclusive.
    pub next: Vec<Next>,
    /// The team.
    pub profile: Profile,
    /// The numbers of the rules.
    pub thresholds: Thresholds,
    /// The runs that it was drawn from.
    pub used: Vec<String>,
    /// The runs that it was not, each with the reason.
    #[serde(with = "crate::pairs")]
    pub left_out: Vec<(String, String)>,
}

/// Which decision it is, and where its evidence lies.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Identity {
    /// Directory name.
    pub id: String,
    /// The command that repeats it.
    pub command: String,
    /// Commit of this tool.
    pub git_commit: Option<String>,
    /// RFC 3339, UTC.
    pub decided_at: String,
    /// The machine of the evidence.
    pub machine: Option<String>,
    /// The scenario of the evidence.
    pub scenario: String,
    /// What sets the rate of its load. Empty if it has none that can be searched for, as one with a prefill or a sweep.
    pub rate_keys: Vec<RateKey>,
    /// The runs that it is drawn from.
    pub used: Vec<String>,
    /// The runs that it is not, each with the reason.
    pub left_out: Vec<(String, String)>,
}

/// A key of a scenario that sets a rate.
#[derive(Debug, Clone, PartialEq)]
pub struct RateKey {
    /// As in `--set`.
    pub path: String,
    /// Its value, for each job per second.
    pub per_job: f64,
}

/// Draws the verdict.
#[must_use]
pub fn decide(identity: Identity, evidence: &Evidence, profile: &Profile, thresholds: &Thresholds) -> Decision {
    let today = identity.decided_at.get(..10).unwrap_or_default();
    let basis = clauses::Basis {
        evidence,
        profile,
        thresholds,
        today,
    };
    let (clauses, facts) = clauses::all(&basis);
    let (verdict, reason) = verdict::judge(&facts);
    let forecast = forecast(&basis);
    Decision {
        schema_version: SCHEMA_VERSION,
        verdict,
        reason,
        sentence: sentence::of(&basis, reason, &facts, &forecast),
        caveats: sentence::caveats(&basis, identity.machine.as_deref(), &facts),
        condition_1: facts.ceiling_hit(),
        condition_2: facts.expertise,
        next: next::commands(&basis, &facts, &identity.scenario, &identity.rate_keys),
        clauses,
        forecast,
        profile: profile.clone(),
        thresholds: *thresholds,
        id: identity.id,
        command: identity.command,
        git_commit: identity.git_commit,
        decided_at: identity.decided_at,
        machine: identity.machine,
        scenario: identity.scenario,
        used: identity.used,
        left_out: identity.left_out,
    }
}

/// Against tuned polling's ceiling if it is known, for that is the one that has to hold; else against default polling's.
fn forecast(basis: &clauses::Basis<'_>) -> Forecast {
    let best = |variant| basis.evidence.best(variant);
    let ceiling = best(Variant::PollingTuned).or_else(|| best(Variant::PollingDefault));
    let (holds, run) = match &ceiling {
        Some(ceiling) => (ceiling.holds, ceiling.run()),
        None => (Interval { low: None, high: None }, None),
    };
    Forecast::of(basis.profile, holds, run, basis.thresholds.forecast.horizon_months)
}
