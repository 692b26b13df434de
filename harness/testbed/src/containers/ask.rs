//! A question to an image, answered by a shell in it: which version it holds, and where.
//!
//! Must not ask an image that has no shell: Toxiproxy's has none.

use std::time::Duration;

use super::Containers;
use super::images::Image;
use crate::error::{Result, TestbedError};
use crate::logs;
use crate::supervisor::{ProcessSpec, Signal, Supervisor};

/// A container starts in less than a second; the bound is for a machine that still unpacks the image.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

impl Containers {
    /// Runs `script` in a container of the image, under the name `name`; answers what it prints.
    pub(crate) async fn ask(supervisor: &Supervisor, name: &str, image: &Image, script: &str) -> Result<String> {
        let log = supervisor.log_dir().join(format!("{name}.log"));
        let from = logs::length(&log);
        let spec = ProcessSpec::new(name, "/bin/sh", &log)
            .image(Some(image.name.clone()))
            .args(["-c", script])
            .stop(Signal::Kill, Duration::from_secs(1));
        supervisor.spawn(spec).await?;
        let exit = supervisor.wait_exit(name, ANSWERED_WITHIN).await?;
        let said = std::fs::read(&log).map_err(|error| TestbedError::io("read", &log, &error))?;
        let said = String::from_utf8_lossy(said.get(from..).unwrap_or_default()).into_owned();
        if exit.is_success() {
            return Ok(said);
        }
        Err(TestbedError::Other(format!(
            "image {} can't be looked into: {exit}: {}",
            image.name,
            said.trim()
        )))
    }
}

/// The value of `name=value`, on a line of its own.
pub(crate) fn value_of<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = said.lines().filter_map(|line| line.split_once('='));
    pairs.find(|(its, _)| *its == name).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_by_its_name() {
        let said = "noise\nbin=/usr/lib/postgresql/17/bin\nversion=postgres (PostgreSQL) 17.2\n";
        assert_eq!(value_of(said, "bin"), Some("/usr/lib/postgresql/17/bin"));
        assert_eq!(value_of(said, "libs"), None);
    }
}
