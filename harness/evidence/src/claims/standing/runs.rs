//! What runs say of a claim by its id, brought together.
//!
//! Where a claim says something of each mode, a finding of one mode alone settles that half and no more; the claim is supported
//! if both are, and refuted if one is.

use std::collections::BTreeMap;

use super::{Found, Said, Stand};
use crate::claims::{Half, c04, c06};
use crate::result::{Claim, ClaimVerdict};

/// What the newest run that settles it says of a half, or of the whole.
struct Spoken<'a> {
    said: &'a Said,
    /// Other runs that settle it otherwise.
    against: usize,
}

/// The newest valid run that settles it, else the newest that does not.
pub(super) fn of(said: &[&Said]) -> Option<Found> {
    let valid: Vec<&Said> = said.iter().copied().filter(|said| said.valid).collect();
    let first = valid.first()?;
    if !has_halves(&first.claim.id) {
        return newest(&valid).map(|spoken| found(&spoken, ""));
    }
    let halves = [(Half::Polling, "polling"), (Half::EventDriven, "event-driven")].map(|(half, name)| {
        let own = valid.iter().copied();
        let own: Vec<&Said> = own
            .filter(|said| half_of(&said.claim).is_none_or(|of| of == half))
            .collect();
        (name, newest(&own))
    });
    match halves {
        [(_, Some(polling)), (_, Some(event))] if std::ptr::eq(polling.said, event.said) => Some(found(&polling, "")),
        [(left, polling), (right, event)] => both((left, polling), (right, event)),
    }
}

/// The graver half speaks; a half that nobody looked at is not settled.
fn both(polling: (&str, Option<Spoken<'_>>), event: (&str, Option<Spoken<'_>>)) -> Option<Found> {
    let told = |(name, spoken): (&str, Option<Spoken<'_>>)| match spoken {
        Some(spoken) => found(&spoken, name),
        None => (
            Stand::NotSettled,
            format!("{name}: no valid run has looked at this half"),
            None,
        ),
    };
    let (polling, event) = (told(polling), told(event));
    let evidence = format!("{}; {}", polling.1, event.1);
    let weight = |stand: Stand| match stand {
        Stand::Supported => 0,
        Stand::NotSettled | Stand::NotYetMeasured => 1,
        Stand::Refuted => 2,
    };
    let (gravest, other) = if weight(event.0) > weight(polling.0) {
        (event, polling)
    } else {
        (polling, event)
    };
    Some((gravest.0, evidence, gravest.2.or(other.2)))
}

fn found(spoken: &Spoken<'_>, half: &str) -> Found {
    let stand = match spoken.said.claim.verdict {
        ClaimVerdict::Supported => Stand::Supported,
        ClaimVerdict::Refuted => Stand::Refuted,
        ClaimVerdict::NotSettled => Stand::NotSettled,
    };
    let against = match spoken.against {
        0 => String::new(),
        1 => " (one other run says otherwise)".to_owned(),
        against => format!(" ({against} other runs say otherwise)"),
    };
    let half = if half.is_empty() {
        String::new()
    } else {
        format!("{half}: ")
    };
    let evidence = format!("{half}{}{against}", spoken.said.claim.evidence);
    (stand, evidence, Some(spoken.said.run.clone()))
}

fn newest<'a>(said: &[&'a Said]) -> Option<Spoken<'a>> {
    // One run may say several things of a claim, such as of one poller and of four: the gravest speaks for it.
    let mut gravest: BTreeMap<(&str, &str), &Said> = BTreeMap::new();
    for said in said.iter().copied() {
        let kept = gravest.entry((&said.at, &said.run)).or_insert(said);
        if said.claim.verdict.gravity() > kept.claim.verdict.gravity() {
            *kept = said;
        }
    }
    let settled = |said: &&&Said| said.claim.verdict != ClaimVerdict::NotSettled;
    let newest = gravest.values().rev().find(settled).or(gravest.values().next_back())?;
    let against = gravest
        .values()
        .filter(|said| settled(said) && said.claim.verdict != newest.claim.verdict)
        .count();
    let against = if settled(&newest) { against } else { 0 };
    Some(Spoken { said: newest, against })
}

fn has_halves(id: &str) -> bool {
    ["C04", "C06"].contains(&id)
}

/// The half that a finding speaks of; `None` if it speaks of the whole claim.
fn half_of(claim: &Claim) -> Option<Half> {
    match claim.id.as_str() {
        "C04" => c04::half(&claim.text),
        "C06" => c06::half(&claim.text),
        _ => None,
    }
}
