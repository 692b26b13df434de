//! Where claims stand: by runs, by checks, by tests, and not at all.

use super::*;
use crate::result::ClaimVerdict;

fn said(id: &str, run: &str, at: &str, verdict: ClaimVerdict) -> Said {
    Said {
        run: run.to_owned(),
        at: at.to_owned(),
        valid: true,
        claim: Claim {
            id: id.to_owned(),
            text: "as the run has it".to_owned(),
            verdict,
            evidence: format!("{run}'s number"),
        },
    }
}

fn ran(scenario: &str, mode: &str, verdict: Verdict) -> Ran {
    Ran {
        run: format!("{scenario}-{mode}"),
        at: "2026-11-22T08:00:00Z".to_owned(),
        scenario: scenario.to_owned(),
        mode: mode.to_owned(),
        valid: true,
        faults_took_effect: true,
        checks: vec![
            check(AUDIT, verdict),
            check("nothing-lost", Verdict::Pass),
            check("no-double-effect", Verdict::Pass),
        ],
        hypotheses: Vec::new(),
    }
}

fn check(name: &str, verdict: Verdict) -> Check {
    Check {
        name: name.to_owned(),
        verdict,
        detail: String::new(),
        story: Vec::new(),
    }
}

fn of(id: &str, said: &[Said], ran: &[Ran]) -> Standing {
    all(said, ran).into_iter().find(|standing| standing.id == id).unwrap()
}

#[test]
fn every_claim_of_the_seed_is_on_the_page_once_and_in_order() {
    let ids: Vec<String> = all(&[], &[]).into_iter().map(|standing| standing.id).collect();
    let expected: Vec<String> = (1..=20)
        .map(|number| format!("C{number:02}"))
        .chain((1..=10).map(|number| format!("J{number:02}")))
        .collect();
    assert_eq!(ids, expected);
}

#[test]
fn without_runs_nothing_is_measured_and_a_test_is_named_as_one() {
    for standing in all(&[], &[]) {
        assert_eq!(standing.stand, Stand::NotYetMeasured, "{}", standing.id);
        assert!(!standing.command.is_empty());
    }
    assert_eq!(
        of("C20", &[], &[]).evidence,
        "no run measures it; a test covers it: conformance"
    );
}

#[test]
fn the_newest_valid_run_that_settles_a_claim_speaks_and_who_differs_is_counted() {
    use ClaimVerdict::{NotSettled, Refuted, Supported};
    let mut invalid = said("C04", "d", "2026-11-22T12:00:00Z", Refuted);
    invalid.valid = false;
    let runs = [
        said("C04", "a", "2026-11-22T08:00:00Z", Refuted),
        said("C04", "b", "2026-11-22T09:00:00Z", Supported),
        said("C04", "c", "2026-11-22T10:00:00Z", NotSettled),
        invalid,
    ];
    let standing = of("C04", &runs, &[]);
    assert_eq!((standing.stand, standing.run.as_deref()), (Stand::Supported, Some("b")));
    assert_eq!(standing.evidence, "b's number (one other run says otherwise)");
    assert_eq!(of("C04", &runs[2..], &[]).stand, Stand::NotSettled);
    assert_eq!(
        of("C04", &runs[3..], &[]).evidence,
        "only by 1 invalid run that may not be used"
    );
}

#[test]
fn what_one_run_says_twice_is_refuted_if_it_is_so_once() {
    use ClaimVerdict::{Refuted, Supported};
    let at = "2026-11-22T08:00:00Z";
    let runs = [said("C04", "sweep", at, Refuted), said("C04", "sweep", at, Supported)];
    assert_eq!(of("C04", &runs, &[]).stand, Stand::Refuted);
}

#[test]
fn the_audit_log_counts_in_both_modes_and_one_failure_refutes_it() {
    let polling = ran("compare", "polling", Verdict::Pass);
    let event = ran("compare", "event-driven", Verdict::Pass);
    assert_eq!(of("J09", &[], std::slice::from_ref(&polling)).stand, Stand::NotSettled);
    let standing = of("J09", &[], &[polling.clone(), event]);
    assert_eq!(standing.stand, Stand::Supported);
    assert_eq!(
        standing.evidence,
        "the check of the audit log passed in polling and event-driven mode; in all, in 2 valid runs"
    );
    let broken = ran("compare", "event-driven", Verdict::Fail);
    assert_eq!(of("J09", &[], &[polling, broken]).stand, Stand::Refuted);
}

#[test]
fn failure_modes_are_settled_when_all_of_them_were_provoked() {
    let all_but_one: Vec<Ran> = table::FAILURE_MODES[1..]
        .iter()
        .map(|(_, scenario)| ran(scenario, "event-driven", Verdict::Pass))
        .collect();
    let standing = of("C17", &[], &all_but_one);
    assert_eq!(standing.stand, Stand::NotSettled);
    assert_eq!(
        standing.evidence,
        "9 of 10 provoked and survived; no valid run of: broker outage"
    );
    let mut all = all_but_one;
    all.push(ran("broker-outage", "event-driven", Verdict::Pass));
    assert_eq!(of("C17", &[], &all).stand, Stand::Supported);
    all.push(Ran {
        at: "2026-11-22T09:00:00Z".to_owned(),
        ..ran("broker-outage", "event-driven", Verdict::Fail)
    });
    assert_eq!(of("C17", &[], &all).stand, Stand::Refuted);
    // Nothing noticed the fault: it was not provoked.
    all.iter_mut().for_each(|ran| ran.faults_took_effect = false);
    assert_eq!(of("C17", &[], &all).stand, Stand::NotYetMeasured);
}

