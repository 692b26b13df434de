//! C15: blast radius: PostgreSQL down is the engine down; a broker down stops dispatch while starts are still accepted.
//!
//! Starts accepted during each outage are counted in [`crate::availability`].

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
/// Seconds before the outage that are its measure.
const BEFORE_S: usize = 5;

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
    let shares = [broker, postgres_event, postgres_polling].map(accepted_share);
    let [Some(without_broker), Some(event), Some(polling)] = shares else {
        return not_settled("nothing was to be started during an outage; run the scenario `compare`");
    };
    let stopped = stopped(pair.event_series, broker);
    let dispatch = match stopped {
        Some(share) => format!("completions fell to {} of before", percent(share)),
        None => "too short to see completions stop".to_owned(),
    };
    let evidence = format!(
        "without the broker {} and {dispatch}; without PostgreSQL {} in event-driven, {} in polling",
        told(broker),
        told(postgres_event),
        told(postgres_polling)
    );
    let Some(stopped) = stopped else {
        return not_settled(format!("{evidence}; make the broker's outage longer"));
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

/// Completions a second in the outage ÷ in the seconds before; only whole seconds, and not the first, in which workers
/// finish what they have.
fn stopped(series: &Series, fault: &FaultInfo) -> Option<f64> {
    let injected = fault.injected_s.max(0.0) as usize;
    let healed = fault.healed_s.map_or(series.seconds, |healed| healed.max(0.0) as usize);
    let mean = |from: usize, to: usize| {
        let values = series.completed_per_s.get(from..to.min(series.completed_per_s.len()))?;
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let before = mean(injected.saturating_sub(BEFORE_S), injected).filter(|before| *before > 0.0)?;
    Some(mean(injected + 2, healed)? / before)
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
