//! Which image each part runs from: all names and tags, in one place.
//!
//! ```text
//!   named (variable or flag) ─▶ that one, here or pulled
//!   else the official one is here ─▶ it │ else the stand-in is here ─▶ it │ else the official one is pulled
//! ```
//!
//! Stand-ins are built by `./just images` where none can be pulled. Redpanda has none: where it can't be had, the broker is
//! Kafka, and a note says so, unless Redpanda was asked for by name ([`super::Containers::has_redpanda`]).
//!
//! Must not start a container.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use testcontainers::bollard::Docker;

use super::failure::{is_absent, of_engine};
use super::pull::pull;
use super::{Containers, ContainersOptions};
use crate::error::Result;
use crate::images::StandIn;
use crate::kafka::KAFKA_VERSION;
use crate::toxiproxy::TOXIPROXY_VERSION;

const POSTGRES: &str = "postgres:17";
const REDPANDA: &str = "docker.redpanda.com/redpandadata/redpanda:v25.1.1";

/// Something that runs from an image of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The database server.
    Postgres,
    /// The broker that containers have by default.
    Redpanda,
    /// The other broker.
    Kafka,
    /// The proxy of links.
    Toxiproxy,
}

impl Part {
    /// The image that its makers publish, in the version that is pinned here. Kafka's and Toxiproxy's are those of the local
    /// testbed, so that results compare (and Kafka's producer benchmark takes the flags that we give it from 4.2 on).
    #[must_use]
    pub fn official(self) -> String {
        match self {
            Self::Postgres => POSTGRES.to_owned(),
            Self::Redpanda => REDPANDA.to_owned(),
            Self::Kafka => format!("apache/kafka:{KAFKA_VERSION}"),
            Self::Toxiproxy => format!("ghcr.io/shopify/toxiproxy:{TOXIPROXY_VERSION}"),
        }
    }

    /// The image that `./just images` builds in its place.
    #[must_use]
    pub fn stand_in(self) -> Option<String> {
        let stand_in = match self {
            Self::Postgres => StandIn::Postgres,
            Self::Kafka => StandIn::Kafka,
            Self::Toxiproxy => StandIn::Toxiproxy,
            Self::Redpanda => return None,
        };
        Some(stand_in.reference())
    }

    /// The environment variable that names another image.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "CROSSOVER_IMAGE_POSTGRES",
            Self::Redpanda => "CROSSOVER_IMAGE_REDPANDA",
            Self::Kafka => "CROSSOVER_IMAGE_KAFKA",
            Self::Toxiproxy => "CROSSOVER_IMAGE_TOXIPROXY",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Postgres => "PostgreSQL",
            Self::Redpanda => "Redpanda",
            Self::Kafka => "Kafka",
            Self::Toxiproxy => "Toxiproxy",
        })
    }
}

/// Images that a user named, in place of the usual ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Images {
    /// For the database.
    pub postgres: Option<String>,
    /// For Redpanda.
    pub redpanda: Option<String>,
    /// For Kafka.
    pub kafka: Option<String>,
    /// For the proxy.
    pub toxiproxy: Option<String>,
}

impl Images {
    /// As CROSSOVER_IMAGE_POSTGRES, …_REDPANDA, …_KAFKA and …_TOXIPROXY say.
    #[must_use]
    pub fn from_env() -> Self {
        let of = |part: Part| std::env::var(part.variable()).ok().filter(|value| !value.is_empty());
        Self {
            postgres: of(Part::Postgres),
            redpanda: of(Part::Redpanda),
            kafka: of(Part::Kafka),
            toxiproxy: of(Part::Toxiproxy),
        }
    }

    /// The one that was named for a part.
    #[must_use]
    pub fn named(&self, part: Part) -> Option<&str> {
        match part {
            Part::Postgres => self.postgres.as_deref(),
            Part::Redpanda => self.redpanda.as_deref(),
            Part::Kafka => self.kafka.as_deref(),
            Part::Toxiproxy => self.toxiproxy.as_deref(),
        }
    }
}

/// An image that is on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its name and tag.
    pub name: String,
    /// How long the pull took, if it was not here.
    pub pulled_in: Option<Duration>,
}

/// Where a part's image comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// It is here.
    Use(String),
    /// It is not.
    Pull(String),
}

