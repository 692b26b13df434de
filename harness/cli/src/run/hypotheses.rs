//! Judges a scenario's hypotheses: numbers of `result.json` that must lie within bounds.
//!
//! A count of the ledger holds only as far as what counts it could look: where loss and double effects could not be
//! checked, no count of the ledger settles anything, and "nothing is lost" holds only if the check that says so passed.

use crossover_evidence::result::{Claim, ClaimVerdict, RunResult};
use serde_json::Value;

use crate::scenario::{Document, Hypothesis};

/// One claim per hypothesis that applies: supported, refuted, or not settled where the number is missing.
pub fn judge(document: &Document, result: &RunResult) -> Vec<Claim> {
    if document.hypotheses.is_empty() {
        return Vec::new();
    }
    let mode = &result.run.mode;
    let result = serde_json::to_value(result).unwrap_or_default();
    let settings = serde_json::to_value(document).unwrap_or_default();
    let applying = document
        .hypotheses
        .iter()
        .filter(|hypothesis| applies(hypothesis, mode, &settings));
    applying.map(|hypothesis| judge_one(hypothesis, &result)).collect()
}

fn applies(hypothesis: &Hypothesis, mode: &str, settings: &Value) -> bool {
    if hypothesis.mode.is_some_and(|only| only.name() != mode) {
        return false;
    }
    let conditions = hypothesis.when.iter().flat_map(|when| when.split(','));
    conditions
        .filter_map(|each| each.split_once('='))
        .all(|(key, value)| holds(settings, key, value))
}

fn holds(settings: &Value, key: &str, value: &str) -> bool {
    match lookup(settings, key.trim()) {
        Some(Value::String(found)) => found == value.trim(),
        Some(found) => serde_json::from_str::<Value>(value.trim()).is_ok_and(|value| value == *found),
        // The scenario's validation refuses a key that is not there.
        None => false,
    }
}

fn judge_one(hypothesis: &Hypothesis, result: &Value) -> Claim {
    let metric = &hypothesis.metric;
    let found = lookup(result, metric)
        .and_then(Value::as_f64)
        .filter(|_| was_counted(metric, result));
    let bounds = match (hypothesis.at_least, hypothesis.at_most) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => "anything".to_owned(),
    };
    let (verdict, evidence) = match found {
        None if never_came_back(metric, result) => (
            ClaimVerdict::Refuted,
            format!("it was not back to normal before the end; expected {metric} of {bounds}"),
        ),
        None => (
            ClaimVerdict::NotSettled,
            format!("{metric} was not measured; expected {bounds}"),
        ),
        Some(value) => {
            let holds = hypothesis.at_least.is_none_or(|least| value >= least)
                && hypothesis.at_most.is_none_or(|most| value <= most);
            let told = format!("{metric} is {}; expected {bounds}", rounded(value));
            match doubt(metric, result).filter(|_| holds) {
                Some(doubt) => (ClaimVerdict::NotSettled, format!("{told}; {doubt}")),
                None if holds => (ClaimVerdict::Supported, told),
                None => (ClaimVerdict::Refuted, told),
            }
        }
    };
    Claim {
        id: "hypothesis".to_owned(),
        text: hypothesis.text.clone(),
        verdict,
        evidence,
    }
}

/// Without a history, or the database at the end, the ledger's counts are zeros that nobody counted.
fn was_counted(metric: &str, result: &Value) -> bool {
    let is_known = || lookup(result, "ledger.lost").is_some_and(Value::is_number);
    !metric.starts_with("ledger.") || is_known()
}

/// A recovery without a number may be one that never came, which is no doubt but an answer.
fn never_came_back(metric: &str, result: &Value) -> bool {
    let fault = metric.strip_suffix(".recovery_s");
    let recovered = fault.and_then(|fault| lookup(result, &format!("{fault}.recovered")));
    recovered == Some(&Value::Bool(false))
}

