//! The programs of a broker: of this machine, or of an image; and so which broker it is.
//!
//! Must not start a broker.

use std::path::PathBuf;

use super::java::{OLDEST_JAVA, find_java, parse_major};
use super::kind::{BrokerFeature, BrokerKind};
use super::libs::{KAFKA_VERSION, fetch_libs};
use super::options::KafkaOptions;
use super::{properties, redpanda};
use crate::containers::images::{Image, Part};
use crate::containers::{Containers, value_of};
use crate::error::{Result, TestbedError};
use crate::supervisor::Supervisor;

/// The programs of all brokers of a run.
#[derive(Debug, Clone)]
pub(super) enum Programs {
    /// Kafka's.
    Kafka(KafkaPrograms),
    /// One program, in an image.
    Redpanda { program: PathBuf, image: String },
}

/// A Java and Kafka's jars.
#[derive(Debug, Clone)]
pub(super) struct KafkaPrograms {
    pub java: PathBuf,
    pub libs: PathBuf,
    pub heap_mb: u32,
    /// The image that both are in, if any.
    pub image: Option<String>,
}

/// What was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub kind: BrokerKind,
    pub version: String,
    pub programs: Programs,
}

/// In both makers' image and our stand-in.
const LIBS_IN_IMAGE: &str = "/opt/kafka/libs";

const LOOK_FOR_KAFKA: &str = r#"
for j in /opt/kafka/libs/kafka_2.*.jar; do echo "jar=$j"; done
echo "java=$(java -version 2>&1 | head -n 1)"
"#;

/// Where its makers install it, else on the image's PATH.
const LOOK_FOR_REDPANDA: &str = r#"
p=/opt/redpanda/bin/redpanda
[ -x "$p" ] || p=$(command -v redpanda)
echo "program=$p"
echo "version=$("$p" --version 2>/dev/null | head -n 1)"
"#;

/// Decides which broker it is, refuses settings that are not its, and finds its programs.
pub(super) async fn find(supervisor: &Supervisor, options: &KafkaOptions) -> Result<Found> {
    let kind = decide(supervisor.containers(), options).await?;
    match kind {
        BrokerKind::Kafka => properties::validate(&options.settings)?,
        BrokerKind::Redpanda => {
            if options.flush_every_messages.is_some() {
                kind.require(BrokerFeature::FlushEveryMessages)?;
            }
            if options.authorizer {
                kind.require(BrokerFeature::Authorizer)?;
            }
            redpanda::validate(&options.settings)?;
        }
    }
    let Some(containers) = supervisor.containers() else {
        return Ok(Found {
            kind,
            version: KAFKA_VERSION.to_owned(),
            programs: Programs::Kafka(KafkaPrograms {
                java: find_java()?.program,
                libs: fetch_libs(supervisor, &options.run_id).await?,
                heap_mb: options.heap_mb,
                image: None,
            }),
        });
    };
    let image = containers.image(kind.part()).await?;
    let script = match kind {
        BrokerKind::Kafka => LOOK_FOR_KAFKA,
        BrokerKind::Redpanda => LOOK_FOR_REDPANDA,
    };
    let said = Containers::ask(supervisor, &format!("{}-image", options.name), &image, script).await?;
    match kind {
        BrokerKind::Kafka => kafka_in(&image, &said, options.heap_mb),
        BrokerKind::Redpanda => redpanda_in(&image, &said),
    }
}

/// Redpanda is the containers' usual broker; nothing but a container has it.
async fn decide(containers: Option<&Containers>, options: &KafkaOptions) -> Result<BrokerKind> {
    match (containers, options.kind) {
        (None, Some(BrokerKind::Redpanda)) => Err(TestbedError::BadInput(
            "Redpanda runs in a container only; use --testbed containers, or --broker kafka".to_owned(),
        )),
        (None, _) | (_, Some(BrokerKind::Kafka)) => Ok(BrokerKind::Kafka),
        (Some(_), Some(BrokerKind::Redpanda)) => Ok(BrokerKind::Redpanda),
        (Some(containers), None) => {
            if let Some(why) = options.needs_kafka() {
                containers.note(&format!("the broker is Kafka, because {why}"));
                return Ok(BrokerKind::Kafka);
            }
            let has = containers.has_redpanda().await?;
            Ok(if has { BrokerKind::Redpanda } else { BrokerKind::Kafka })
        }
    }
}

