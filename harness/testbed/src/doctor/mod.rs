//! What a run would use on this machine, and what is missing, with the command that fixes it.
//!
//! Starts nothing but `--version` of programs, changes nothing, and does not probe the network. Blocks for up to a few
//! seconds: call it off the async threads. The text is the command line's business.

mod docker;
mod needs;
mod programs;

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::cache::cache_directory;
use crate::error::{Result, TestbedError};
use crate::postgres::{FETCHED_MAJOR, PostgresOptions, find, server_user};
use crate::{disk, usage};

/// Above this, group commit hides what a benchmark of commits wants to see; disks of today are well below.
const SLOW_FSYNC_US: f64 = 10_000.0;

pub use needs::{Readiness, Use, readiness};

/// Something that a run may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Processors.
    Cpus,
    /// Main memory.
    Memory,
    /// A PostgreSQL server's programs.
    Postgres,
    /// Who runs the server.
    PostgresUser,
    /// Where its data goes.
    DataDisk,
    /// What a flush to that disk takes.
    DurableWrite,
    /// To build this program.
    CCompiler,
    /// For a testbed of containers.
    Docker,
    /// Of the servers in containers.
    Images,
    /// Runs Kafka.
    Java,
    /// Fetches Kafka.
    Maven,
    /// Kafka's jars.
    Kafka,
    /// Builds Toxiproxy.
    Go,
    /// The proxy of links.
    Toxiproxy,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cpus => "CPUs",
            Self::Memory => "memory",
            Self::Postgres => "PostgreSQL",
            Self::PostgresUser => "user of PostgreSQL",
            Self::DataDisk => "disk for data",
            Self::DurableWrite => "durable write",
            Self::CCompiler => "C compiler",
            Self::Docker => "Docker engine",
            Self::Images => "images",
            Self::Java => "Java",
            Self::Maven => "Maven",
            Self::Kafka => "Apache Kafka",
            Self::Go => "Go",
            Self::Toxiproxy => "Toxiproxy",
        })
    }
}

/// How a part is provided for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is there.
    Ready,
    /// It is not there, and will be fetched when it is needed.
    WillFetch,
    /// It is not there.
    Missing,
}

/// What was found of one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which part.
    pub part: Part,
    /// How it is provided for.
    pub state: State,
    /// What was found, with version and place.
    pub found: String,
    /// What to do if it is missing, or not as good as it could be.
    pub remedy: Option<String>,
}

/// Looks at everything that a run may need. What fetches a part is no need while the part is in the cache.
#[must_use]
pub fn examine() -> Vec<Finding> {
    let base = PostgresOptions::new("doctor").base;
    let mut findings = vec![
        cpus(),
        memory(),
        postgres(),
        postgres_user(),
        data_disk(&base),
        fsync_time(&base),
        programs::c_compiler(),
    ];
    findings.extend(docker::examine());
    findings.push(programs::java());
    for (part, program) in [
        (programs::kafka(), programs::maven as fn() -> Finding),
        (programs::toxiproxy(), programs::go),
    ] {
        if part.state != State::Ready {
            findings.push(program());
        }
        findings.push(part);
    }
    findings
}

/// Looks at one part that can be fetched.
#[must_use]
pub fn examine_kafka() -> Finding {
    programs::kafka()
}

/// Looks at one part that can be fetched.
#[must_use]
pub fn examine_toxiproxy() -> Finding {
    programs::toxiproxy()
}

fn cpus() -> Finding {
    let count = usage::cpus();
    let remedy = (count < 2).then(|| "load and database share one CPU: use a machine with more".to_owned());
    Finding {
        part: Part::Cpus,
        state: State::Ready,
        found: count.to_string(),
        remedy,
    }
}

fn memory() -> Finding {
    from_result(
        Part::Memory,
        usage::memory_bytes().map(|bytes| (disk::gib(bytes), None)),
    )
}

fn postgres() -> Finding {
    let part = Part::Postgres;
    match find(&PostgresOptions::new("doctor").source) {
        Ok(Some(found)) => Finding {
            part,
            state: State::Ready,
            found: format!("{} in {}", found.version, found.bin.display()),
            remedy: None,
        },
        Ok(None) => {
            let cache = cache_directory().map_or_else(|error| error.to_string(), |cache| cache.display().to_string());
            let found = format!("none; {FETCHED_MAJOR} will be fetched into {cache} (15 MB, needs the network)");
            Finding {
                part,
                state: State::WillFetch,
                found,
                remedy: Some("apt-get install postgresql".to_owned()),
            }
        }
        Err(error) => missing(part, &error),
    }
}

fn postgres_user() -> Finding {
    from_result(Part::PostgresUser, server_user().map(|user| (user.name, None)))
}

fn data_disk(base: &Path) -> Finding {
    let needed = PostgresOptions::new("doctor").disk_needed_bytes;
    let examined = disk::ensure_free(base, needed).and_then(|()| {
        let (system, free) = (disk::file_system(base)?, disk::free_bytes(base)?);
        let remedy = system
            .is_memory
            .then(|| "nothing on it is durable: point CROSSOVER_DATA_DIR at a disk".to_owned());
        Ok((
            format!("{} on {}, {} free", base.display(), system.name, disk::gib(free)),
            remedy,
        ))
    });
    from_result(Part::DataDisk, examined)
}

fn fsync_time(base: &Path) -> Finding {
    let measured = disk::fsync_us_p50(base).map(|us| {
        let remedy = (us > SLOW_FSYNC_US).then(|| "a slow disk: point CROSSOVER_DATA_DIR at a faster one".to_owned());
        (
            format!("{us:.0} µs (median of 8 KiB writes in {})", base.display()),
            remedy,
        )
    });
    from_result(Part::DurableWrite, measured)
}

fn from_result(part: Part, result: Result<(String, Option<String>)>) -> Finding {
    match result {
        Ok((found, remedy)) => Finding {
            part,
            state: State::Ready,
            found,
            remedy,
        },
        Err(error) => missing(part, &error),
    }
}

fn missing(part: Part, error: &TestbedError) -> Finding {
    match error {
        TestbedError::Unavailable { what, remedy } => Finding {
            part,
            state: State::Missing,
            found: what.clone(),
            remedy: Some(remedy.clone()),
        },
        other => Finding {
            part,
            state: State::Missing,
            found: other.to_string(),
            remedy: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_missing_names_its_remedy() {
        for finding in examine() {
            assert!(!finding.found.is_empty(), "{finding:?}");
            assert!(
                finding.state != State::Missing || finding.remedy.is_some(),
                "{finding:?}"
            );
        }
    }
}
