//! Where every claim of the seed stands: all finished runs → supported, refuted, not settled, not yet measured.
//!
//! A claim is settled by valid runs alone. What tests cover is said to be so, and counts as not yet measured: a test shows that
//! something can be done, a run how it went. Of several runs the newest that settles a claim speaks, and it is said how many agree.

mod chaos;
mod runs;
mod table;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::result::{Check, Claim, RunResult, Verdict};
use crate::text::counted;

/// Raised when a reader of the last version would misread this one.
pub const SCHEMA_VERSION: u32 = 1;

/// The check that replays the audit log.
const AUDIT: &str = "audit-replayed-equals-tables";

/// Id of what a run says of its scenario's hypotheses.
const HYPOTHESIS: &str = "hypothesis";

/// A claim, and what can settle it.
struct Claimed {
    id: &'static str,
    text: &'static str,
    source: Source,
    command: &'static str,
}

/// What can settle a claim. What a run says of the claim by its id counts for each of them.
#[derive(Clone, Copy)]
enum Source {
    /// Runs that judge it by its id.
    Runs,
    /// The check of the audit log, in runs of both modes.
    AuditCheck,
    /// A run of this chaos scenario whose faults took effect.
    Chaos(&'static str),
    /// A run for each failure mode.
    FailureModes,
    /// Tests cover it; no run does.
    Test(&'static str),
    /// There is no experiment yet.
    Nothing,
}

/// What a run, comparison, sweep or search said of a claim.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Its directory.
    pub run: String,
    /// RFC 3339, UTC.
    pub at: String,
    /// May its numbers be used?
    pub valid: bool,
    /// What it said.
    pub claim: Claim,
}

/// What of a run is looked at beside its claims.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// Its directory.
    pub run: String,
    /// RFC 3339, UTC.
    pub at: String,
    /// Scenario name.
    pub scenario: String,
    /// Dispatch mode.
    pub mode: String,
    /// Valid, and not broken off.
    pub valid: bool,
    /// It injected faults, and each was seen to take effect.
    pub faults_took_effect: bool,
    /// Its checks.
    pub checks: Vec<Check>,
    /// What it said of its scenario's hypotheses.
    pub hypotheses: Vec<Claim>,
}

impl Ran {
    /// Of a run's result.
    #[must_use]
    pub fn of(result: &RunResult, run: &str) -> Self {
        Self {
            run: run.to_owned(),
            at: result.run.started_at.clone(),
            scenario: result.run.scenario.clone(),
            mode: result.run.mode.clone(),
            valid: result.run.valid && !result.run.interrupted,
            faults_took_effect: !result.faults.is_empty() && result.faults.iter().all(|fault| fault.took_effect),
            checks: result.checks.clone(),
            hypotheses: result
                .claims
                .iter()
                .filter(|claim| claim.id == HYPOTHESIS)
                .cloned()
                .collect(),
        }
    }
}

/// Where a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stand {
    /// A valid run agrees with it.
    Supported,
    /// A valid run contradicts it.
    Refuted,
    /// There are runs, and they do not tell.
    NotSettled,
    /// No valid run looked at it.
    NotYetMeasured,
}

impl Stand {
    /// All, in the order of the page's headline.
    pub const ALL: [Self; 4] = [Self::Supported, Self::Refuted, Self::NotSettled, Self::NotYetMeasured];

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Refuted => "refuted",
            Self::NotSettled => "not settled",
            Self::NotYetMeasured => "not yet measured",
        }
    }
}

/// A claim and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Such as `C04`.
    pub id: String,
    /// The claim in a few words.
    pub text: String,
    /// Where it stands.
    pub stand: Stand,
    /// The number that says so, or why there is none.
    pub evidence: String,
    /// The run that says so.
    pub run: Option<String>,
    /// What would tell more: a command, or an experiment that is not there yet.
    pub command: String,
}

