//! Faults and events, checks with their stories, claims.

use crossover_evidence::result::{Claim, ClaimVerdict, FaultInfo, LedgerInfo, RunResult, Unavailability};
use crossover_evidence::series::TimelineEvent;
use maud::{Markup, html};

use super::banner::class;
use super::shell::section;
use super::table::{settings, table};
use crate::format::{NONE, count, seconds, sentence, words};

/// Faults as a table, events as a list.
pub fn faults_and_events(faults: &[FaultInfo], events: &[TimelineEvent]) -> Markup {
    let moments: Vec<Vec<String>> = events
        .iter()
        .map(|event| vec![seconds(event.at_s), event.text.clone()])
        .collect();
    let body = html! {
        @if faults.is_empty() { p { "No fault was injected." } }
        @else { (fault_table(&faults.iter().map(|fault| (None, fault)).collect::<Vec<_>>())) }
        @if !moments.is_empty() {
            details open[moments.len() <= 12] { summary { "Events (" (moments.len()) ")" } (table(&["at", "event"], 2, &moments)) }
        }
    };
    section("faults", "Faults and events", false, &body)
}

/// Faults, each behind its mode where there are several runs.
pub fn fault_table(faults: &[(Option<&str>, &FaultInfo)]) -> Markup {
    let of_runs = faults.iter().any(|(mode, _)| mode.is_some());
    // A moment has no window in which starts could come.
    let had_window = faults.iter().any(|(_, fault)| fault.starts_intended > 0);
    let mut heads = vec![
        "fault",
        "target",
        "took effect",
        "injected",
        "healed",
        "first signal",
        "recovery",
    ];
    if of_runs {
        heads.insert(0, "run");
    }
    let more = [
        (
            had_window,
            "starts accepted meanwhile",
            starts as fn(&FaultInfo) -> String,
        ),
        (
            faults.iter().any(|(_, fault)| !fault.unavailable.is_empty()),
            "nothing succeeded for",
            unavailable,
        ),
        (
            faults.iter().any(|(_, fault)| fault.pause_s.is_some()),
            "longest pause: group / partition",
            pauses,
        ),
    ];
    let more: Vec<_> = more.into_iter().filter(|(is_there, ..)| *is_there).collect();
    heads.extend(more.iter().map(|(_, head, _)| *head));
    let row = |(mode, fault): &(Option<&str>, &FaultInfo)| {
        let mut cells: Vec<String> = mode.iter().map(|mode| (*mode).to_owned()).collect();
        cells.extend(fault_row(fault));
        cells.extend(more.iter().map(|(.., cell)| cell(fault)));
        cells
    };
    let rows: Vec<Vec<String>> = faults.iter().map(row).collect();
    table(&heads, 3 + usize::from(of_runs), &rows)
}

fn fault_row(fault: &FaultInfo) -> Vec<String> {
    let optional = |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), seconds);
    vec![
        words(&fault.kind),
        fault.target.clone(),
        if fault.took_effect {
            "yes"
        } else {
            "no: nothing noticed it"
        }
        .to_owned(),
        seconds(fault.injected_s),
        optional(fault.healed_s),
        optional(fault.signal_s),
        optional(fault.recovery_s),
    ]
}

/// Arrivals of the fault's window that were accepted in time.
fn starts(fault: &FaultInfo) -> String {
    match fault.starts_intended {
        0 => NONE.to_owned(),
        intended => format!("{} of {}", count(fault.starts_accepted), count(intended)),
    }
}

/// Operations that were called without success, each with its longest time.
fn unavailable(fault: &FaultInfo) -> String {
    let one = |one: &Unavailability| format!("{} {}", one.name, seconds(one.longest_s));
    match fault.unavailable.iter().map(one).collect::<Vec<_>>() {
        none if none.is_empty() => NONE.to_owned(),
        found => found.join(", "),
    }
}

fn pauses(fault: &FaultInfo) -> String {
    let [group, partition] =
        [fault.pause_s, fault.partition_pause_s].map(|time| time.map_or_else(|| NONE.to_owned(), seconds));
    format!("{group} / {partition}")
}

/// Each check, its detail and, where it failed, the story of a few counter-examples.
pub fn checks(result: &RunResult) -> Markup {
    let body = html! {
        div.card {
            @if result.checks.is_empty() { p.detail { "No check was run." } }
            ul.checks {
                @for check in &result.checks {
                    li {
                        span class={ "mark name " (class(check.verdict)) } { (words(&check.name)) }
                        div.detail { (check.detail) }
                        @if !check.story.is_empty() { div.story.mono { (check.story.join("\n")) } }
                    }
                }
            }
            details { summary { "The ledger" } (settings(&ledger(&result.ledger))) }
        }
    };
    section("checks", "Checks", false, &body)
}

/// The ledger's counts by name.
pub fn ledger(ledger: &LedgerInfo) -> Vec<(String, String)> {
    [
        ("instances accepted", Some(ledger.instances_accepted)),
        ("jobs accepted", Some(ledger.accepted)),
        ("jobs completed", Some(ledger.completed)),
        ("dead letters", Some(ledger.dead_lettered)),
        ("cancelled", Some(ledger.cancelled)),
        ("unfinished", Some(ledger.unfinished)),
        ("lost", ledger.lost),
        ("starts with unknown outcome", Some(ledger.unknown)),
        ("duplicate records in the topics", ledger.duplicate_records),
        ("records of a superseded relay", ledger.superseded_records),
        ("dispatched again", Some(ledger.redispatches)),
        ("duplicate executions", Some(ledger.duplicate_executions)),
        ("double effects", ledger.double_effects),
        ("order violations", Some(ledger.order_violations)),
        ("FIFO inversions", Some(ledger.fifo_inversions)),
        ("stale completions refused", Some(ledger.stale_completions)),
    ]
    .map(|(name, number)| (name.to_owned(), number.map_or_else(|| "not checked".to_owned(), count)))
    .to_vec()
}

/// Claims of the seed and hypotheses of the scenario.
pub fn claims(claims: &[Claim]) -> Markup {
    let body = html! {
        @if claims.is_empty() { p { "This run says nothing of any claim." } }
        @else {
            p { "One run supports or contradicts a claim; it proves none." }
            div.card { ul.checks { @for claim in claims { (claim_item(claim)) } } }
        }
    };
    section("claims", "Claims touched", false, &body)
}

/// One claim: id, verdict, words, evidence.
pub fn claim_item(claim: &Claim) -> Markup {
    html! {
        li {
            span class={ "mark name " (claim_class(claim)) } { (claim.id) " " (claim_word(claim.verdict)) }
            " " (claim.text)
            div.detail { (sentence(&claim.evidence)) }
        }
    }
}

/// The verdict in words.
pub fn claim_word(verdict: ClaimVerdict) -> &'static str {
    match verdict {
        ClaimVerdict::Supported => "supported",
        ClaimVerdict::Refuted => "refuted",
        ClaimVerdict::NotSettled => "not settled",
    }
}

/// A refuted claim of the seed is a result, a refuted hypothesis a failure.
pub fn claim_class(claim: &Claim) -> &'static str {
    match claim.verdict {
        ClaimVerdict::Supported => "pass",
        ClaimVerdict::Refuted if claim.id == "hypothesis" => "fail",
        ClaimVerdict::Refuted => "warn",
        ClaimVerdict::NotSettled => "unknown",
    }
}
