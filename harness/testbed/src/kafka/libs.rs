//! The jars of Apache Kafka: in the cache, or fetched into it by Maven.
//!
//! Must not start a broker.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache::{Fetch, FetchPlaces, cache_directory};
use crate::error::{Result, TestbedError};
use crate::supervisor::{ProcessSpec, Supervisor};

/// The version that is run: one, so that results on different machines compare. KIP-848 needs 4.0.
pub const KAFKA_VERSION: &str = "4.3.0";

const POM: &str = include_str!("pom.xml");

const NO_MAVEN: &str = "apt-get install maven";
const NOT_FETCHED: &str =
    "connect to the network (or to a mirror of Maven Central, in Maven's settings), and try again";

/// The directory of jars, if they were fetched.
///
/// # Errors
/// `Unavailable` if there is no cache.
pub fn find_libs() -> Result<Option<PathBuf>> {
    let libs = target()?.join("libs");
    Ok(is_whole(&target()?).then_some(libs))
}

/// As [`find_libs`], else fetched into the cache (54 MB).
///
/// # Errors
/// `Unavailable`, with the remedy, if there is no Maven, or it can't fetch.
pub async fn fetch_libs(supervisor: &Supervisor, run_id: &str) -> Result<PathBuf> {
    if let Some(libs) = find_libs()? {
        return Ok(libs);
    }
    require_maven()?;
    let target = target()?;
    tracing::info!("no Apache Kafka {KAFKA_VERSION} in the cache: fetching it by Maven");
    let fetch = Fetch {
        what: "kafka",
        run_id,
        target: &target,
        remedy: NOT_FETCHED,
    };
    let took = fetch.run(supervisor, maven, is_whole).await?;
    tracing::info!("fetched Apache Kafka {KAFKA_VERSION} in {took:?}");
    Ok(target.join("libs"))
}

/// Whether `mvn` can be run.
pub(crate) fn require_maven() -> Result<()> {
    let output = Command::new("mvn").arg("--version").stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(TestbedError::unavailable(
            format!("mvn --version ends with {}", output.status),
            NO_MAVEN,
        )),
        Err(error) => Err(TestbedError::unavailable(
            format!("no Maven, which fetches Apache Kafka (mvn: {error})"),
            NO_MAVEN,
        )),
    }
}

fn target() -> Result<PathBuf> {
    Ok(cache_directory()?.join(format!("kafka-{KAFKA_VERSION}")))
}

fn maven(places: FetchPlaces<'_>) -> Result<ProcessSpec> {
    let pom = places.scratch.join("pom.xml");
    std::fs::write(&pom, POM).map_err(|error| TestbedError::io("write", &pom, &error))?;
    let libs = places.into.join("libs");
    let spec = ProcessSpec::new(places.name, "mvn", places.log).directory(places.scratch);
    Ok(spec.args([
        "--quiet".to_owned(),
        "--batch-mode".to_owned(),
        "--file=pom.xml".to_owned(),
        format!("-Dkafka.version={KAFKA_VERSION}"),
        "-DincludeScope=runtime".to_owned(),
        format!("-DoutputDirectory={}", libs.display()),
        "dependency:copy-dependencies".to_owned(),
    ]))
}

/// What has been renamed into place is whole; this also knows an empty result from one.
fn is_whole(directory: &Path) -> bool {
    let broker = directory.join(format!("libs/kafka_2.13-{KAFKA_VERSION}.jar"));
    let tools = directory.join(format!("libs/kafka-tools-{KAFKA_VERSION}.jar"));
    broker.is_file() && tools.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_in_one_place() {
        assert!(POM.contains("${kafka.version}") && !POM.contains(KAFKA_VERSION));
    }

    #[test]
    fn a_directory_without_the_broker_is_not_whole() {
        assert!(!is_whole(tempfile::tempdir().unwrap().path()));
    }
}
