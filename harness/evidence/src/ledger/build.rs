//! Builds the ledger: three passes over the history, counting sorts into dense vectors.
//!
//! The history is read from its files in each pass, and not kept: (1) what it names that the database does not know, so that
//! everything has a place; (2) what it says of instances, and how many moments each job has; (3) the moments.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::{Event, JobKey, Outcome, Record};
use crossover_proto::{InstanceId, JobId};
use uuid::Uuid;

use super::index::{InstanceIndex, JobIndex};
use super::{Act, Creation, Instance, Job, Ledger, Moment, Replay, RunEvidence, Start};
use crate::load::Workload;
use crate::snapshot::{DefinitionRow, Snapshot};

impl<'a> Ledger<'a> {
    /// Brings the evidence together. Infallible: what does not fit is kept for the checkers.
    #[must_use]
    pub fn build(evidence: RunEvidence<'a>) -> Self {
        let snapshot = evidence.snapshot;
        let Known {
            jobs: job_index,
            instances: instance_index,
            strangers,
        } = Known::of(&evidence);
        let jobs = jobs(snapshot, &strangers, &job_index, &instance_index);
        let learnt = Learnt::of(&evidence, &job_index, &instance_index);
        let moments = moments(&evidence, &job_index, &learnt.moment_starts);
        let (member_starts, members) = members(&jobs, instance_index.ids().len());
        let replay = Replay::fold(snapshot, &job_index, &instance_index);
        Self {
            creations: learnt.creations,
            delays: delays(&snapshot.definitions, evidence.workload),
            end: learnt.end.unwrap_or(evidence.origin),
            evidence,
            instances: learnt.instances,
            jobs,
            instance_index,
            job_index,
            moment_starts: learnt.moment_starts,
            moments,
            member_starts,
            members,
            replay,
        }
    }
}

/// All that rows or records name, each with its place: the first pass.
struct Known {
    jobs: JobIndex,
    instances: InstanceIndex,
    /// Jobs without a row: the last that a record says of each, with its highest attempt.
    strangers: HashMap<JobId, JobKey>,
}

impl Known {
    fn of(evidence: &RunEvidence<'_>) -> Self {
        let snapshot = evidence.snapshot;
        let jobs = JobIndex::of(snapshot.jobs.iter().map(|row| row.id.0).collect());
        let instances = InstanceIndex::of(snapshot.instances.iter().map(|row| row.id.0.as_u128()).collect());
        let unknown = |id: InstanceId| instances.position(id).is_none().then(|| id.0.as_u128());
        let mut strangers: HashMap<JobId, JobKey> = HashMap::new();
        let mut others: Vec<u128> = snapshot.jobs.iter().filter_map(|row| unknown(row.instance)).collect();
        for record in evidence.records() {
            if let Event::Sent { instance, .. } | Event::Answered { instance, .. } | Event::Created { instance, .. } =
                record.event
            {
                others.extend(unknown(instance));
                continue;
            }
            // Of records about jobs only those of jobs without a row: a row has named its instance.
            let about = Moment::of(&record, 0).map(|(key, _)| key);
            if let Some(key) = about.filter(|key| jobs.position(key.job).is_none())
                && note(&mut strangers, key)
            {
                others.extend(unknown(key.instance));
            }
        }
        Self {
            instances: instances.with(others),
            jobs: jobs.with(strangers.keys().map(|job| job.0)),
            strangers,
        }
    }
}

/// Is it news which instance the job belongs to?
fn note(strangers: &mut HashMap<JobId, JobKey>, key: JobKey) -> bool {
    match strangers.entry(key.job) {
        Entry::Vacant(entry) => {
            entry.insert(key);
            true
        }
        Entry::Occupied(mut entry) => {
            let before = *entry.get();
            entry.insert(JobKey {
                attempt: before.attempt.max(key.attempt),
                ..key
            });
            before.instance != key.instance
        }
    }
}

fn jobs(
    snapshot: &Snapshot,
    strangers: &HashMap<JobId, JobKey>,
    jobs: &JobIndex,
    instances: &InstanceIndex,
) -> Vec<Job> {
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
    for key in strangers.values() {
        let Some(at) = jobs.position(key.job) else { continue };
        all[at] = Job {
            instance: place(key.instance),
            step: key.step,
            ordinal: key.ordinal,
            attempt: key.attempt,
            ..all[at]
        };
    }
    all
}

/// What the history says of instances and of itself, and where each job's moments will be: the second pass.
struct Learnt {
    instances: Vec<Instance>,
    creations: Vec<Creation>,
    moment_starts: Vec<u32>,
    end: Option<MonotonicNs>,
}

impl Learnt {
    fn of(evidence: &RunEvidence<'_>, jobs: &JobIndex, index: &InstanceIndex) -> Self {
        let mut instances = instances(evidence, index);
        let mut creations = Vec::new();
        let mut moment_starts = vec![0u32; jobs.ids().len() + 1];
        let mut end = None;
        for record in evidence.records() {
            end = end.max(Some(record.at));
            match record.event {
                Event::Sent { instance, .. } | Event::Answered { instance, .. } => {
                    if let Some(place) = index.position(instance) {
                        instances[place].learn(&record, evidence);
                    }
                }
                Event::Created { instance, step, before } => {
                    let place = index.position(instance).and_then(|place| u32::try_from(place).ok());
                    creations.extend(place.map(|instance| Creation { instance, step, before }));
                }
                _ => {
                    if let Some(job) = Moment::of(&record, 0).and_then(|(key, _)| jobs.position(key.job)) {
                        moment_starts[job + 1] += 1;
                    }
                }
            }
        }
        accumulate(&mut moment_starts);
        creations.sort_unstable_by_key(|creation| (creation.instance, creation.step, creation.before));
        Self {
            instances,
            creations,
            moment_starts,
            end,
        }
    }
}

/// All moments, grouped by job (counting sort) and sorted by time within it; equal times keep the order of writing: the
/// third pass.
fn moments(evidence: &RunEvidence<'_>, index: &JobIndex, starts: &[u32]) -> Vec<Moment> {
    let filler = Moment {
        at: MonotonicNs(0),
        attempt: 0,
        process: 0,
        act: Act::Claimed,
    };
    let mut moments = vec![filler; starts.last().map_or(0, |last| *last as usize)];
    let mut next = starts.to_vec();
    for (process, file) in (0u16..).zip(evidence.history) {
        for record in file.records() {
            let Some((key, moment)) = Moment::of(&record, process) else {
                continue;
            };
            if let Some(job) = index.position(key.job) {
                moments[next[job] as usize] = moment;
                next[job] += 1;
            }
        }
    }
    for pair in starts.windows(2) {
        moments[pair[0] as usize..pair[1] as usize].sort_by_key(|moment| moment.at);
    }
    moments
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

/// As the database knows them.
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
