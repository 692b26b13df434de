//! Builds the ledger: a few passes over the inputs, counting sorts into dense vectors.

use std::collections::HashMap;
use std::time::Duration;

use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::{Event, HistoryFile, Outcome, Record};
use crossover_proto::{InstanceId, JobId};
use uuid::Uuid;

use super::index::{InstanceIndex, JobIndex};
use super::{Creation, Instance, Job, Ledger, Moment, Replay, RunEvidence, Start};
use crate::load::Workload;
use crate::snapshot::{DefinitionRow, Snapshot};

impl<'a> Ledger<'a> {
    /// Brings the evidence together. Infallible: what does not fit is kept for the checkers.
    #[must_use]
    pub fn build(evidence: RunEvidence<'a>) -> Self {
        let RunEvidence { history, snapshot, .. } = evidence;
        let job_index = index_jobs(history, snapshot);
        let instance_index = index_instances(history, snapshot, &job_index);
        let jobs = jobs(history, snapshot, &job_index, &instance_index);
        let (moment_starts, moments) = moments(history, &job_index);
        let (member_starts, members) = members(&jobs, instance_index.ids().len());
        let instances = instances(&evidence, &instance_index);
        let replay = Replay::fold(snapshot, &job_index, &instance_index);
        Self {
            creations: creations(history, &instance_index),
            delays: delays(&snapshot.definitions, evidence.workload),
            end: records(history)
                .map(|record| record.at)
                .max()
                .unwrap_or(evidence.origin),
            evidence,
            instances,
            jobs,
            instance_index,
            job_index,
            moment_starts,
            moments,
            member_starts,
            members,
            replay,
        }
    }
}

fn records(history: &[HistoryFile]) -> impl Iterator<Item = &Record> {
    history.iter().flat_map(|file| &file.records)
}

fn index_jobs(history: &[HistoryFile], snapshot: &Snapshot) -> JobIndex {
    let keys = records(history)
        .filter_map(|record| Moment::of(record, 0))
        .map(|(key, _)| key.job.0);
    JobIndex::build(snapshot.jobs.iter().map(|row| row.id.0).collect(), keys)
}

/// Every instance that a row or a record names; of records about jobs only those of jobs without a row.
fn index_instances(history: &[HistoryFile], snapshot: &Snapshot, job_index: &JobIndex) -> InstanceIndex {
    let has_strangers = job_index.ids().len() > snapshot.jobs.len();
    let of_record = move |record: &Record| match &record.event {
        Event::Sent { instance, .. } | Event::Answered { instance, .. } | Event::Created { instance, .. } => {
            Some(instance.0.as_u128())
        }
        _ if has_strangers => Moment::of(record, 0).map(|(key, _)| key.instance.0.as_u128()),
        _ => None,
    };
    let of_jobs = snapshot.jobs.iter().map(|row| row.instance.0.as_u128());
    let ids = snapshot.instances.iter().map(|row| row.id.0.as_u128()).collect();
    InstanceIndex::build(ids, of_jobs.chain(records(history).filter_map(of_record)))
}

fn jobs(history: &[HistoryFile], snapshot: &Snapshot, jobs: &JobIndex, instances: &InstanceIndex) -> Vec<Job> {
    let place = |id: InstanceId| {
        instances
            .position(id)
            .and_then(|place| u32::try_from(place).ok())
            .unwrap_or(u32::MAX)
    };
    let unknown = |id: &i64| Job {
        id: JobId(*id),
        instance: u32::MAX,
        job_type: 0,
        step: 0,
        ordinal: 0,
        attempt: 0,
        state: None,
    };
    let mut all: Vec<Job> = jobs.ids().iter().map(unknown).collect();
    for row in &snapshot.jobs {
        let Some(at) = jobs.position(row.id) else { continue };
        all[at] = Job {
            id: row.id,
            instance: place(row.instance),
            job_type: row.job_type,
            step: row.step,
            ordinal: row.ordinal,
            attempt: row.attempt,
            state: Some(row.state),
        };
    }
    if all.len() == snapshot.jobs.len() {
        return all;
    }
    for (key, _) in records(history).filter_map(|record| Moment::of(record, 0)) {
        let Some(job) = jobs
            .position(key.job)
            .map(|at| &mut all[at])
            .filter(|job| job.state.is_none())
        else {
            continue;
        };
        job.instance = place(key.instance);
        job.step = key.step;
        job.ordinal = key.ordinal;
        job.attempt = job.attempt.max(key.attempt);
    }
    all
}

/// All moments, grouped by job (counting sort) and sorted by time within it; equal times keep the order of writing.
fn moments(history: &[HistoryFile], index: &JobIndex) -> (Vec<u32>, Vec<Moment>) {
    let all = || {
        (0u16..).zip(history).flat_map(|(process, file)| {
            let of_record = move |record| {
                let (key, moment) = Moment::of(record, process)?;
                Some((index.position(key.job)?, moment))
            };
            file.records.iter().filter_map(of_record)
        })
    };
    let mut starts = vec![0u32; index.ids().len() + 1];
    all().for_each(|(job, _)| starts[job + 1] += 1);
    accumulate(&mut starts);
    let mut next = starts.clone();
    let filler = Moment {
        at: MonotonicNs(0),
        attempt: 0,
        process: 0,
        act: super::Act::Claimed,
    };
    let mut moments = vec![filler; starts.last().map_or(0, |last| *last as usize)];
    for (job, moment) in all() {
        moments[next[job] as usize] = moment;
        next[job] += 1;
    }
    for pair in starts.windows(2) {
        moments[pair[0] as usize..pair[1] as usize].sort_by_key(|moment| moment.at);
    }
    (starts, moments)
}

