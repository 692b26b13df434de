//! The clauses of condition 1: waits for rows, replicas, the ceiling's cause, and the need against the ceiling.

use super::super::answer::Answer::{self, Unknown};
use super::super::evidence::Ceiling;
use super::super::forecast::Need;
use super::super::waits::{self, Seen};
use super::{Basis, Clause, need_words, of_ceiling, rates};
use crate::capacity::{Capacity, Interval, Variant};
use crate::text::measured;

pub(super) fn lock_waits_of_tuned(basis: &Basis<'_>, need: Need) -> Clause {
    Clause {
        id: "lock-waits-tuned".to_owned(),
        text: "tuned polling waits for rows of job as well, sustained, at the need".to_owned(),
        ..lock_waits(basis, need, Variant::PollingTuned)
    }
}

pub(super) fn lock_waits(basis: &Basis<'_>, need: Need, variant: Variant) -> Clause {
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

/// The clause, and whether it is unknown for the machine or the harness was the limit.
pub(super) fn replicas(basis: &Basis<'_>) -> (Clause, bool) {
    let thresholds = &basis.thresholds.replicas;
    let tried = |variant| Some(basis.evidence.ceilings(variant)).filter(|ceilings| ceilings.len() > 1);
    // Tuned polling's say more: its ceiling is the one that has to hold.
    let ceilings = tried(Variant::PollingTuned).or_else(|| tried(Variant::PollingDefault));
    let clause = |answer, detail: String, gain: Option<Interval>, run: Option<String>| Clause {
        id: "replicas-do-not-lift".to_owned(),
        text: "more replicas do not lift polling's ceiling".to_owned(),
        answer,
        run,
        metric: "highest ceiling of more replicas ÷ of the fewest".to_owned(),
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
        let why = "polling's ceiling was not searched for with several numbers of replicas".to_owned();
        return (clause(Unknown, why, None, None), false);
    };
    let (fewest, more) = (&ceilings[0], &ceilings[1..]);
    let most = &more[more.len() - 1];
    let gains = more.iter().map(|more| Interval {
        low: more
            .holds
            .low
            .zip(fewest.holds.high)
            .map(|(more, fewest)| more / fewest),
        high: more
            .holds
            .high
            .zip(fewest.holds.low)
            .map(|(more, fewest)| more / fewest),
    });
    // The most that any number of replicas gains; one that is open leaves room for any.
    let gain = gains.reduce(|a, b| Interval {
        low: a.low.into_iter().chain(b.low).reduce(f64::max),
        high: a.high.zip(b.high).map(|(a, b)| a.max(b)),
    });
    let gain = gain.unwrap_or_default();
    let told: Vec<String> = ceilings
        .iter()
        .map(|ceiling| format!("{} with {}", rates(ceiling.holds), ceiling.replicas))
        .collect();
    let tried = f64::from(most.replicas) / f64::from(fewest.replicas) >= thresholds.factor_min;
    let lifts = gain.low.is_some_and(|gain| gain >= 1.0);
    let tight = gain.high.is_some_and(|gain| gain <= 1.0 + thresholds.gain_max);
    let mut searches = ceilings.iter().flat_map(|ceiling| &ceiling.searches);
    let host = searches.find_map(|search| search.not_the_engine());
    let is_host = !lifts && tight && tried && host.is_some();
    let (answer, noise) = match host {
        _ if lifts => (Answer::No, String::new()),
        Some(why) if is_host => (Unknown, format!("; not settled (host): {why}")),
        _ if tight && tried => (Answer::Yes, String::new()),
        _ => (Unknown, "; too wide, or too few replicas, to tell".to_owned()),
    };
    let detail = format!("jobs/s by replicas: {}{noise}", told.join(", "));
    (clause(answer, detail, Some(gain), most.run()), is_host)
}

/// The cause of polling's ceiling, and whether it is the machine or the harness.
pub(super) fn cause(ceiling: Option<&Ceiling<'_>>) -> (Clause, bool) {
    let search = ceiling.and_then(Ceiling::explained_by);
    let plateau = search.and_then(|search| search.plateau.as_ref());
    let dominant = plateau.and_then(|plateau| plateau.dominant);
    let not_the_engine = search.and_then(Capacity::not_the_engine);
    let is_host = not_the_engine.is_some();
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
        (_, None) if is_host => format!("{}, which says nothing of a mode", not_the_engine.unwrap_or_default()),
        (Some(plateau), Some(name)) => format!("{name}: {}", plateau.detail),
        (Some(plateau), None) => plateau.detail.clone(),
        (None, _) => "no search says what limited it".to_owned(),
    };
    let clause = Clause {
        id: "cause-in-claiming".to_owned(),
        text: "the ceiling's cause lies in claiming, which event-driven dispatch does not do".to_owned(),
        answer,
        run: search.map(|search| search.id.clone()).or_else(|| ceiling?.run()),
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

pub(super) fn meets(basis: &Basis<'_>, need: Need, id: &str, name: &str, ceiling: Option<&Ceiling<'_>>) -> Clause {
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
