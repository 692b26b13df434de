//! C15: blast radius: PostgreSQL down is the engine down; a broker down stops dispatch while starts are still accepted.
//!
//! Starts accepted during each outage are counted in [`crate::availability`]. Outages that overlap tell nothing of either
//! server, and completions before an outage are a measure only where the load had calmed.

use super::{Finding, Pair, Question, holds, not_settled, outage, percent};
use crate::result::FaultInfo;
use crate::series::Series;
use crate::text::grouped;

pub(super) const QUESTION: Question = Question {
    id: "C15",
    text: "blast radius: without PostgreSQL nothing goes on; without the broker starts are accepted and dispatch stops",
    judge,
};

/// "Still accepted": but for those that fall into the moment of the injection or the healing.
const ACCEPTED_MIN: f64 = 0.95;
/// "Down": those of the moments before the server was really away.
const DOWN_MAX: f64 = 0.10;
/// "Dispatch stops": completions in the outage ÷ before it; what was in the workers' hands is still finished.
const STOPPED_MAX: f64 = 0.10;
/// Seconds before the outage among which calm ones are looked for.
const BEFORE_S: usize = 5;
/// Calm seconds that are the outage's measure: the last ones.
const CALM_S: usize = 2;

fn judge(pair: &Pair<'_>) -> Finding {
    let found = (
        outage(pair.event, "broker"),
        outage(pair.event, "postgres"),
        outage(pair.polling, "postgres"),
    );
    let (Some(broker), Some(postgres_event), Some(postgres_polling)) = found else {
        return not_settled(
            "an outage is missing: the broker's in event-driven, or PostgreSQL's in a mode; run the scenario `compare`",
        );
    };
    if overlap(broker, postgres_event) {
        return not_settled(format!(
            "in event-driven {} and {} overlap; put more time between them",
            when("the broker's outage", broker),
            when("PostgreSQL's", postgres_event)
        ));
    }
    let shares = [broker, postgres_event, postgres_polling].map(accepted_share);
    let [Some(without_broker), Some(event), Some(polling)] = shares else {
        return not_settled("nothing was to be started during an outage; run the scenario `compare`");
    };
    let stopped = stopped(pair.event_series, broker);
    let dispatch = match stopped {
        Some(share) => format!("completions fell to {} of before", percent(share)),
        None => "nothing can be said of completions: the outage was too short, or the load before it had not calmed"
            .to_owned(),
    };
    let evidence = format!(
        "without the broker {} and {dispatch}; without PostgreSQL {} in event-driven, {} in polling",
        told(broker),
        told(postgres_event),
        told(postgres_polling)
    );
    let Some(stopped) = stopped else {
        return not_settled(format!(
            "{evidence}; make the broker's outage, or the calm load before it, longer"
        ));
    };
    holds(
        without_broker >= ACCEPTED_MIN && event <= DOWN_MAX && polling <= DOWN_MAX && stopped <= STOPPED_MAX,
        evidence,
    )
}

fn accepted_share(fault: &FaultInfo) -> Option<f64> {
    (fault.starts_intended > 0).then(|| fault.starts_accepted as f64 / fault.starts_intended as f64)
}

fn told(fault: &FaultInfo) -> String {
    let (accepted, intended) = (grouped(fault.starts_accepted), grouped(fault.starts_intended));
    format!("{accepted} of {intended} starts were accepted")
}

/// An outage that was not seen to end lasts to the end.
fn overlap(left: &FaultInfo, right: &FaultInfo) -> bool {
    let ends_before = |one: &FaultInfo, other: &FaultInfo| one.healed_s.is_some_and(|end| end <= other.injected_s);
    !ends_before(left, right) && !ends_before(right, left)
}

fn when(what: &str, fault: &FaultInfo) -> String {
    let until = fault
        .healed_s
        .map_or_else(|| "the end".to_owned(), |healed| format!("{healed:.1} s"));
    format!("{what} ({:.1} s to {until})", fault.injected_s)
}

