//! The first screen: the banner's prose and the strip of check marks.

use crossover_evidence::result::{RunResult, Verdict};
use maud::{Markup, html};

use crate::format::{count, words};
use crate::verdict::{self, Word};

/// The verdict in words.
pub fn banner(result: &RunResult) -> Markup {
    let banner = verdict::banner(result);
    let title = if result.run.title.is_empty() {
        &result.run.scenario
    } else {
        &result.run.title
    };
    html! {
        div class={ "banner " (banner.word.class()) } {
            h1 { (title) }
            p.lead {
                span.word {
                    (banner.word.text()) @if banner.interrupted { ", INTERRUPTED" } "."
                }
                @if banner.word != Word::Invalid { (banner.headline) }
                @else { @if let Some(reason) = banner.sentences.first() { (reason) } }
            }
            @if banner.word == Word::Invalid { p { (banner.headline) } }
            @for sentence in banner.sentences.iter().skip(usize::from(banner.word == Word::Invalid)) { p { (sentence) } }
            p.source { "From one run on a shared machine: no interval can be given; repeat it before you rely on a difference." }
        }
    }
}

/// One mark a check, and marks for what at-least-once delivery allows.
pub fn marks(result: &RunResult) -> Markup {
    let ledger = &result.ledger;
    let allowed = [
        (ledger.duplicate_records.unwrap_or(0), "duplicate records"),
        (ledger.duplicate_executions, "duplicate executions"),
        (ledger.stale_completions, "stale completions refused"),
        (ledger.dead_lettered, "dead letters"),
    ];
    html! {
        ul.marks {
            @for check in &result.checks { li class=(class(check.verdict)) { (words(&check.name)) } }
            @for (number, name) in allowed.iter().filter(|(number, _)| *number > 0) {
                li.warn { (count(*number)) " " (name) }
            }
        }
    }
}

/// CSS class of a verdict.
pub fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Unknown => "unknown",
    }
}
