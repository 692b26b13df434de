//! `downstream-counts-agree`: the service that handlers call was reached as often as the history says that it was called.
//!
//! A handler that ended has called once; one that only started may have been killed before. So for each policy the service's
//! count lies between the two. A call that never reached it, or one that nobody made, would make every comparison of
//! policies a guess. While calls may still come, the two were not read at one moment, and a difference shows nothing.

use super::{Check, fail, pass, unknown};
use crate::downstream::{PolicyCounts, callers};
use crate::ledger::Ledger;
use crate::text::{counted, grouped};

const NAME: &str = "downstream-counts-agree";

/// `None` if no handler calls anybody.
pub(super) fn check(ledger: &Ledger<'_>, is_final: bool) -> Option<Check> {
    let callers = callers(ledger);
    if callers.is_empty() {
        return None;
    }
    let Some(counts) = ledger.evidence().downstream else {
        return Some(unknown(
            NAME,
            "nobody could ask the service what it had counted".to_owned(),
        ));
    };
    let (mut agree, mut told) = (true, Vec::new());
    for (policy, callers) in callers {
        let requests = requests_of(counts, policy);
        agree &= (callers.ended..=callers.started).contains(&requests);
        let open = match callers.started - callers.ended.min(callers.started) {
            0 => String::new(),
            open => format!(" and {} that did not end", grouped(open)),
        };
        told.push(format!(
            "{policy}: {} for {}{open}",
            counted(requests, "request"),
            counted(callers.ended, "ended attempt")
        ));
    }
    let detail = told.join("; ");
    Some(match (agree, is_final) {
        (true, _) => pass(NAME, detail),
        (false, true) => fail(NAME, detail, Vec::new()),
        (false, false) => unknown(NAME, format!("{detail}; the run ended before the last call")),
    })
}

fn requests_of(counts: &[PolicyCounts], policy: &str) -> u64 {
    let of_policy = counts.iter().find(|counts| counts.policy == policy);
    of_policy.map_or(0, |counts| counts.requests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Verdict;
    use crate::scene::Scene;

    /// Two jobs, three attempts that ended; then one that was under way when its worker died.
    fn scene(requests: u64, killed: bool) -> Scene {
        let mut scene = Scene::new(&[1]);
        scene.calls_as("naive");
        scene.start_many(2);
        scene.fail_next(true);
        scene.drain();
        if killed {
            scene.start();
            scene.claim_next(0).unwrap();
            (0..2).for_each(|_| scene.advance(0, crossover_proto::history::Outcome::Done));
            scene.executions.clear();
        }
        scene.downstream = Some(vec![PolicyCounts {
            policy: "naive".to_owned(),
            requests,
            ..PolicyCounts::default()
        }]);
        scene
    }

    #[test]
    fn a_request_for_each_attempt_that_ended_agrees() {
        let check = check(&scene(3, false).ledger(), true).unwrap();
        assert_eq!(check.verdict, Verdict::Pass);
        assert_eq!(check.detail, "naive: 3 requests for 3 ended attempts");
    }

    #[test]
    fn a_request_too_few_or_too_many_is_found() {
        for requests in [2, 4] {
            let check = check(&scene(requests, false).ledger(), true).unwrap();
            assert_eq!(check.verdict, Verdict::Fail, "{check:?}");
            let open = super::check(&scene(requests, false).ledger(), false).unwrap();
            assert_eq!(open.verdict, Verdict::Unknown, "{open:?}");
        }
    }

    #[test]
    fn an_attempt_whose_worker_died_may_or_may_not_have_called() {
        for (requests, verdict) in [
            (2, Verdict::Fail),
            (3, Verdict::Pass),
            (4, Verdict::Pass),
            (5, Verdict::Fail),
        ] {
            let check = check(&scene(requests, true).ledger(), true).unwrap();
            assert_eq!(check.verdict, verdict, "{check:?}");
        }
    }

    #[test]
    fn without_the_counts_nothing_is_known_and_without_callers_there_is_nothing_to_check() {
        let mut unasked = scene(3, false);
        unasked.downstream = None;
        assert_eq!(check(&unasked.ledger(), true).unwrap().verdict, Verdict::Unknown);
        assert_eq!(check(&Scene::new(&[1]).ledger(), true), None);
    }
}
