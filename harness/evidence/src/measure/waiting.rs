//! Where the waiting of a job begins: the starting points of dispatch and of the hop out of the engine.

use std::time::Duration;

use crossover_proto::clock::MonotonicNs;

use crate::ledger::{JobTimes, Ledger, Start};
use crate::snapshot::{InstanceState, JobState};

/// One sample of dispatch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dispatch {
    /// Its intended time.
    pub(crate) intended: MonotonicNs,
    /// The same from the moment of sending.
    pub(crate) from_send: MonotonicNs,
    /// First start of the handler; `None` is a censored sample.
    pub(crate) started: Option<MonotonicNs>,
}

/// The dispatch sample of a job: one a job, by the first start of its handler, so that retries are no samples and a
/// first attempt that died unstarted makes the sample longer instead of removing it.
///
/// A scheduled job counts from its due time. The due time is not observed but computed: the intended time (or the
/// moment before the creating commit) plus the delay of the workload's definition. `None` for a job without a known
/// beginning, one not due before the end of the history, and one cancelled before it started.
pub(crate) fn dispatch(ledger: &Ledger<'_>, job: usize, times: &JobTimes) -> Option<Dispatch> {
    let facts = &ledger.jobs()[job];
    let delay = ledger.delay(job);
    let (intended, from_send) = if facts.step == 0 {
        let instance = ledger.instance_of(job);
        let sent = instance.sent?;
        let sent = if instance.prefilled { instance.intended } else { sent };
        (instance.intended.plus(delay), sent.plus(delay))
    } else {
        let created = created_or_before(ledger, job)?.plus(delay);
        (created, created)
    };
    let never_started = times.started.is_none();
    if never_started && (facts.state == Some(JobState::Cancelled) || intended > ledger.end()) {
        return None;
    }
    Some(Dispatch {
        intended,
        from_send,
        started: times.started,
    })
}

/// Before the commit that created a later job. An engine killed between the commit and its record leaves none; the
/// last success of the step before is then the closest moment that is certainly not too late.
fn created_or_before(ledger: &Ledger<'_>, job: usize) -> Option<MonotonicNs> {
    let facts = &ledger.jobs()[job];
    ledger.created(facts.instance as usize, facts.step).or_else(|| {
        let before = facts.step.checked_sub(1)?;
        let members = ledger
            .members(facts.instance as usize)
            .iter()
            .map(|place| *place as usize);
        let of_step_before = members.filter(|place| ledger.jobs()[*place].step == before);
        of_step_before.filter_map(|place| ledger.times(place).succeeded).max()
    })
}

/// When a job could first be claimed or picked up: before the commit that created it, plus its delay; for a prefilled one not
/// before the start of the load. `None` if no engine lived to record the commit.
pub(super) fn ready(ledger: &Ledger<'_>, job: usize) -> Option<(MonotonicNs, Duration)> {
    let facts = &ledger.jobs()[job];
    let delay = ledger.delay(job);
    let created = ledger.created(facts.instance as usize, facts.step)?;
    let floor = if ledger.instance_of(job).prefilled {
        ledger.evidence().origin
    } else {
        created
    };
    Some((created.max(floor).plus(delay), delay))
}

/// Phase of a job's samples.
pub(super) fn phase(ledger: &Ledger<'_>, job: usize, times: &JobTimes) -> usize {
    let facts = &ledger.jobs()[job];
    let instance = ledger.instance_of(job);
    if instance.prefilled || (facts.step == 0 && instance.sent.is_some()) {
        return usize::from(instance.phase);
    }
    let begin = created_or_before(ledger, job)
        .or(times.picked)
        .or(times.claimed)
        .or(times.received)
        .or(times.started);
    let offset_us = begin.map_or(0, |moment| ledger.offset_us(moment));
    usize::from(ledger.evidence().plan.phase_at(offset_us))
}

/// How an instance counts for the completion latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completion {
    /// The answer to its last job's completion came then.
    At(MonotonicNs),
    /// It did not complete, or nobody lived to hear the answer.
    Censored,
    /// It failed, was cancelled, refused, or is not of this load: no completion to wait for.
    NotASample,
}

/// The completion of an instance.
pub(super) fn completion(ledger: &Ledger<'_>, place: usize) -> Completion {
    let instance = &ledger.instances()[place];
    if instance.sent.is_none() {
        return Completion::NotASample;
    }
    match ledger.row(instance).map(|row| row.state) {
        None if instance.start == Start::Accepted => Completion::Censored,
        None | Some(InstanceState::Failed | InstanceState::Cancelled) => Completion::NotASample,
        Some(InstanceState::Running) => Completion::Censored,
        Some(InstanceState::Completed) => last_answer(ledger, place).map_or(Completion::Censored, Completion::At),
    }
}

/// The answer to the last completion of the last step; `None` if one of its answers never came.
fn last_answer(ledger: &Ledger<'_>, instance: usize) -> Option<MonotonicNs> {
    let members = ledger.members(instance);
    let last_step = ledger.jobs()[*members.last()? as usize].step;
    let of_last_step = members.iter().rev().map(|place| *place as usize);
    let of_last_step = of_last_step.take_while(|place| ledger.jobs()[*place].step == last_step);
    of_last_step
        .map(|place| ledger.times(place).completed)
        .try_fold(MonotonicNs(0), |last, at| Some(last.max(at?)))
}
