//! The banner of a comparison: did both hold, which dispatches sooner and where, what each costs at rest, what broke.
//!
//! There is no winner: each sentence holds for the phase that it names, and only where both of p50 and p99 are lower by
//! more than [`SAME`].

use crossover_evidence::result::{FaultInfo, Percentiles, PhaseResult, RunResult};

use super::cost::{self, SYSTEM};
use super::figures::done;
use super::{Pair, SAME, change, heaviest, phases};
use crate::format::{count, jobs, mebibytes, number, percent, rate, seconds, sentence, words};
use crate::verdict::{self, Word};

/// What the banner says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner {
    /// The worse of both words: the colour.
    pub word: Word,
    /// Both words in one.
    pub words: String,
    /// What became of the jobs.
    pub headline: String,
    /// What broke or is in doubt, in either run.
    pub troubles: Vec<String>,
    /// What differs.
    pub findings: Vec<String>,
}

/// The banner of both runs. Runs that can't be compared, or were not run to their end, get no finding.
pub fn banner(runs: Pair<&RunResult>) -> Banner {
    let of_runs = runs.map(verdict::word);
    let mut troubles = unlike(runs);
    let comparable = troubles.is_empty();
    let whole = runs
        .named()
        .iter()
        .all(|(_, run)| run.run.valid && !run.run.interrupted);
    troubles.extend(runs.named().into_iter().flat_map(|(mode, run)| of_run(mode, run)));
    Banner {
        word: if comparable { worse(of_runs) } else { Word::Invalid },
        words: if comparable {
            both_words(of_runs)
        } else {
            "NOT COMPARABLE".to_owned()
        },
        headline: headline(runs),
        troubles,
        findings: if comparable && whole {
            findings(runs)
        } else {
            Vec::new()
        },
    }
}

fn worse(words: Pair<Word>) -> Word {
    let rank = |word: Word| match word {
        Word::Held => 0,
        Word::Degraded => 1,
        Word::Broken => 2,
        Word::Invalid => 3,
    };
    if rank(words.polling) >= rank(words.event) {
        words.polling
    } else {
        words.event
    }
}

/// `BOTH HELD`, or `POLLING HELD, EVENT-DRIVEN BROKEN`.
fn both_words(words: Pair<Word>) -> String {
    if words.polling == words.event {
        return format!("BOTH {}", words.polling.text());
    }
    words
        .named()
        .map(|(mode, word)| format!("{} {}", mode.to_uppercase(), word.text()))
        .join(", ")
}