fn kafka_in(image: &Image, said: &str, heap_mb: u32) -> Result<Found> {
    let jar = value_of(said, "jar").and_then(|jar| jar.rsplit('/').next());
    let version = jar.and_then(|jar| jar.split_once('-')?.1.strip_suffix(".jar"));
    let java = value_of(said, "java").unwrap_or_default();
    let has_java = parse_major(java).is_some_and(|major| major >= OLDEST_JAVA);
    let version = version.filter(|version| has_java && version.starts_with(char::is_numeric));
    let version = version.ok_or_else(|| {
        TestbedError::BadInput(format!(
            "image {} has no Kafka in {LIBS_IN_IMAGE} with Java {OLDEST_JAVA} or later on its PATH (java: {java:?}); name another \
             with {}",
            image.name,
            Part::Kafka.variable()
        ))
    })?;
    Ok(Found {
        kind: BrokerKind::Kafka,
        version: version.to_owned(),
        programs: Programs::Kafka(KafkaPrograms {
            java: PathBuf::from("java"),
            libs: PathBuf::from(LIBS_IN_IMAGE),
            heap_mb,
            image: Some(image.name.clone()),
        }),
    })
}

fn redpanda_in(image: &Image, said: &str) -> Result<Found> {
    let found = value_of(said, "program").zip(value_of(said, "version"));
    // Such as `v25.1.1 - 6a4b…`.
    let found = found.and_then(|(program, version)| Some((program, version.split_whitespace().next()?)));
    let (program, version) = found.ok_or_else(|| {
        TestbedError::BadInput(format!(
            "image {} has no Redpanda that says its version; name another with {}",
            image.name,
            Part::Redpanda.variable()
        ))
    })?;
    Ok(Found {
        kind: BrokerKind::Redpanda,
        version: version.trim_start_matches('v').to_owned(),
        programs: Programs::Redpanda {
            program: PathBuf::from(program),
            image: image.name.clone(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        Image {
            name: "mine:1".to_owned(),
            pulled_in: None,
        }
    }

    #[test]
    fn versions_are_those_in_the_image() {
        let said = "jar=/opt/kafka/libs/kafka_2.13-4.1.0.jar\njava=openjdk version \"21.0.5\" 2024-10-15\n";
        assert_eq!(kafka_in(&image(), said, 512).unwrap().version, "4.1.0");
        let said = "program=/opt/redpanda/bin/redpanda\nversion=v25.1.1 - 5abf6a1d3b4\n";
        assert_eq!(redpanda_in(&image(), said).unwrap().version, "25.1.1");
    }

    #[test]
    fn an_image_without_a_broker_is_refused_by_name() {
        for said in [
            "jar=/opt/kafka/libs/kafka_2.*.jar\njava=openjdk version \"21.0.5\" 2024-10-15\n",
            "jar=/opt/kafka/libs/kafka_2.13-4.1.0.jar\njava=openjdk version \"11.0.5\" 2020-10-15\n",
            "jar=/opt/kafka/libs/kafka_2.13-4.1.0.jar\njava=/bin/sh: 1: java: not found\n",
        ] {
            let error = kafka_in(&image(), said, 512).unwrap_err().to_string();
            assert!(
                error.contains("mine:1") && error.contains("CROSSOVER_IMAGE_KAFKA"),
                "{error}"
            );
        }
        let error = redpanda_in(&image(), "program=\nversion=\n").unwrap_err().to_string();
        assert!(error.contains("CROSSOVER_IMAGE_REDPANDA"), "{error}");
    }
}
