//! C07: ordering: FIFO per job type over the whole deployment, or per workflow instance alone.

use super::{Finding, Pair, Question, check, holds, not_settled, percent, refuted};
use crate::result::{RunResult, Verdict};
use crate::text::{counted, grouped};

pub(super) const QUESTION: Question = Question {
    id: "C07",
    text: "order: polling FIFO per job type, event-driven per workflow instance only",
    judge,
};

/// Jobs that may be overtaken in an order that is still "effectively" FIFO: one in a hundred.
const INVERSIONS_MAX: f64 = 0.01;

fn judge(pair: &Pair<'_>) -> Finding {
    let order = check(pair.event, "order");
    let Some(order) = order.filter(|order| order.verdict != Verdict::Unknown) else {
        let why = order.map_or("it was not checked", |order| order.detail.as_str());
        return not_settled(format!(
            "order per instance: {why}; run it with a step of 8 jobs of one type or more"
        ));
    };
    let evidence = format!(
        "per instance (first receipts): event-driven {}, polling {} out of order; per job type (starts): polling {}, event-driven {}",
        violations(pair.event),
        violations(pair.polling),
        inversions(pair.polling),
        inversions(pair.event)
    );
    if order.verdict == Verdict::Fail {
        return refuted(format!("event-driven broke the order of an instance: {evidence}"));
    }
    let Some(share) = inverted_share(pair.polling) else {
        return not_settled("no job was accepted in polling mode; run `bench compare` again");
    };
    holds(share <= INVERSIONS_MAX, evidence)
}

fn violations(result: &RunResult) -> String {
    counted(result.ledger.order_violations, "job")
}

fn inversions(result: &RunResult) -> String {
    let count = grouped(result.ledger.fifo_inversions);
    let share = inverted_share(result).map_or_else(String::new, |share| format!(" ({})", percent(share)));
    // Its detail says by how much: being overtaken by a millisecond is not being overtaken by a minute.
    let detail = check(result, "fifo").and_then(|check| check.detail.split_once("by "));
    let by = detail
        .and_then(|(_, rest)| rest.rsplit_once("by "))
        .map_or(String::new(), |(_, by)| format!(", by {by}"));
    format!("{count} overtaken{share}{by}")
}

fn inverted_share(result: &RunResult) -> Option<f64> {
    let ledger = &result.ledger;
    (ledger.accepted > 0).then(|| ledger.fifo_inversions as f64 / ledger.accepted as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::fixture::Runs;
    use crate::result::ClaimVerdict::{NotSettled, Refuted, Supported};

    fn order(runs: &mut Runs) -> &mut crate::result::Check {
        runs.event
            .checks
            .iter_mut()
            .find(|check| check.name == "order")
            .unwrap()
    }

    #[test]
    fn order_per_instance_and_few_overtaken_in_polling_support_it() {
        let (verdict, evidence) = judge(&Runs::new().pair());
        assert_eq!(verdict, Supported);
        assert!(
            evidence.contains("polling 40 overtaken (0.444 %), by 12.0 ms at most"),
            "{evidence}"
        );
    }

    #[test]
    fn an_instance_out_of_order_or_many_overtaken_in_polling_refute_it() {
        let mut runs = Runs::new();
        order(&mut runs).verdict = Verdict::Fail;
        assert_eq!(judge(&runs.pair()).0, Refuted);
        let mut runs = Runs::new();
        runs.polling.ledger.fifo_inversions = 3_000;
        assert_eq!(judge(&runs.pair()).0, Refuted);
    }

    #[test]
    fn a_vacuous_order_check_settles_nothing() {
        let mut runs = Runs::new();
        order(&mut runs).verdict = Verdict::Unknown;
        assert_eq!(judge(&runs.pair()).0, NotSettled);
    }
}