/// Completions a second in the outage ÷ in the last calm seconds before it; only whole seconds, and not the first, in
/// which workers finish what they have.
fn stopped(series: &Series, fault: &FaultInfo) -> Option<f64> {
    let injected = fault.injected_s.max(0.0) as usize;
    let healed = fault.healed_s.map_or(series.seconds, |healed| healed.max(0.0) as usize);
    let completed = |second: usize| series.completed_per_s.get(second).copied();
    // Less is unfinished than a second completes: no backlog is being worked off.
    let calm = |second: &usize| {
        let (left, done) = (series.unfinished.get(*second), completed(*second));
        left.zip(done).is_some_and(|(left, done)| *left <= done)
    };
    let calm = (injected.saturating_sub(BEFORE_S)..injected)
        .rev()
        .filter(calm)
        .take(CALM_S);
    let before = mean(calm.filter_map(completed)).filter(|before| *before > 0.0)?;
    let meanwhile = mean((injected + 2..healed).map_while(completed))?;
    Some(meanwhile / before)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::fixture::Runs;
    use crate::result::ClaimVerdict::{NotSettled, Refuted, Supported};

    #[test]
    fn starts_accepted_without_the_broker_and_none_without_postgresql_support_it() {
        let (verdict, evidence) = judge(&Runs::new().pair());
        assert_eq!(verdict, Supported);
        assert_eq!(
            evidence,
            "without the broker 499 of 500 starts were accepted and completions fell to 0 % of before; without PostgreSQL 3 of \
             200 starts were accepted in event-driven, 4 of 200 starts were accepted in polling"
        );
    }

    #[test]
    fn starts_refused_without_the_broker_refute_it_and_so_do_starts_accepted_without_postgresql() {
        let mut runs = Runs::new();
        runs.event.faults[0].starts_accepted = 300;
        assert_eq!(judge(&runs.pair()).0, Refuted);
        let mut runs = Runs::new();
        runs.polling.faults[0].starts_accepted = 150;
        assert_eq!(judge(&runs.pair()).0, Refuted);
    }

    #[test]
    fn dispatch_that_goes_on_without_the_broker_refutes_it() {
        let mut runs = Runs::new();
        runs.event_series.completed_per_s.fill(100.0);
        assert_eq!(judge(&runs.pair()).0, Refuted);
    }

    #[test]
    fn outages_that_overlap_settle_nothing() {
        let mut runs = Runs::new();
        runs.event.faults[0].healed_s = Some(71.5);
        let (verdict, evidence) = judge(&runs.pair());
        assert_eq!(verdict, NotSettled);
        assert!(
            evidence.contains("the broker's outage (57.0 s to 71.5 s) and PostgreSQL's (71.0 s to 73.5 s) overlap"),
            "{evidence}"
        );
        runs.event.faults[0].healed_s = None;
        assert_eq!(judge(&runs.pair()).0, NotSettled);
    }

    #[test]
    fn only_calm_seconds_before_the_outage_are_its_measure() {
        let mut runs = Runs::new();
        // A backlog is worked off fast until two seconds before the outage: half the usual rate is no standstill.
        runs.event_series.completed_per_s[50..55].fill(1_600.0);
        runs.event_series.unfinished[50..55].fill(3_000.0);
        runs.event_series.completed_per_s[58..65].fill(50.0);
        assert_eq!(judge(&runs.pair()).0, Refuted);
        runs.event_series.unfinished[50..57].fill(3_000.0);
        assert_eq!(judge(&runs.pair()).0, NotSettled);
    }

    #[test]
    fn an_outage_that_is_missing_too_short_or_without_load_settles_nothing() {
        let mut runs = Runs::new();
        runs.event.faults[0].took_effect = false;
        assert_eq!(judge(&runs.pair()).0, NotSettled);
        let mut runs = Runs::new();
        runs.event.faults[1].starts_intended = 0;
        assert_eq!(judge(&runs.pair()).0, NotSettled);
        let mut runs = Runs::new();
        runs.event.faults[0].healed_s = Some(58.0);
        assert_eq!(judge(&runs.pair()).0, NotSettled);
    }
}
