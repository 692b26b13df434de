//! Every job as a row of a table, for people who want to ask their own questions of a run.
//!
//! It owns what a row says. Times are microseconds from the start of the load, the firsts of a job whichever attempt they
//! belong to, exactly those that the figures are computed from.

use std::time::Duration;

use crossover_proto::clock::MonotonicNs;
use serde::Serialize;

use super::{completed_at, waiting};
use crate::ledger::{Ledger, Mode, Start};
use crate::snapshot::JobState;

/// One job of a run. The names of its fields are the columns' names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobRow {
    /// The instance's UUID.
    pub instance: String,
    /// Its number in the plan, from 0; empty if the load never sent it.
    pub arrival: Option<u64>,
    /// Its definition; empty if the database does not know the instance.
    pub definition: Option<String>,
    /// The load phase that the job's sample belongs to.
    pub phase: String,
    /// Is that phase a warm-up, and so left out of the whole run's figures?
    pub warmup: bool,
    /// The job's id.
    pub job: i64,
    /// Its job type, by the workload's definition; empty if the database does not know the instance.
    pub job_type: Option<String>,
    /// Its step, from 0.
    pub step: u16,
    /// Its place within the step, from 0.
    pub ordinal: u16,
    /// Its last attempt, from 1.
    pub attempt: u16,
    /// Its state at the end; empty if the database does not know the job.
    pub state: Option<JobState>,
    /// Handlers of it that ended in success.
    pub successes: u32,
    /// When the plan wanted its instance.
    pub intended_us: Option<i64>,
    /// When its instance's start was sent.
    pub sent_us: Option<i64>,
    /// When the load knew that the start was accepted.
    pub accepted_us: Option<i64>,
    /// The moment before the statement that created the job.
    pub created_us: Option<i64>,
    /// When the relay read its outbox row (event-driven).
    pub picked_us: Option<i64>,
    /// When the broker acknowledged its record (event-driven).
    pub acknowledged_us: Option<i64>,
    /// When a worker had it.
    pub received_us: Option<i64>,
    /// The reply to its claim (polling) or begin (event-driven).
    pub claimed_us: Option<i64>,
    /// When its handler first started.
    pub started_us: Option<i64>,
    /// When its last handler ended.
    pub finished_us: Option<i64>,
    /// When the answer to its completion came.
    pub completed_us: Option<i64>,
    /// Its dispatch latency, as the figures count it; empty if it never started, or is no sample.
    pub dispatch_us: Option<i64>,
}

/// All jobs of a run, in order of their ids.
pub fn job_rows<'a>(ledger: &'a Ledger<'_>) -> impl Iterator<Item = JobRow> + 'a {
    (0..ledger.jobs().len()).map(|job| row(ledger, job))
}

fn row(ledger: &Ledger<'_>, place: usize) -> JobRow {
    let evidence = ledger.evidence();
    let at = |moment: MonotonicNs| {
        let since = micros(moment.saturating_since(evidence.origin));
        let before = micros(evidence.origin.saturating_since(moment));
        since - before
    };
    let job = &ledger.jobs()[place];
    let instance = ledger.instance_of(place);
    let times = ledger.times(place);
    let phase = &evidence.plan.phases[waiting::phase(ledger, place, &times)];
    let was_sent = instance.start != Start::NotSent;
    let dispatch = waiting::dispatch(ledger, place, &times);
    let is_event_driven = evidence.mode == Mode::EventDriven;
    let of_relay = |moment: Option<MonotonicNs>| moment.filter(|_| is_event_driven).map(at);
    JobRow {
        instance: instance.id.to_string(),
        arrival: instance.number,
        definition: ledger.definition(instance).map(|definition| definition.name.clone()),
        phase: phase.name.clone(),
        warmup: phase.warmup,
        job: job.id.0,
        job_type: job_type(ledger, place).map(str::to_owned),
        step: job.step,
        ordinal: job.ordinal,
        attempt: job.attempt,
        state: job.state,
        successes: times.successes,
        intended_us: was_sent.then(|| at(instance.intended)),
        sent_us: instance.sent.map(at),
        accepted_us: instance.accepted.map(at),
        created_us: ledger.created(job.instance as usize, job.step).map(at),
        picked_us: of_relay(times.picked),
        acknowledged_us: of_relay(times.acked),
        received_us: times.received.map(at),
        claimed_us: times.claimed.map(at),
        started_us: times.started.map(at),
        finished_us: times.last_finished.map(at),
        completed_us: completed_at(job.state, &times).map(at),
        dispatch_us: dispatch.and_then(|sample| {
            let started = sample.started?;
            Some(micros(started.saturating_since(sample.intended)))
        }),
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The type that the workload's definition has at the job's place; `None` if the database does not know the instance.
pub(crate) fn job_type<'a>(ledger: &Ledger<'a>, place: usize) -> Option<&'a str> {
    let job = &ledger.jobs()[place];
    let workload = ledger.evidence().workload;
    let definition = ledger.definition(ledger.instance_of(place))?;
    let definition = &workload.definitions[workload.position(&definition.name)?].definition;
    let jobs = definition.steps.get(usize::from(job.step))?.jobs.iter();
    let mut types = jobs.flat_map(|spec| std::iter::repeat_n(spec.job_type.as_str(), spec.count as usize));
    types.nth(usize::from(job.ordinal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    #[test]
    fn a_row_tells_the_way_of_a_job_as_the_figures_count_it() {
        let mut scene = Scene::new(&[1, 2]);
        scene.start();
        scene.drain();
        let measures = scene.measures();
        let ledger = scene.ledger();
        let rows: Vec<JobRow> = job_rows(&ledger).collect();
        assert_eq!(rows.len(), 3);
        let places: Vec<_> = rows.iter().map(|row| (row.step, row.ordinal, row.state)).collect();
        let done = Some(JobState::Completed);
        assert_eq!(places, [(0, 0, done), (1, 0, done), (1, 1, done)]);
        let slowest = rows.iter().filter_map(|row| row.dispatch_us).max().unwrap();
        assert_eq!(measures.latency_ms.dispatch.max, Some(slowest as f64 / 1_000.0));
        for row in &rows {
            let way = [
                row.created_us,
                row.claimed_us,
                row.received_us,
                row.started_us,
                row.finished_us,
                row.completed_us,
            ];
            assert!(way.iter().all(Option::is_some) && way.is_sorted(), "{row:?}");
            assert_eq!(
                (row.picked_us, row.acknowledged_us),
                (None, None),
                "polling has no relay"
            );
        }
    }

    #[test]
    fn a_job_that_never_started_has_no_latency_and_keeps_its_row() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        let ledger = scene.ledger();
        let rows: Vec<JobRow> = job_rows(&ledger).collect();
        let [row] = rows.as_slice() else {
            panic!("one job: {rows:?}");
        };
        assert_eq!((row.started_us, row.dispatch_us, row.successes), (None, None, 0));
        assert!(row.job_type.is_some() && row.intended_us.is_some());
    }
}
