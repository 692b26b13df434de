//! Whether a Docker engine can be used here, and which images it has for a testbed of containers. Starts no container, and
//! pulls nothing.

use super::{Finding, Part, State, missing};
use crate::containers::images::{Images, Part as ImageOf};
use crate::containers::require_usable;
use crate::docker::{Engine, Host, Trouble};
use crate::images::{InEngine, in_engine};

/// The engine, and then the images, if there is one to ask.
pub(super) fn examine() -> Vec<Finding> {
    findings(Engine::reach(), &Host::this())
}

fn findings(reached: Result<Engine, Trouble>, host: &Host) -> Vec<Finding> {
    match reached {
        Ok(engine) => vec![there(&engine, host), images(&engine)],
        Err(trouble) => vec![Finding {
            part: Part::Docker,
            state: State::Missing,
            found: trouble.found,
            remedy: Some(trouble.remedy),
        }],
    }
}

fn there(engine: &Engine, host: &Host) -> Finding {
    // As a run does it. `./just images` works with more engines than that.
    let usable = engine.info().and_then(|info| require_usable(engine.address(), &info));
    let found = format!("{} at {}", engine.version(), engine.address());
    if let Err(error) = usable {
        let refused = missing(Part::Docker, &error);
        return Finding {
            found: format!("{found}: {}", refused.found),
            ..refused
        };
    }
    let no_client = host.find("docker").is_none();
    Finding {
        part: Part::Docker,
        state: State::Ready,
        found,
        remedy: no_client.then(|| "apt-get install docker-cli: ./just images needs the program docker".to_owned()),
    }
}

fn images(engine: &Engine) -> Finding {
    match engine.images() {
        Ok(here) => {
            let named = Images::from_env();
            told(&in_engine(&here, |part| named.named(part).map(str::to_owned)))
        }
        Err(error) => missing(Part::Images, &error),
    }
}

/// One broker is enough: with Redpanda, Kafka's image is no need, and the other way round.
fn told(choices: &[InEngine]) -> Finding {
    let has = |part: ImageOf| {
        let choice = choices.iter().find(|choice| choice.part == part);
        choice.is_some_and(|choice| choice.found.is_some())
    };
    let complete = has(ImageOf::Postgres) && has(ImageOf::Toxiproxy) && (has(ImageOf::Kafka) || has(ImageOf::Redpanda));
    let one = |choice: &InEngine| match &choice.found {
        Some(image) => format!("{}: {image}", choice.part),
        None => format!("{}: none", choice.part),
    };
    let pulls: Vec<String> = choices
        .iter()
        .filter(|choice| choice.found.is_none())
        .map(|choice| format!("docker pull {}", choice.wanted))
        .collect();
    Finding {
        part: Part::Images,
        state: if complete { State::Ready } else { State::Missing },
        found: choices.iter().map(one).collect::<Vec<_>>().join(", "),
        remedy: (!complete).then(|| format!("./just images builds stand-ins here; or {}", pulls.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::docker::tests::{VERSION, answering, engine, place};
    use crate::images::StandIn;

    fn host() -> Host {
        Host {
            programs: Vec::new(),
            has_systemd: false,
        }
    }

    fn told_of(images: &[String]) -> Finding {
        told(&in_engine(images, |_| None))
    }

    #[test]
    fn without_an_engine_its_images_are_not_asked_for() {
        let findings = findings(Engine::reach_at("unix:///nonexistent/docker.sock", &host()), &host());
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].part, findings[0].state), (Part::Docker, State::Missing));
        let remedy = findings[0].remedy.as_deref().unwrap();
        assert!(remedy.starts_with("apt-get install docker.io"), "{remedy}");
    }

    const LINUX: &str = "HTTP/1.0 200 OK\r\n\r\n{\"OSType\":\"linux\",\"SecurityOptions\":[\"name=seccomp\"]}";
    const ROOTLESS: &str = "HTTP/1.0 200 OK\r\n\r\n{\"OSType\":\"linux\",\"SecurityOptions\":[\"name=rootless\"]}";

    #[test]
    fn an_engine_that_a_run_would_refuse_is_refused_in_the_same_words() {
        for (info, refusal) in [(LINUX, None), (ROOTLESS, Some("rootless")), (VERSION, None)] {
            let (_directory, address) = place();
            let asked = engine(&address, Box::leak(Box::new([VERSION, info])));
            let finding = there(&Engine::reach_at(&address, &host()).unwrap(), &host());
            assert_eq!(asked.join().unwrap()[1], "GET /info HTTP/1.0");
            let Some(refusal) = refusal else {
                assert_eq!(finding.state, State::Ready, "{finding:?}");
                continue;
            };
            assert_eq!(finding.state, State::Missing, "{finding:?}");
            assert!(finding.found.contains(refusal), "{finding:?}");
            assert!(finding.remedy.unwrap().contains("--testbed local"));
        }
    }

    #[test]
    fn an_engine_behind_tcp_can_build_images_and_is_refused_for_runs() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let asked = answering(move || listener.accept().unwrap().0, &[VERSION, LINUX]);
        let finding = there(&Engine::reach_at(&address, &host()).unwrap(), &host());
        asked.join().unwrap();
        assert_eq!(finding.state, State::Missing);
        assert!(finding.found.contains("must share this machine"), "{finding:?}");
        assert!(finding.remedy.unwrap().contains("unset DOCKER_HOST"));
    }

    #[test]
    fn an_engine_without_images_is_told_how_to_get_them() {
        let finding = told_of(&["debian:12".to_owned()]);
        assert_eq!(finding.state, State::Missing);
        assert!(finding.found.contains("PostgreSQL: none"), "{finding:?}");
        let remedy = finding.remedy.unwrap();
        assert!(
            remedy.starts_with("./just images") && remedy.contains("docker pull postgres:"),
            "{remedy}"
        );
    }

    #[test]
    fn stand_ins_are_enough_without_redpanda() {
        let finding = told_of(&StandIn::ALL.map(StandIn::reference));
        assert_eq!((finding.state, &finding.remedy), (State::Ready, &None));
        assert!(finding.found.contains("Redpanda: none"), "{finding:?}");
    }

    #[test]
    fn an_official_image_is_named_before_a_stand_in() {
        let mut images = StandIn::ALL.map(StandIn::reference).to_vec();
        images.push("postgres:17".to_owned());
        let finding = told_of(&images);
        assert!(finding.found.contains("PostgreSQL: postgres:17"), "{finding:?}");
    }
}
