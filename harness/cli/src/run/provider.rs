//! Whether the servers of a run are processes or containers, by what was asked for and what this machine has.
//!
//! Must not start a server.

use crossover_external::TestbedKind;
use crossover_testbed::containers::images::{Images, Part};
use crossover_testbed::kafka::{BrokerFeature, BrokerKind};
use crossover_testbed::{Containers, ContainersOptions, Supervisor};

use super::Options;
use super::progress::Progress;
use crate::args::{BrokerArg, ContainerArgs};
use crate::scenario::{Document, ProtocolKind};

/// A handle of the supervisor that runs servers where they belong.
///
/// # Errors
/// If containers were asked for, and there is no engine that will do; or a broker was, that lacks what the scenario needs.
pub async fn provide(
    supervisor: &Supervisor,
    id: &str,
    options: &Options,
    progress: &Progress,
) -> anyhow::Result<Supervisor> {
    let containers = match options.external.testbed {
        TestbedKind::Local | TestbedKind::External => None,
        TestbedKind::Auto if !asks_for_containers(&options.containers) => None,
        TestbedKind::Containers | TestbedKind::Auto => {
            progress.stage("looking for the container engine");
            Some(Containers::connect(wanted(id, options, progress)).await?)
        }
    };
    match containers {
        Some(containers) => Ok(supervisor.clone().with_containers(containers).await?),
        None => Ok(supervisor.clone()),
    }
}

/// Without such a wish, what a benchmark runs on does not change because an image is pulled for something else.
fn asks_for_containers(flags: &ContainerArgs) -> bool {
    flags.named().into_iter().any(|(_, image)| image.is_some()) || flags.broker == Some(BrokerArg::Redpanda)
}

fn wanted(id: &str, options: &Options, progress: &Progress) -> ContainersOptions {
    let progress = progress.clone();
    let [postgres, redpanda, kafka, toxiproxy] = options.containers.named().map(|(_, image)| image.map(str::to_owned));
    ContainersOptions {
        images: Images {
            postgres,
            redpanda,
            kafka,
            toxiproxy,
        },
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
    let settings = &document.event_driven;
    let needs = [
        (
            settings.group_protocol == ProtocolKind::Consumer,
            BrokerFeature::ConsumerProtocol,
        ),
        (settings.authorizer, BrokerFeature::Authorizer),
    ];
    let mut needed = needs.into_iter().filter(|(is_needed, _)| *is_needed).peekable();
    if needed.peek().is_none() {
        return Ok(asked);
    }
    let kind = asked.unwrap_or(BrokerKind::Kafka);
    needed.try_for_each(|(_, feature)| kind.require(feature))?;
    Ok(Some(kind))
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
