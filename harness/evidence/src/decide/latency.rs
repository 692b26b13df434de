//! Does polling meet the team's latency objective, at its present peak?
//!
//! Latency is in neither of the rubric's conditions. So it never says *move*; it says *tune* where only tuned polling meets it.

use super::answer::Answer::{self, No, Unknown, Yes};
use super::clauses::Basis;
use super::profile::LatencyObjective;
use crate::capacity::{Capacity, Step, StepVerdict, Variant};
use crate::text::measured;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency {
    /// Is the objective met?
    pub answer: Answer,
    /// The search whose step says so.
    pub run: Option<String>,
    /// Of that step.
    pub p99_ms: Option<f64>,
    /// One sentence with the numbers.
    pub detail: String,
}

/// Of the lowest rate at or above the present peak that held; below a higher rate, latency is not worse.
#[must_use]
pub fn of(basis: &Basis<'_>, variant: Variant, objective: LatencyObjective) -> Latency {
    let unknown = |detail: &str| Latency {
        answer: Unknown,
        run: None,
        p99_ms: None,
        detail: detail.to_owned(),
    };
    let Some(peak) = basis.profile.peak_jobs_per_s else {
        return unknown("the present peak is not known");
    };
    let Some(best) = basis.evidence.best(variant) else {
        return unknown("no valid search ran it");
    };
    let steps = best
        .searches
        .iter()
        .flat_map(|search| search.steps.iter().map(move |step| (*search, step)));
    let held = steps.filter(|(_, step)| step.verdict == StepVerdict::Held && step.rate_per_s >= peak);
    let Some((search, step)) = held.min_by(|(_, a), (_, b)| a.rate_per_s.total_cmp(&b.rate_per_s)) else {
        return unknown("no step at the present peak or above it held");
    };
    judged(search, step, objective, basis.thresholds.latency.noise)
}

fn judged(search: &Capacity, step: &Step, objective: LatencyObjective, noise: f64) -> Latency {
    let is_met = |found: Option<f64>, objective: f64| match found {
        Some(found) if found <= objective * (1.0 - noise) => Yes,
        Some(found) if found >= objective * (1.0 + noise) => No,
        _ => Unknown,
    };
    let p99 = is_met(step.p99_ms, objective.dispatch_p99_ms);
    let p50 = objective
        .dispatch_p50_ms
        .map_or(Yes, |objective| is_met(step.p50_ms, objective));
    let told = |name: &str, found: Option<f64>, objective: f64| {
        let found = found.map_or_else(|| "unknown".to_owned(), |found| format!("{} ms", measured(found)));
        format!("{name} {found} (objective {} ms)", measured(objective))
    };
    let mut detail = format!(
        "at {} jobs/s: {}",
        measured(step.rate_per_s),
        told("p99", step.p99_ms, objective.dispatch_p99_ms)
    );
    if let Some(objective) = objective.dispatch_p50_ms {
        detail.push_str(&format!(", {}", told("p50", step.p50_ms, objective)));
    }
    if let Some(floor) = floor_ms(search) {
        detail.push_str(&format!(
            "; a lone poller's p50 is half its interval, {} ms",
            measured(floor)
        ));
    }
    Latency {
        answer: p99.and(p50),
        run: Some(format!("{}/{}", search.id, step.run)),
        p99_ms: step.p99_ms,
        detail,
    }
}

/// Half the poll interval (ms), unless a wake-up cuts it short.
fn floor_ms(search: &Capacity) -> Option<f64> {
    let setting = |name: &str| {
        let found = search.topology.settings.iter().find(|(setting, _)| setting == name);
        found.map(|(_, value)| value.as_str())
    };
    if setting("poll wake-up") == Some("notify") {
        return None;
    }
    let interval = humantime::parse_duration(setting("poll interval")?).ok()?;
    Some(interval.as_secs_f64() * 500.0)
}
