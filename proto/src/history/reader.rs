//! The first reading of a history file: up to the first frame that is torn or damaged, and every checksum on the way.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::file::{Frames, HistoryFile, Stored};
use super::record::{FRAME_BYTES, Record, array, is_sealed};
use super::writer::{MAGIC, NAME_BYTES};
use crate::clock::MonotonicNs;

/// Why a file is not a history.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file can't be read.
    #[error("can't read the history {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It does not open with a history's first frame.
    #[error("{path} is not a history: its first 64 bytes are not a history header")]
    NotAHistory {
        /// The file.
        path: PathBuf,
    },
}

/// Reads one history file through; its records stay in it. An empty file, left by a kill before the first write, is a
/// history of nothing.
///
/// # Errors
/// If it can't be read, or is not a history.
pub fn read_file(path: &Path) -> Result<HistoryFile, ReadError> {
    read_file_up_to(path, None)
}

/// The same, without the records of later than `last`, if it names a moment.
///
/// # Errors
/// If it can't be read, or is not a history.
pub fn read_file_up_to(path: &Path, last: Option<MonotonicNs>) -> Result<HistoryFile, ReadError> {
    let broken = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(broken)?;
    let length = file.metadata().map_err(broken)?.len();
    let mut stored = Stored {
        path: path.to_owned(),
        last,
        ..Stored::default()
    };
    let dropped_after = |good: u64| usize::try_from(length.saturating_sub(good)).unwrap_or(usize::MAX);
    let mut frames = Frames::of(file);
    let Some(header) = frames.next().map_err(broken)? else {
        return Ok(HistoryFile::on_disk(String::new(), dropped_after(0), stored));
    };
    if !is_sealed(&header) || &array::<8>(&header, 8) != MAGIC {
        return Err(ReadError::NotAHistory { path: path.to_owned() });
    }
    while let Some(record) = frames.next().map_err(broken)?.as_ref().and_then(Record::decode) {
        stored.frames += 1;
        stored.records += u64::from(last.is_none_or(|last| record.at <= last));
    }
    let name: [u8; NAME_BYTES] = array(&header, 16);
    let process = String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned();
    let dropped_bytes = dropped_after((stored.frames + 1) * FRAME_BYTES as u64);
    Ok(HistoryFile::on_disk(process, dropped_bytes, stored))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::history::{Event, HistoryWriter, JobKey, Outcome};
    use crate::{InstanceId, JobId};

    fn events(n: u128) -> Vec<Record> {
        let instance = InstanceId(uuid::Uuid::from_u128(n));
        let key = JobKey {
            instance,
            job: JobId(7),
            attempt: 2,
            step: 1,
            ordinal: 3,
        };
        let all = [
            Event::Sent {
                instance,
                intended: MonotonicNs(5),
                arrival: 9,
            },
            Event::Answered {
                instance,
                outcome: Outcome::Unknown,
            },
            Event::Created {
                instance,
                step: 1,
                before: MonotonicNs(6),
            },
            Event::Claimed {
                key,
                before: MonotonicNs(7),
            },
            Event::Received(key),
            Event::Started(key),
            Event::Finished(key, Outcome::Transient),
            Event::Reported(key, Outcome::Stale),
        ];
        let stamp = |(at, event)| Record {
            at: MonotonicNs(at),
            event,
        };
        (100u64..).zip(all).map(stamp).collect()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let writer = HistoryWriter::create(directory.path(), "worker-1").unwrap();
        writer.append(events(1)).unwrap();
        writer.append(events(2)).unwrap();
        let read = read_file(writer.path()).unwrap();
        assert_eq!(read.process, "worker-1");
        assert_eq!(read.records().collect::<Vec<_>>(), [events(1), events(2)].concat());
        assert_eq!(read.dropped_bytes, 0);
    }

    #[test]
    fn a_file_that_is_no_history_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        fs::write(&path, [7u8; 200]).unwrap();
        assert!(matches!(read_file(&path), Err(ReadError::NotAHistory { .. })));
    }

    proptest! {
        #[test]
        fn a_torn_tail_is_dropped_and_counted(cut in 1usize..FRAME_BYTES) {
            let directory = tempfile::tempdir().unwrap();
            let writer = HistoryWriter::create(directory.path(), "w").unwrap();
            writer.append(events(1)).unwrap();
            let whole = fs::read(writer.path()).unwrap();
            fs::write(writer.path(), &whole[..whole.len() - cut]).unwrap();
            let read = read_file(writer.path()).unwrap();
            prop_assert_eq!(read.record_count(), 7);
            prop_assert_eq!(read.dropped_bytes, FRAME_BYTES - cut);
        }

        #[test]
        fn a_damaged_frame_ends_the_history(byte in FRAME_BYTES..FRAME_BYTES * 9, flip in 1u8..=255) {
            let directory = tempfile::tempdir().unwrap();
            let writer = HistoryWriter::create(directory.path(), "w").unwrap();
            writer.append(events(1)).unwrap();
            let mut bytes = fs::read(writer.path()).unwrap();
            bytes[byte] ^= flip;
            fs::write(writer.path(), &bytes).unwrap();
            prop_assert_eq!(read_file(writer.path()).unwrap().record_count(), (byte / FRAME_BYTES - 1) as u64);
        }
    }
}