/// Chooses, given which images are here. Who names an image wants no other.
pub(crate) fn choose(part: Part, named: Option<&str>, is_here: impl Fn(&str) -> bool) -> Choice {
    let wanted = named.map_or_else(|| part.official(), str::to_owned);
    let stand_in = part.stand_in().filter(|_| named.is_none());
    match stand_in.filter(|stand_in| !is_here(&wanted) && is_here(stand_in)) {
        Some(stand_in) => Choice::Use(stand_in),
        None if is_here(&wanted) => Choice::Use(wanted),
        None => Choice::Pull(wanted),
    }
}

/// What was found out so far: each part is looked for once a run, and a registry asked once.
#[derive(Default)]
pub(super) struct Found {
    images: HashMap<Part, Image>,
    has_redpanda: Option<bool>,
}

impl Found {
    pub(super) async fn get(&mut self, part: Part, docker: &Docker, options: &ContainersOptions) -> Result<Image> {
        if let Some(image) = self.images.get(&part) {
            return Ok(image.clone());
        }
        let named = options.images.named(part);
        let candidates = match named {
            Some(name) => [Some(name.to_owned()), None],
            None => [Some(part.official()), part.stand_in()],
        };
        let mut here = Vec::new();
        for name in candidates.into_iter().flatten() {
            if is_here(docker, &name).await? {
                here.push(name);
            }
        }
        let image = match choose(part, named, |name| here.iter().any(|one| one == name)) {
            Choice::Use(name) => Image { name, pulled_in: None },
            Choice::Pull(name) => {
                let begun = Instant::now();
                pull(part, docker, &name, &options.note).await?;
                Image {
                    name,
                    pulled_in: Some(begun.elapsed()),
                }
            }
        };
        self.images.insert(part, image.clone());
        Ok(image)
    }
}

impl Containers {
    /// Whether Redpanda can be had: named, here, or pulled now. Where it can't, a note says why, once.
    ///
    /// # Errors
    /// `Unavailable` if it was named, and can't be had.
    pub async fn has_redpanda(&self) -> Result<bool> {
        let mut found = self.inner.found.lock().await;
        if let Some(known) = found.has_redpanda {
            return Ok(known);
        }
        let options = &self.inner.options;
        let has = match found.get(Part::Redpanda, &self.inner.docker, options).await {
            Ok(_) => true,
            Err(error) if options.images.redpanda.is_some() => return Err(error),
            Err(error) => {
                (options.note)(&format!("the broker is Kafka, because Redpanda can't be had: {error}"));
                false
            }
        };
        found.has_redpanda = Some(has);
        Ok(has)
    }
}

async fn is_here(docker: &Docker, name: &str) -> Result<bool> {
    match docker.inspect_image(name).await {
        Ok(_) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(of_engine(&format!("look for image {name}"), &error)),
    }
}

/// Name and tag. A colon before a slash belongs to a registry's port; a digest is split at its own colon, and comes together
/// again the same way.
pub(super) fn split(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_image_is_used_before_the_stand_in_and_pulled_last() {
        let (official, stand_in) = (Part::Kafka.official(), Part::Kafka.stand_in().unwrap());
        let with = |here: &[&str]| choose(Part::Kafka, None, |name| here.contains(&name));
        assert_eq!(with(&[&official, &stand_in]), Choice::Use(official.clone()));
        assert_eq!(with(&[&stand_in]), Choice::Use(stand_in.clone()));
        assert_eq!(with(&[]), Choice::Pull(official));
    }

    #[test]
    fn an_image_that_was_named_has_no_substitute() {
        let stand_in = Part::Postgres.stand_in().unwrap();
        let choice = choose(Part::Postgres, Some("mine:1"), |name| name == stand_in);
        assert_eq!(choice, Choice::Pull("mine:1".to_owned()));
        assert_eq!(
            choose(Part::Postgres, Some("mine:1"), |_| true),
            Choice::Use("mine:1".to_owned())
        );
    }

    #[test]
    fn redpanda_has_no_stand_in() {
        assert_eq!(
            choose(Part::Redpanda, None, |_| false),
            Choice::Pull(REDPANDA.to_owned())
        );
    }

    #[test]
    fn a_registrys_port_is_no_tag() {
        assert_eq!(split("postgres:17"), ("postgres", "17"));
        assert_eq!(
            split("localhost:5000/x/postgres"),
            ("localhost:5000/x/postgres", "latest")
        );
        assert_eq!(split("localhost:5000/postgres:17"), ("localhost:5000/postgres", "17"));
        assert_eq!(split("postgres@sha256:abc"), ("postgres@sha256", "abc"));
    }
}
