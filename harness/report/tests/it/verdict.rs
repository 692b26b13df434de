//! The word of the banner, by the rule in `verdict`.

use crossover_evidence::result::{ClaimVerdict, Verdict};
use crossover_report::verdict::{Word, banner, word};

use crate::fixture::{broken, held, interrupted, invalid};

#[test]
fn all_passed_and_all_done_is_held() {
    assert_eq!(word(&held().result), Word::Held);
}

#[test]
fn a_failed_check_is_broken() {
    assert_eq!(word(&broken().result), Word::Broken);
}

#[test]
fn a_lost_job_is_broken_even_if_every_check_passed() {
    let mut result = held().result;
    result.ledger.lost = Some(1);
    assert_eq!(word(&result), Word::Broken);
}

#[test]
fn a_refuted_hypothesis_is_broken_and_a_refuted_claim_is_not() {
    let mut result = held().result;
    result.claims[1].verdict = ClaimVerdict::Refuted;
    assert_eq!(word(&result), Word::Held);
    result.claims[0].verdict = ClaimVerdict::Refuted;
    assert_eq!(word(&result), Word::Broken);
}

#[test]
fn a_dead_letter_an_unknown_check_or_an_interruption_is_degraded() {
    let mut dead = held().result;
    dead.ledger.dead_lettered = 1;
    let mut unknown = held().result;
    unknown.checks[0].verdict = Verdict::Unknown;
    let mut cut = held().result;
    cut.run.interrupted = true;
    for result in [dead, unknown, cut, interrupted().result] {
        assert_eq!(word(&result), Word::Degraded);
    }
}

#[test]
fn duplicates_alone_do_not_degrade() {
    let mut result = held().result;
    (result.ledger.duplicate_records, result.ledger.duplicate_executions) = (Some(3), 2);
    assert_eq!(word(&result), Word::Held);
}

#[test]
fn an_invalid_run_still_names_what_failed() {
    let mut result = invalid().result;
    result.checks = broken().result.checks;
    let banner = banner(&result);
    assert_eq!(banner.word, Word::Invalid);
    assert!(
        banner.sentences[0].contains("3.2 %") && banner.sentences[1].contains("“nothing lost” failed"),
        "{banner:#?}"
    );
}