/// Why the runs can't be compared: they are not of one plan, one size and one build.
fn unlike(runs: Pair<&RunResult>) -> Vec<String> {
    let differ = |name: &str, values: Pair<String>| {
        (values.polling != values.event).then(|| {
            format!(
                "Not comparable: the {name} is {} in the polling run and {} in the event-driven one.",
                values.polling, values.event
            )
        })
    };
    [
        differ("scenario", runs.map(|run| run.run.scenario.clone())),
        differ("seed", runs.map(|run| run.run.seed.to_string())),
        differ("number of planned starts", runs.map(|run| count(run.load.intended))),
        differ(
            "number of replicas",
            runs.map(|run| count(run.topology.replicas.into())),
        ),
        differ("number of workers", runs.map(|run| count(run.topology.workers.into()))),
        differ(
            "commit",
            runs.map(|run| run.run.git_commit.clone().unwrap_or_else(|| "unknown".to_owned())),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `Polling did 14,800 of 14,800 jobs, event-driven 14,798 of 14,800; (2 lost, 0 double effects).`
fn headline(runs: Pair<&RunResult>) -> String {
    let part = |(mode, run): (&str, &RunResult)| {
        let ledger = &run.ledger;
        let harm = match (ledger.lost, ledger.double_effects) {
            (Some(0), Some(0)) => String::new(),
            (Some(lost), Some(twice)) => format!(" ({} lost, {} double effects)", count(lost), count(twice)),
            _ => " (loss could not be checked)".to_owned(),
        };
        format!("{mode} did {} jobs{harm}", done(run))
    };
    let clean = runs
        .named()
        .iter()
        .all(|(_, run)| run.ledger.lost == Some(0) && run.ledger.double_effects == Some(0));
    let end = if clean {
        "; none lost, no effect happened twice"
    } else {
        ""
    };
    sentence(&format!("{}{end}", runs.named().map(part).join(", ")))
}

/// What failed or is in doubt in one run.
fn of_run(mode: &str, run: &RunResult) -> Vec<String> {
    let mut sentences = Vec::new();
    if !run.run.valid {
        let reasons = run.run.invalid_reasons.join("; ");
        sentences.push(format!("its numbers cannot be used: {reasons}"));
    }
    sentences.extend(verdict::failure_sentences(run));
    let doubts = verdict::doubts(run);
    if !doubts.is_empty() {
        sentences.push(format!("not all is known or done: {}", doubts.join(", ")));
    }
    if run.run.interrupted {
        sentences.push(format!("interrupted after {}", seconds(run.run.duration_s)));
    }
    let name = sentence(mode).trim_end_matches('.').to_owned();
    sentences
        .iter()
        .map(|text| format!("{name}: {}", sentence(text)))
        .collect()
}

fn findings(runs: Pair<&RunResult>) -> Vec<String> {
    let mut findings = Vec::new();
    findings.extend(sooner(runs));
    findings.extend(heaviest(runs).map(under_load));
    findings.extend(rest(runs));
    findings.extend(blast(runs));
    findings
}

const POLLING: &str = "polling";
const EVENT: &str = "event-driven";

/// Which mode has the lower median and the lower p99 of a phase.
type Lower = [Option<&'static str>; 2];

fn lower_in(phase: Pair<&PhaseResult>) -> Lower {
    let dispatch = phase.map(|phase| &phase.latency_ms.dispatch);
    [lower(dispatch, |of| of.p50), lower(dispatch, |of| of.p99)]
}

type Quantile = fn(&Percentiles) -> Option<f64>;

/// The mode whose percentile is lower by more than [`SAME`]. One that is not reached lies above all that are; of two that
/// are not, none is known to be lower.
fn lower(sets: Pair<&Percentiles>, of: Quantile) -> Option<&'static str> {
    let value = |set: &Percentiles| of(set).or_else(|| (set.censored > 0).then_some(f64::INFINITY));
    let Pair { polling, event } = sets.map(value).both()?;
    if event * (1.0 + SAME) < polling {
        Some(EVENT)
    } else if polling * (1.0 + SAME) < event {
        Some(POLLING)
    } else {
        None
    }
}

/// The phases in which dispatch was measured in both modes.
fn measured(runs: Pair<&RunResult>) -> impl Iterator<Item = Pair<&PhaseResult>> {
    let has = |phase: &PhaseResult| phase.latency_ms.dispatch.count > 0;
    phases(runs)
        .into_iter()
        .filter(move |phase| has(phase.polling) && has(phase.event))
}

fn sooner(runs: Pair<&RunResult>) -> Vec<String> {
    let phases: Vec<(Pair<&PhaseResult>, Lower)> = measured(runs).map(|phase| (phase, lower_in(phase))).collect();
    let names = |wanted: Lower, show: fn(Pair<&PhaseResult>) -> String| {
        let of = phases.iter().filter(|(_, lower)| *lower == wanted);
        list(&of.map(|(phase, _)| show(*phase)).collect::<Vec<_>>())
    };
    let mut sentences = Vec::new();
    let event = names([Some(EVENT); 2], |phase| {
        format!("{} ({})", phase.polling.name, changes(phase))
    });
    if !event.is_empty() {
        sentences.push(format!("Event-driven dispatched sooner in {event}."));
    }
    let polling = names([Some(POLLING); 2], |phase| {
        format!("{} (event-driven's {})", phase.polling.name, changes(phase))
    });
    if !polling.is_empty() {
        sentences.push(format!("Polling dispatched sooner in {polling}."));
    }
    // One has the lower median, the other the lower p99, or only one of the two differs.
    let mixed = phases.iter().filter(|(_, [p50, p99])| p50 != p99);
    let mixed: Vec<String> = mixed.map(|(phase, lower)| each_its_own(*phase, *lower)).collect();
    if !mixed.is_empty() {
        sentences.push(sentence(&mixed.join("; ")));
    }
    let neither = names([None; 2], |phase| phase.polling.name.clone());
    if !neither.is_empty() {
        sentences.push(format!("Neither was clearly sooner in {neither}."));
    }
    sentences
}

/// `p50 ÷ 30, p99 ÷ 22`
fn changes(phase: Pair<&PhaseResult>) -> String {
    format!(
        "p50 {}, p99 {}",
        change_of(phase, |of| of.p50),
        change_of(phase, |of| of.p99)
    )
}

fn change_of(phase: Pair<&PhaseResult>, of: Quantile) -> String {
    let dispatch = phase.map(|phase| &phase.latency_ms.dispatch);
    match dispatch.map(of).both() {
        Some(_) => change(dispatch.map(of)),
        None => "not reached".to_owned(),
    }
}

/// `in broker-outage event-driven's p50 was lower (÷ 21), its p99 higher (× 73)`
fn each_its_own(phase: Pair<&PhaseResult>, [p50, p99]: Lower) -> String {
    let how = |lower: Option<&str>, of: Quantile| match lower {
        Some(EVENT) => format!("lower ({})", change_of(phase, of)),
        Some(_) => format!("higher ({})", change_of(phase, of)),
        None => match phase.map(|phase| of(&phase.latency_ms.dispatch)).both() {
            Some(_) => "about the same".to_owned(),
            None => "not reached in either mode".to_owned(),
        },
    };
    format!(
        "in {} event-driven's p50 was {}, its p99 {}",
        phase.polling.name,
        how(p50, |of| of.p50),
        how(p99, |of| of.p99)
    )
}

fn list(names: &[String]) -> String {
    match names {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        _ => names.concat(),
    }
}

fn under_load(phase: Pair<&PhaseResult>) -> String {
    let Pair { polling, event } = phase.map(|phase| rate(phase.throughput.completed_per_s));
    format!(
        "Under the heaviest load ({}, {} intended) polling completed {polling}, event-driven {event}.",
        phase.polling.name,
        rate(phase.polling.load.intended_per_s)
    )
}

fn rest(runs: Pair<&RunResult>) -> Option<String> {
    let costs = cost::at_rest(runs);
    let system = costs.iter().find(|cost| cost.name == SYSTEM)?;
    let (cores, memory) = (system.cores.both()?, system.memory_mb.both()?);
    let (more_cores, more_memory) = (change(system.cores), change(system.memory_mb));
    Some(format!(
        "At rest, without harness and proxies, polling takes {} cores and {}, event-driven {} cores ({more_cores}) and {} ({more_memory}).",
        number(cores.polling),
        mebibytes(memory.polling),
        number(cores.event),
        mebibytes(memory.event)
    ))
}

/// What starts met while a part was down: a sentence a fault, both modes in it where both had it.
fn blast(runs: Pair<&RunResult>) -> Vec<String> {
    let mut faults: Vec<(&str, &str)> = Vec::new();
    for (_, run) in runs.named() {
        for fault in run.faults.iter().filter(|fault| fault.starts_intended > 0) {
            let key = (fault.kind.as_str(), fault.target.as_str());
            if !faults.contains(&key) {
                faults.push(key);
            }
        }
    }
    faults.into_iter().map(|key| of_fault(runs, key)).collect()
}

/// `During kill on postgres: polling accepted 0.19 % of 1,596 starts, back to normal 12.4 s after it began; …`
fn of_fault(runs: Pair<&RunResult>, (kind, target): (&str, &str)) -> String {
    let is_it = |fault: &&FaultInfo| fault.kind == kind && fault.target == target && fault.starts_intended > 0;
    // A server may be broken more than once.
    let part = |(mode, run): (&str, &RunResult)| {
        let met: Vec<String> = run.faults.iter().filter(is_it).map(starts_met).collect();
        (!met.is_empty()).then(|| format!("{mode} {}", met.join("; then ")))
    };
    let missing =
        |(mode, run): (&'static str, &RunResult)| (!run.faults.iter().any(|fault| is_it(&fault))).then_some(mode);
    let parts: Vec<String> = runs.named().into_iter().filter_map(part).collect();
    let absent: Vec<&str> = runs.named().into_iter().filter_map(missing).collect();
    let where_not = match absent.first() {
        Some(mode) => format!(" (not in {mode})"),
        None => String::new(),
    };
    format!("During {} on {target}{where_not}: {}.", words(kind), parts.join("; "))
}

fn starts_met(fault: &FaultInfo) -> String {
    let share = percent(fault.starts_accepted as f64 / fault.starts_intended.max(1) as f64);
    let recovered = fault.recovery_s.map_or_else(
        || "not seen back to normal".to_owned(),
        |recovery| format!("back to normal {} after it began", seconds(recovery)),
    );
    format!(
        "accepted {share} of {} starts, {recovered}",
        count(fault.starts_intended)
    )
}

/// How sure these numbers are.
pub fn caveat(runs: Pair<&RunResult>) -> String {
    format!(
        "One run of each mode ({} and {}), one after the other, on a shared machine: no interval can be given, and a difference \
         under {} is not called one.",
        jobs(runs.polling.latency_ms.dispatch.count),
        jobs(runs.event.latency_ms.dispatch.count),
        percent(SAME)
    )
}
