//! Between the wire and the store: attempts, jobs, and what people look at.

use std::collections::HashMap;

use crossover_proto::engine as wire;
use crossover_proto::history::JobKey;
use crossover_proto::{InstanceId, JobId};

use crate::store::{Attempt, AuditLine, ClaimedJob, DispatchLine, JobView};

/// Each job once, with its place. Of several attempts only the latest can be current: a worker that lost a lease and got
/// the job again may name both in one call.
pub(super) fn latest_of_each(items: &[Option<Attempt>]) -> Vec<(usize, Attempt)> {
    let mut latest: HashMap<JobId, i16> = HashMap::with_capacity(items.len());
    for item in items.iter().flatten() {
        let attempt = latest.entry(item.job).or_insert(item.attempt);
        *attempt = item.attempt.max(*attempt);
    }
    let numbered = items.iter().enumerate();
    numbered
        .filter_map(|(index, item)| item.map(|attempt| (index, attempt)))
        // Forgotten once it is found, so that a repeat of it is not taken.
        .filter(|(_, item)| latest.get(&item.job) == Some(&item.attempt) && latest.remove(&item.job).is_some())
        .collect()
}

pub(super) fn attempts(batch: &[(usize, Attempt)]) -> Vec<Attempt> {
    batch.iter().map(|(_, attempt)| *attempt).collect()
}

pub(super) fn attempt_of(job: &wire::JobRef) -> Option<Attempt> {
    Some(Attempt {
        job: JobId(job.job_id),
        attempt: i16::try_from(job.attempt).ok()?,
        instance: InstanceId::from_wire(&job.instance_id)?,
    })
}

pub(super) fn key_of(job: &ClaimedJob) -> JobKey {
    JobKey {
        instance: job.instance,
        job: job.id,
        attempt: job.attempt.unsigned_abs(),
        step: job.step.unsigned_abs(),
        ordinal: job.ordinal.unsigned_abs(),
    }
}

pub(super) fn to_wire(job: ClaimedJob, job_type: &str) -> wire::Job {
    wire::Job {
        job: Some(wire::JobRef {
            job_id: job.id.0,
            attempt: u32::from(job.attempt.unsigned_abs()),
            instance_id: job.instance.to_wire().to_vec().into(),
        }),
        job_type: job_type.to_owned(),
        step: u32::from(job.step.unsigned_abs()),
        ordinal: u32::from(job.ordinal.unsigned_abs()),
        payload: job.payload.into(),
    }
}

pub(super) fn job_status(job: JobView) -> wire::JobStatus {
    wire::JobStatus {
        job_id: job.id.0,
        job_type: job.job_type,
        step: u32::from(job.step.unsigned_abs()),
        ordinal: u32::from(job.ordinal.unsigned_abs()),
        state: job.state,
        attempt: u32::from(job.attempt.unsigned_abs()),
        worker: job.worker.unwrap_or_default(),
        last_error: job.last_error.unwrap_or_default(),
    }
}

pub(super) fn audit_entry(line: AuditLine) -> wire::AuditEntry {
    wire::AuditEntry {
        at_unix_us: line.at_us,
        event: line.event,
        job_id: line.job.map_or(0, |job| job.0),
        attempt: u32::from(line.attempt.unsigned_abs()),
    }
}

pub(super) fn dispatch(line: DispatchLine) -> wire::Dispatch {
    wire::Dispatch {
        outbox_id: line.id,
        job_id: line.job.0,
        attempt: u32::from(line.attempt.unsigned_abs()),
        created_unix_us: line.created_us,
        sent_unix_us: line.sent_us.unwrap_or_default(),
        partition: line.record.map(|(partition, _)| partition),
        offset: line.record.map(|(_, offset)| offset),
    }
}
