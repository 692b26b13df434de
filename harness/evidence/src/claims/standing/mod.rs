//! Where every claim of the seed stands: all finished runs → supported, refuted, not settled, not yet measured.
//!
//! A claim is settled by valid runs alone. What tests cover is said to be so, and counts as not yet measured: a test shows that
//! something can be done, a run how it went. Of several runs the newest that settles a claim speaks, and it is said how many agree.

mod table;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::result::{Check, Claim, ClaimVerdict, RunResult, Verdict};
use crate::text::counted;

/// Raised when a reader of the last version would misread this one.
pub const SCHEMA_VERSION: u32 = 1;

/// The check that replays the audit log.
const AUDIT: &str = "audit-replayed-equals-tables";

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
        }
    }

    fn failed(&self) -> Vec<&str> {
        let failed = self.checks.iter().filter(|check| check.verdict == Verdict::Fail);
        failed.map(|check| check.name.as_str()).collect()
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
    let found = by_runs(&of_claim).or_else(|| match claimed.source {
        Source::AuditCheck => audit(ran),
        Source::Chaos(scenario) => chaos(scenario, ran),
        Source::FailureModes => failure_modes(ran),
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

/// The newest valid run that settles it, else the newest that does not.
fn by_runs(said: &[&Said]) -> Option<Found> {
    let valid: Vec<&&Said> = said.iter().filter(|said| said.valid).collect();
    let settled = |said: &&&Said| said.claim.verdict != ClaimVerdict::NotSettled;
    let newest = |settles: bool| {
        let fitting = valid.iter().copied().filter(|said| settled(said) == settles);
        fitting.max_by(|a, b| (&a.at, &a.run).cmp(&(&b.at, &b.run)))
    };
    let newest = newest(true).or_else(|| newest(false))?;
    // One run may say several things of a claim, such as of one poller and of four: the gravest speaks for it.
    let same_run = valid.iter().copied().filter(|said| said.run == newest.run);
    let gravest = same_run
        .max_by_key(|said| gravity(said.claim.verdict))
        .unwrap_or(newest);
    let stand = match gravest.claim.verdict {
        ClaimVerdict::Supported => Stand::Supported,
        ClaimVerdict::Refuted => Stand::Refuted,
        ClaimVerdict::NotSettled => Stand::NotSettled,
    };
    let against = valid
        .iter()
        .filter(|said| settled(said) && said.run != gravest.run && said.claim.verdict != gravest.claim.verdict)
        .count();
    let against = match against {
        0 => String::new(),
        1 => " (one other run says otherwise)".to_owned(),
        against => format!(" ({against} other findings say otherwise)"),
    };
    Some((
        stand,
        format!("{}{against}", gravest.claim.evidence),
        Some(gravest.run.clone()),
    ))
}

fn gravity(verdict: ClaimVerdict) -> u8 {
    match verdict {
        ClaimVerdict::NotSettled => 0,
        ClaimVerdict::Supported => 1,
        ClaimVerdict::Refuted => 2,
    }
}

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

/// The newest valid run of a chaos scenario: its faults were seen, and no check failed.
fn chaos(scenario: &str, ran: &[Ran]) -> Option<Found> {
    let ran = newest(
        ran.iter()
            .filter(|ran| ran.scenario == scenario && ran.faults_took_effect),
    )?;
    let failed = ran.failed();
    let (stand, told) = if failed.is_empty() {
        (
            Stand::Supported,
            format!("{} checks, none failed ({} mode)", ran.checks.len(), ran.mode),
        )
    } else {
        (
            Stand::Refuted,
            format!("failed: {} ({} mode)", failed.join(", "), ran.mode),
        )
    };
    Some((stand, told, Some(ran.run.clone())))
}

/// Each failure mode provoked, and survived, in the newest valid event-driven run of its scenario.
fn failure_modes(ran: &[Ran]) -> Option<Found> {
    let events: Vec<Ran> = ran.iter().filter(|ran| ran.mode == "event-driven").cloned().collect();
    let found = |scenario: &str| chaos(scenario, &events);
    let (mut held, mut broken, mut missing, mut last) = (0, Vec::new(), Vec::new(), None);
    for (name, scenario) in table::FAILURE_MODES {
        match found(scenario) {
            Some((Stand::Supported, _, run)) => {
                held += 1;
                last = run;
            }
            Some((_, told, run)) => {
                broken.push(format!("{name} ({told})"));
                last = run;
            }
            None => missing.push(name),
        }
    }
    last.as_ref()?;
    let all = table::FAILURE_MODES.len();
    let mut told = format!("{held} of {all} provoked and survived");
    if !broken.is_empty() {
        told.push_str(&format!("; not survived: {}", broken.join(", ")));
    }
    if !missing.is_empty() {
        told.push_str(&format!("; no valid run of: {}", missing.join(", ")));
    }
    let stand = match (broken.is_empty(), missing.is_empty()) {
        (false, _) => Stand::Refuted,
        (true, true) => Stand::Supported,
        (true, false) => Stand::NotSettled,
    };
    Some((stand, told, last))
}
