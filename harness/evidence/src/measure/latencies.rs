//! Latencies by phase: dispatch, completion and every hop of a job's way.
//!
//! The hops of one job add up to its dispatch and service: each begins where the one before it ends, at the *first*
//! time that the job reached the point, whichever attempt that was. "Accepted" is the moment before the commit that
//! created the first step, "claimed" and "begun" the reply to the commit of the claim or of the begin (its statement may
//! be under way before the job that it finds is created, so the moment before it can lie before its cause). So no hop
//! can be negative on one clock. A hop that did not happen has no sample; censoring is a matter of dispatch and
//! completion alone.
//!
//! In event-driven mode the way goes over relay and broker:
//!
//! ```text
//! intended → sent → accepted → picked ─────────────▶ received → begun → started → finished → reported
//!                                └──▶ acknowledged          (beside: in no one's way)
//! ```
//! - The relay may pick a row up before the replica has the *reply* to the commit that wrote it; counted from before the
//!   commit, cause and effect stay in order.
//! - The broker serves consumers as soon as it has a record, and its acknowledgement travels to the relay at the same
//!   time: which of the two is recorded first is chance. A hop "acknowledged → received" would be negative half of the
//!   time and say nothing, so the way goes from the pick-up (recorded before the send) straight to the receipt; the
//!   acknowledgement is measured beside it, from the same pick-up.
//! - A backlog may be in the broker before the load starts: its jobs are picked up at the start of the load at the
//!   earliest, as they are intended then.

use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::Outcome;

use super::waiting::{self, Completion};
use crate::latency::Latency;
use crate::ledger::{Act, JobTimes, Ledger, Mode, Moment, Start};
use crate::result::{Hop, LatencySet};

const POLLING_HOPS: [&str; 7] = [
    "intended → sent",
    "sent → accepted",
    "accepted → claimed",
    "claimed → received",
    "received → started",
    "started → finished",
    "finished → reported",
];
const EVENT_DRIVEN_HOPS: [&str; 8] = [
    "intended → sent",
    "sent → accepted",
    "accepted → picked",
    "picked → received",
    "received → begun",
    "begun → started",
    "started → finished",
    "finished → reported",
];
const ACKNOWLEDGED: &str = "picked → acknowledged";

/// Names of a mode's hops. The first two are the instance's, the last two of each attempt, those between of each job.
fn names(mode: Mode) -> &'static [&'static str] {
    match mode {
        Mode::Polling => &POLLING_HOPS,
        Mode::EventDriven => &EVENT_DRIVEN_HOPS,
    }
}

/// The distributions of one phase.
#[derive(Debug, Clone)]
pub(super) struct PhaseLatencies {
    mode: Mode,
    dispatch: Latency,
    dispatch_from_send: Latency,
    completion: Latency,
    hops: Vec<HopLatency>,
    acknowledged: HopLatency,
}

#[derive(Debug, Clone, Default)]
struct HopLatency {
    latency: Latency,
    negative: u64,
}

impl HopLatency {
    fn record(&mut self, from: MonotonicNs, to: MonotonicNs) {
        self.negative += u64::from(to < from);
        self.latency.record(to.saturating_since(from));
    }

    fn merge(&mut self, other: &Self) {
        self.latency.merge(&other.latency);
        self.negative += other.negative;
    }

    fn to_hop(&self, name: &str) -> Hop {
        Hop {
            name: name.to_owned(),
            latency_ms: self.latency.percentiles(),
            negative: self.negative,
        }
    }

    fn record_if_both(&mut self, from: Option<MonotonicNs>, to: Option<MonotonicNs>) {
        if let (Some(from), Some(to)) = (from, to) {
            self.record(from, to);
        }
    }
}

