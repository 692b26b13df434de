//! One frame of the history: its meaning and its bytes.

use uuid::Uuid;

use crate::clock::MonotonicNs;
use crate::{InstanceId, JobId};

/// Size of a frame (bytes).
pub const FRAME_BYTES: usize = 64;

/// One attempt of one job, and where in its instance it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobKey {
    /// The instance it belongs to.
    pub instance: InstanceId,
    /// The job.
    pub job: JobId,
    /// Attempt, from 1.
    pub attempt: u16,
    /// Step of the definition, from 0.
    pub step: u16,
    /// Place within a parallel step, from 0.
    pub ordinal: u16,
}

/// How an act ended, as far as the process that recorded it can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// It did what was asked.
    Done = 1,
    /// It had been done before.
    Already = 2,
    /// The lease was lost; nothing changed.
    Stale = 3,
    /// Refused: nothing changed, and asking again will not help.
    Rejected = 4,
    /// No answer came: done or not, nobody knows yet.
    Unknown = 5,
    /// The handler failed in a way that may pass.
    Transient = 6,
    /// The handler failed for good.
    Permanent = 7,
}

impl Outcome {
    fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Done,
            Self::Already,
            Self::Stale,
            Self::Rejected,
            Self::Unknown,
            Self::Transient,
            Self::Permanent,
        ]
        .into_iter()
        .find(|outcome| *outcome as u8 == byte)
    }
}

/// What happened. Load records the first two, the engine `Created` and `Claimed`, the relay `Picked` and `Acked`, workers
/// the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The load is about to send the start of an instance.
    Sent {
        /// The instance.
        instance: InstanceId,
        /// When the plan wanted it sent.
        intended: MonotonicNs,
        /// Its place in the plan's arrivals, from 0.
        arrival: u64,
    },
    /// The load has an answer to a start, or gave up waiting (`Unknown`).
    Answered {
        /// The instance.
        instance: InstanceId,
        /// `Done`, `Already`, `Rejected` or `Unknown`.
        outcome: Outcome,
    },
    /// The engine committed the jobs of a step; the record's time is after the commit's reply.
    Created {
        /// The instance.
        instance: InstanceId,
        /// The step whose jobs were created.
        step: u16,
        /// Before the commit: latency counts from here.
        before: MonotonicNs,
    },
    /// The relay has read the outbox row, and is about to send it.
    Picked {
        /// The job.
        key: JobKey,
        /// The outbox row, from 1.
        outbox: i64,
    },
    /// The broker has acknowledged the record of the outbox row.
    Acked {
        /// The job.
        key: JobKey,
        /// The outbox row, from 1.
        outbox: i64,
    },
    /// The engine committed a claim, or the begin of a job from the broker; the record's time is after the commit's reply.
    Claimed {
        /// The job.
        key: JobKey,
        /// Before the commit.
        before: MonotonicNs,
    },
    /// The worker has the job in its hands.
    Received(JobKey),
    /// The handler is about to start.
    Started(JobKey),
    /// The handler has ended (`Done`, `Transient` or `Permanent`); the report to the engine is still to come.
    Finished(JobKey, Outcome),
    /// The engine's answer to the worker's report (`Done`, `Already`, `Stale`, `Rejected` or `Unknown`).
    Reported(JobKey, Outcome),
}

/// One frame: when, and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// When it was recorded.
    pub at: MonotonicNs,
    /// What happened.
    pub event: Event,
}

/// The fields of a frame, whatever its kind; unused ones are zero.
#[derive(Default)]
struct Raw {
    kind: u8,
    outcome: u8,
    attempt: u16,
    at: u64,
    instance: [u8; 16],
    job: i64,
    step: u16,
    ordinal: u16,
    mark: u64,
    extra: u64,
}

impl Raw {
    fn of_key(kind: u8, key: &JobKey) -> Self {
        Self {
            kind,
            attempt: key.attempt,
            instance: key.instance.to_wire(),
            job: key.job.0,
            step: key.step,
            ordinal: key.ordinal,
            ..Self::default()
        }
    }

    fn key(&self) -> JobKey {
        JobKey {
            instance: self.instance(),
            job: JobId(self.job),
            attempt: self.attempt,
            step: self.step,
            ordinal: self.ordinal,
        }
    }

    fn instance(&self) -> InstanceId {
        InstanceId(Uuid::from_bytes(self.instance))
    }
}

