//! What moving needs beside the conditions: event-driven dispatch carries the need, and more than tuned polling.

use super::super::answer::Answer::{self, Unknown};
use super::super::evidence::Ceiling;
use super::super::forecast::Need;
use super::{Basis, Clause, need_words, of_ceiling, rates};
use crate::capacity::{Capacity, Interval, Variant};

pub(super) fn event_carries(need: Need, event: Option<&Ceiling<'_>>) -> Clause {
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

/// The clause, and whether it is unknown for the machine or the harness was the limit of what would decide it.
pub(super) fn event_above(
    basis: &Basis<'_>,
    event: Option<&Ceiling<'_>>,
    tuned: Option<&Ceiling<'_>>,
) -> (Clause, bool) {
    let (answer, detail) = match event.zip(tuned) {
        None => (Unknown, "one of both was not searched for".to_owned()),
        Some((event, tuned)) => compared(basis, event.holds, tuned.holds),
    };
    let host = host_limit(basis, answer);
    let is_host = host.is_some();
    let (answer, detail) = match host {
        Some(why) => (Unknown, format!("{detail}; not settled (host): {why}")),
        None => (answer, detail),
    };
    let clause = Clause {
        id: "event-driven-above-tuned".to_owned(),
        text: "event-driven dispatch carries more than tuned polling, by intervals that do not overlap".to_owned(),
        answer,
        detail,
        would_change: "searches on one plan and machine whose intervals lie the other way round".to_owned(),
        ..of_ceiling(event)
    };
    (clause, is_host)
}

fn compared(basis: &Basis<'_>, event: Interval, tuned: Interval) -> (Answer, String) {
    if let Some(differs) = uneven(basis) {
        return (Unknown, format!("the searches are not of one plan: {differs}"));
    }
    let exceeds = |a: Option<f64>, b: Option<f64>| a.zip(b).is_some_and(|(a, b)| a > b);
    let reaches = |a: Option<f64>, b: Option<f64>| a.zip(b).is_some_and(|(a, b)| a >= b);
    let answer = if exceeds(event.low, tuned.high) {
        Answer::Yes
    } else if reaches(tuned.low, event.high) {
        Answer::No
    } else {
        Unknown
    };
    let detail = format!(
        "event-driven carries {} jobs/s, tuned polling {}",
        rates(event),
        rates(tuned)
    );
    (answer, detail)
}

/// What differs between any two searches of the two variants.
fn uneven(basis: &Basis<'_>) -> Option<&'static str> {
    let ceilings = [Variant::EventDriven, Variant::PollingTuned].map(|variant| basis.evidence.ceilings(variant));
    let searches: Vec<&Capacity> = ceilings
        .iter()
        .flatten()
        .flat_map(|ceiling| &ceiling.searches)
        .copied()
        .collect();
    let first = searches.first()?;
    let differs = |same: &dyn Fn(&Capacity) -> bool| !searches.iter().all(|search| same(search));
    if differs(&|search| search.seed == first.seed) {
        Some("their seeds differ")
    } else if differs(&|search| search.git_commit == first.git_commit) {
        Some("their commits differ")
    } else if differs(&|search| search.topology.workers == first.topology.workers) {
        Some("their workers differ in number")
    } else {
        None
    }
}

/// Was the machine or the harness the limit of the one that carries less? Its upper end is then theirs.
fn host_limit(basis: &Basis<'_>, event_is_above: Answer) -> Option<String> {
    let less = match event_is_above {
        Answer::Yes => Variant::PollingTuned,
        Answer::No => Variant::EventDriven,
        Unknown => return None,
    };
    Some(format!("{}: {}", less.name(), basis.evidence.not_the_engine(less)?))
}
