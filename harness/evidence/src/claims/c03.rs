//! C03: delivery: the row lock as the only truth, or at-least-once with idempotent workers.
//!
//! Counted are jobs handled to success more than once. Polling's lock guards the *claim*; a worker that dies between its
//! success and the answer is done again in both modes, so a run in which nothing was broken says nothing.

use super::{Finding, Pair, Question, not_settled, refuted, supported};
use crate::result::RunResult;
use crate::text::{counted, grouped};

pub(super) const QUESTION: Question = Question {
    id: "C03",
    text: "polling hands a job out once, event-driven delivers at least once",
    judge,
};

fn judge(pair: &Pair<'_>) -> Finding {
    let (polling, event) = (&pair.polling.ledger, &pair.event.ledger);
    let Some(records) = event.duplicate_records else {
        return not_settled("the topics were not read: duplicate records are not known; run `bench compare` again");
    };
    let twice = event.duplicate_executions + records;
    let evidence = format!(
        "{}; {}",
        told("polling", pair.polling),
        told("event-driven", pair.event)
    );
    if polling.duplicate_executions > 0 {
        return refuted(format!("polling, too, is at-least-once: {evidence}"));
    }
    let broken = pair.polling.faults.iter().any(|fault| fault.took_effect);
    if twice > 0 && broken {
        return supported(evidence);
    }
    not_settled(format!(
        "nothing was delivered twice by chance: {evidence}; kill workers and the relay under load in both modes"
    ))
}

fn told(mode: &str, result: &RunResult) -> String {
    let ledger = &result.ledger;
    let records = match ledger.duplicate_records {
        Some(records) if result.run.mode != "polling" => format!(", {}", counted(records, "duplicate record")),
        _ => String::new(),
    };
    let effects = ledger.double_effects.map_or("not checked".to_owned(), grouped);
    format!(
        "{mode}: {} of {} completed handled to success again{records}, double effects: {effects}",
        grouped(ledger.duplicate_executions),
        counted(ledger.completed, "job"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::fixture::Runs;
    use crate::result::ClaimVerdict::{NotSettled, Refuted, Supported};

    #[test]
    fn duplicates_in_event_mode_alone_support_it_if_polling_was_put_to_the_test() {
        let mut runs = Runs::new();
        assert_eq!(judge(&runs.pair()).0, Supported);
        runs.polling.faults.clear();
        assert_eq!(judge(&runs.pair()).0, NotSettled);
    }

    #[test]
    fn a_duplicate_in_polling_refutes_it() {
        let mut runs = Runs::new();
        runs.polling.ledger.duplicate_executions = 2;
        let (verdict, evidence) = judge(&runs.pair());
        assert_eq!(verdict, Refuted);
        assert!(
            evidence.contains("polling: 2 of 9,000 jobs completed handled to success again"),
            "{evidence}"
        );
    }

    #[test]
    fn without_any_duplicate_or_with_topics_unread_nothing_is_settled() {
        let mut runs = Runs::new();
        (
            runs.event.ledger.duplicate_records,
            runs.event.ledger.duplicate_executions,
        ) = (Some(0), 0);
        assert_eq!(judge(&runs.pair()).0, NotSettled);
        runs.event.ledger.duplicate_records = None;
        assert_eq!(judge(&runs.pair()).0, NotSettled);
    }
}
