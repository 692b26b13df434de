//! Does a rate hold? Three rules, put to the run of one step.
//!
//! 1. The backlog does not grow: over the second half of the load, the upper end of the 95 % interval of its slope is under
//!    1 % of the rate.
//! 2. It was achieved: of the jobs that were intended, 99 % were over by 2 s after the load.
//! 3. What was left at the end of the load was over in less than 2 s.
//!
//! A slope whose interval reaches over the bound tells nothing either way. A generator that was late offered less than the
//! rate: then a step can't be said to hold; but if the backlog grew all the same, more would not have held either.

use super::{Step, StepVerdict};
use crate::result::{BacklogInfo, RunResult, Verdict};

/// Slope of the backlog ÷ rate that still counts as not growing.
pub const SLOPE_MAX: f64 = 0.01;
/// Least share of the intended jobs that are over in time.
pub const ACHIEVED_MIN: f64 = 0.99;
/// Longest time that what is left after the load may take (s).
pub const DRAIN_MAX_S: f64 = 2.0;
/// Share of arrivals that may be sent more than 10 ms late.
pub const LATE_SHARE_MAX: f64 = 0.01;

/// Judges the run of a step at `rate_per_s` by its last loaded phase. `pardoned` are reasons of an invalid run that concern no step in
/// particular, such as a debug build: whoever judges the whole search tells them once.
#[must_use]
pub fn judge(rate_per_s: f64, result: &RunResult, pardoned: &[String], run: &str) -> Step {
    let backlog = result.phases.iter().rev().find_map(|phase| phase.backlog);
    let late = result.load.late_share > LATE_SHARE_MAX;
    let failed_checks: Vec<String> = result
        .checks
        .iter()
        .filter(|check| check.verdict == Verdict::Fail)
        .map(|check| check.name.clone())
        .collect();
    let (verdict, why) = match doubt(result, pardoned, &failed_checks) {
        Some(doubt) => (StepVerdict::Unknown, vec![doubt]),
        None => backlog.map_or_else(no_backlog, |backlog| rules(&backlog, late, result.load.late_share)),
    };
    let latency = &result.latency_ms.dispatch;
    Step {
        rate_per_s,
        verdict,
        why,
        slope_per_s: backlog.map(|backlog| (backlog.slope_per_s, backlog.slope_high_per_s)),
        achieved_ratio: backlog.map(|backlog| backlog.achieved_ratio),
        drain_s: backlog.and_then(|backlog| backlog.drain_s),
        p50_ms: latency.p50,
        p99_ms: latency.p99,
        host_cpu_share: result.instrument.host_cpu_share,
        limited_by_harness: late && verdict == StepVerdict::Unknown && failed_checks.is_empty(),
        failed_checks,
        run: run.to_owned(),
    }
}

/// Why the run can't be used at all; lateness is looked at with the rules.
fn doubt(result: &RunResult, pardoned: &[String], failed: &[String]) -> Option<String> {
    if result.run.interrupted {
        return Some("the run was broken off".to_owned());
    }
    if !failed.is_empty() {
        return Some(format!("the run failed {}", failed.join(", ")));
    }
    let is_of_its_own = |reason: &&String| !pardoned.contains(reason) && !reason.starts_with("the generator was late");
    let reason = result.run.invalid_reasons.iter().find(is_of_its_own);
    reason.map(|reason| format!("the run is invalid: {reason}"))
}

fn no_backlog() -> (StepVerdict, Vec<String>) {
    let why = "the backlog is not known: no history, or no phase with arrivals".to_owned();
    (StepVerdict::Unknown, vec![why])
}

