//! Programs that build and fetch, and what event-driven mode has of theirs in the cache.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{Finding, Part, State, missing};
use crate::cache::cache_directory;
use crate::error::{Result, TestbedError};
use crate::kafka::{KAFKA_VERSION, find_java, find_libs, require_maven};
use crate::logs::without_colours;
use crate::toxiproxy::{TOXIPROXY_VERSION, find_toxiproxy, require_go};

pub(super) fn c_compiler() -> Finding {
    let found = version(&["cc", "--version"]);
    finding(
        Part::CCompiler,
        found.ok_or_else(|| TestbedError::unavailable("no cc", "apt-get install build-essential")),
    )
}

pub(super) fn java() -> Finding {
    let found = find_java().map(|java| {
        let program = java.program.display().to_string();
        version(&[&program, "-version"]).unwrap_or_else(|| java.major.to_string())
    });
    finding(Part::Java, found)
}

pub(super) fn maven() -> Finding {
    let found = require_maven().map(|()| version(&["mvn", "--version"]).unwrap_or_else(|| "mvn".to_owned()));
    finding(Part::Maven, found)
}

pub(super) fn go() -> Finding {
    let found = require_go().map(|()| version(&["go", "version"]).unwrap_or_else(|| "go".to_owned()));
    finding(Part::Go, found)
}

pub(super) fn kafka() -> Finding {
    let how = format!("{KAFKA_VERSION} will be fetched by Maven (54 MB)");
    let usable = find_java().and_then(|_| require_maven());
    cached(Part::Kafka, KAFKA_VERSION, find_libs(), usable, &how)
}

pub(super) fn toxiproxy() -> Finding {
    let how = format!("{TOXIPROXY_VERSION} will be built by Go (half a minute)");
    cached(Part::Toxiproxy, TOXIPROXY_VERSION, find_toxiproxy(), require_go(), &how)
}

/// What a program fetches.
fn cached(part: Part, version: &str, place: Result<Option<PathBuf>>, usable: Result<()>, how: &str) -> Finding {
    match place {
        Ok(Some(place)) => finding(part, Ok(format!("{version} in {}", place.display()))),
        Ok(None) => match usable.and_then(|()| cache_directory()) {
            Ok(cache) => Finding {
                part,
                state: State::WillFetch,
                found: format!("none; {how} into {}, needs the network", cache.display()),
                remedy: Some("crossover setup fetches it now".to_owned()),
            },
            Err(error) => missing(part, &error),
        },
        Err(error) => missing(part, &error),
    }
}

fn finding(part: Part, found: Result<String>) -> Finding {
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
    // Maven colours its version even for a pipe.
    let text = without_colours(&String::from_utf8_lossy(&text));
    Some(text.lines().next().unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacking() -> Result<()> {
        Err(TestbedError::unavailable("no tool", "install it"))
    }

    #[test]
    fn a_tool_is_missed_only_while_the_cache_lacks_what_it_fetches() {
        let place = || Ok(Some(PathBuf::from("/cache/x")));
        let state = |place: fn() -> Result<Option<PathBuf>>, usable: fn() -> Result<()>| {
            cached(Part::Kafka, "1", place(), usable(), "1 will be fetched").state
        };
        assert_eq!(state(place, lacking), State::Ready);
        assert_eq!(state(|| Ok(None), lacking), State::Missing);
        assert_eq!(state(|| Ok(None), || Ok(())), State::WillFetch);
    }
}