/// Why a number within its bounds shows nothing: jobs that are still open are not counted as lost.
fn doubt(metric: &str, result: &Value) -> Option<String> {
    if metric != "ledger.lost" {
        return None;
    }
    let verdict = lookup(result, "checks.nothing-lost.verdict")?.as_str()?;
    (verdict != "pass").then(|| "the check nothing-lost did not pass".to_owned())
}

/// Four significant digits, so that a sentence can be read.
fn rounded(value: f64) -> String {
    if value == value.trunc() && value.abs() < 1e15 {
        return format!("{value}");
    }
    let digits = (3.0 - value.abs().log10().floor()).clamp(0.0, 12.0) as usize;
    format!("{value:.digits$}")
}

/// Follows a path; in a list, by the `name` of an item.
fn lookup<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, step| match value {
        // By name, or by place.
        Value::Array(items) => items
            .iter()
            .find(|item| item.get("name").and_then(Value::as_str) == Some(step))
            .or_else(|| items.get(step.parse::<usize>().ok()?)),
        _ => value.get(step),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hypothesis(metric: &str, at_most: f64) -> Hypothesis {
        Hypothesis {
            text: "t".to_owned(),
            metric: metric.to_owned(),
            when: None,
            mode: None,
            at_least: None,
            at_most: Some(at_most),
        }
    }

    #[test]
    fn a_number_is_found_by_its_path_and_compared() {
        let result = json!({ "phases": [{ "name": "steady", "lock_wait_share": 0.25 }], "x": { "y": null } });
        let verdict = |metric, most| judge_one(&hypothesis(metric, most), &result).verdict;
        assert_eq!(verdict("phases.steady.lock_wait_share", 0.3), ClaimVerdict::Supported);
        assert_eq!(verdict("phases.steady.lock_wait_share", 0.2), ClaimVerdict::Refuted);
        assert_eq!(verdict("phases.0.lock_wait_share", 0.3), ClaimVerdict::Supported);
        assert_eq!(verdict("phases.1.lock_wait_share", 0.3), ClaimVerdict::NotSettled);
        assert_eq!(verdict("x.y", 1.0), ClaimVerdict::NotSettled);
        let faults = |recovered: Value| json!({ "faults": [{ "recovery_s": null, "recovered": recovered }] });
        let recovery = |result: &Value| judge_one(&hypothesis("faults.0.recovery_s", 5.0), result).verdict;
        assert_eq!(
            recovery(&faults(json!(false))),
            ClaimVerdict::Refuted,
            "it never came back"
        );
        assert_eq!(
            recovery(&faults(json!(null))),
            ClaimVerdict::NotSettled,
            "there was nothing to compare with"
        );
        assert_eq!(verdict("x.z", 1.0), ClaimVerdict::NotSettled);
    }

    #[test]
    fn a_count_of_the_ledger_that_nobody_counted_or_that_a_check_doubts_is_not_settled() {
        let verdict = |metric, result: &Value| judge_one(&hypothesis(metric, 0.0), result).verdict;
        let blind = json!({ "ledger": { "lost": null, "order_violations": 0 } });
        assert_eq!(verdict("ledger.order_violations", &blind), ClaimVerdict::NotSettled);
        let checked = |check: &str| {
            json!({
                "ledger": { "lost": 0, "order_violations": 0 },
                "checks": [{ "name": "nothing-lost", "verdict": check }]
            })
        };
        assert_eq!(verdict("ledger.lost", &checked("pass")), ClaimVerdict::Supported);
        assert_eq!(verdict("ledger.lost", &checked("unknown")), ClaimVerdict::NotSettled);
        assert_eq!(
            verdict("ledger.order_violations", &checked("unknown")),
            ClaimVerdict::Supported
        );
    }

    #[test]
    fn a_hypothesis_of_one_mode_is_not_put_to_the_other() {
        let mut only = hypothesis("x", 0.0);
        only.mode = Some(crate::args::Mode::EventDriven);
        assert!(applies(&only, "event-driven", &Value::Null) && !applies(&only, "polling", &Value::Null));
        only.mode = None;
        assert!(applies(&only, "polling", &Value::Null));
    }
}
