//! Programs that build and fetch, and what event-driven mode has of theirs in the cache.
//!
//! A program that is not there is no lack when what it fetches is in the cache.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{Finding, State, missing};
use crate::cache::cache_directory;
use crate::error::{Result, TestbedError};
use crate::kafka::{KAFKA_VERSION, find_java, find_libs, require_maven};
use crate::toxiproxy::{TOXIPROXY_VERSION, find_toxiproxy, require_go};

const PURPOSE: &str = "for event-driven mode";

pub(super) fn c_compiler() -> Finding {
    let found = version(&["cc", "--version"]);
    let found =
        found.ok_or_else(|| TestbedError::unavailable("no cc (needed to build)", "apt-get install build-essential"));
    finding("C compiler", found.map(|found| format!("{found} (needed to build)")))
}

pub(super) fn java() -> Finding {
    let found = find_java().map(|java| {
        let program = java.program.display().to_string();
        let version = version(&[&program, "-version"]).unwrap_or_else(|| java.major.to_string());
        format!("{version} ({PURPOSE})")
    });
    finding("Java", found)
}

pub(super) fn maven() -> Finding {
    tool(
        "Maven",
        &["mvn", "--version"],
        require_maven(),
        find_libs(),
        "Apache Kafka",
    )
}

pub(super) fn go() -> Finding {
    tool("Go", &["go", "version"], require_go(), find_toxiproxy(), "Toxiproxy")
}

pub(super) fn kafka() -> Finding {
    let how = format!("{KAFKA_VERSION} will be fetched by Maven (54 MB)");
    cached("Apache Kafka", KAFKA_VERSION, find_libs(), require_maven(), &how)
}

pub(super) fn toxiproxy() -> Finding {
    let how = format!("{TOXIPROXY_VERSION} will be built by Go (half a minute)");
    cached("Toxiproxy", TOXIPROXY_VERSION, find_toxiproxy(), require_go(), &how)
}

/// A program that fetches `what`.
fn tool(part: &str, command: &[&str], usable: Result<()>, cached: Result<Option<PathBuf>>, what: &str) -> Finding {
    let is_cached = cached.is_ok_and(|place| place.is_some());
    let found = match usable {
        Ok(()) => {
            let version = version(command).unwrap_or_else(|| command[0].to_owned());
            Ok(format!("{version} ({PURPOSE})"))
        }
        Err(_) if is_cached => Ok(format!("none that will do, and none needed: {what} is in the cache")),
        Err(error) => Err(error),
    };
    finding(part, found)
}

/// What a program fetches.
fn cached(part: &str, version: &str, place: Result<Option<PathBuf>>, usable: Result<()>, how: &str) -> Finding {
    match place {
        Ok(Some(place)) => finding(part, Ok(format!("{version} in {} ({PURPOSE})", place.display()))),
        Ok(None) => match usable.and_then(|()| cache_directory()) {
            Ok(cache) => Finding {
                part: part.to_owned(),
                state: State::WillFetch,
                found: format!("none; {how} into {}, needs the network ({PURPOSE})", cache.display()),
                remedy: None,
            },
            Err(error) => missing(part.to_owned(), &error),
        },
        Err(error) => missing(part.to_owned(), &error),
    }
}

fn finding(part: &str, found: Result<String>) -> Finding {
    let part = part.to_owned();
    match found {
        Ok(found) => Finding {
            part,
            state: State::Ready,
            found,
            remedy: None,
        },
        Err(error) => missing(part, &error),
    }
}

/// The first line that a program prints about itself; none if it can't be run.
fn version(command: &[&str]) -> Option<String> {
    let output = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .output();
    let output = output.ok().filter(|output| output.status.success())?;
    // Java answers on standard error.
    let text = if output.stdout.is_empty() {
        output.stderr
    } else {
        output.stdout
    };
    let text = without_colours(&String::from_utf8_lossy(&text));
    Some(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Maven colours its version even for a pipe.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| {
        plain + part.split_once('m').map_or(part, |(_, rest)| rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacking() -> Result<()> {
        Err(TestbedError::unavailable("no tool", "install it"))
    }

    #[test]
    fn colours_are_taken_out() {
        assert_eq!(without_colours("\u{1b}[1mApache Maven\u{1b}[m 3"), "Apache Maven 3");
    }

    #[test]
    fn a_tool_is_missed_only_while_the_cache_lacks_what_it_fetches() {
        let place = || Ok(Some(PathBuf::from("/cache/x")));
        let states = |place: fn() -> Result<Option<PathBuf>>, usable: fn() -> Result<()>| {
            let part = cached("Part", "1", place(), usable(), "1 will be fetched").state;
            (tool("Tool", &["true"], usable(), place(), "Part").state, part)
        };
        assert_eq!(states(place, lacking), (State::Ready, State::Ready));
        assert_eq!(states(|| Ok(None), lacking), (State::Missing, State::Missing));
        assert_eq!(states(|| Ok(None), || Ok(())), (State::Ready, State::WillFetch));
    }
}
