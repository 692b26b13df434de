//! C02: the source of truth: the job row, or outbox row and broker offsets, kept consistent by the outbox pattern.
//!
//! What can be measured is the consistency: after the run the ledger reconciles job rows and audit log, and in
//! event-driven mode outbox rows, records and offsets with them.

use super::{Finding, Pair, Question, check, not_settled, refuted, supported};
use crate::result::{RunResult, Verdict};

pub(super) const QUESTION: Question = Question {
    id: "C02",
    text: "polling has one source of truth, event-driven two that the outbox keeps consistent",
    judge,
};

const POLLING_CHECKS: [&str; 2] = ["nothing-lost", "audit-replayed-equals-tables"];
const EVENT_DRIVEN_CHECKS: [&str; 5] = [
    "nothing-lost",
    "audit-replayed-equals-tables",
    "outbox-empty",
    "offsets-at-end",
    "every-record-has-its-row",
];

fn judge(pair: &Pair<'_>) -> Finding {
    let sides = [
        ("polling", pair.polling, &POLLING_CHECKS[..]),
        ("event-driven", pair.event, &EVENT_DRIVEN_CHECKS[..]),
    ];
    let all = || {
        sides
            .iter()
            .flat_map(|(mode, result, names)| names.iter().map(move |name| (*mode, *result, *name)))
    };
    let told = |verdict: Verdict| {
        let found = all().filter_map(move |(mode, result, name)| told(mode, result, name, verdict));
        found.collect::<Vec<String>>()
    };
    let missing: Vec<&str> = all()
        .filter(|(_, result, name)| check(result, name).is_none())
        .map(|(_, _, name)| name)
        .collect();
    if !told(Verdict::Fail).is_empty() {
        return refuted(told(Verdict::Fail).join("; "));
    }
    if !missing.is_empty() {
        return not_settled(format!(
            "not checked: {}; run `bench compare` with a history",
            missing.join(", ")
        ));
    }
    if !told(Verdict::Unknown).is_empty() {
        return not_settled(format!("{}; run it without that", told(Verdict::Unknown).join("; ")));
    }
    let event = EVENT_DRIVEN_CHECKS.map(|name| check(pair.event, name).map_or("", |check| &check.detail));
    supported(format!("reconciled after the event-driven run: {}", event.join("; ")))
}

fn told(mode: &str, result: &RunResult, name: &str, verdict: Verdict) -> Option<String> {
    let check = check(result, name).filter(|check| check.verdict == verdict)?;
    Some(format!("{mode}, {name}: {}", check.detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::fixture::Runs;
    use crate::result::ClaimVerdict::{NotSettled, Refuted, Supported};

    #[test]
    fn rows_records_and_offsets_that_agree_support_it() {
        assert_eq!(judge(&Runs::new().pair()).0, Supported);
    }

    #[test]
    fn one_that_does_not_agree_refutes_it_and_one_that_can_not_be_told_settles_nothing() {
        let mut runs = Runs::new();
        let place = runs
            .event
            .checks
            .iter()
            .position(|check| check.name == "offsets-at-end")
            .unwrap();
        runs.event.checks[place].verdict = Verdict::Unknown;
        assert_eq!(judge(&runs.pair()).0, NotSettled);
        runs.event.checks[place].verdict = Verdict::Fail;
        let (verdict, evidence) = judge(&runs.pair());
        assert_eq!(verdict, Refuted);
        assert!(evidence.starts_with("event-driven, offsets-at-end: "), "{evidence}");
        runs.event.checks.remove(place);
        let (verdict, evidence) = judge(&runs.pair());
        assert_eq!(verdict, NotSettled);
        assert!(evidence.starts_with("not checked: offsets-at-end"), "{evidence}");
    }
}
