//! C18: one job at a time on an idle system: polling *can* be the faster one (one `UPDATE … RETURNING`), since
//! event-driven goes over commit, relay, broker and fetch.
//!
//! "Can be" is about the best case, so the shortest dispatch of the phase `single` is compared; its median stands beside
//! it, and is what most jobs see. Two runs that differ by less than [`NOISE`] settle nothing.

use super::{Finding, Pair, Question, holds, not_settled, phase, rounded};
use crate::result::RunResult;

pub(super) const QUESTION: Question = Question {
    id: "C18",
    text: "a single job on an idle system: the best case can be faster in polling",
    judge,
};

/// One run of each: a tenth is within what two runs of one mode differ.
const NOISE: f64 = 0.10;
/// Fewer jobs than this have no best case to speak of.
const COUNT_MIN: u64 = 20;

/// Dispatch of single jobs (ms).
struct Single {
    best: f64,
    median: f64,
    count: u64,
}

fn judge(pair: &Pair<'_>) -> Finding {
    let (Some(polling), Some(event)) = (single(pair.polling), single(pair.event)) else {
        return not_settled("no dispatch of a phase `single` in both modes; run the scenario `compare`");
    };
    let evidence = format!(
        "best of {} and {} jobs: polling {} ms, event-driven {} ms; p50: polling {} ms, event-driven {} ms",
        polling.count,
        event.count,
        rounded(polling.best),
        rounded(event.best),
        rounded(polling.median),
        rounded(event.median)
    );
    if polling.count.min(event.count) < COUNT_MIN {
        return not_settled(format!("{evidence}; make `single` longer: {COUNT_MIN} jobs at least"));
    }
    if (polling.best - event.best).abs() <= NOISE * polling.best.max(event.best) {
        return not_settled(format!("{evidence}: too close for one run of each; repeat it"));
    }
    holds(polling.best < event.best, evidence)
}

fn single(result: &RunResult) -> Option<Single> {
    let dispatch = &phase(result, "single")?.latency_ms.dispatch;
    // The curve begins at its lowest rank.
    let (_, best) = dispatch.curve.first()?;
    Some(Single {
        best: *best,
        median: dispatch.p50?,
        count: dispatch.count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::fixture::Runs;
    use crate::result::ClaimVerdict::{NotSettled, Refuted, Supported};

    #[test]
    fn a_best_case_that_is_faster_in_polling_supports_it_whatever_the_median() {
        let (verdict, evidence) = judge(&Runs::new().pair());
        assert_eq!(verdict, Supported);
        assert_eq!(
            evidence,
            "best of 50 and 50 jobs: polling 1.10 ms, event-driven 2.40 ms; p50: polling 245 ms, event-driven 3.10 ms"
        );
    }

    #[test]
    fn a_best_case_that_is_slower_refutes_it_and_one_as_fast_settles_nothing() {
        let mut runs = Runs::new();
        runs.polling.phases[2].latency_ms.dispatch.curve[0].1 = 4.0;
        assert_eq!(judge(&runs.pair()).0, Refuted);
        runs.polling.phases[2].latency_ms.dispatch.curve[0].1 = 2.5;
        assert_eq!(judge(&runs.pair()).0, NotSettled);
    }

    #[test]
    fn too_few_jobs_or_none_settle_nothing() {
        let mut runs = Runs::new();
        runs.event.phases[2].latency_ms.dispatch.count = 19;
        assert_eq!(judge(&runs.pair()).0, NotSettled);
        runs.event.phases[2].latency_ms.dispatch.curve.clear();
        assert_eq!(judge(&runs.pair()).0, NotSettled);
    }
}