fn rules(backlog: &BacklogInfo, late: bool, late_share: f64) -> (StepVerdict, Vec<String>) {
    let per_cent = |slope: f64| 100.0 * slope / backlog.jobs_per_s;
    let bound = SLOPE_MAX * backlog.jobs_per_s;
    let growth = match backlog {
        _ if backlog.slope_high_per_s < bound => StepVerdict::Held,
        _ if backlog.slope_low_per_s >= bound => StepVerdict::DidNotHold,
        _ => StepVerdict::Unknown,
    };
    let growth_said = match growth {
        StepVerdict::Held => "does not grow",
        StepVerdict::DidNotHold => "grows",
        StepVerdict::Unknown => "can't be told from a growing one",
    };
    let of = |holds: bool| {
        if holds {
            StepVerdict::Held
        } else {
            StepVerdict::DidNotHold
        }
    };
    let achieved = of(backlog.achieved_ratio >= ACHIEVED_MIN);
    let drained = of(backlog.drain_s.is_some_and(|drain| drain < DRAIN_MAX_S));
    let mut why = vec![
        format!(
            "the backlog {growth_said}: its slope is {:+.2} % of the rate, at most {:+.2} % (95 %); under 1 % holds",
            per_cent(backlog.slope_per_s),
            per_cent(backlog.slope_high_per_s)
        ),
        format!(
            "{:.2} % of the jobs were over by {DRAIN_MAX_S} s after the load; 99 % hold",
            100.0 * backlog.achieved_ratio
        ),
        match backlog.drain_s {
            Some(drain) => format!("the rest took {drain:.2} s; under {DRAIN_MAX_S} s holds"),
            None => "some jobs were never over".to_owned(),
        },
    ];
    let rules = [growth, achieved, drained];
    if late {
        let (verdict, said) = match growth {
            StepVerdict::DidNotHold => (growth, "what was sent was too much all the same"),
            _ => (
                StepVerdict::Unknown,
                "less than the rate was offered, so this says nothing of it",
            ),
        };
        let share = 100.0 * late_share;
        why.push(format!(
            "the generator was late with {share:.1} % of the arrivals: {said}"
        ));
        return (verdict, why);
    }
    let verdict = match rules {
        [StepVerdict::Held, StepVerdict::Held, StepVerdict::Held] => StepVerdict::Held,
        _ if rules.contains(&StepVerdict::DidNotHold) => StepVerdict::DidNotHold,
        _ => StepVerdict::Unknown,
    };
    (verdict, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::fixture::Runs;
    use crate::result::Check;

    fn backlog(slope: f64, half: f64) -> BacklogInfo {
        BacklogInfo {
            jobs_per_s: 1_000.0,
            slope_per_s: slope,
            slope_low_per_s: slope - half,
            slope_high_per_s: slope + half,
            mean_jobs: 10.0,
            achieved_ratio: 1.0,
            drain_s: Some(0.3),
        }
    }

    fn run(backlog: BacklogInfo) -> RunResult {
        let mut result = Runs::new().polling;
        result.run.invalid_reasons.clear();
        result.checks.clear();
        result.load.late_share = 0.0;
        result.phases.last_mut().unwrap().backlog = Some(backlog);
        result
    }

    fn verdict(result: &RunResult) -> StepVerdict {
        judge(1_000.0, result, &[], "01").verdict
    }

    #[test]
    fn a_backlog_that_stays_holds_and_one_that_grows_does_not() {
        assert_eq!(verdict(&run(backlog(0.0, 5.0))), StepVerdict::Held);
        assert_eq!(verdict(&run(backlog(-40.0, 5.0))), StepVerdict::Held);
        assert_eq!(verdict(&run(backlog(50.0, 5.0))), StepVerdict::DidNotHold);
    }

    #[test]
    fn a_slope_that_may_be_either_tells_nothing() {
        assert_eq!(verdict(&run(backlog(5.0, 20.0))), StepVerdict::Unknown);
    }

    #[test]
    fn one_broken_rule_is_enough() {
        let few = BacklogInfo {
            achieved_ratio: 0.98,
            ..backlog(0.0, 1.0)
        };
        assert_eq!(verdict(&run(few)), StepVerdict::DidNotHold);
        for drain_s in [Some(2.5), None] {
            let slow = BacklogInfo {
                drain_s,
                ..backlog(0.0, 1.0)
            };
            assert_eq!(verdict(&run(slow)), StepVerdict::DidNotHold);
        }
    }

    #[test]
    fn a_late_generator_proves_no_rate_to_hold_but_growth_is_growth() {
        let mut late = run(backlog(0.0, 5.0));
        late.load.late_share = 0.02;
        let step = judge(1_000.0, &late, &[], "01");
        assert_eq!((step.verdict, step.limited_by_harness), (StepVerdict::Unknown, true));
        let mut late = run(backlog(50.0, 5.0));
        late.load.late_share = 0.02;
        let step = judge(1_000.0, &late, &[], "01");
        assert_eq!(
            (step.verdict, step.limited_by_harness),
            (StepVerdict::DidNotHold, false)
        );
    }

    #[test]
    fn an_invalid_run_tells_nothing_but_for_what_is_pardoned() {
        let mut debug = run(backlog(0.0, 5.0));
        debug.run.invalid_reasons = vec!["debug build".to_owned()];
        assert_eq!(verdict(&debug), StepVerdict::Unknown);
        let pardoned = ["debug build".to_owned()];
        assert_eq!(judge(1_000.0, &debug, &pardoned, "01").verdict, StepVerdict::Held);
    }

    #[test]
    fn a_run_that_lost_something_tells_nothing() {
        let mut lossy = run(backlog(0.0, 5.0));
        lossy.checks = vec![Check {
            name: "nothing-lost".to_owned(),
            verdict: Verdict::Fail,
            detail: String::new(),
            story: Vec::new(),
        }];
        let step = judge(1_000.0, &lossy, &[], "01");
        assert_eq!(step.verdict, StepVerdict::Unknown);
        assert_eq!(step.failed_checks, ["nothing-lost"]);
    }
}
