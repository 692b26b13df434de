//! Directories that are ours to remove: each carries a marker file, and nothing without one is ever removed.
//!
//! ```text
//!   <base>/crossover-<run>-<part>/        mode 0711, owned by us: others may pass through, only we can rename in it
//!     .crossover-owned                    the marker; says which run made it; locked by the supervisor that will remove it
//!     data/ …                             whatever the part keeps
//! ```
//!
//! Should the supervisor itself be killed, its directories stay behind, and the kernel takes back the lock: that is how
//! [`leftovers`] knows them from those of a live run.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::fcntl::{Flock, FlockArg};

use crate::error::{Result, TestbedError};

const MARKER: &str = ".crossover-owned";

/// On disk, and not emptied at boot: `/tmp` is a RAM disk on many machines.
const DEFAULT_BASE: &str = "/var/tmp";

/// A directory is registered milliseconds after it is made; one that is younger may not be locked yet.
const YOUNG: Duration = Duration::from_secs(60);

/// A directory that was made here; it is not removed by dropping this, but by the supervisor at the end.
#[derive(Debug, Clone)]
pub struct OwnedDirectory {
    path: PathBuf,
}

impl OwnedDirectory {
    /// Makes `<base>/crossover-<run_id>-<part>` with its marker.
    ///
    /// # Errors
    /// `BadInput` if it exists already or the name has a separator in it; `Other` if it can't be made.
    pub fn create(base: &Path, run_id: &str, part: &str) -> Result<Self> {
        if run_id.contains('/') || part.contains('/') {
            return Err(TestbedError::BadInput(format!(
                "run id {run_id:?} or part {part:?} has a slash in it"
            )));
        }
        let path = base.join(format!("crossover-{run_id}-{part}"));
        fs::create_dir(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                TestbedError::BadInput(format!("{} exists already; use another run id", path.display()))
            }
            _ => TestbedError::io("make", &path, &error),
        })?;
        // Not at its making, where a umask such as 077 would take away what other users need.
        let opened = fs::set_permissions(&path, Permissions::from_mode(0o711));
        opened.map_err(|error| TestbedError::io("open", &path, &error))?;
        let marker = path.join(MARKER);
        let written = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&marker)
            .and_then(|mut file| {
                std::io::Write::write_all(
                    &mut file,
                    format!("made by crossover for run {run_id}; removed at its end\n").as_bytes(),
                )
            });
        written.map_err(|error| TestbedError::io("write", &marker, &error))?;
        Ok(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Where servers keep their data: the directory that CROSSOVER_DATA_DIR names, else `/var/tmp`.
pub(crate) fn base_directory() -> PathBuf {
    let named = std::env::var_os("CROSSOVER_DATA_DIR").filter(|value| !value.is_empty());
    named.map_or_else(|| PathBuf::from(DEFAULT_BASE), PathBuf::from)
}

/// Refuses a base that is not there, before anything is made.
pub(crate) fn require_base(base: &Path) -> Result<()> {
    if base.is_dir() {
        return Ok(());
    }
    Err(TestbedError::BadInput(format!(
        "{} is not a directory; point CROSSOVER_DATA_DIR at one",
        base.display()
    )))
}

/// Directories of ours below `base` that no live supervisor holds: what a killed supervisor, or a machine that went down,
/// left behind.
///
/// # Errors
/// `Other` if `base` can't be read.
pub fn leftovers(base: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(base).map_err(|error| TestbedError::io("read", base, &error))?;
    let paths = entries.filter_map(std::result::Result::ok).map(|entry| entry.path());
    let abandoned = |path: &PathBuf| is_old(path) && Removable::check(path).is_ok();
    Ok(paths.filter(abandoned).collect())
}

/// Removes [`leftovers`]; answers which.
///
/// # Errors
/// `Other` if `base` can't be read, or one can't be removed.
pub fn remove_leftovers(base: &Path) -> Result<Vec<PathBuf>> {
    let paths = leftovers(base)?;
    for path in &paths {
        // A supervisor can't have taken it since: directories are not registered twice.
        Removable::check(path)
            .and_then(|directory| directory.remove())
            .map_err(TestbedError::Other)?;
    }
    Ok(paths)
}

/// A directory whose marker was seen and locked, and what it was then, so that another put in its place is not taken for
/// it.
#[derive(Debug)]
pub(crate) struct Removable {
    path: PathBuf,
    identity: (u64, u64),
    /// Held until it is removed.
    _marker: Flock<File>,
}

impl Removable {
    /// Checks that `path` is an absolute path to a directory (not a link to one) of ours, which no other process holds.
    pub(crate) fn check(path: &Path) -> Result<Self, String> {
        let refuse = |why: &str| format!("won't remove {}: {why}", path.display());
        if !path.is_absolute() {
            return Err(refuse("not an absolute path"));
        }
        let metadata = directory_metadata(path).map_err(refuse)?;
        let marker_path = path.join(MARKER);
        let marker =
            fs::symlink_metadata(&marker_path).map_err(|_| refuse("it has no marker file, so it was not made here"))?;
        let us = nix::unistd::geteuid().as_raw();
        if !marker.is_file() || marker.uid() != us || metadata.uid() != us {
            return Err(refuse("it or its marker file belongs to another user"));
        }
        let file = File::open(&marker_path).map_err(|_| refuse("its marker file can't be opened"))?;
        let locked =
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| refuse("another process holds it"))?;
        Ok(Self {
            path: path.to_path_buf(),
            identity: (metadata.dev(), metadata.ino()),
            _marker: locked,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it with all it holds, following no link. One that is gone already is fine.
    pub(crate) fn remove(&self) -> Result<(), String> {
        if !self.path.exists() {
            return Ok(());
        }
        let refuse = |why: &str| format!("won't remove {}: {why}", self.path.display());
        let now = directory_metadata(&self.path).map_err(refuse)?;
        if (now.dev(), now.ino()) != self.identity {
            return Err(refuse("it was replaced since"));
        }
        // A server that is still dying may create a file under our feet.
        for _ in 0..3 {
            if fs::remove_dir_all(&self.path).is_ok() {
                return Ok(());
            }
        }
        fs::remove_dir_all(&self.path).map_err(|error| format!("can't remove {}: {error}", self.path.display()))
    }
}

fn directory_metadata(path: &Path) -> Result<fs::Metadata, &'static str> {
    let metadata = fs::symlink_metadata(path).map_err(|_| "it does not exist")?;
    if metadata.is_dir() {
        Ok(metadata)
    } else {
        Err("not a directory")
    }
}

fn is_old(path: &Path) -> bool {
    let made = fs::symlink_metadata(path.join(MARKER)).and_then(|metadata| metadata.modified());
    made.is_ok_and(|made| SystemTime::now().duration_since(made).is_ok_and(|age| age > YOUNG))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_our_marker_is_removed_with_its_contents() {
        let base = tempfile::tempdir().unwrap();
        let owned = OwnedDirectory::create(base.path(), "r1", "part").unwrap();
        fs::create_dir(owned.path().join("data")).unwrap();
        Removable::check(owned.path()).unwrap().remove().unwrap();
        assert!(!owned.path().exists());
    }

    #[test]
    fn a_directory_without_a_marker_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let message = Removable::check(base.path()).unwrap_err();
        assert!(message.contains("no marker file"), "{message}");
    }

    #[test]
    fn a_link_to_a_marked_directory_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let owned = OwnedDirectory::create(base.path(), "r1", "part").unwrap();
        let link = base.path().join("link");
        std::os::unix::fs::symlink(owned.path(), &link).unwrap();
        assert!(Removable::check(&link).unwrap_err().contains("not a directory"));
    }

    #[test]
    fn a_directory_that_was_replaced_is_left_alone() {
        let base = tempfile::tempdir().unwrap();
        let owned = OwnedDirectory::create(base.path(), "r1", "part").unwrap();
        let removable = Removable::check(owned.path()).unwrap();
        fs::rename(owned.path(), base.path().join("elsewhere")).unwrap();
        OwnedDirectory::create(base.path(), "r1", "part").unwrap();
        assert!(removable.remove().unwrap_err().contains("replaced"));
    }

    #[test]
    fn leftovers_are_old_marked_and_held_by_nobody() {
        let base = tempfile::tempdir().unwrap();
        let make = |part| OwnedDirectory::create(base.path(), "r1", part).unwrap();
        let (abandoned, held, _young) = (make("abandoned"), make("held"), make("young"));
        fs::create_dir(base.path().join("foreign")).unwrap();
        for old in [&abandoned, &held] {
            let marker = File::options().write(true).open(old.path().join(MARKER)).unwrap();
            marker.set_modified(SystemTime::now() - 2 * YOUNG).unwrap();
        }
        let _held = Removable::check(held.path()).unwrap();
        assert_eq!(remove_leftovers(base.path()).unwrap(), [abandoned.path()]);
        assert!(!abandoned.path().exists() && held.path().exists());
    }
}
