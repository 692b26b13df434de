//! Claims of the seed, one file each: runs → supported, refuted or not settled, with the number.
//!
//! Most are put to one run of each mode on one plan ([`Pair`], [`crate::compare`]). A claim's words are the seed's, in
//! short; where it says different things of the two modes, all of it must hold to be supported. What a run can't tell is
//! not settled, never guessed. The thresholds are constants here, each with its reason: other ones can be applied later.

use crate::result::{Check, ClaimVerdict, FaultInfo, PhaseResult, RunResult};
use crate::series::Series;
use crate::text::measured;

mod c01;
mod c02;
mod c03;
pub mod c04;
pub mod c05;
pub mod c06;
mod c07;
mod c08;
mod c13;
mod c15;
mod c16;
mod c18;
mod c19;
mod comparable;
#[cfg(test)]
pub(crate) mod fixture;
pub mod standing;

/// A run of each mode on the same plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair<'a> {
    pub(crate) polling: &'a RunResult,
    pub(crate) event: &'a RunResult,
    pub(crate) polling_series: &'a Series,
    pub(crate) event_series: &'a Series,
}

/// The mode that a finding speaks of, where the claim says something of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    Polling,
    EventDriven,
}

/// What a pair says of a claim, and the number that says so.
pub(crate) type Finding = (ClaimVerdict, String);

/// A claim, and who judges it.
pub(crate) struct Question {
    pub(crate) id: &'static str,
    pub(crate) text: &'static str,
    pub(crate) judge: fn(&Pair<'_>) -> Finding,
}

/// All claims that a pair touches, by id.
pub(crate) const QUESTIONS: [Question; 11] = [
    c01::QUESTION,
    c02::QUESTION,
    c03::QUESTION,
    c04::QUESTION,
    c07::QUESTION,
    c08::QUESTION,
    c13::QUESTION,
    c15::QUESTION,
    c16::QUESTION,
    c18::QUESTION,
    c19::QUESTION,
];

fn supported(evidence: String) -> Finding {
    (ClaimVerdict::Supported, evidence)
}

fn refuted(evidence: String) -> Finding {
    (ClaimVerdict::Refuted, evidence)
}

fn not_settled(evidence: impl Into<String>) -> Finding {
    (ClaimVerdict::NotSettled, evidence.into())
}

/// Supported if it holds, else refuted.
fn holds(it_holds: bool, evidence: String) -> Finding {
    if it_holds {
        supported(evidence)
    } else {
        refuted(evidence)
    }
}

fn phase<'a>(result: &'a RunResult, name: &str) -> Option<&'a PhaseResult> {
    result.phases.iter().find(|phase| phase.name == name)
}

fn check<'a>(result: &'a RunResult, name: &str) -> Option<&'a Check> {
    result.checks.iter().find(|check| check.name == name)
}

/// The first fault on the server that was seen to take effect; `broker` stands for `broker:1` and the like.
fn outage<'a>(result: &'a RunResult, server: &str) -> Option<&'a FaultInfo> {
    let is_on = |target: &str| target.split(':').next() == Some(server);
    result
        .faults
        .iter()
        .find(|fault| fault.took_effect && is_on(&fault.target))
}

/// Three significant digits, so that a sentence can be read.
fn rounded(value: f64) -> String {
    if value == 0.0 || value.abs() >= 1_000.0 {
        return measured(value);
    }
    let digits = (2.0 - value.abs().log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{value:.digits$}")
}

fn percent(share: f64) -> String {
    format!("{} %", rounded(share * 100.0))
}
