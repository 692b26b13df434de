//! A job as an event: its bytes, its stamp, and the one reader that says what can be run.

use std::collections::BTreeMap;

use prost::Message;
use prost::bytes::Bytes;

use super::wire::event::Body;
use super::wire::job_dispatch::Payload;
use super::{JOB_DISPATCH, wire};
use crate::history::JobKey;
use crate::{InstanceId, JobId};

/// An event that carries a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispatchedJob {
    /// One attempt of one job: what start, complete and fail name.
    pub key: JobKey,
    /// Names the handler; never empty.
    pub job_type: String,
    /// What the handler works on; may be empty.
    pub payload: Bytes,
    /// When the event was created (microseconds since 1970-01-01 UTC, by the clock of `source`).
    pub created_unix_us: i64,
    /// The process that created it.
    pub source: String,
    /// Key/values about the event; unknown keys are ignored.
    pub attributes: BTreeMap<String, String>,
    /// `Some` in a topic of ours; `None` if another program wrote the record.
    pub relay: Option<RelayStamp>,
}

/// Who sent the record, and from which outbox row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RelayStamp {
    /// The outbox row, from 1.
    pub outbox_id: i64,
    /// The relay's term of leadership, from 1.
    pub epoch: i64,
}

/// Why a record can't be run. No retry will read it: it goes to the dead-letter topic with this text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableRecord {
    /// The bytes are not an event.
    #[error("the record is not a crossover.event.v1.Event: {0}")]
    Malformed(#[from] prost::DecodeError),
    /// An event with a body that this build does not know, or none.
    #[error("the event {event_type:?} has no body that this worker knows; a newer worker may read it")]
    UnknownBody {
        /// What the event says of itself.
        event_type: String,
    },
    /// A job whose payload is of a kind that this build does not know, or missing.
    #[error("job {job_id} has no payload that this worker knows; a newer worker may read it")]
    UnknownPayload {
        /// The job.
        job_id: i64,
    },
    /// A field holds what no writer may write.
    #[error("{field}: found {found}; allowed is {allowed}")]
    Field {
        /// The field, by its path in the event.
        field: &'static str,
        /// Its value.
        found: String,
        /// What may be there.
        allowed: &'static str,
    },
}

impl DispatchedJob {
    /// The bytes of the record: equal jobs have equal bytes.
    #[must_use]
    pub fn to_record(&self) -> Vec<u8> {
        let job = wire::JobDispatch {
            job_id: self.key.job.0,
            instance_id: Bytes::copy_from_slice(&self.key.instance.to_wire()),
            step: self.key.step.into(),
            ordinal: self.key.ordinal.into(),
            attempt: self.key.attempt.into(),
            job_type: self.job_type.clone(),
            payload: Some(Payload::Inline(self.payload.clone())),
        };
        let event = wire::Event {
            event_type: JOB_DISPATCH.to_owned(),
            created_unix_us: self.created_unix_us,
            source: self.source.clone(),
            attributes: self.attributes.clone(),
            body: Some(Body::Job(job)),
            relay: self.relay.map(RelayStamp::to_wire),
        };
        event.encode_to_vec()
    }

    /// Reads a record; the payload shares its bytes. Fields that this build does not know are ignored.
    ///
    /// # Errors
    /// If it can't be run, by this build or by any: see [`UnreadableRecord`].
    pub fn from_record(record: Bytes) -> Result<Self, UnreadableRecord> {
        let event = wire::Event::decode(record)?;
        let Some(Body::Job(job)) = event.body else {
            return Err(UnreadableRecord::UnknownBody {
                event_type: event.event_type,
            });
        };
        let key = read_key(&job)?;
        let Some(Payload::Inline(payload)) = job.payload else {
            return Err(UnreadableRecord::UnknownPayload { job_id: job.job_id });
        };
        Ok(Self {
            key,
            job_type: job.job_type,
            payload,
            created_unix_us: event.created_unix_us,
            source: event.source,
            attributes: event.attributes,
            relay: event.relay.map(RelayStamp::from_wire).transpose()?,
        })
    }
}

impl RelayStamp {
    fn to_wire(self) -> wire::RelayStamp {
        wire::RelayStamp {
            outbox_id: self.outbox_id,
            epoch: self.epoch,
        }
    }

    fn from_wire(stamp: wire::RelayStamp) -> Result<Self, UnreadableRecord> {
        Ok(Self {
            outbox_id: from_one("relay.outbox_id", stamp.outbox_id)?,
            epoch: from_one("relay.epoch", stamp.epoch)?,
        })
    }
}

fn read_key(job: &wire::JobDispatch) -> Result<JobKey, UnreadableRecord> {
    let Some(instance) = InstanceId::from_wire(&job.instance_id) else {
        let found = format!("{} bytes", job.instance_id.len());
        return refuse("job.instance_id", found, "16 bytes");
    };
    if job.job_type.is_empty() {
        return refuse("job.job_type", "nothing", "the name of a handler");
    }
    if job.attempt == 0 {
        return refuse("job.attempt", "0", "1 to 65535");
    }
    Ok(JobKey {
        instance,
        job: JobId(from_one("job.job_id", job.job_id)?),
        attempt: small("job.attempt", job.attempt)?,
        step: small("job.step", job.step)?,
        ordinal: small("job.ordinal", job.ordinal)?,
    })
}

fn small(field: &'static str, value: u32) -> Result<u16, UnreadableRecord> {
    u16::try_from(value).or_else(|_| refuse(field, value.to_string(), "at most 65535"))
}

/// Ids count from 1: a 0 is a field that was never written.
fn from_one(field: &'static str, value: i64) -> Result<i64, UnreadableRecord> {
    if value > 0 {
        return Ok(value);
    }
    refuse(field, value.to_string(), "1 or more")
}

fn refuse<T>(field: &'static str, found: impl Into<String>, allowed: &'static str) -> Result<T, UnreadableRecord> {
    Err(UnreadableRecord::Field {
        field,
        found: found.into(),
        allowed,
    })
}
