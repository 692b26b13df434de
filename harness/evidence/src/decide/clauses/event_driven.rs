//! What moving needs beside the conditions: event-driven dispatch carries the need, and more than tuned polling.

use super::super::answer::Answer::{self, Unknown};
use super::super::evidence::Ceiling;
use super::super::forecast::Need;
use super::{Clause, need_words, of_ceiling, rates};

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

pub(super) fn event_above(event: Option<&Ceiling<'_>>, tuned: Option<&Ceiling<'_>>) -> Clause {
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
