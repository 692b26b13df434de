//! Names of the images that are built here, and which images an engine has. The official ones are
//! [`crate::containers::images::Part`]'s.

use std::fmt;
use std::str::FromStr;

use crate::containers::images::{Choice, Part, choose};

/// Of all stand-ins. To be raised with every change of a recipe here, or of a version that goes into one: an image that
/// has the tag is not built again.
pub const STAND_IN_TAG: &str = "1";

/// The label that all stand-ins carry, and their parts: what has it was made here.
pub const STAND_IN_LABEL: &str = "crossover.standin=1";

/// The Debian below the stand-ins.
pub(super) const BASE_NAME: &str = "crossover-standin-base";

/// A server whose image can be built here. Redpanda has none: no registry but its own has its programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandIn {
    /// Debian's PostgreSQL, on PATH.
    Postgres,
    /// Apache Kafka's jars in `/opt/kafka/libs`, and a Java on PATH.
    Kafka,
    /// `/toxiproxy`.
    Toxiproxy,
}

impl StandIn {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::Kafka, Self::Toxiproxy];

    /// As on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Kafka => "kafka",
            Self::Toxiproxy => "toxiproxy",
        }
    }

    /// Name and tag of the image, such as `crossover-standin-postgres:1`.
    #[must_use]
    pub fn reference(self) -> String {
        format!("crossover-standin-{}:{STAND_IN_TAG}", self.name())
    }
}

impl fmt::Display for StandIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for StandIn {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|stand_in| stand_in.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no stand-in for it; there are: {names}")
        })
    }
}

/// Name and tag of the Debian below the stand-ins.
pub(super) fn base_reference() -> String {
    format!("{BASE_NAME}:{STAND_IN_TAG}")
}

/// A server of a testbed of containers, and the image that an engine has for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InEngine {
    /// Which one.
    pub part: Part,
    /// The image that it is meant to run from: the official one, unless a variable names another.
    pub wanted: String,
    /// That image or the stand-in, if one is there: that image first.
    pub found: Option<String>,
}

/// What an engine with these images has for each server; `named` tells what the variables say.
pub(crate) fn in_engine(images: &[String], named: impl Fn(Part) -> Option<String>) -> [InEngine; 4] {
    [Part::Postgres, Part::Redpanda, Part::Kafka, Part::Toxiproxy].map(|part| {
        let named = named(part);
        let found = match choose(part, named.as_deref(), |name| images.iter().any(|image| image == name)) {
            Choice::Use(image) => Some(image),
            Choice::Pull(_) => None,
        };
        InEngine {
            part,
            found,
            wanted: named.unwrap_or_else(|| part.official()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::KAFKA_VERSION;
    use crate::toxiproxy::TOXIPROXY_VERSION;

    #[test]
    fn who_names_an_image_gets_no_stand_in() {
        let here = ["crossover-standin-kafka:1".to_owned()];
        let kafka = |named: Option<&str>| {
            let choices = in_engine(&here, |part| named.filter(|_| part == Part::Kafka).map(str::to_owned));
            choices.into_iter().find(|choice| choice.part == Part::Kafka).unwrap()
        };
        assert_eq!(kafka(None).found.as_deref(), Some("crossover-standin-kafka:1"));
        assert_eq!(kafka(Some("mine/kafka:4")).found, None);
        assert_eq!(kafka(Some("mine/kafka:4")).wanted, "mine/kafka:4");
    }

    #[test]
    fn a_new_version_in_a_stand_in_needs_a_new_tag() {
        // Whoever changes one of the three changes this line, and raises the tag.
        assert_eq!(
            (STAND_IN_TAG, KAFKA_VERSION, TOXIPROXY_VERSION),
            ("1", "4.3.0", "2.12.0")
        );
    }

    #[test]
    fn a_stand_in_is_named_on_the_command_line() {
        assert_eq!("kafka".parse(), Ok(StandIn::Kafka));
        let refused = "redpanda".parse::<StandIn>().unwrap_err();
        assert!(refused.ends_with("there are: postgres, kafka, toxiproxy"), "{refused}");
    }
}
