//! May the numbers of a run be used, and what do they not say?

use crossover_evidence::capacity::holds::LATE_SHARE_MAX;
use crossover_evidence::result::RunResult;

use super::generator::HOW_TO_PERMIT;
use super::meta::RunMeta;

/// Why the numbers of a run can't be used; none if they can.
pub fn invalid_reasons(meta: &RunMeta, result: &RunResult) -> Vec<String> {
    let mut reasons = meta.invalid_reasons.clone();
    if result.load.late_share > LATE_SHARE_MAX {
        let advice = match result.instrument.generator_realtime {
            Some(false) => format!("; it could not come before all others: {HOW_TO_PERMIT}"),
            Some(true) | None => String::new(),
        };
        reasons.push(format!(
            "the generator was late: {:.1} % of arrivals were sent more than 10 ms after their time; at most 1 % is allowed{advice}",
            result.load.late_share * 100.0
        ));
    }
    for fault in result.faults.iter().filter(|fault| !fault.took_effect) {
        // A run that was broken off may not have come to its faults.
        if meta.finished && !meta.interrupted {
            reasons.push(format!(
                "the fault {} on {} was not seen to take effect",
                fault.kind, fault.target
            ));
        }
    }
    reasons
}

/// What the numbers don't say, a sentence each.
pub fn not_measured(meta: &RunMeta, has_database: bool) -> Vec<String> {
    let mut lines = vec![
        "one machine: load, engine and PostgreSQL share its processors, and no network lies between them".to_owned(),
        "one run: no interval can be given".to_owned(),
    ];
    if !meta.history {
        lines.push("no history was recorded (--no-history): latency and checks are missing".to_owned());
    }
    if !has_database {
        lines.push("the database at the end: the run died before it was read".to_owned());
    }
    lines
}
