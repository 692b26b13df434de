//! Judges a scenario's hypotheses: numbers of `result.json` that must lie within bounds.

use crossover_evidence::result::{Claim, ClaimVerdict, RunResult};
use serde_json::Value;

use crate::scenario::{Document, Hypothesis};

/// One claim per hypothesis that applies: supported, refuted, or not settled where the number is missing.
pub fn judge(document: &Document, result: &RunResult) -> Vec<Claim> {
    if document.hypotheses.is_empty() {
        return Vec::new();
    }
    let result = serde_json::to_value(result).unwrap_or_default();
    let settings = serde_json::to_value(document).unwrap_or_default();
    let applying = document
        .hypotheses
        .iter()
        .filter(|hypothesis| applies(hypothesis, &settings));
    applying.map(|hypothesis| judge_one(hypothesis, &result)).collect()
}

fn applies(hypothesis: &Hypothesis, settings: &Value) -> bool {
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
    let found = lookup(result, &hypothesis.metric).and_then(Value::as_f64);
    let bounds = match (hypothesis.at_least, hypothesis.at_most) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => "anything".to_owned(),
    };
    let (verdict, evidence) = match found {
        None => (
            ClaimVerdict::NotSettled,
            format!("{} was not measured; expected {bounds}", hypothesis.metric),
        ),
        Some(value) => {
            let holds = hypothesis.at_least.is_none_or(|least| value >= least)
                && hypothesis.at_most.is_none_or(|most| value <= most);
            let verdict = if holds {
                ClaimVerdict::Supported
            } else {
                ClaimVerdict::Refuted
            };
            (
                verdict,
                format!("{} is {}; expected {bounds}", hypothesis.metric, rounded(value)),
            )
        }
    };
    Claim {
        id: "hypothesis".to_owned(),
        text: hypothesis.text.clone(),
        verdict,
        evidence,
    }
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
        Value::Array(items) => items
            .iter()
            .find(|item| item.get("name").and_then(Value::as_str) == Some(step)),
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
        assert_eq!(verdict("x.y", 1.0), ClaimVerdict::NotSettled);
        assert_eq!(verdict("x.z", 1.0), ClaimVerdict::NotSettled);
    }
}
