//! One run folded into one word and a few sentences.
//!
//! The rule, first match wins:
//!
//! 1. **INVALID** — `run.valid` is false. It says that the *numbers* cannot be used, so it comes first; a check that failed
//!    in an invalid run is still named in the banner, since a lost job is lost however late the generator was.
//! 2. **BROKEN** — a check failed, a hypothesis of the scenario was refuted (the command exits 4 for both), or the ledger
//!    counts a lost job or a double effect. The last two are a safety net: a report must not print green over them even if
//!    the check that should have caught them did not run. A refuted *claim of the seed* is a result, not a breakage.
//! 3. **DEGRADED** — nothing failed, but the run does not show that everything held: a check, a hypothesis or a start is
//!    unknown, jobs ended as dead letters or unfinished, or the run was interrupted and so shows only a part of its plan.
//!    Planned dead letters count too: the reader is told "degraded, 12 dead letters" and knows whether that was the plan.
//! 4. **HELD** — the rest. Duplicate records and executions are allowed by at-least-once delivery: they get a mark, not a word.

use crossover_evidence::result::{Check, ClaimVerdict, FaultInfo, LedgerInfo, RunResult, Verdict};

use crate::format::{count, jobs, ms, percent, percentile, rate, seconds, sentence, words};

/// The word of the banner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// All checks passed, all jobs done.
    Held,
    /// Nothing failed, but not everything is known or done.
    Degraded,
    /// A check or a hypothesis failed.
    Broken,
    /// The numbers cannot be used.
    Invalid,
}

impl Word {
    /// Upper case, as printed.
    pub fn text(self) -> &'static str {
        match self {
            Self::Held => "HELD",
            Self::Degraded => "DEGRADED",
            Self::Broken => "BROKEN",
            Self::Invalid => "INVALID",
        }
    }

    /// Lower case, as a CSS class.
    pub fn class(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Degraded => "degraded",
            Self::Broken => "broken",
            Self::Invalid => "invalid",
        }
    }
}

/// What the banner says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner {
    /// The verdict.
    pub word: Word,
    /// The run was broken off.
    pub interrupted: bool,
    /// What became of the jobs.
    pub headline: String,
    /// Why the word, what the faults did, the number that matters.
    pub sentences: Vec<String>,
}

/// The banner of a run.
pub fn banner(result: &RunResult) -> Banner {
    let mut sentences = Vec::new();
    sentences.extend(invalid_sentence(result));
    sentences.extend(failure_sentences(result));
    sentences.extend(result.faults.iter().map(fault_sentence));
    sentences.extend(doubt_sentence(result));
    if result.run.interrupted {
        let ran = seconds(result.run.duration_s);
        sentences.push(format!(
            "Interrupted after {ran}: the numbers cover what ran, not the whole plan."
        ));
    }
    sentences.push(latency_sentence(result));
    Banner {
        word: word(result),
        interrupted: result.run.interrupted,
        headline: headline(&result.ledger),
        sentences,
    }
}

/// The word alone, by the rule at the top of this module.
pub fn word(result: &RunResult) -> Word {
    let ledger = &result.ledger;
    if !result.run.valid {
        Word::Invalid
    } else if failed(result).next().is_some() || refuted(result) || harmed(ledger) {
        Word::Broken
    } else if !doubts(result).is_empty() || result.run.interrupted {
        Word::Degraded
    } else {
        Word::Held
    }
}

/// `12,000 jobs accepted, 12,000 done, 0 lost, 0 done twice.`
pub fn headline(ledger: &LedgerInfo) -> String {
    let known = format!("{} accepted, {} done", jobs(ledger.accepted), count(ledger.completed));
    match (ledger.lost, ledger.double_effects) {
        (Some(lost), Some(twice)) => format!("{known}, {} lost, {} done twice.", count(lost), count(twice)),
        _ => format!("{known}; loss could not be checked."),
    }
}

/// A safety net: the checks that count these fail too.
fn harmed(ledger: &LedgerInfo) -> bool {
    ledger.lost.is_some_and(|lost| lost > 0) || ledger.double_effects.is_some_and(|twice| twice > 0)
}

fn failed(result: &RunResult) -> impl Iterator<Item = &Check> {
    result.checks.iter().filter(|check| check.verdict == Verdict::Fail)
}

fn hypotheses(result: &RunResult, verdict: ClaimVerdict) -> usize {
    result
        .claims
        .iter()
        .filter(|claim| claim.id == "hypothesis" && claim.verdict == verdict)
        .count()
}

fn refuted(result: &RunResult) -> bool {
    hypotheses(result, ClaimVerdict::Refuted) > 0
}

