//! What the rest of the worker tells a consumer's thread: a list, and a nudge if it sleeps.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Thread;

use crossover_proto::engine as wire;
use crossover_proto::history::JobKey;

use super::tracker::{Place, RecordId};

/// One thing that happened.
pub(super) enum Note {
    /// The engine answered a begin call.
    Answered(Vec<(RecordId, JobKey, wire::Outcome)>),
    /// Slots for jobs were free at last.
    Slots(u32),
    /// A handler has ended.
    Ended(RecordId),
    /// A report is answered, or given up.
    Reported(RecordId),
    /// A record is in the dead-letter topic.
    DeadLettered(Place),
    /// The process was asked to stop.
    Stop,
}

#[derive(Default)]
pub(super) struct Inbox {
    notes: Mutex<Vec<Note>>,
    thread: OnceLock<Thread>,
}

impl Inbox {
    /// The calling thread is the one to wake.
    pub(super) fn attend(&self) {
        // It attends once, at its start.
        let _ = self.thread.set(std::thread::current());
    }

    /// From any thread.
    pub(super) fn push(&self, note: Note) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
        self.wake();
    }

    /// Wakes the thread, or keeps it from falling asleep once.
    pub(super) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// All that has come, in exchange for an empty list.
    pub(super) fn take(&self, into: &mut Vec<Note>) {
        into.clear();
        std::mem::swap(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner), into);
    }
}

/// Goes with a job through handler and reporter, and tells the consumer how far it has come.
#[derive(Clone)]
pub(in crate::worker) struct Ticket {
    pub(super) inbox: Arc<Inbox>,
    pub(super) record: RecordId,
}

impl Ticket {
    /// The handler has ended.
    pub(in crate::worker) fn ended(&self) {
        self.inbox.push(Note::Ended(self.record));
    }

    /// The report is answered, or given up.
    pub(in crate::worker) fn reported(&self) {
        self.inbox.push(Note::Reported(self.record));
    }
}