impl Record {
    /// The frame of this record.
    #[must_use]
    pub fn encode(&self) -> [u8; FRAME_BYTES] {
        let mut raw = match &self.event {
            Event::Sent {
                instance,
                intended,
                arrival,
            } => Raw {
                kind: 1,
                instance: instance.to_wire(),
                mark: intended.0,
                extra: *arrival,
                ..Raw::default()
            },
            Event::Answered { instance, outcome } => Raw {
                kind: 2,
                instance: instance.to_wire(),
                outcome: *outcome as u8,
                ..Raw::default()
            },
            Event::Created { instance, step, before } => Raw {
                kind: 3,
                instance: instance.to_wire(),
                step: *step,
                mark: before.0,
                ..Raw::default()
            },
            Event::Claimed { key, before } => Raw {
                mark: before.0,
                ..Raw::of_key(4, key)
            },
            Event::Picked { key, outbox } => Raw {
                mark: outbox.unsigned_abs(),
                ..Raw::of_key(9, key)
            },
            Event::Acked { key, outbox } => Raw {
                mark: outbox.unsigned_abs(),
                ..Raw::of_key(10, key)
            },
            Event::Received(key) => Raw::of_key(5, key),
            Event::Started(key) => Raw::of_key(6, key),
            Event::Finished(key, outcome) => Raw {
                outcome: *outcome as u8,
                ..Raw::of_key(7, key)
            },
            Event::Reported(key, outcome) => Raw {
                outcome: *outcome as u8,
                ..Raw::of_key(8, key)
            },
        };
        raw.at = self.at.0;
        let mut frame = [0u8; FRAME_BYTES];
        frame[4] = raw.kind;
        frame[5] = raw.outcome;
        frame[6..8].copy_from_slice(&raw.attempt.to_le_bytes());
        frame[8..16].copy_from_slice(&raw.at.to_le_bytes());
        frame[16..32].copy_from_slice(&raw.instance);
        frame[32..40].copy_from_slice(&raw.job.to_le_bytes());
        frame[40..42].copy_from_slice(&raw.step.to_le_bytes());
        frame[42..44].copy_from_slice(&raw.ordinal.to_le_bytes());
        frame[48..56].copy_from_slice(&raw.mark.to_le_bytes());
        frame[56..64].copy_from_slice(&raw.extra.to_le_bytes());
        seal(&mut frame);
        frame
    }

    /// Reads a frame; `None` if the checksum or a field is wrong.
    #[must_use]
    pub fn decode(frame: &[u8; FRAME_BYTES]) -> Option<Self> {
        is_sealed(frame).then(|| Self::of_sealed(frame)).flatten()
    }

    /// Reads a frame whose checksum is known to be right; `None` if a field is wrong.
    pub(super) fn of_sealed(frame: &[u8; FRAME_BYTES]) -> Option<Self> {
        let raw = Raw {
            kind: frame[4],
            outcome: frame[5],
            attempt: u16::from_le_bytes(array(frame, 6)),
            at: u64::from_le_bytes(array(frame, 8)),
            instance: array(frame, 16),
            job: i64::from_le_bytes(array(frame, 32)),
            step: u16::from_le_bytes(array(frame, 40)),
            ordinal: u16::from_le_bytes(array(frame, 42)),
            mark: u64::from_le_bytes(array(frame, 48)),
            extra: u64::from_le_bytes(array(frame, 56)),
        };
        let event = match raw.kind {
            1 => Event::Sent {
                instance: raw.instance(),
                intended: MonotonicNs(raw.mark),
                arrival: raw.extra,
            },
            2 => Event::Answered {
                instance: raw.instance(),
                outcome: Outcome::from_byte(raw.outcome)?,
            },
            3 => Event::Created {
                instance: raw.instance(),
                step: raw.step,
                before: MonotonicNs(raw.mark),
            },
            4 => Event::Claimed {
                key: raw.key(),
                before: MonotonicNs(raw.mark),
            },
            5 => Event::Received(raw.key()),
            6 => Event::Started(raw.key()),
            7 => Event::Finished(raw.key(), Outcome::from_byte(raw.outcome)?),
            8 => Event::Reported(raw.key(), Outcome::from_byte(raw.outcome)?),
            9 => Event::Picked {
                key: raw.key(),
                outbox: i64::try_from(raw.mark).ok()?,
            },
            10 => Event::Acked {
                key: raw.key(),
                outbox: i64::try_from(raw.mark).ok()?,
            },
            _ => return None,
        };
        Some(Self {
            at: MonotonicNs(raw.at),
            event,
        })
    }
}

/// Copies `N` bytes at `offset`; the callers' offsets are constants inside the frame.
pub(super) fn array<const N: usize>(frame: &[u8; FRAME_BYTES], offset: usize) -> [u8; N] {
    let mut bytes = [0u8; N];
    bytes.copy_from_slice(&frame[offset..offset + N]);
    bytes
}

pub(super) fn seal(frame: &mut [u8; FRAME_BYTES]) {
    let sum = crc32fast::hash(&frame[4..]);
    frame[..4].copy_from_slice(&sum.to_le_bytes());
}

pub(super) fn is_sealed(frame: &[u8; FRAME_BYTES]) -> bool {
    u32::from_le_bytes(array(frame, 0)) == crc32fast::hash(&frame[4..])
}
