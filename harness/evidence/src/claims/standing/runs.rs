//! What runs say of a claim by its id, brought together.

use super::{Found, Said, Stand};
use crate::result::ClaimVerdict;

/// The newest valid run that settles it, else the newest that does not.
pub(super) fn of(said: &[&Said]) -> Option<Found> {
    let valid: Vec<&&Said> = said.iter().filter(|said| said.valid).collect();
    let settled = |said: &&&Said| said.claim.verdict != ClaimVerdict::NotSettled;
    let newest = |settles: bool| {
        let fitting = valid.iter().copied().filter(|said| settled(said) == settles);
        fitting.max_by(|a, b| (&a.at, &a.run).cmp(&(&b.at, &b.run)))
    };
    let newest = newest(true).or_else(|| newest(false))?;
    // One run may say several things of a claim, such as of one poller and of four: the gravest speaks for it.
    let same_run = valid.iter().copied().filter(|said| said.run == newest.run);
    let gravest = same_run
        .max_by_key(|said| gravity(said.claim.verdict))
        .unwrap_or(newest);
    let stand = match gravest.claim.verdict {
        ClaimVerdict::Supported => Stand::Supported,
        ClaimVerdict::Refuted => Stand::Refuted,
        ClaimVerdict::NotSettled => Stand::NotSettled,
    };
    let against = valid
        .iter()
        .filter(|said| settled(said) && said.run != gravest.run && said.claim.verdict != gravest.claim.verdict)
        .count();
    let against = match against {
        0 => String::new(),
        1 => " (one other run says otherwise)".to_owned(),
        against => format!(" ({against} other findings say otherwise)"),
    };
    Some((
        stand,
        format!("{}{against}", gravest.claim.evidence),
        Some(gravest.run.clone()),
    ))
}

fn gravity(verdict: ClaimVerdict) -> u8 {
    match verdict {
        ClaimVerdict::NotSettled => 0,
        ClaimVerdict::Supported => 1,
        ClaimVerdict::Refuted => 2,
    }
}
