//! The part of the gRPC API that people use when jobs have failed: list, replay, discard.

use crossover_proto::JobId;
use crossover_proto::engine as wire;
use metrics::counter;

use super::wake::Wakeups;
use crate::EngineError;
use crate::store::{DeadLetter, Selection, Store};

/// Dead letters in one call: small enough to hold row locks for milliseconds only.
const PAGE: u32 = 1_000;

pub(super) async fn list(
    store: &Store,
    request: &wire::ListDeadLettersRequest,
) -> Result<wire::ListDeadLettersResponse, EngineError> {
    let after = JobId(request.after_job_id);
    let found = store
        .dead_letters(after, &request.reason_contains, page(request.limit))
        .await?;
    Ok(wire::ListDeadLettersResponse {
        dead_letters: found.into_iter().map(to_wire).collect(),
    })
}

pub(super) async fn replay(
    store: &Store,
    wakeups: &Wakeups,
    request: &wire::DeadLetterSelection,
) -> Result<wire::DeadLetterChange, EngineError> {
    let (changed, ready) = store.replay(&selection(request), page(request.limit)).await?;
    wakeups.ready(ready.iter().map(String::as_str));
    counter!("engine_dead_letters_replayed_total").increment(changed as u64);
    Ok(change(changed))
}

pub(super) async fn discard(
    store: &Store,
    request: &wire::DeadLetterSelection,
) -> Result<wire::DeadLetterChange, EngineError> {
    let changed = store.discard(&selection(request), page(request.limit)).await?;
    counter!("engine_dead_letters_discarded_total").increment(changed as u64);
    Ok(change(changed))
}

fn selection(request: &wire::DeadLetterSelection) -> Selection {
    Selection {
        jobs: request.job_ids.iter().copied().map(JobId).collect(),
        reason_contains: request.reason_contains.clone(),
    }
}

fn page(limit: u32) -> u32 {
    if limit == 0 { PAGE } else { limit.min(PAGE) }
}

fn change(changed: usize) -> wire::DeadLetterChange {
    wire::DeadLetterChange {
        changed: u32::try_from(changed).unwrap_or(u32::MAX),
    }
}

fn to_wire(letter: DeadLetter) -> wire::DeadLetter {
    wire::DeadLetter {
        job_id: letter.job.0,
        instance_id: letter.instance.to_wire().to_vec().into(),
        definition: letter.definition,
        job_type: letter.job_type,
        attempt: u32::from(letter.attempt.unsigned_abs()),
        reason: letter.reason,
    }
}