fn invalid_sentence(result: &RunResult) -> Option<String> {
    let reasons = &result.run.invalid_reasons;
    match (result.run.valid, reasons.is_empty()) {
        (true, _) => None,
        (false, true) => Some("These numbers cannot be used; the run gives no reason.".to_owned()),
        (false, false) => Some(sentence(&format!(
            "these numbers cannot be used: {}",
            reasons.join("; ")
        ))),
    }
}

/// What failed, a sentence each, the first few in full.
pub(crate) fn failure_sentences(result: &RunResult) -> Vec<String> {
    let mut sentences: Vec<String> = failed(result)
        .take(3)
        .map(|check| sentence(&format!("the check “{}” failed: {}", words(&check.name), check.detail)))
        .collect();
    let more = failed(result).count().saturating_sub(3);
    if more > 0 {
        sentences.push(format!("{more} more checks failed."));
    }
    let wrong = result
        .claims
        .iter()
        .filter(|claim| claim.id == "hypothesis" && claim.verdict == ClaimVerdict::Refuted);
    sentences.extend(wrong.map(|claim| {
        sentence(&format!(
            "the hypothesis “{}” is refuted: {}",
            claim.text, claim.evidence
        ))
    }));
    sentences
}

fn fault_sentence(fault: &FaultInfo) -> String {
    let at = seconds(fault.injected_s);
    let until = match fault.healed_s {
        Some(healed) if healed - fault.injected_s < 0.05 => String::new(),
        Some(healed) => format!(" for {}", seconds(healed - fault.injected_s)),
        None => ", not healed".to_owned(),
    };
    let effect = match (fault.took_effect, fault.recovery_s) {
        (false, _) => "nothing noticed it".to_owned(),
        (true, Some(recovery)) => format!("back to normal {} after it began", seconds(recovery)),
        (true, None) => "not seen back to normal before the end".to_owned(),
    };
    let take_over = match fault.take_over_s {
        Some(took) => format!("; another relay led after {}", seconds(took)),
        None => String::new(),
    };
    let starts = match fault.starts_intended {
        0 => String::new(),
        intended => format!(
            "; {} of {} starts were accepted meanwhile",
            count(fault.starts_accepted),
            count(intended)
        ),
    };
    sentence(&format!(
        "fault at {at}{until}, {} on {}: {effect}{take_over}{starts}",
        words(&fault.kind),
        fault.target
    ))
}

/// What keeps a run without failures from green.
pub(crate) fn doubts(result: &RunResult) -> Vec<String> {
    let ledger = &result.ledger;
    let unknown_checks = result
        .checks
        .iter()
        .filter(|check| check.verdict == Verdict::Unknown)
        .count() as u64;
    let settled = hypotheses(result, ClaimVerdict::NotSettled) as u64;
    [
        (ledger.dead_lettered, "dead letter", "dead letters"),
        (ledger.unfinished, "job unfinished", "jobs unfinished"),
        (
            ledger.unknown,
            "start with unknown outcome",
            "starts with unknown outcome",
        ),
        (
            unknown_checks,
            "check that could not tell",
            "checks that could not tell",
        ),
        (settled, "hypothesis not settled", "hypotheses not settled"),
    ]
    .into_iter()
    .filter(|(number, _, _)| *number > 0)
    .map(|(number, one, many)| format!("{} {}", count(number), if number == 1 { one } else { many }))
    .collect()
}

fn doubt_sentence(result: &RunResult) -> Option<String> {
    let doubts = doubts(result);
    (!doubts.is_empty()).then(|| sentence(&format!("not all is known or done: {}", doubts.join(", "))))
}

fn latency_sentence(result: &RunResult) -> String {
    let dispatch = &result.latency_ms.dispatch;
    let done = match (result.throughput.capacity_per_s, result.throughput.reference_per_s) {
        (None, _) => format!("{} completed", rate(result.throughput.completed_per_s)),
        (Some(capacity), None) => format!("the backlog was drained at {}", rate(capacity)),
        (Some(capacity), Some(reference)) => format!(
            "the backlog was drained at {}, {} of what pgbench does with the same statements ({})",
            rate(capacity),
            percent(capacity / reference),
            rate(reference)
        ),
    };
    match (dispatch.p50, dispatch.p99) {
        (Some(p50), Some(p99)) => format!(
            "Dispatch took {} in the median and {} at p99 over {}; {done}.",
            ms(p50),
            ms(p99),
            jobs(dispatch.count)
        ),
        _ if dispatch.count == 0 => format!("No dispatch was measured; {done}."),
        _ => format!(
            "Dispatch p50 {}, p99 {}, of {}; {done}.",
            percentile(dispatch.p50, dispatch),
            percentile(dispatch.p99, dispatch),
            jobs(dispatch.count)
        ),
    }
}
