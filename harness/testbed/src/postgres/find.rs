//! Which PostgreSQL to run, of those on this machine.
//!
//! The order: the directory that CROSSOVER_POSTGRES_BIN names, then `postgres` on PATH, then the newest that the system has
//! in a usual place, then the newest that was fetched before. Each must be version 14 or later, and have `initdb` beside it.
//! CROSSOVER_POSTGRES_BIN=fetched skips all but the last: the same server on every machine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::fetch::fetch;
use crate::cache::cache_directory;
use crate::error::{Result, TestbedError};

/// The oldest that is supported by its makers and has all that the samplers read.
pub const OLDEST_MAJOR: u32 = 14;

/// Directories of versions, with the path from each to its programs: Debian, Red Hat, built from source.
const SYSTEM_PLACES: [(&str, &str, &str); 3] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/local", "pgsql", "bin"),
];

/// Version of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Such as 15: new behaviour.
    pub major: u32,
    /// Such as 14: corrections.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Where an installation comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// CROSSOVER_POSTGRES_BIN names it.
    Named,
    /// It is on PATH.
    Path,
    /// It is in a usual place of this system.
    System,
    /// We fetched it, now or before.
    Fetched,
    /// It is in an image.
    Image,
}

/// Programs of one PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// Directory of `postgres` and `initdb`, free of links.
    pub bin: PathBuf,
    /// What `postgres --version` says.
    pub version: Version,
    /// Where it comes from.
    pub origin: Origin,
    /// The image that it is in; `bin` is a path in there then.
    pub image: Option<String>,
}

/// What may be used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Source {
    /// The first in the order above, else it is fetched.
    #[default]
    Any,
    /// Only what was fetched, else it is fetched.
    Fetched,
    /// This directory of programs.
    Bin(PathBuf),
}

impl Source {
    /// As CROSSOVER_POSTGRES_BIN says.
    #[must_use]
    pub fn from_env() -> Self {
        match std::env::var_os("CROSSOVER_POSTGRES_BIN") {
            None => Self::Any,
            Some(value) if value.is_empty() => Self::Any,
            Some(value) if value == "fetched" => Self::Fetched,
            Some(value) => Self::Bin(value.into()),
        }
    }
}

/// The installation that would be used; none if it would be fetched first. Runs `postgres --version`, and no more.
///
/// # Errors
/// `BadInput` if a named directory holds no PostgreSQL that can be used.
pub fn find(source: &Source) -> Result<Option<Installation>> {
    match source {
        Source::Bin(bin) => named(bin).map(Some),
        Source::Fetched => Ok(newest_fetched()),
        Source::Any => Ok(on_path().or_else(newest_of_system).or_else(newest_fetched)),
    }
}

/// As [`find`], else fetched into the cache.
///
/// # Errors
/// `Unavailable` if there is none and none can be fetched.
pub async fn find_or_fetch(source: &Source) -> Result<Installation> {
    match find(source)? {
        Some(installation) => Ok(installation),
        None => fetch(&cache_directory()?).await,
    }
}

/// Looks at a directory of programs; none unless it has both, in a version that will do.
pub(super) fn installation_in(bin: &Path, origin: Origin) -> Option<Installation> {
    let bin = bin.canonicalize().ok()?;
    if !bin.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(bin.join("postgres")).arg("--version").output().ok()?;
    let version = parse_version(&String::from_utf8_lossy(&output.stdout))?;
    (version.major >= OLDEST_MAJOR).then_some(Installation {
        bin,
        version,
        origin,
        image: None,
    })
}

fn named(bin: &Path) -> Result<Installation> {
    installation_in(bin, Origin::Named).ok_or_else(|| {
        TestbedError::BadInput(format!(
            "CROSSOVER_POSTGRES_BIN is {}, which has no postgres {OLDEST_MAJOR} or later with initdb beside it; name a directory \
             like /usr/lib/postgresql/17/bin, or \"fetched\", or unset it",
            bin.display()
        ))
    })
}

fn on_path() -> Option<Installation> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find_map(|directory| {
        // A link such as /usr/bin/postgres leads to the directory that has initdb too.
        let program = directory.join("postgres").canonicalize().ok()?;
        installation_in(program.parent()?, Origin::Path)
    })
}

fn newest_of_system() -> Option<Installation> {
    let places = SYSTEM_PLACES
        .iter()
        .flat_map(|(parent, prefix, bin)| subdirectories(Path::new(parent), prefix, bin));
    newest(places, Origin::System)
}

fn newest_fetched() -> Option<Installation> {
    let cache = cache_directory().ok()?;
    newest(subdirectories(&cache, "postgresql-", "bin"), Origin::Fetched)
}

fn newest(bins: impl IntoIterator<Item = PathBuf>, origin: Origin) -> Option<Installation> {
    let found = bins.into_iter().filter_map(|bin| installation_in(&bin, origin));
    found.max_by_key(|installation| installation.version)
}

fn subdirectories(parent: &Path, prefix: &str, bin: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return Vec::new();
    };
    let entries = entries.filter_map(std::result::Result::ok);
    let matching = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    matching
        .map(|entry| entry.path().join(bin))
        .filter(|path| path.is_dir())
        .collect()
}

/// Reads `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`; a development version such as `19devel` has minor 0.
pub(super) fn parse_version(text: &str) -> Option<Version> {
    let number = text.split_once("(PostgreSQL)")?.1.split_whitespace().next()?;
    let mut parts = number.split('.');
    let digits = |part: &str| {
        part.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
            .parse()
            .ok()
    };
    Some(Version {
        major: digits(parts.next()?)?,
        minor: parts.next().and_then(digits).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_with_and_without_a_packager() {
        let version = |text| parse_version(text).map(|version| (version.major, version.minor));
        assert_eq!(
            version("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"),
            Some((15, 14))
        );
        assert_eq!(version("postgres (PostgreSQL) 18.6\n"), Some((18, 6)));
        assert_eq!(version("postgres (PostgreSQL) 19devel\n"), Some((19, 0)));
        assert_eq!(version("something else"), None);
    }

    #[test]
    fn a_named_directory_without_postgres_is_refused() {
        let empty = tempfile::tempdir().unwrap();
        let error = find(&Source::Bin(empty.path().to_path_buf())).unwrap_err();
        assert!(
            matches!(&error, TestbedError::BadInput(message) if message.contains("CROSSOVER_POSTGRES_BIN")),
            "{error}"
        );
    }
}
