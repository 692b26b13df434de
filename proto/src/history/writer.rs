//! Appends records to a history file: one `write` a call, no allocation once warm.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::record::{Event, FRAME_BYTES, Record, seal};
use crate::clock::MonotonicNs;

/// First bytes of the first frame's body.
pub(super) const MAGIC: &[u8; 8] = b"XOVRHIS1";
/// Room for the process's name in the first frame (bytes).
pub(super) const NAME_BYTES: usize = 40;

/// One process's history file, open for appending. Shared by the threads of the process.
#[derive(Debug)]
pub struct HistoryWriter {
    file: Mutex<Buffered>,
    path: PathBuf,
}

#[derive(Debug)]
struct Buffered {
    file: File,
    bytes: Vec<u8>,
}

impl HistoryWriter {
    /// Creates `DIRECTORY/NAME-PID.history`; its first frame names the process.
    ///
    /// # Errors
    /// If the file exists already or can't be written.
    pub fn create(directory: &Path, name: &str) -> io::Result<Self> {
        let path = directory.join(format!("{name}-{}.history", std::process::id()));
        let file = OpenOptions::new().append(true).create_new(true).open(&path)?;
        let mut header = [0u8; FRAME_BYTES];
        header[8..16].copy_from_slice(MAGIC);
        let name = &name.as_bytes()[..name.len().min(NAME_BYTES)];
        header[16..16 + name.len()].copy_from_slice(name);
        seal(&mut header);
        let mut buffered = Buffered {
            file,
            bytes: Vec::with_capacity(1024 * FRAME_BYTES),
        };
        buffered.file.write_all(&header)?;
        Ok(Self {
            file: Mutex::new(buffered),
            path,
        })
    }

    /// Appends the records in one `write`; on return they are in the kernel, safe from SIGKILL.
    ///
    /// # Errors
    /// If the kernel refuses them (a full disk): the run can't be judged then, and the process should stop.
    pub fn append(&self, records: impl IntoIterator<Item = Record>) -> io::Result<()> {
        let mut guard = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Buffered { file, bytes } = &mut *guard;
        bytes.clear();
        for record in records {
            bytes.extend_from_slice(&record.encode());
        }
        file.write_all(bytes)
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What an instrumented process holds: a history, or nothing when recording is off.
#[derive(Debug, Clone, Default)]
pub struct Recorder(Option<Arc<HistoryWriter>>);

impl Recorder {
    /// Records nothing.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Records into the file that [`HistoryWriter::create`] makes.
    ///
    /// # Errors
    /// As [`HistoryWriter::create`].
    pub fn create(directory: &Path, name: &str) -> io::Result<Self> {
        HistoryWriter::create(directory, name).map(|writer| Self(Some(Arc::new(writer))))
    }

    /// Is anything recorded?
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Records one event now.
    ///
    /// # Errors
    /// As [`HistoryWriter::append`].
    pub fn record(&self, event: Event) -> io::Result<()> {
        self.record_all(MonotonicNs::now(), [event])
    }

    /// Records events that share one moment, in one `write`.
    ///
    /// # Errors
    /// As [`HistoryWriter::append`].
    pub fn record_all(&self, at: MonotonicNs, events: impl IntoIterator<Item = Event>) -> io::Result<()> {
        self.record_each(events.into_iter().map(|event| Record { at, event }))
    }

    /// Records events that each have their moment, in one `write`.
    ///
    /// # Errors
    /// As [`HistoryWriter::append`].
    pub fn record_each(&self, records: impl IntoIterator<Item = Record>) -> io::Result<()> {
        match &self.0 {
            Some(writer) => writer.append(records),
            None => Ok(()),
        }
    }
}