/// What the scenario's hypothesis came to.
fn with_hypothesis(run: &Ran, verdict: ClaimVerdict) -> Ran {
    let mut run = run.clone();
    run.hypotheses.push(said(HYPOTHESIS, "", "", verdict).claim);
    run
}

#[test]
fn a_chaos_run_in_which_a_hypothesis_was_refuted_or_nothing_was_checked_is_no_clean_bill() {
    let poison = ran("poison", "event-driven", Verdict::Pass);
    let stand = |run: &Ran| of("J01", &[], std::slice::from_ref(run)).stand;
    assert_eq!(stand(&poison), Stand::Supported);
    assert_eq!(
        stand(&with_hypothesis(&poison, ClaimVerdict::Supported)),
        Stand::Supported
    );
    let refuted = with_hypothesis(&poison, ClaimVerdict::Refuted);
    assert_eq!(stand(&refuted), Stand::Refuted);
    assert_eq!(
        of("J01", &[], &[refuted]).evidence,
        "refuted: “as the run has it” (event-driven mode)"
    );
    assert_eq!(
        stand(&with_hypothesis(&poison, ClaimVerdict::NotSettled)),
        Stand::NotSettled
    );
    let unchecked = Ran {
        checks: vec![check("nothing-lost", Verdict::Unknown)],
        ..poison.clone()
    };
    assert_eq!(stand(&unchecked), Stand::NotSettled);
    assert_eq!(
        of("J01", &[], &[unchecked]).evidence,
        "not known to have passed: nothing-lost, no-double-effect (event-driven mode)"
    );
    let mut unread = poison.clone();
    unread.checks.push(check("offsets-at-end", Verdict::Unknown));
    assert_eq!(stand(&unread), Stand::NotSettled);
    let mut narrow = poison;
    narrow.checks.push(Check {
        detail: "vacuous: the widest step had 1 job".to_owned(),
        ..check("order", Verdict::Unknown)
    });
    assert_eq!(stand(&narrow), Stand::Supported);
}

#[test]
fn a_failure_mode_whose_run_tells_nothing_is_not_survived_and_not_broken() {
    let mut all: Vec<Ran> = table::FAILURE_MODES
        .iter()
        .map(|(_, scenario)| ran(scenario, "event-driven", Verdict::Pass))
        .collect();
    all[0].checks.clear();
    let standing = of("C17", &[], &all);
    assert_eq!(standing.stand, Stand::NotSettled);
    assert!(
        standing
            .evidence
            .starts_with("9 of 10 provoked and survived; not settled: broker outage ("),
        "{}",
        standing.evidence
    );
}

const C04_OF_POLLING: &str = "polling's p50 dispatch latency is not below half the poll interval (one poller)";
const C06_OF_POLLING: &str = "replicas added: polling has more connections and no more throughput";
const C06_OF_EVENT: &str = "replicas added: event-driven throughput grows roughly linearly";

fn said_of(text: &str, said: Said) -> Said {
    let mut said = said;
    text.clone_into(&mut said.claim.text);
    said
}

#[test]
fn a_half_that_is_not_settled_does_not_hide_behind_the_one_that_is() {
    use ClaimVerdict::{NotSettled, Refuted, Supported};
    let at = "2026-11-22T08:00:00Z";
    let polling = |verdict| said_of(C06_OF_POLLING, said("C06", "all", at, verdict));
    let event = |verdict| said_of(C06_OF_EVENT, said("C06", "all", at, verdict));
    let stand = |polling_is, event_is| of("C06", &[polling(polling_is), event(event_is)], &[]);
    let open = stand(NotSettled, Supported);
    assert_eq!(open.stand, Stand::NotSettled);
    assert_eq!(open.evidence, "polling: all's number; event-driven: all's number");
    assert_eq!(stand(Supported, Supported).stand, Stand::Supported);
    assert_eq!(stand(NotSettled, Refuted).stand, Stand::Refuted);
    let alone = of("C06", &[event(Supported)], &[]);
    assert_eq!(alone.stand, Stand::NotSettled);
    assert_eq!(
        alone.evidence,
        "polling: no valid run has looked at this half; event-driven: all's number"
    );
}

#[test]
fn a_sweep_of_polling_alone_neither_supports_all_of_the_claim_nor_outvotes_a_comparison() {
    use ClaimVerdict::{Refuted, Supported};
    let sweep = said_of(C04_OF_POLLING, said("C04", "sweep", "2026-11-22T09:00:00Z", Supported));
    assert_eq!(of("C04", std::slice::from_ref(&sweep), &[]).stand, Stand::NotSettled);
    let compare = |verdict| said("C04", "compare", "2026-11-22T08:00:00Z", verdict);
    let both = of("C04", &[compare(Refuted), sweep.clone()], &[]);
    assert_eq!((both.stand, both.run.as_deref()), (Stand::Refuted, Some("compare")));
    assert_eq!(of("C04", &[compare(Supported), sweep], &[]).stand, Stand::Supported);
}

#[test]
fn what_one_run_leaves_open_once_it_has_not_supported() {
    use ClaimVerdict::{NotSettled, Supported};
    let at = "2026-11-22T08:00:00Z";
    let runs = [said("C05", "all", at, NotSettled), said("C05", "all", at, Supported)];
    assert_eq!(of("C05", &runs, &[]).stand, Stand::NotSettled);
}
