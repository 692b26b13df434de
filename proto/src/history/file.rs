//! A history that is read again each time that it is passed over: in a long run its records are the largest part of what a
//! report would hold, and nobody needs them twice in one pass.
//!
//! It owns the passes after the first. The first one ([`read_file`](super::read_file)) is the only one that may find a file
//! unreadable or damaged; a later pass counts on what that one found.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::record::{FRAME_BYTES, Record};
use crate::clock::MonotonicNs;

/// Bytes that are read at once: a few thousand frames, and still in the second-level cache when they are decoded.
const BUFFER_BYTES: usize = 1 << 18;

/// A history: whose it is, and where its records are.
#[derive(Debug, Clone)]
pub struct HistoryFile {
    /// The process that wrote it.
    pub process: String,
    /// Bytes after the last good frame: a tail torn by a kill, or damage.
    pub dropped_bytes: usize,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Memory(Vec<Record>),
    Disk(Stored),
}

/// What the first pass found in a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    pub(super) path: PathBuf,
    /// Good frames after the header.
    pub(super) frames: u64,
    /// Records later than this one are passed over.
    pub(super) last: Option<MonotonicNs>,
    /// How many are left of the frames.
    pub(super) records: u64,
}

impl HistoryFile {
    /// A history that was never written to a file.
    #[must_use]
    pub fn in_memory(process: &str, records: Vec<Record>) -> Self {
        Self {
            process: process.to_owned(),
            dropped_bytes: 0,
            source: Source::Memory(records),
        }
    }

    pub(super) fn on_disk(process: String, dropped_bytes: usize, stored: Stored) -> Self {
        Self {
            process,
            dropped_bytes,
            source: Source::Disk(stored),
        }
    }

    /// Its records, in the order of writing.
    ///
    /// # Panics
    /// Here or while they are passed over, if a file that could be read before can't be read now, or not to where it was
    /// good: it was removed, cut or overwritten meanwhile. Of such a run nothing true can be said any more.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        Records(match &self.source {
            Source::Memory(records) => Pass::Memory(records.iter()),
            Source::Disk(stored) => Pass::Disk(Again::of(stored)),
        })
    }

    /// How many records it has. Reads nothing.
    #[must_use]
    pub fn record_count(&self) -> u64 {
        match &self.source {
            Source::Memory(records) => records.len() as u64,
            Source::Disk(stored) => stored.records,
        }
    }

    /// Its records, to be changed; those of a file are taken into the memory, and the file stays as it is.
    ///
    /// # Panics
    /// As [`HistoryFile::records`].
    pub fn records_mut(&mut self) -> &mut Vec<Record> {
        if let Source::Disk(_) = self.source {
            self.source = Source::Memory(self.records().collect());
        }
        match &mut self.source {
            Source::Memory(records) => records,
            Source::Disk(_) => unreachable!("it was taken into the memory"),
        }
    }
}

/// One pass over a history: see [`HistoryFile::records`].
#[derive(Debug)]
pub struct Records<'a>(Pass<'a>);

#[derive(Debug)]
enum Pass<'a> {
    Memory(std::slice::Iter<'a, Record>),
    Disk(Again<'a>),
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        match &mut self.0 {
            Pass::Memory(records) => records.next().copied(),
            Pass::Disk(again) => again.next(),
        }
    }
}

/// A later pass over a file.
#[derive(Debug)]
struct Again<'a> {
    stored: &'a Stored,
    /// `None` if there is nothing to read.
    frames: Option<Frames>,
    left: u64,
}

impl<'a> Again<'a> {
    fn of(stored: &'a Stored) -> Self {
        let open = || {
            let mut frames = Frames::open(&stored.path)?;
            frames.next()?;
            Ok(frames)
        };
        Self {
            frames: (stored.frames > 0).then(|| open().unwrap_or_else(|error: io::Error| gone(stored, &error))),
            left: stored.frames,
            stored,
        }
    }

    fn next(&mut self) -> Option<Record> {
        while self.left > 0 {
            self.left -= 1;
            let record = match self.frames.as_mut()?.next() {
                Ok(Some(frame)) => {
                    Record::of_sealed(&frame).unwrap_or_else(|| gone(self.stored, &"it was overwritten"))
                }
                Ok(None) => gone(self.stored, &"it has become shorter"),
                Err(error) => gone(self.stored, &error),
            };
            if self.stored.last.is_none_or(|last| record.at <= last) {
                return Some(record);
            }
        }
        None
    }
}

#[cold]
fn gone(stored: &Stored, cause: &dyn std::fmt::Display) -> ! {
    panic!(
        "the history {} could be read a moment ago ({} good records), and can't be now: {cause}",
        stored.path.display(),
        stored.frames
    )
}

/// A file frame by frame.
#[derive(Debug)]
pub(super) struct Frames(BufReader<File>);

