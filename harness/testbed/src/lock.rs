//! One run at a time on a machine: two would measure each other.
//!
//! The lock is the kernel's (`flock`), so a harness that dies releases it; the file's contents only say who holds it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use crate::error::{Result, TestbedError};

/// The right to run; given back by dropping it, or by dying.
#[derive(Debug)]
pub struct RunLock {
    _file: Flock<File>,
}

impl RunLock {
    /// Takes the lock for `run_id`, at once or not at all. The file is `crossover-<uid>.lock` in the directory for temporary
    /// files, or the one that CROSSOVER_LOCK names.
    ///
    /// # Errors
    /// `BadInput` that names the run under way; `Other` if the file can't be opened.
    pub fn acquire(run_id: &str) -> Result<Self> {
        Self::acquire_in(&default_path(), run_id)
    }

    /// As [`RunLock::acquire`], with the file given.
    ///
    /// # Errors
    /// As [`RunLock::acquire`].
    pub fn acquire_in(path: &Path, run_id: &str) -> Result<Self> {
        let mut options = OpenOptions::new();
        // Not through a link: the directory is everybody's.
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits());
        let file = options
            .open(path)
            .map_err(|error| TestbedError::io("open the run lock", path, &error))?;
        let mut locked = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(file, errno)| match errno {
            Errno::EWOULDBLOCK => under_way(file),
            _ => TestbedError::io("lock", path, &errno.into()),
        })?;
        write_holder(&mut locked, run_id).map_err(|error| TestbedError::io("write the run lock", path, &error))?;
        Ok(Self { _file: locked })
    }
}

fn default_path() -> PathBuf {
    let uid = nix::unistd::geteuid();
    let named = std::env::var_os("CROSSOVER_LOCK").map(PathBuf::from);
    named.unwrap_or_else(|| std::env::temp_dir().join(format!("crossover-{uid}.lock")))
}

fn write_holder(file: &mut File, run_id: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{} {run_id}", std::process::id())
}

fn under_way(mut file: File) -> TestbedError {
    let mut text = String::new();
    let _ = file.read_to_string(&mut text);
    // Empty for the instant between the other's lock and its write.
    let (pid, run_id) = text.trim().split_once(' ').unwrap_or(("unknown", "unknown id"));
    TestbedError::BadInput(format!(
        "another run (pid {pid}, {run_id}) is under way on this machine: two at once would measure each other; wait for it, or \
         end it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_refused_by_name_until_the_first_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = RunLock::acquire_in(&path, "run-1").unwrap();
        let error = RunLock::acquire_in(&path, "run-2").unwrap_err();
        let wanted = format!("another run (pid {}, run-1) is under way", std::process::id());
        assert!(
            matches!(&error, TestbedError::BadInput(message) if message.starts_with(&wanted)),
            "{error}"
        );
        drop(first);
        RunLock::acquire_in(&path, "run-2").unwrap();
    }
}