/// `claims.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClaimsPage {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// Directory name: `claims-<utc>`.
    pub id: String,
    /// RFC 3339, UTC.
    pub written_at: String,
    /// Commit of this tool, with `-dirty` where it applies; `null` outside a checkout.
    pub git_commit: Option<String>,
    /// Runs that were read.
    pub runs: usize,
    /// Those of them that are valid.
    pub valid_runs: usize,
    /// Every claim, in the order of the ids.
    pub claims: Vec<Standing>,
}

/// Where all claims stand, in the order of their ids.
#[must_use]
pub fn all(said: &[Said], ran: &[Ran]) -> Vec<Standing> {
    table::CLAIMS
        .iter()
        .map(|claimed| standing(claimed, said, ran))
        .collect()
}

fn standing(claimed: &Claimed, said: &[Said], ran: &[Ran]) -> Standing {
    let of_claim: Vec<&Said> = said.iter().filter(|said| said.claim.id == claimed.id).collect();
    let found = runs::of(&of_claim).or_else(|| match claimed.source {
        Source::AuditCheck => audit(ran),
        Source::Chaos(scenario) => chaos::of(scenario, ran),
        Source::FailureModes => chaos::failure_modes(ran),
        Source::Runs | Source::Test(_) | Source::Nothing => None,
    });
    let (stand, evidence, run) = found.unwrap_or_else(|| {
        let invalid = of_claim.iter().filter(|said| !said.valid).count();
        (Stand::NotYetMeasured, why_not(claimed.source, invalid), None)
    });
    Standing {
        id: claimed.id.to_owned(),
        text: claimed.text.to_owned(),
        stand,
        evidence,
        run,
        command: claimed.command.to_owned(),
    }
}

fn why_not(source: Source, invalid: usize) -> String {
    match source {
        Source::Test(name) => format!("no run measures it; a test covers it: {name}"),
        Source::Nothing => "there is no experiment for it yet".to_owned(),
        _ if invalid > 0 => format!(
            "only by {} that may not be used",
            counted(invalid as u64, "invalid run")
        ),
        _ => "no run has looked at it".to_owned(),
    }
}

type Found = (Stand, String, Option<String>);

fn newest<'a>(ran: impl Iterator<Item = &'a Ran>) -> Option<&'a Ran> {
    ran.filter(|ran| ran.valid)
        .max_by(|a, b| (&a.at, &a.run).cmp(&(&b.at, &b.run)))
}

/// The check of the audit log in the newest valid run of each mode that could do it.
fn audit(ran: &[Ran]) -> Option<Found> {
    let verdict = |ran: &Ran| {
        ran.checks
            .iter()
            .find(|check| check.name == AUDIT)
            .map(|check| check.verdict)
    };
    let judged = |mode: &'static str| {
        let of_mode = ran.iter().filter(move |ran| ran.mode == mode);
        newest(of_mode.filter(|ran| verdict(ran).is_some_and(|verdict| verdict != Verdict::Unknown)))
    };
    let newest: Vec<&Ran> = ["polling", "event-driven"].into_iter().filter_map(judged).collect();
    let last = newest.last()?;
    if let Some(failed) = newest.iter().find(|ran| verdict(ran) == Some(Verdict::Fail)) {
        return Some((
            Stand::Refuted,
            format!("the check failed in {} mode", failed.mode),
            Some(failed.run.clone()),
        ));
    }
    let valid = ran
        .iter()
        .filter(|ran| ran.valid && verdict(ran) == Some(Verdict::Pass))
        .count();
    let modes: Vec<&str> = newest.iter().map(|ran| ran.mode.as_str()).collect();
    let told = format!(
        "the check of the audit log passed in {} mode; in all, in {}",
        modes.join(" and "),
        counted(valid as u64, "valid run")
    );
    let stand = if newest.len() == 2 {
        Stand::Supported
    } else {
        Stand::NotSettled
    };
    Some((stand, told, Some(last.run.clone())))
}
