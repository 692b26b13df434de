//! The clauses of both conditions, each with its run, metric, value and interval, and what would change it.

mod event_driven;
mod polling;

use serde::{Deserialize, Serialize};

use self::event_driven::{event_above, event_carries};
use self::polling::{cause, lock_waits, lock_waits_of_tuned, meets, replicas};
use super::answer::Answer::{self, Unknown};
use super::evidence::{Ceiling, Evidence};
use super::forecast::Need;
use super::latency::{self, Latency};
use super::profile::Profile;
use super::thresholds::Thresholds;
use super::verdict::Facts;
use crate::capacity::{Interval, Variant};
use crate::text::measured;

/// One clause of the verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clause {
    /// Such as `lock-waits`.
    pub id: String,
    /// What is claimed, in words.
    pub text: String,
    /// Does it hold?
    pub answer: Answer,
    /// The run that says so; `null` if none does, or the profile does.
    pub run: Option<String>,
    /// What was measured, with its unit.
    pub metric: String,
    /// The number; `null` if there is none.
    pub value: Option<f64>,
    /// Its interval; an end is `null` where it is open.
    pub interval: Option<Interval>,
    /// One sentence with the numbers.
    pub detail: String,
    /// What would change the answer.
    pub would_change: String,
}

/// All that the clauses are drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Basis<'a> {
    /// What was measured.
    pub evidence: &'a Evidence,
    /// What the team says.
    pub profile: &'a Profile,
    /// Every other number.
    pub thresholds: &'a Thresholds,
    /// `YYYY-MM-DD`.
    pub today: &'a str,
}

impl Basis<'_> {
    /// What has to be carried within the horizon.
    pub(super) fn need(&self) -> Need {
        Need::within(self.profile, self.thresholds.forecast.horizon_months)
    }
}

/// The clauses in the order of the conditions, and what the truth table reads of them.
#[must_use]
pub fn all(basis: &Basis<'_>) -> (Vec<Clause>, Facts) {
    let need = basis.need();
    let best = |variant| basis.evidence.best(variant);
    let (default, tuned, event) = (
        best(Variant::PollingDefault),
        best(Variant::PollingTuned),
        best(Variant::EventDriven),
    );
    let lock_waits = lock_waits(basis, need, Variant::PollingDefault);
    let lock_waits_tuned = lock_waits_of_tuned(basis, need);
    let meets_default = meets(basis, need, "meets-default", "default polling", default.as_ref());
    let meets_tuned = meets(basis, need, "meets-tuned", "tuned polling", tuned.as_ref());
    let (replicas, replicas_at_host) = replicas(basis);
    let (cause, is_host) = cause(limit(basis).as_ref());
    let carries = event_carries(need, event.as_ref());
    let (above, above_at_host) = event_above(basis, event.as_ref(), tuned.as_ref());
    let expertise = expertise(basis);
    let latency = [Variant::PollingDefault, Variant::PollingTuned].map(|variant| latency_of(basis, variant));
    let factor = basis.thresholds.forecast.far_below_factor;
    let met = |latency: &Option<Clause>| latency.as_ref().map_or(Unknown, |clause| clause.answer);
    let facts = Facts {
        expertise: expertise.answer,
        lock_waits: lock_waits.answer,
        lock_waits_tuned: lock_waits_tuned.answer,
        meets_default: meets_default.answer,
        meets_tuned: meets_tuned.answer,
        replicas_do_not_lift: replicas.answer,
        in_claiming: cause.answer,
        // Where the need stays below, it does not matter what the limit would be.
        host_limit: (is_host || replicas_at_host) && meets_default.answer != Answer::No,
        far_below: default.is_some_and(|ceiling| need.is_far_below(ceiling.holds, factor)),
        event_carries: carries.answer,
        event_above_tuned: above.answer,
        event_host_limit: above_at_host,
        latency_missed: !met(&latency[0]),
        latency_tuned_meets: met(&latency[1]),
    };
    let mut clauses = vec![
        lock_waits,
        lock_waits_tuned,
        replicas,
        cause,
        meets_default,
        meets_tuned,
        expertise,
        carries,
        above,
    ];
    clauses.extend(latency.into_iter().flatten());
    (clauses, facts)
}

/// The ceiling whose cause is asked for: tuned polling's if it is known, for that is the one that has to hold.
pub(super) fn limit<'a>(basis: &Basis<'a>) -> Option<Ceiling<'a>> {
    let best = |variant| basis.evidence.best(variant);
    best(Variant::PollingTuned).or_else(|| best(Variant::PollingDefault))
}

fn expertise(basis: &Basis<'_>) -> Clause {
    let (answer, detail) = basis.profile.expertise(basis.today);
    Clause {
        id: "expertise".to_owned(),
        text: "the team has Kafka expertise, or a credible plan to get it".to_owned(),
        answer,
        run: None,
        metric: "profile".to_owned(),
        value: None,
        interval: None,
        detail,
        would_change: match answer {
            Answer::Yes => "a plan whose date passes, or that loses its owner, training or on-call".to_owned(),
            _ => "[kafka] in the profile: a plan with an owner, a date ahead, training and on-call".to_owned(),
        },
    }
}

/// Only where the profile has an objective.
fn latency_of(basis: &Basis<'_>, variant: Variant) -> Option<Clause> {
    let objective = basis.profile.latency?;
    let (id, name) = match variant {
        Variant::PollingTuned => ("latency-tuned", "tuned polling"),
        _ => ("latency-default", "default polling"),
    };
    let Latency {
        answer,
        run,
        p99_ms,
        detail,
    } = latency::of(basis, variant, objective);
    Some(Clause {
        id: id.to_owned(),
        text: format!("{name} meets the latency objective"),
        answer,
        run,
        metric: "dispatch p99 (ms)".to_owned(),
        value: p99_ms,
        interval: None,
        detail,
        would_change: "another objective in the profile, or another poll interval or wake-up".to_owned(),
    })
}

/// A clause with a ceiling's run, value and interval; the rest is for the caller to say.
fn of_ceiling(ceiling: Option<&Ceiling<'_>>) -> Clause {
    Clause {
        id: String::new(),
        text: String::new(),
        answer: Unknown,
        run: ceiling.and_then(Ceiling::run),
        metric: "capacity (jobs/s)".to_owned(),
        value: ceiling.and_then(|ceiling| Some(f64::midpoint(ceiling.holds.low?, ceiling.holds.high?))),
        interval: ceiling.map(|ceiling| ceiling.holds),
        detail: String::new(),
        would_change: String::new(),
    }
}

/// `950 to 1,050`, `950 and more`, `less than 1,050`.
pub(super) fn rates(interval: Interval) -> String {
    match (interval.low, interval.high) {
        (Some(low), Some(high)) => format!("{} to {}", measured(low), measured(high)),
        (Some(low), None) => format!("{} and more", measured(low)),
        (None, Some(high)) => format!("less than {}", measured(high)),
        (None, None) => "an unknown number of".to_owned(),
    }
}

/// `400 to 520 jobs/s`.
pub(super) fn need_words(need: Need) -> String {
    match (need.low, need.high) {
        (Some(low), Some(high)) if measured(low) == measured(high) => format!("{} jobs/s", measured(low)),
        (Some(low), Some(high)) => format!("{} to {} jobs/s", measured(low), measured(high)),
        (Some(low), None) => format!("{} jobs/s and more (growth not known)", measured(low)),
        _ => "not known".to_owned(),
    }
}
