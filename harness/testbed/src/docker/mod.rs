//! A Docker engine, asked over its own socket: does it answer, if not why, and which images does it have?
//!
//! | module | owns |
//! |---|---|
//! | [`http`] | one request and its answer, over a socket |
//! | [`trouble`] | why an engine can't be used, each cause with its remedy |
//!
//! Plain HTTP and no client library: `doctor` asks before anything else is known to work. Blocks for up to a few seconds:
//! call it off the async threads. Must not start or stop anything.

mod http;
#[cfg(test)]
pub(crate) mod tests;
mod trouble;

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use testcontainers::bollard::models::SystemInfo;

use crate::error::{Result, TestbedError};
pub(crate) use trouble::{Host, Trouble};

/// Where an engine listens unless DOCKER_HOST says otherwise.
const USUAL_ADDRESS: &str = "unix:///var/run/docker.sock";

/// A local daemon that does not answer by then is not one to build on.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Some hundred MB that go take seconds on a slow disk.
const REMOVED_WITHIN: Duration = Duration::from_secs(30);

/// Where the engine listens that is meant on this machine.
pub(crate) fn address() -> String {
    let named = std::env::var("DOCKER_HOST").ok().filter(|value| !value.is_empty());
    named.unwrap_or_else(|| USUAL_ADDRESS.to_owned())
}

/// An engine that answered.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    address: String,
    version: String,
}

impl Engine {
    /// The engine at DOCKER_HOST, else at the usual socket.
    pub(crate) fn reach() -> Result<Self, Trouble> {
        Self::reach_at(&address(), &Host::this())
    }

    /// The engine at `address`, on a machine such as `host`.
    pub(crate) fn reach_at(address: &str, host: &Host) -> Result<Self, Trouble> {
        let asked = http::ask(address, "GET", "/version", ANSWER_WITHIN);
        let answer = asked.map_err(|error| Trouble::of(address, &error, host))?;
        let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let version = said.as_ref().and_then(|said| said.get("Version")?.as_str());
        match (answer.status, version) {
            (200, Some(version)) => Ok(Self {
                address: address.to_owned(),
                version: version.to_owned(),
            }),
            _ => Err(Trouble::no_engine(address, &answer.line())),
        }
    }

    /// As the client wants it in `--host`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Of the engine.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Names and tags of all images that it has, such as `postgres:17`.
    ///
    /// # Errors
    /// `Other` if it does not list them.
    pub(crate) fn images(&self) -> Result<Vec<String>> {
        let images: Vec<Value> = self.get("/images/json", "list its images")?;
        let tags = images
            .iter()
            .filter_map(|image| image.get("RepoTags")?.as_array())
            .flatten();
        Ok(tags.filter_map(|tag| tag.as_str().map(str::to_owned)).collect())
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// `Unavailable` if it says nothing that can be read.
    pub(crate) fn info(&self) -> Result<SystemInfo> {
        let said = self.get("/info", "say what it is");
        said.map_err(|error| {
            TestbedError::unavailable(
                error.to_string(),
                "restart it (its output says why there was no answer)",
            )
        })
    }

    /// Asks for something; `act` completes "the engine does not …".
    fn get<T: DeserializeOwned>(&self, path: &str, act: &str) -> Result<T> {
        let answer = http::ask(&self.address, "GET", path, ANSWER_WITHIN).map_err(|error| self.silent(&error))?;
        let failed = |said: String| TestbedError::Other(format!("the engine does not {act}: {said}"));
        if answer.status != 200 {
            return Err(failed(answer.said()));
        }
        serde_json::from_slice(&answer.body).map_err(|error| failed(format!("its answer can't be read: {error}")))
    }

    /// Removes an image; answers whether there was one. What other images stand on stays without a name.
    ///
    /// # Errors
    /// `Other` if the engine refuses, as while a container uses it.
    pub(crate) fn remove_image(&self, name: &str) -> Result<bool> {
        let answer = http::ask(&self.address, "DELETE", &format!("/images/{name}"), REMOVED_WITHIN);
        let answer = answer.map_err(|error| self.silent(&error))?;
        match answer.status {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(TestbedError::Other(format!(
                "the engine does not remove {name}: {}",
                answer.said()
            ))),
        }
    }

    fn silent(&self, error: &std::io::Error) -> TestbedError {
        TestbedError::Other(format!(
            "the Docker engine at {} answers no more: {error}",
            self.address
        ))
    }
}
