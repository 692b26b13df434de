//! What a run would use on this machine, and what is missing, with the command that fixes it.
//!
//! Starts nothing but `--version` of programs, changes nothing, and does not probe the network. Blocks for up to a few
//! seconds: call it off the async threads. The text is the command line's business.

mod programs;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::cache::cache_directory;
use crate::error::{Result, TestbedError};
use crate::postgres::{FETCHED_MAJOR, PostgresOptions, find, server_user};
use crate::{disk, usage};

/// Above this, group commit hides what a benchmark of commits wants to see; disks of today are well below.
const SLOW_FSYNC_US: f64 = 10_000.0;

/// A local daemon that does not answer by then is not one to build on.
const DOCKER_WITHIN: Duration = Duration::from_secs(2);

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
    /// Which part, such as `PostgreSQL`.
    pub part: String,
    /// How it is provided for.
    pub state: State,
    /// What was found, with version and place.
    pub found: String,
    /// What to do if it is missing, or not as good as it could be.
    pub remedy: Option<String>,
}

/// Looks at everything that a run may need.
#[must_use]
pub fn examine() -> Vec<Finding> {
    let base = PostgresOptions::new("doctor").base;
    vec![
        cpus(),
        memory(),
        postgres(),
        postgres_user(),
        data_disk(&base),
        fsync_time(&base),
        programs::c_compiler(),
        docker(),
        programs::java(),
        programs::maven(),
        programs::kafka(),
        programs::go(),
        programs::toxiproxy(),
    ]
}

fn cpus() -> Finding {
    let count = usage::cpus();
    let remedy = (count < 2).then(|| "load and database share one CPU: use a machine with more".to_owned());
    Finding {
        part: "CPUs".to_owned(),
        state: State::Ready,
        found: count.to_string(),
        remedy,
    }
}

fn memory() -> Finding {
    from_result("memory", usage::memory_bytes().map(|bytes| (disk::gib(bytes), None)))
}

fn postgres() -> Finding {
    let part = "PostgreSQL".to_owned();
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
    from_result("user of PostgreSQL", server_user().map(|user| (user.name, None)))
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
    from_result("disk for data", examined)
}

fn fsync_time(base: &Path) -> Finding {
    let measured = disk::fsync_us_p50(base).map(|us| {
        let remedy = (us > SLOW_FSYNC_US).then(|| "a slow disk: point CROSSOVER_DATA_DIR at a faster one".to_owned());
        (
            format!("{us:.0} µs (median of 8 KiB writes in {})", base.display()),
            remedy,
        )
    });
    from_result("durable write", measured)
}

fn docker() -> Finding {
    let part = "Docker engine".to_owned();
    let address = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    match docker_answers(&address) {
        Ok(()) => Finding {
            part,
            state: State::Ready,
            found: format!("answers at {address}"),
            remedy: None,
        },
        Err(error) => {
            let found = format!("no answer at {address}: {error}; the local testbed is used");
            Finding {
                part,
                state: State::Missing,
                found,
                remedy: Some("start it, if containers are wanted".to_owned()),
            }
        }
    }
}

/// Asks the engine's `_ping`.
fn docker_answers(address: &str) -> std::io::Result<()> {
    if let Some(path) = address.strip_prefix("unix://") {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(DOCKER_WITHIN))?;
        return ping(stream);
    }
    let stream = TcpStream::connect(address.strip_prefix("tcp://").unwrap_or(address))?;
    stream.set_read_timeout(Some(DOCKER_WITHIN))?;
    ping(stream)
}

fn ping(mut stream: impl Read + Write) -> std::io::Result<()> {
    stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut answer = [0; 64];
    let count = stream.read(&mut answer)?;
    let status = String::from_utf8_lossy(&answer[..count]).into_owned();
    if status.contains(" 200 ") {
        Ok(())
    } else {
        Err(std::io::Error::other(format!("it says {:?}", status.lines().next())))
    }
}

fn from_result(part: &str, result: Result<(String, Option<String>)>) -> Finding {
    let part = part.to_owned();
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

fn missing(part: String, error: &TestbedError) -> Finding {
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

    #[test]
    fn an_engine_that_does_not_listen_does_not_answer() {
        assert!(docker_answers("unix:///nonexistent/docker.sock").is_err());
    }
}
