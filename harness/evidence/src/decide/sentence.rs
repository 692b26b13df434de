//! The verdict in one sentence that a manager can read, and what it does not say.

use super::Answer;
use super::clauses::{self, Basis, need_words, rates};
use super::evidence::Ceiling;
use super::forecast::Forecast;
use super::verdict::{Facts, Reason};
use crate::capacity::Variant;
use crate::plateau::Cause;

/// One sentence.
#[must_use]
pub fn of(basis: &Basis<'_>, reason: Reason, facts: &Facts, forecast: &Forecast) -> String {
    let carried = |variant| ceiling_words(basis.evidence.best(variant).as_ref());
    let need = need_words(forecast.need_at_horizon_per_s);
    let months = format!("{:.0}", forecast.horizon_months);
    let (default, tuned, event) = (
        carried(Variant::PollingDefault),
        carried(Variant::PollingTuned),
        carried(Variant::EventDriven),
    );
    match reason {
        Reason::TuningCures => format!(
            "Tune polling first: as it is set {}, tuned it carries {tuned}, and the need within {months} months is {need}{}.",
            match facts.meets_default {
                Answer::Yes => format!("it will not do ({default})"),
                _ => "its claimers wait for each other's rows under the load that is needed".to_owned(),
            },
            match facts.lock_waits_tuned {
                Answer::Unknown => "; whether tuned polling still waits for rows of job is not known",
                _ => "",
            }
        ),
        Reason::TuningMeetsLatency => "Tune polling first: it carries the load, and meets the latency objective once it is tuned; latency alone is no \
                                       reason for Kafka."
            .to_owned(),
        Reason::FarBelow => {
            format!("Stay with polling: it carries {default}, far above the {need} needed within {months} months.")
        }
        Reason::NoCeilingHit => no_ceiling(basis, facts, &default, &tuned, &need, &months),
        Reason::NoExpertise => format!(
            "Stay with polling: the team has neither Kafka expertise nor a credible plan to get it{}.",
            match facts.ceiling_hit() {
                Answer::Yes => "; polling is at its ceiling, so that plan is what to work on",
                Answer::Unknown => ", whatever polling's ceiling turns out to be",
                Answer::No => "",
            }
        ),
        Reason::NothingGained => format!(
            "Stay with polling: it is at its ceiling ({tuned}), and event-driven dispatch carries no more here ({event})."
        ),
        Reason::BothHold => format!(
            "Move to event-driven dispatch: {}; event-driven dispatch carries {event}, and the team can run Kafka.",
            match facts.lock_waits {
                Answer::Yes => "claimers wait for each other's rows under the load that is needed".to_owned(),
                _ => format!(
                    "claiming limits polling to {tuned} whatever the replicas; {}",
                    forecast.sentence()
                ),
            }
        ),
        Reason::NeitherCarries => format!(
            "Inconclusive: polling is at its ceiling, but event-driven dispatch does not carry the {need} either on this machine \
             ({event})."
        ),
        Reason::EventDrivenUnknown => format!(
            "Inconclusive: both conditions hold, but it was not shown that event-driven dispatch carries the {need} and more than \
             tuned polling ({event}; {tuned})."
        ),
        Reason::HostLimit => {
            "Inconclusive, not settled (host): this machine was the limit, not the way of dispatch.".to_owned()
        }
        Reason::CeilingUnknown if facts.plateau() == Answer::No => format!(
            "Inconclusive: {}, but whether its claimers wait for each other's rows under the load that is needed ({need} within \
             {months} months) is not known.",
            match facts.meets_default {
                Answer::No => format!("polling carries {default}"),
                _ => format!("polling's ceiling ({default}) is not one of claiming that nothing lifts"),
            }
        ),
        Reason::CeilingUnknown => format!(
            "Inconclusive: whether the need ({need} within {months} months) meets polling's own ceiling is not known."
        ),
        Reason::ExpertiseUnknown => {
            "Inconclusive: polling is at its ceiling, but the profile does not say whether the team can run Kafka."
                .to_owned()
        }
    }
}

fn no_ceiling(basis: &Basis<'_>, facts: &Facts, default: &str, tuned: &str, need: &str, months: &str) -> String {
    if facts.meets_default == Answer::No {
        return format!("Stay with polling: it carries {default}, and the need within {months} months is {need}.");
    }
    if facts.meets_tuned == Answer::No {
        return format!("Stay with polling: tuned it carries {tuned}, and the need within {months} months is {need}.");
    }
    if facts.in_claiming == Answer::No {
        return format!("Stay with polling: what limits it {}.", advice(basis));
    }
    format!("Stay with polling: more replicas still lift its ceiling ({default}).")
}

/// Where polling's limit lies, if not in claiming, whether event-driven dispatch would pay for it too, and what would lift it.
fn advice(basis: &Basis<'_>) -> String {
    let ceiling = clauses::limit(basis);
    let limited = format!("({}) is not claiming", ceiling_words(ceiling.as_ref()));
    let plateau = ceiling
        .as_ref()
        .and_then(|ceiling| ceiling.explained_by()?.plateau.as_ref());
    let Some((plateau, cause)) = plateau.and_then(|plateau| Some((plateau, plateau.dominant?))) else {
        return limited;
    };
    let of_the_cause = plateau.findings.iter().find(|finding| finding.cause == cause);
    let help = of_the_cause.map_or_else(String::new, |finding| format!("; what would help: {}", finding.lift));
    let who = match cause {
        Cause::Pool | Cause::Workers | Cause::HeldHorizon => "which is to be set right whatever the way of dispatch",
        _ => "so event-driven dispatch would pay the same cost",
    };
    format!("{limited} but {}, {who}{help}", cause.words())
}

fn ceiling_words(ceiling: Option<&Ceiling<'_>>) -> String {
    match ceiling {
        Some(ceiling) => format!("{} jobs/s", rates(ceiling.holds)),
        None => "not measured".to_owned(),
    }
}

/// What the verdict does not say.
#[must_use]
pub fn caveats(basis: &Basis<'_>, machine: Option<&str>, facts: &Facts) -> Vec<String> {
    let mut caveats = Vec::new();
    if let Some(machine) = machine {
        caveats.push(format!(
            "Ceilings are those of this machine ({machine}) and this scenario, not of the team's own servers: the larger the \
             distance to the need, the less that matters."
        ));
    }
    if basis.profile.latency.is_some() {
        let met = match facts.latency_missed {
            Answer::No => "polling meets it",
            Answer::Yes if facts.latency_tuned_meets == Answer::Yes => "only tuned polling meets it",
            Answer::Yes => "polling misses it, tuned or not as far as is known",
            Answer::Unknown => "whether polling meets it is not known",
        };
        caveats.push(format!(
            "The latency objective: {met}. The rubric's two conditions do not speak of latency, so it alone never says move."
        ));
    }
    if let Some(live) = &basis.evidence.live {
        caveats.push(format!(
            "Waits of the live system come from {}; its rates are not compared with this machine's.",
            live.source
        ));
    }
    caveats
}
