//! C08: backpressure: hidden, seen only as lock waits, or shown by the outbox's backlog and the groups' lag.
//!
//! Measured is the time from the start of the phase `overload` to the first gauge that shows it. A gauge shows it from the
//! first of [`STEADY_S`] seconds on end in which it is above twice its largest of before plus a floor: for backlog and lag
//! half a second of the phase's arrivals (less is what is under way at that rate anyway), for lock waits half a backend.
//! The overload must be real: more jobs unfinished than a second brings. A tie within a second settles nothing.

use super::{Finding, Pair, Question, holds, not_settled, phase, refuted};
use crate::result::{PhaseResult, RunResult};
use crate::series::Series;
use crate::text::grouped;

pub(super) const QUESTION: Question = Question {
    id: "C08",
    text: "backpressure: hidden in polling but for lock waits, shown by backlog and lag in event-driven",
    judge,
};

/// Seconds before the overload that say what is usual.
const BASELINE_S: usize = 10;
/// Seconds that a gauge must show it: one may be chance.
const STEADY_S: usize = 2;
/// Backends waiting for locks that nobody overlooks, on the mean of a second.
const BACKENDS_FLOOR: f64 = 0.5;

/// A gauge that shows the overload, and after how long.
struct Signal {
    name: String,
    after_s: usize,
}

fn judge(pair: &Pair<'_>) -> Finding {
    let (Some(polling), Some(event)) = (overload(pair.polling), overload(pair.event)) else {
        return not_settled("there is no phase `overload`; run the scenario `compare`");
    };
    let (waiting_polling, waiting_event) = (waiting(pair.polling_series, polling), waiting(pair.event_series, event));
    for (mode, phase, waiting) in [
        ("polling", polling, waiting_polling),
        ("event-driven", event, waiting_event),
    ] {
        if waiting <= phase.load.intended_per_s {
            return not_settled(format!(
                "{mode} was not overloaded: at most {} jobs unfinished, less than a second brings; raise the rate of `overload`",
                grouped(waiting as u64)
            ));
        }
    }
    if pair.event_series.outbox_backlog.iter().all(Option::is_none) || pair.event_series.lag.is_empty() {
        return not_settled("backlog and lag were not sampled; run `bench compare` again");
    }
    if pair.polling.postgres.samples == 0 || !looked(pair.polling_series, polling) {
        return not_settled("lock waits were not sampled during polling's overload; run `bench compare` again");
    }
    let shown = first(gauges(pair.event_series, event));
    let hidden = first(lock_waits(pair.polling_series, polling));
    let hint = match &hidden {
        Some(signal) => format!("lock waits showed it after {} s", signal.after_s),
        None => "not even lock waits showed it".to_owned(),
    };
    let unfinished = grouped(waiting_polling as u64);
    match shown {
        // Two gauges in one second: the series' grain does not tell which was first.
        Some(shown) if hidden.as_ref().is_some_and(|hidden| hidden.after_s == shown.after_s) => not_settled(format!(
            "{} in event-driven and lock waits in polling showed the overload in the same second, after {} s",
            shown.name, shown.after_s
        )),
        Some(shown) => holds(
            hidden.is_none_or(|hidden| hidden.after_s > shown.after_s),
            format!(
                "event-driven: {} showed the overload after {} s; polling, with {unfinished} jobs unfinished: {hint}",
                shown.name, shown.after_s
            ),
        ),
        None => refuted(format!(
            "event-driven: neither backlog nor lag showed the overload; polling, with {unfinished} jobs unfinished: {hint}"
        )),
    }
}

fn overload(result: &RunResult) -> Option<&PhaseResult> {
    phase(result, "overload").filter(|phase| phase.duration_s >= STEADY_S as f64)
}

/// Were backends looked at, and seen, during the phase? Else that no lock wait was seen says nothing.
fn looked(series: &Series, phase: &PhaseResult) -> bool {
    let (from, to) = window(phase);
    let within = |values: &[Option<f64>]| values.iter().take(to).skip(from).any(Option::is_some);
    phase.lock_wait_share.is_some() || series.waits.iter().any(|waits| within(&waits.values))
}

/// Most jobs unfinished during the phase.
fn waiting(series: &Series, phase: &PhaseResult) -> f64 {
    let (from, to) = window(phase);
    let within = series.unfinished.iter().take(to).skip(from);
    within.copied().fold(0.0, f64::max)
}

/// Seconds of a phase.
fn window(phase: &PhaseResult) -> (usize, usize) {
    let from = phase.start_s.max(0.0);
    (from as usize, (from + phase.duration_s) as usize)
}

