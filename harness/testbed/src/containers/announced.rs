//! Containers that are being made. Each is announced in a file before the engine is asked for it, and withdrawn when the engine
//! has answered: a cleanup after the death of the harness so knows of those that come late.
//!
//! An engine goes on with a request whose sender is dead. It takes the name first, makes the container's file system, which can
//! take seconds, and lists the container last. So an announced name is taken *by us*: when the engine gives it, no other request
//! can have it, now or later; when it refuses, the container is there or comes, and we ask again. What we get by it is never
//! started, carries the run's label, and is removed with the rest.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as EngineError;
use testcontainers::bollard::models::{ContainerCreateBody, HostConfig};
use testcontainers::bollard::query_parameters::CreateContainerOptionsBuilder;

use super::request::RUN_LABEL;
use crate::error::{Result, TestbedError};

/// Below the directory of our own files; removed with it.
const DIRECTORY: &str = "being-made";

/// A container that the engine is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Announced {
    pub container: String,
    image: String,
    file: PathBuf,
}

impl Announced {
    /// Announces it.
    pub(super) fn make(home: &Path, container: &str, image: &str) -> Result<Self> {
        let directory = home.join(DIRECTORY);
        let file = directory.join(container);
        let written = std::fs::create_dir_all(&directory).and_then(|()| std::fs::write(&file, image));
        written.map_err(|error| TestbedError::io("write", &file, &error))?;
        Ok(Self {
            container: container.to_owned(),
            image: image.to_owned(),
            file,
        })
    }

    /// The engine has answered. That is not done by dropping: who is cancelled does not know what the engine does.
    pub(super) fn withdraw(self) {
        // A file that stays costs the cleanup a tenth of a second.
        let _ = std::fs::remove_file(self.file);
    }

    /// All that were announced, and not withdrawn.
    pub(super) fn all(home: &Path) -> Vec<Self> {
        let files = std::fs::read_dir(home.join(DIRECTORY)).into_iter().flatten().flatten();
        let one = |file: PathBuf| {
            Some(Self {
                container: file.file_name()?.to_str()?.to_owned(),
                image: std::fs::read_to_string(&file).ok()?,
                file,
            })
        };
        files.filter_map(|entry| one(entry.path())).collect()
    }

    /// Takes the name; whether nobody else can have it any more.
    pub(super) async fn take_name(&self, docker: &Docker, run_id: &str) -> bool {
        let options = CreateContainerOptionsBuilder::new().name(&self.container).build();
        let body = ContainerCreateBody {
            image: Some(self.image.clone()),
            // An image may have no program of its own, and is refused without one before its name is looked at.
            cmd: Some(vec!["none".to_owned()]),
            labels: Some(HashMap::from([(RUN_LABEL.to_owned(), run_id.to_owned())])),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        match docker.create_container(Some(options), body).await {
            Ok(_) => true,
            // No image, or no disk: the name was free, and what kept ours from being made keeps the other from it.
            Err(EngineError::DockerResponseServerError {
                status_code: 404 | 500..=599,
                message: said,
            }) => {
                tracing::debug!(said, name = self.container, "not taken");
                true
            }
            // Somebody has it, or nothing is known.
            Err(error) => {
                tracing::debug!(%error, name = self.container, "not taken yet");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_announced_is_known_until_it_is_withdrawn() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Announced::all(home.path()), []);
        let announced = Announced::make(home.path(), "crossover-r1-postgres", "postgres:17").unwrap();
        assert_eq!(Announced::all(home.path()), std::slice::from_ref(&announced));
        announced.withdraw();
        assert_eq!(Announced::all(home.path()), []);
    }
}