impl Frames {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self::of)
    }

    pub(super) fn of(file: File) -> Self {
        Self(BufReader::with_capacity(BUFFER_BYTES, file))
    }

    /// `None` at the end, and where less than a frame is left.
    pub(super) fn next(&mut self) -> io::Result<Option<[u8; FRAME_BYTES]>> {
        let mut frame = [0; FRAME_BYTES];
        match self.0.read_exact(&mut frame) {
            Ok(()) => Ok(Some(frame)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::history::{Event, HistoryWriter, Outcome, read_file, read_file_up_to};
    use crate::{InstanceId, JobId};

    /// More than one buffer holds: every pass has to go back to the file.
    const COUNT: u64 = 3 * (BUFFER_BYTES / FRAME_BYTES) as u64 / 2;

    fn record(number: u64) -> Record {
        let key = crate::history::JobKey {
            instance: InstanceId(uuid::Uuid::from_u128(u128::from(number))),
            job: JobId(number.cast_signed()),
            attempt: 1,
            step: 0,
            ordinal: 0,
        };
        Record {
            at: MonotonicNs(number),
            event: Event::Finished(key, Outcome::Done),
        }
    }

    /// Records out of order, as threads of one process may write them.
    fn records() -> Vec<Record> {
        (0..COUNT).map(|number| record(number ^ 1)).collect()
    }

    fn written(directory: &Path) -> PathBuf {
        let writer = HistoryWriter::create(directory, "worker-1").unwrap();
        writer.append(records()).unwrap();
        writer.path().to_owned()
    }

    fn story(pass: impl FnOnce() -> u64) -> String {
        let panic = catch_unwind(AssertUnwindSafe(pass)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    }

    #[test]
    fn every_pass_over_a_file_has_the_same_records_and_those_that_were_written_later_are_in_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path());
        let file = read_file(&path).unwrap();
        assert_eq!((file.record_count(), file.dropped_bytes), (COUNT, 0));
        assert!(file.records().eq(records()));
        let mut open = OpenOptions::new().append(true).open(&path).unwrap();
        io::Write::write_all(&mut open, &record(7).encode()).unwrap();
        assert!(file.records().eq(records()));
        assert_eq!(file.record_count(), COUNT);
    }

    #[test]
    fn a_history_in_the_memory_is_passed_over_like_one_in_a_file() {
        let mut file = HistoryFile::in_memory("worker-1", records());
        assert!(file.records().eq(records()) && file.records().eq(records()));
        file.records_mut().pop();
        assert_eq!(file.record_count(), COUNT - 1);
    }

    #[test]
    fn what_was_recorded_after_the_last_wanted_moment_is_passed_over_and_is_no_damage() {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path());
        // Written before record 1_000: not the first one that is too late ends the history.
        let file = read_file_up_to(&path, Some(MonotonicNs(1_000))).unwrap();
        let wanted: Vec<Record> = records().into_iter().filter(|record| record.at.0 <= 1_000).collect();
        assert_eq!(wanted.len(), 1_001);
        assert!(file.records().eq(wanted.iter().copied()) && file.records().eq(wanted));
        assert_eq!((file.record_count(), file.dropped_bytes), (1_001, 0));
    }

    #[test]
    fn a_torn_tail_is_in_no_pass() {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path());
        let whole = fs::metadata(&path).unwrap().len();
        OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(whole - 1)
            .unwrap();
        let file = read_file(&path).unwrap();
        assert_eq!((file.record_count(), file.dropped_bytes), (COUNT - 1, FRAME_BYTES - 1));
        assert!(
            file.records()
                .eq(records().into_iter().take(file.record_count() as usize))
        );
    }

    #[test]
    fn changing_the_records_of_a_file_leaves_the_file_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path());
        let mut file = read_file(&path).unwrap();
        file.records_mut().truncate(2);
        assert_eq!(file.record_count(), 2);
        assert_eq!(read_file(&path).unwrap().record_count(), COUNT);
    }

    #[test]
    fn a_file_that_is_cut_between_two_passes_is_named_and_not_taken_for_a_shorter_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path());
        let file = read_file(&path).unwrap();
        let bytes = FRAME_BYTES as u64 * COUNT / 2 + 5;
        OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(bytes)
            .unwrap();
        let told = story(|| file.records().count() as u64);
        assert!(
            told.contains(&path.display().to_string()) && told.contains("shorter"),
            "{told}"
        );
    }

    #[test]
    fn a_file_that_is_removed_or_overwritten_between_two_passes_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path());
        let file = read_file(&path).unwrap();
        let whole = fs::metadata(&path).unwrap().len();
        fs::write(&path, vec![0; usize::try_from(whole).unwrap()]).unwrap();
        let told = story(|| file.records().count() as u64);
        assert!(
            told.contains(&path.display().to_string()) && told.contains("overwritten"),
            "{told}"
        );
        fs::remove_file(&path).unwrap();
        let told = story(|| file.records().count() as u64);
        assert!(
            told.contains(&path.display().to_string()) && told.contains("No such file"),
            "{told}"
        );
    }

    #[test]
    fn an_empty_file_is_passed_over_without_being_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("empty.history");
        fs::write(&path, []).unwrap();
        let file = read_file(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!((file.records().count(), file.record_count()), (0, 0));
    }
}
