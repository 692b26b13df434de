//! The clauses of both conditions, each with its run, metric, value and interval, and what would change it.

use serde::{Deserialize, Serialize};

use super::answer::Answer::{self, Unknown};
use super::evidence::{Ceiling, Evidence};
use super::forecast::Need;
use super::latency::{self, Latency};
use super::profile::Profile;
use super::thresholds::Thresholds;
use super::verdict::Facts;
use super::waits::{self, Seen};
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

/// The clauses in the order of the conditions, and what the truth table reads of them.
#[must_use]
pub fn all(basis: &Basis<'_>) -> (Vec<Clause>, Facts) {
    let need = Need::within(basis.profile, basis.thresholds.forecast.horizon_months);
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
    let replicas = replicas(basis);
    let (cause, is_host) = cause(tuned.as_ref().or(default.as_ref()));
    let carries = event_carries(need, event.as_ref());
    let above = event_above(event.as_ref(), tuned.as_ref());
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
        host_limit: is_host && meets_default.answer != Answer::No,
        far_below: default.is_some_and(|ceiling| need.is_far_below(ceiling.holds, factor)),
        event_carries: carries.answer,
        event_above_tuned: above.answer,
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

fn lock_waits_of_tuned(basis: &Basis<'_>, need: Need) -> Clause {
    Clause {
        id: "lock-waits-tuned".to_owned(),
        text: "tuned polling waits for rows of job as well, sustained, at the need".to_owned(),
        ..lock_waits(basis, need, Variant::PollingTuned)
    }
}

fn lock_waits(basis: &Basis<'_>, need: Need, variant: Variant) -> Clause {
    let thresholds = &basis.thresholds.lock_waits;
    let (answer, seen) = waits::at_the_need(basis.evidence, variant, need, thresholds);
    let share = |value: f64| format!("{} %", measured(value * 100.0));
    let (run, value, interval, detail) = match seen {
        Seen::Run(look) => {
            let (low, high) = look.interval(thresholds);
            let detail = format!(
                "{} of the active backends wait for rows of job at {} jobs/s over {} s (phase {}; 95 %: {} to {})",
                share(look.share),
                measured(look.offered_per_s),
                measured(look.seconds),
                look.phase,
                share(low),
                share(high)
            );
            (Some(look.run.clone()), Some(look.share), Some((low, high)), detail)
        }
        Seen::Live(live) => {
            let (low, high) = (live.lock_wait_share_low, live.lock_wait_share_high);
            let detail = format!(
                "{} to {} of the live system's active sessions wait for rows of the job table, {}",
                share(low),
                share(high),
                if live.sustained {
                    "all the time"
                } else {
                    "not all the time"
                }
            );
            (
                Some(live.source.clone()),
                Some(f64::midpoint(low, high)),
                Some((low, high)),
                detail,
            )
        }
        Seen::Nothing => (None, None, None, "no valid run under load says so".to_owned()),
    };
    let most = share(thresholds.share_max);
    Clause {
        id: "lock-waits".to_owned(),
        text: "polling waits for rows of job, sustained, at the need".to_owned(),
        answer,
        run,
        metric: "lock_wait_share".to_owned(),
        value,
        interval: interval.map(|(low, high)| Interval {
            low: Some(low),
            high: Some(high),
        }),
        detail,
        would_change: match answer {
            Answer::Yes => format!(
                "a run at this rate or more with less than {most} over {} s",
                measured(thresholds.sustained_s)
            ),
            Answer::No => format!("more than {most} in a run at {} or less", need_words(need)),
            Unknown => format!("a run at {}, with more or less than {most}", need_words(need)),
        },
    }
}

fn replicas(basis: &Basis<'_>) -> Clause {
    let thresholds = &basis.thresholds.replicas;
    let tried = |variant| Some(basis.evidence.ceilings(variant)).filter(|ceilings| ceilings.len() > 1);
    // Tuned polling's say more: its ceiling is the one that has to hold.
    let ceilings = tried(Variant::PollingTuned).or_else(|| tried(Variant::PollingDefault));
    let clause = |answer, detail: String, gain: Option<Interval>, run: Option<String>| Clause {
        id: "replicas-do-not-lift".to_owned(),
        text: "more replicas do not lift polling's ceiling".to_owned(),
        answer,
        run,
        metric: "ceiling of the most replicas ÷ of the fewest".to_owned(),
        value: gain.and_then(|gain| Some(f64::midpoint(gain.low?, gain.high?))),
        interval: gain,
        detail,
        would_change: format!(
            "searches with 1, 2, 4 and 8 replicas whose intervals do not overlap (it lifts), or leave no room for more than {} % \
             (it does not)",
            measured(thresholds.gain_max * 100.0)
        ),
    };
    let Some(ceilings) = ceilings else {
        return clause(
            Unknown,
            "polling's ceiling was not searched for with several numbers of replicas".to_owned(),
            None,
            None,
        );
    };
    let (fewest, most) = (&ceilings[0], &ceilings[ceilings.len() - 1]);
    let gain = Interval {
        low: most
            .holds
            .low
            .zip(fewest.holds.high)
            .map(|(most, fewest)| most / fewest),
        high: most
            .holds
            .high
            .zip(fewest.holds.low)
            .map(|(most, fewest)| most / fewest),
    };
    let told: Vec<String> = ceilings
        .iter()
        .map(|ceiling| format!("{} with {}", rates(ceiling.holds), ceiling.replicas))
        .collect();
    let tried = f64::from(most.replicas) / f64::from(fewest.replicas) >= thresholds.factor_min;
    let overlap = ceilings
        .iter()
        .skip(1)
        .all(|ceiling| !matches!((ceiling.holds.low, fewest.holds.high), (Some(more), Some(fewer)) if more >= fewer));
    let tight = gain.high.is_some_and(|gain| gain <= 1.0 + thresholds.gain_max);
    let answer = match (overlap, tight && tried) {
        (false, _) => Answer::No,
        (true, true) => Answer::Yes,
        (true, false) => Unknown,
    };
    let noise = if answer == Unknown {
        "; too wide, or too few replicas, to tell"
    } else {
        ""
    };
    clause(
        answer,
        format!("jobs/s by replicas: {}{noise}", told.join(", ")),
        Some(gain),
        most.run(),
    )
}

/// The cause of polling's ceiling, and whether it is the machine or the harness.
fn cause(ceiling: Option<&Ceiling<'_>>) -> (Clause, bool) {
    let plateau = ceiling.and_then(Ceiling::plateau);
    let dominant = plateau.and_then(|plateau| plateau.dominant);
    let is_host = dominant.is_some_and(|cause| cause.is_not_the_engine());
    let answer = match dominant {
        None => Unknown,
        Some(_) if is_host => Unknown,
        Some(cause) => Answer::of(cause.is_in_claiming()),
    };
    let name = dominant.and_then(|cause| Some(serde_json::to_value(cause).ok()?.as_str()?.replace('-', " ")));
    let detail = match (plateau, name) {
        (Some(plateau), Some(name)) if is_host => format!(
            "{name}: {}; the machine or the harness ended first, which says nothing of a mode",
            plateau.detail
        ),
        (Some(plateau), Some(name)) => format!("{name}: {}", plateau.detail),
        (Some(plateau), None) => plateau.detail.clone(),
        (None, _) => "no search says what limited it".to_owned(),
    };
    let clause = Clause {
        id: "cause-in-claiming".to_owned(),
        text: "the ceiling's cause lies in claiming, which event-driven dispatch does not do".to_owned(),
        answer,
        run: ceiling.and_then(Ceiling::run),
        metric: "plateau.dominant".to_owned(),
        value: None,
        interval: None,
        detail,
        would_change: if is_host {
            "the same searches on a machine with more processors, the load on another".to_owned()
        } else {
            "a search whose plateau has another cause: commits, WAL and the host's CPU load both modes".to_owned()
        },
    };
    (clause, is_host)
}

fn meets(basis: &Basis<'_>, need: Need, id: &str, name: &str, ceiling: Option<&Ceiling<'_>>) -> Clause {
    let horizon = measured(basis.thresholds.forecast.horizon_months);
    let answer = ceiling.map_or(Unknown, |ceiling| need.meets(ceiling.holds));
    Clause {
        id: id.to_owned(),
        text: format!("the need meets the ceiling of {name} within {horizon} months"),
        answer,
        detail: match ceiling {
            Some(ceiling) => format!(
                "{name} carries {} jobs/s; the need in {horizon} months is {}",
                rates(ceiling.holds),
                need_words(need)
            ),
            None => format!("no valid search says what {name} carries"),
        },
        would_change: match answer {
            Answer::Yes => "a higher ceiling, or a lower peak or growth in the profile".to_owned(),
            Answer::No => "a higher peak or growth in the profile, or a lower ceiling".to_owned(),
            Unknown => "a narrower ceiling, a narrower growth, or the one that is missing".to_owned(),
        },
        ..of_ceiling(ceiling)
    }
}

fn event_carries(need: Need, event: Option<&Ceiling<'_>>) -> Clause {
    Clause {
        id: "event-driven-carries".to_owned(),
        text: "event-driven dispatch carries the need".to_owned(),
        answer: event.map_or(Unknown, |event| !need.meets(event.holds)),
        detail: match event {
            Some(event) => format!(
                "it carries {} jobs/s; the need at the horizon is {}",
                rates(event.holds),
                need_words(need)
            ),
            None => "no valid search says what it carries".to_owned(),
        },
        would_change: "a search for event-driven dispatch whose interval lies on the other side of the need".to_owned(),
        ..of_ceiling(event)
    }
}

fn event_above(event: Option<&Ceiling<'_>>, tuned: Option<&Ceiling<'_>>) -> Clause {
    let seed = |ceiling: &Ceiling<'_>| ceiling.searches.first().map(|search| search.seed);
    let (answer, detail) = match event.zip(tuned) {
        None => (Unknown, "one of both was not searched for".to_owned()),
        Some((event, tuned)) if seed(event) != seed(tuned) => (
            Unknown,
            "the searches are not of one plan: their seeds differ".to_owned(),
        ),
        Some((event, tuned)) => {
            let above = |a: Option<f64>, b: Option<f64>| matches!((a, b), (Some(a), Some(b)) if a > b);
            let answer = if above(event.holds.low, tuned.holds.high) {
                Answer::Yes
            } else if event
                .holds
                .high
                .is_some_and(|event| tuned.holds.low.is_some_and(|tuned| event <= tuned))
            {
                Answer::No
            } else {
                Unknown
            };
            let detail = format!(
                "event-driven carries {} jobs/s, tuned polling {}",
                rates(event.holds),
                rates(tuned.holds)
            );
            (answer, detail)
        }
    };
    Clause {
        id: "event-driven-above-tuned".to_owned(),
        text: "event-driven dispatch carries more than tuned polling, by intervals that do not overlap".to_owned(),
        answer,
        detail,
        would_change: "searches on one plan and machine whose intervals lie the other way round".to_owned(),
        ..of_ceiling(event)
    }
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
