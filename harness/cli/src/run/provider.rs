//! Whether the servers of a run are processes or containers, by what was asked for and what this machine has.
//!
//! Must not start a server.

use crossover_external::TestbedKind;
use crossover_testbed::containers::images::{Images, Part};
use crossover_testbed::kafka::{BrokerFeature, BrokerKind};
use crossover_testbed::{Containers, ContainersOptions, Supervisor};

use super::Options;
use super::progress::Progress;
use crate::args::{ContainerArgs, Mode};
use crate::scenario::{Document, ProtocolKind};

/// A handle of the supervisor that runs servers where they belong.
///
/// # Errors
/// If containers were asked for, and there is no engine that will do; or a broker was, that lacks what the scenario needs.
pub async fn provide(
    supervisor: &Supervisor,
    id: &str,
    document: &Document,
    options: &Options,
    progress: &Progress,
) -> anyhow::Result<Supervisor> {
    let containers = match options.external.testbed {
        TestbedKind::Local | TestbedKind::External => None,
        TestbedKind::Containers => {
            progress.stage("looking for the container engine");
            Some(Containers::connect(wanted(id, options, progress, true)).await?)
        }
        TestbedKind::Auto => at_hand(id, document, options, progress).await?,
    };
    match containers {
        Some(containers) => Ok(supervisor.clone().with_containers(containers).await?),
        None => Ok(supervisor.clone()),
    }
}

/// The engine, if one answers and has all that the run needs: nobody asked for a pull.
async fn at_hand(
    id: &str,
    document: &Document,
    options: &Options,
    progress: &Progress,
) -> anyhow::Result<Option<Containers>> {
    let containers = match Containers::connect(wanted(id, options, progress, false)).await {
        Ok(containers) => containers,
        Err(error) => {
            tracing::debug!(%error, "no containers");
            return Ok(None);
        }
    };
    let mut parts = vec![Part::Postgres];
    if document.topology.proxied {
        parts.push(Part::Toxiproxy);
    }
    if options.mode == Mode::EventDriven {
        let missing_redpanda = !containers.to_be_pulled(&[Part::Redpanda]).await?.is_empty();
        parts.push(match broker_kind(document, &options.containers)? {
            Some(BrokerKind::Redpanda) => Part::Redpanda,
            Some(BrokerKind::Kafka) => Part::Kafka,
            None if missing_redpanda => Part::Kafka,
            None => Part::Redpanda,
        });
    }
    let missing = containers.to_be_pulled(&parts).await?;
    if missing.is_empty() {
        return Ok(Some(containers));
    }
    tracing::debug!(?missing, "no containers: images would have to be pulled");
    Ok(None)
}

fn wanted(id: &str, options: &Options, progress: &Progress, may_pull: bool) -> ContainersOptions {
    let (flags, progress) = (&options.containers, progress.clone());
    ContainersOptions {
        images: Images {
            postgres: flags.postgres_image.clone(),
            redpanda: flags.redpanda_image.clone(),
            kafka: flags.kafka_image.clone(),
            toxiproxy: flags.toxiproxy_image.clone(),
        },
        may_pull,
        note: Box::new(move |text| progress.note(text)),
        ..ContainersOptions::new(id)
    }
}

/// The broker that was asked for, or that the scenario needs; none if either will do.
///
/// # Errors
/// Bad input, if the one that was asked for lacks what the scenario needs.
pub fn broker_kind(document: &Document, flags: &ContainerArgs) -> anyhow::Result<Option<BrokerKind>> {
    let asked = flags.broker.map(BrokerKind::from);
    if document.event_driven.group_protocol == ProtocolKind::Consumer {
        let kind = asked.unwrap_or(BrokerKind::Kafka);
        kind.require(BrokerFeature::ConsumerProtocol)?;
        return Ok(Some(kind));
    }
    Ok(asked)
}

/// As `result.json` names it.
pub fn name(supervisor: &Supervisor) -> &'static str {
    match supervisor.containers() {
        Some(_) => "containers",
        None => "local",
    }
}

/// What the time until a server's programs were at hand is called.
///
/// # Errors
/// If the image is not there any more.
pub async fn how_found(supervisor: &Supervisor, part: Part) -> anyhow::Result<String> {
    Ok(match supervisor.containers() {
        None => format!("{part} found"),
        Some(containers) if containers.image(part).await?.pulled_in.is_some() => format!("{part} image pulled"),
        Some(_) => format!("{part} image found"),
    })
}
