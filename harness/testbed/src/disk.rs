//! What a directory stands on: kind of file system, free space, and how long a durable write takes.
//!
//! A benchmark of a database on a RAM disk measures nothing; these are the figures by which a run says so.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Instant;

use nix::sys::statfs::{
    BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, FsType, NFS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC,
    statfs,
};

use crate::error::{Result, TestbedError};

/// Magic numbers that nix has no name for, in hexadecimal; from the kernel's `magic.h` and from the file systems themselves.
const OTHER_MAGICS: [(&str, &str); 4] = [
    ("858458f6", "ramfs"),
    ("2fc12fc1", "zfs"),
    ("f2f52010", "f2fs"),
    ("65735546", "fuse"),
];

/// Enough for a median that repeats within a tenth; 50 writes take 5 s on a slow disk, and 50 ms on a fast one.
const FSYNC_SAMPLES: usize = 50;

/// PostgreSQL's unit of WAL.
const PAGE: [u8; 8192] = [0x5a; 8192];

/// The kind of a file system, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Name such as `ext4`; `0x…` for one without a name here.
    pub name: String,
    /// Whether it lives in memory: nothing on it is durable.
    pub is_memory: bool,
}

/// The file system that holds `path`.
///
/// # Errors
/// `Other` if `path` can't be examined.
pub fn file_system(path: &Path) -> Result<FileSystem> {
    let stat = statfs(path).map_err(|error| TestbedError::io("examine", path, &error.into()))?;
    let name = name_of(stat.filesystem_type());
    let is_memory = matches!(name.as_str(), "tmpfs" | "ramfs");
    Ok(FileSystem { name, is_memory })
}

/// Bytes that an ordinary user can still write below `path`.
///
/// # Errors
/// `Other` if `path` can't be examined.
pub fn free_bytes(path: &Path) -> Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path).map_err(|error| TestbedError::io("examine", path, &error.into()))?;
    Ok(stat.blocks_available() * stat.fragment_size())
}

/// Refuses to start on a disk that would be full before the end.
///
/// # Errors
/// `Unavailable` that names path, space found and space needed.
pub fn ensure_free(path: &Path, needed_bytes: u64) -> Result<()> {
    let found = free_bytes(path)?;
    if found >= needed_bytes {
        return Ok(());
    }
    Err(TestbedError::unavailable(
        format!(
            "full disk: {} has {} free, {} needed",
            path.display(),
            gib(found),
            gib(needed_bytes)
        ),
        "free some space, or point CROSSOVER_DATA_DIR at a directory on a larger disk",
    ))
}

/// Median time of one 8 KiB write made durable (µs): write and `fdatasync`, in place in a file that has its length, as
/// PostgreSQL writes its WAL.
///
/// # Errors
/// `Other` if `directory` can't be written.
pub fn fsync_us_p50(directory: &Path) -> Result<f64> {
    let mut durations =
        fsync_samples_us(directory).map_err(|error| TestbedError::io("measure fsync in", directory, &error))?;
    durations.sort_unstable_by(f64::total_cmp);
    Ok(durations[durations.len() / 2])
}

fn fsync_samples_us(directory: &Path) -> std::io::Result<Vec<f64>> {
    let mut file: File = tempfile::tempfile_in(directory)?;
    for _ in 0..FSYNC_SAMPLES {
        file.write_all(&PAGE)?;
    }
    file.sync_all()?;
    file.seek(SeekFrom::Start(0))?;
    let mut durations = Vec::with_capacity(FSYNC_SAMPLES);
    for _ in 0..FSYNC_SAMPLES {
        let start = Instant::now();
        file.write_all(&PAGE)?;
        file.sync_data()?;
        durations.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(durations)
}

fn name_of(kind: FsType) -> String {
    let known = match kind {
        EXT4_SUPER_MAGIC => "ext4",
        XFS_SUPER_MAGIC => "xfs",
        BTRFS_SUPER_MAGIC => "btrfs",
        OVERLAYFS_SUPER_MAGIC => "overlayfs",
        NFS_SUPER_MAGIC => "nfs",
        TMPFS_MAGIC => "tmpfs",
        FsType(magic) => {
            // As text, because the type of the number differs between architectures, and so does its sign.
            let magic = format!("{magic:x}");
            let found = OTHER_MAGICS.iter().find(|(known, _)| *known == magic);
            return found.map_or_else(|| format!("0x{magic}"), |(_, name)| (*name).to_owned());
        }
    };
    known.to_owned()
}

/// Bytes as GiB with one digit.
#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
pub(crate) fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_memory_is_known_as_memory() {
        let found = file_system(Path::new("/dev/shm")).unwrap();
        assert!(found.is_memory, "{found:?}");
    }

    #[test]
    fn a_full_disk_is_named_with_what_is_there_and_what_is_needed() {
        let message = ensure_free(Path::new("/"), u64::MAX / 2).unwrap_err().to_string();
        assert!(
            message.starts_with("full disk: / has ") && message.contains("needed"),
            "{message}"
        );
    }

    #[test]
    fn a_durable_write_takes_time() {
        assert!(fsync_us_p50(Path::new("/var/tmp")).unwrap() > 0.0);
    }
}