fn gauges(series: &Series, phase: &PhaseResult) -> Vec<Signal> {
    let floor = phase.load.intended_per_s / 2.0;
    let backlog = shows(&series.outbox_backlog, phase, floor).map(|after_s| Signal {
        name: "the outbox's backlog".to_owned(),
        after_s,
    });
    // A group in all; its partitions have the topic in their name.
    let groups = series.lag.iter().filter(|lag| !lag.name.contains('/'));
    let lag = groups.filter_map(|group| {
        Some(Signal {
            name: format!("the lag of {}", group.name),
            after_s: shows(&group.values, phase, floor)?,
        })
    });
    backlog.into_iter().chain(lag).collect()
}

fn lock_waits(series: &Series, phase: &PhaseResult) -> Vec<Signal> {
    let waits = series.waits.iter().filter(|waits| waits.name == "Lock");
    let signal = |after_s| Signal {
        name: "lock waits".to_owned(),
        after_s,
    };
    waits
        .filter_map(|waits| shows(&waits.values, phase, BACKENDS_FLOOR).map(signal))
        .collect()
}

fn first(signals: Vec<Signal>) -> Option<Signal> {
    signals.into_iter().min_by_key(|signal| signal.after_s)
}

/// Seconds from the start of the phase to the end of the first second in which the gauge shows it.
fn shows(values: &[Option<f64>], phase: &PhaseResult, floor: f64) -> Option<usize> {
    let (from, to) = window(phase);
    let value = |second: usize| values.get(second).copied().flatten();
    let before = (from.saturating_sub(BASELINE_S)..from)
        .filter_map(value)
        .fold(0.0, f64::max);
    let limit = 2.0 * before + floor;
    let above = |second: usize| value(second).is_some_and(|value| value > limit);
    let found = (from..to).find(|start| (*start..start + STEADY_S).all(above))?;
    Some(found - from + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::fixture::Runs;
    use crate::result::ClaimVerdict::{NotSettled, Refuted, Supported};
    use crate::series::NamedSeries;

    fn lock_waits_from(runs: &mut Runs, second: usize) {
        let values = (0..runs.polling_series.seconds).map(|now| Some(if now >= second { 3.0 } else { 0.1 }));
        runs.polling_series.waits = vec![NamedSeries {
            name: "Lock".to_owned(),
            values: values.collect(),
        }];
    }

    #[test]
    fn lag_that_shows_what_polling_hides_supports_it() {
        let (verdict, evidence) = judge(&Runs::new().pair());
        assert_eq!(verdict, Supported);
        assert_eq!(
            evidence,
            "event-driven: the lag of workers.work showed the overload after 2 s; polling, with 4,000 jobs unfinished: not even \
             lock waits showed it"
        );
    }

    #[test]
    fn lock_waits_that_show_it_sooner_refute_it_later_ones_do_not_and_a_tie_settles_nothing() {
        let mut runs = Runs::new();
        lock_waits_from(&mut runs, 46);
        assert_eq!(judge(&runs.pair()).0, Refuted);
        lock_waits_from(&mut runs, 47);
        assert_eq!(judge(&runs.pair()).0, NotSettled);
        lock_waits_from(&mut runs, 48);
        let (verdict, evidence) = judge(&runs.pair());
        assert_eq!(verdict, Supported);
        assert!(evidence.ends_with("lock waits showed it after 3 s"), "{evidence}");
    }

    #[test]
    fn lock_waits_that_nobody_looked_for_are_not_hidden() {
        let mut runs = Runs::new();
        runs.polling.postgres.samples = 0;
        assert_eq!(judge(&runs.pair()).0, NotSettled);
        let mut runs = Runs::new();
        runs.polling_series.waits.clear();
        assert_eq!(judge(&runs.pair()).0, NotSettled);
    }

    #[test]
    fn gauges_that_show_nothing_refute_it() {
        let mut runs = Runs::new();
        runs.event_series.lag[0].values.fill(Some(1.0));
        assert_eq!(judge(&runs.pair()).0, Refuted);
    }

    #[test]
    fn a_gauge_that_was_as_high_before_shows_nothing() {
        let mut runs = Runs::new();
        runs.event_series.lag[0].values[40] = Some(100_000.0);
        assert_eq!(judge(&runs.pair()).0, Refuted);
    }

    #[test]
    fn without_an_overload_that_overloads_or_without_samples_nothing_is_settled() {
        let mut runs = Runs::new();
        runs.polling_series.unfinished.fill(900.0);
        let (verdict, evidence) = judge(&runs.pair());
        assert_eq!(verdict, NotSettled);
        assert!(
            evidence.starts_with("polling was not overloaded: at most 900 jobs"),
            "{evidence}"
        );
        let mut runs = Runs::new();
        runs.event_series.lag.clear();
        assert_eq!(judge(&runs.pair()).0, NotSettled);
        let mut runs = Runs::new();
        runs.event.phases.retain(|phase| phase.name != "overload");
        assert_eq!(judge(&runs.pair()).0, NotSettled);
    }
}