/// Places of the jobs, grouped by instance, by (step, ordinal, id) within it.
fn members(jobs: &[Job], instances: usize) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0u32; instances + 1];
    for job in jobs {
        starts[job.instance as usize + 1] += 1;
    }
    accumulate(&mut starts);
    let mut next = starts.clone();
    let mut members = vec![0u32; jobs.len()];
    for (place, job) in (0u32..).zip(jobs) {
        let slot = &mut next[job.instance as usize];
        members[*slot as usize] = place;
        *slot += 1;
    }
    for pair in starts.windows(2) {
        members[pair[0] as usize..pair[1] as usize].sort_by_key(|place| {
            let job = &jobs[*place as usize];
            (job.step, job.ordinal, job.id)
        });
    }
    (starts, members)
}

fn accumulate(counts: &mut [u32]) {
    let mut sum = 0;
    for count in counts {
        sum += *count;
        *count = sum;
    }
}

fn instances(evidence: &RunEvidence<'_>, index: &InstanceIndex) -> Vec<Instance> {
    let blank = |id: &u128| Instance {
        id: InstanceId(Uuid::from_u128(*id)),
        number: None,
        phase: 0,
        prefilled: false,
        intended: evidence.origin,
        sent: None,
        accepted: None,
        start: Start::NotSent,
        row: None,
        definition: None,
    };
    let mut all: Vec<Instance> = index.ids().iter().map(blank).collect();
    for record in records(evidence.history) {
        let (Event::Sent { instance, .. } | Event::Answered { instance, .. }) = &record.event else {
            continue;
        };
        if let Some(place) = index.position(*instance) {
            all[place].learn(record, evidence);
        }
    }
    let definitions: HashMap<i64, u16> = evidence
        .snapshot
        .definitions
        .iter()
        .map(|row| row.id)
        .zip(0u16..)
        .collect();
    for (place, row) in (0u32..).zip(&evidence.snapshot.instances) {
        let Some(at) = index.position(row.id) else { continue };
        all[at].row = Some(place);
        all[at].definition = definitions.get(&row.definition).copied();
    }
    all
}

impl Instance {
    fn learn(&mut self, record: &Record, evidence: &RunEvidence<'_>) {
        match record.event {
            Event::Sent { intended, arrival, .. } => {
                let plan = evidence.plan;
                self.number = Some(arrival);
                self.prefilled = plan.is_prefill(arrival);
                self.intended = if self.prefilled { evidence.origin } else { intended };
                let offset_us = self.intended.0.saturating_sub(evidence.origin.0) / 1_000;
                self.phase = plan
                    .arrival(arrival)
                    .map_or_else(|| plan.phase_at(offset_us), |planned| planned.phase);
                self.sent = earliest(self.sent, record.at);
                self.start = self.start.max(Start::Unknown);
            }
            Event::Answered {
                outcome: Outcome::Done | Outcome::Already,
                ..
            } => {
                self.accepted = earliest(self.accepted, record.at);
                self.start = Start::Accepted;
            }
            Event::Answered {
                outcome: Outcome::Rejected,
                ..
            } => self.start = self.start.max(Start::Rejected),
            Event::Answered { .. } => self.start = self.start.max(Start::Unknown),
            _ => {}
        }
    }
}

fn earliest(known: Option<MonotonicNs>, at: MonotonicNs) -> Option<MonotonicNs> {
    Some(known.map_or(at, |known| known.min(at)))
}

fn creations(history: &[HistoryFile], index: &InstanceIndex) -> Vec<Creation> {
    let of_record = |record: &Record| match record.event {
        Event::Created { instance, step, before } => Some(Creation {
            instance: u32::try_from(index.position(instance)?).ok()?,
            step,
            before,
        }),
        _ => None,
    };
    let mut creations: Vec<Creation> = records(history).filter_map(of_record).collect();
    creations.sort_unstable_by_key(|creation| (creation.instance, creation.step, creation.before));
    creations
}

/// Delays by step and ordinal, from the workload's definition of the same name; empty where nothing waits.
fn delays(rows: &[DefinitionRow], workload: &Workload) -> Vec<Vec<Vec<Duration>>> {
    let of_row = |row: &DefinitionRow| {
        let definition = workload
            .position(&row.name)
            .map(|place| &workload.definitions[place].definition);
        let steps = definition.map(|definition| &definition.steps[..]).unwrap_or_default();
        if steps.iter().flat_map(|step| &step.jobs).all(|job| job.delay.is_zero()) {
            return Vec::new();
        }
        let of_step = |step: &crossover_proto::definition::Step| {
            step.jobs
                .iter()
                .flat_map(|job| std::iter::repeat_n(job.delay, job.count as usize))
                .collect()
        };
        steps.iter().map(of_step).collect()
    };
    rows.iter().map(of_row).collect()
}