impl PhaseLatencies {
    pub(super) fn new(mode: Mode) -> Self {
        Self {
            mode,
            dispatch: Latency::new(),
            dispatch_from_send: Latency::new(),
            completion: Latency::new(),
            hops: vec![HopLatency::default(); names(mode).len()],
            acknowledged: HopLatency::default(),
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.dispatch.merge(&other.dispatch);
        self.dispatch_from_send.merge(&other.dispatch_from_send);
        self.completion.merge(&other.completion);
        for (hop, other) in self.hops.iter_mut().zip(&other.hops) {
            hop.merge(other);
        }
        self.acknowledged.merge(&other.acknowledged);
    }

    pub(super) fn to_set(&self) -> LatencySet {
        let beside = match self.mode {
            Mode::Polling => Vec::new(),
            Mode::EventDriven => vec![self.acknowledged.to_hop(ACKNOWLEDGED)],
        };
        LatencySet {
            dispatch: self.dispatch.percentiles(),
            dispatch_from_send: self.dispatch_from_send.percentiles(),
            completion: self.completion.percentiles(),
            hops: names(self.mode)
                .iter()
                .zip(&self.hops)
                .map(|(name, hop)| hop.to_hop(name))
                .collect(),
            beside,
        }
    }

    fn censor_dispatch(&mut self) {
        self.dispatch.record_censored();
        self.dispatch_from_send.record_censored();
    }
}

/// One set of distributions a phase of the plan.
pub(super) fn by_phase(ledger: &Ledger<'_>) -> Vec<PhaseLatencies> {
    let evidence = ledger.evidence();
    let mut phases = vec![PhaseLatencies::new(evidence.mode); evidence.plan.phases.len()];
    for instance in 0..ledger.instances().len() {
        if let Some(phase) = phases.get_mut(usize::from(ledger.instances()[instance].phase)) {
            record_instance(phase, ledger, instance);
        }
    }
    for job in 0..ledger.jobs().len() {
        let times = ledger.times(job);
        if let Some(phase) = phases.get_mut(waiting::phase(ledger, job, &times)) {
            record_dispatch(phase, ledger, job, &times);
            record_hops(phase, ledger, job, &times);
        }
    }
    phases
}

fn record_instance(phase: &mut PhaseLatencies, ledger: &Ledger<'_>, place: usize) {
    let instance = &ledger.instances()[place];
    match waiting::completion(ledger, place) {
        Completion::At(at) => phase.completion.record(at.saturating_since(instance.intended)),
        Completion::Censored => phase.completion.record_censored(),
        Completion::NotASample => {}
    }
    if instance.start == Start::Accepted && ledger.members(place).is_empty() {
        (0..first_step_width(ledger, place)).for_each(|_| phase.censor_dispatch());
    }
    if let (Some(sent), false) = (instance.sent, instance.prefilled) {
        phase.hops[0].record(instance.intended, sent);
        phase.hops[1].record_if_both(Some(sent), ledger.created(place, 0));
    }
}

/// How many jobs an instance that lost them should have started with.
fn first_step_width(ledger: &Ledger<'_>, place: usize) -> u32 {
    let evidence = ledger.evidence();
    let arrival = ledger.instances()[place]
        .number
        .and_then(|number| evidence.plan.arrival(number));
    let entry = arrival.and_then(|arrival| evidence.workload.definitions.get(usize::from(arrival.definition)));
    entry
        .and_then(|entry| entry.definition.steps.first())
        .map_or(1, crossover_proto::definition::Step::width)
}

fn record_dispatch(phase: &mut PhaseLatencies, ledger: &Ledger<'_>, job: usize, times: &JobTimes) {
    let Some(sample) = waiting::dispatch(ledger, job, times) else {
        return;
    };
    match sample.started {
        Some(started) => {
            phase.dispatch.record(started.saturating_since(sample.intended));
            phase
                .dispatch_from_send
                .record(started.saturating_since(sample.from_send));
        }
        None => phase.censor_dispatch(),
    }
}

fn record_hops(phase: &mut PhaseLatencies, ledger: &Ledger<'_>, job: usize, times: &JobTimes) {
    let way = way(ledger, job, times, phase.mode);
    if let (Some((ready, delay)), Some(first)) = (waiting::ready(ledger, job), way[0]) {
        // A due time is computed, to within the length of a transaction: early by that much is no clock trouble.
        let from = if delay.is_zero() { ready } else { ready.min(first) };
        phase.hops[2].record(from, first);
    }
    for (hop, pair) in phase.hops[3..].iter_mut().zip(way.windows(2)) {
        hop.record_if_both(pair[0], pair[1]);
    }
    if phase.mode == Mode::EventDriven {
        phase.acknowledged.record_if_both(times.picked, times.acked);
    }
    let of_attempts = phase.hops.len() - 2;
    let moments = ledger.moments(job);
    for (index, moment) in moments.iter().enumerate() {
        match moment.act {
            Act::Finished(_) => {
                let start = counterpart(moments, index, is_finish, is_start);
                phase.hops[of_attempts].record_if_both(start, Some(moment.at));
            }
            Act::Reported(outcome) if outcome != Outcome::Unknown => {
                let finish = counterpart(moments, index, is_answer, is_finish);
                phase.hops[of_attempts + 1].record_if_both(finish, Some(moment.at));
            }
            _ => {}
        }
    }
}

/// The points of a job's way from the engine to the handler; the shorter way ends with a point that is never reached.
fn way(ledger: &Ledger<'_>, job: usize, times: &JobTimes, mode: Mode) -> [Option<MonotonicNs>; 4] {
    let JobTimes {
        claimed,
        received,
        started,
        ..
    } = *times;
    match mode {
        Mode::Polling => [claimed, received, started, None],
        Mode::EventDriven => {
            let prefilled = ledger.instance_of(job).prefilled;
            let origin = ledger.evidence().origin;
            let picked = times.picked.map(|at| if prefilled { at.max(origin) } else { at });
            [
                picked,
                received,
                begun(ledger.moments(job)).or(claimed.filter(|_| started.is_none())),
                started,
            ]
        }
    }
}

/// The first begin that can have led to the first start: of its attempt, or an earlier one. A begin whose answer was lost
/// is asked for again, and that answer is no new begin: where the first was never recorded, a later attempt's is not it.
fn begun(moments: &[Moment]) -> Option<MonotonicNs> {
    let start = moments.iter().find(|moment| moment.act == Act::Started)?;
    let led_to_it = |moment: &&Moment| moment.act == Act::Claimed && moment.attempt <= start.attempt;
    moments.iter().find(led_to_it).map(|moment| moment.at)
}

/// The n-th finish belongs to the n-th start, and the n-th answer to the n-th finish, of one attempt in one process.
fn counterpart(
    moments: &[Moment],
    index: usize,
    same: fn(Act) -> bool,
    wanted: fn(Act) -> bool,
) -> Option<MonotonicNs> {
    let own = &moments[index];
    let is_own = |moment: &&Moment| (moment.attempt, moment.process) == (own.attempt, own.process);
    let before = moments[..index]
        .iter()
        .filter(is_own)
        .filter(|moment| same(moment.act))
        .count();
    moments
        .iter()
        .filter(is_own)
        .filter(|moment| wanted(moment.act))
        .nth(before)
        .map(|moment| moment.at)
}

fn is_start(act: Act) -> bool {
    act == Act::Started
}

fn is_finish(act: Act) -> bool {
    matches!(act, Act::Finished(_))
}

fn is_answer(act: Act) -> bool {
    matches!(act, Act::Reported(outcome) if outcome != Outcome::Unknown)
}
