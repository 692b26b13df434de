//! C16: what tests need: PostgreSQL, or PostgreSQL and a broker with its outages. Counted in what a run had to start, how
//! long that took, and how many faults it had to go through; rebalances are a matter of the suites themselves.

use super::{Finding, Pair, Question, holds, not_settled, rounded};
use crate::text::counted;

pub(super) const QUESTION: Question = Question {
    id: "C16",
    text: "tests need PostgreSQL in polling, a broker and its outages as well in event-driven",
    judge,
};

fn judge(pair: &Pair<'_>) -> Finding {
    let (Some(polling), Some(event)) = (pair.polling.testbed.startup_s(), pair.event.testbed.startup_s()) else {
        return not_settled("start-up times were not recorded; run `bench compare` again");
    };
    if polling <= 0.0 {
        return not_settled("start-up times were not recorded; run `bench compare` again");
    }
    let faults = |result: &crate::result::RunResult| counted(result.faults.len() as u64, "fault");
    let needs_more = pair.event.testbed.broker.is_some() && pair.polling.testbed.broker.is_none() && event > polling;
    holds(
        needs_more,
        format!(
            "ready to test after {} s in polling, {} s in event-driven ({} ×); the run went through {} and {}",
            rounded(polling),
            rounded(event),
            rounded(event / polling),
            faults(pair.polling),
            faults(pair.event)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::fixture::Runs;
    use crate::result::ClaimVerdict::{NotSettled, Refuted, Supported};

    #[test]
    fn a_broker_and_a_longer_start_support_it() {
        let (verdict, evidence) = judge(&Runs::new().pair());
        assert_eq!(verdict, Supported);
        assert_eq!(
            evidence,
            "ready to test after 2.10 s in polling, 7.30 s in event-driven (3.48 ×); the run went through 1 fault and 2 faults"
        );
    }

    #[test]
    fn an_image_that_the_first_run_pulled_counts_for_neither() {
        let mut runs = Runs::new();
        let before = judge(&runs.pair());
        for testbed in [&mut runs.polling.testbed, &mut runs.event.testbed] {
            testbed.startup_ms.push(("PostgreSQL image pulled".to_owned(), 60_000));
        }
        assert_eq!(judge(&runs.pair()), before);
    }

    #[test]
    fn a_start_that_is_no_longer_refutes_it_and_an_unknown_one_settles_nothing() {
        let mut runs = Runs::new();
        runs.polling.testbed.startup_ms[0].1 = 60_000;
        assert_eq!(judge(&runs.pair()).0, Refuted);
        runs.event.testbed.startup_ms.clear();
        assert_eq!(judge(&runs.pair()).0, NotSettled);
    }
}
