//! Which part is needed for what, and so which modes are ready on this machine: pure.

use std::fmt;

use serde::Serialize;

use super::{Finding, Part, State};

/// Something that a user wants to do here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// Runs in polling mode.
    Polling,
    /// Runs in event-driven mode.
    EventDriven,
    /// Runs with a proxy on every link (`topology.proxied`), in either mode.
    Proxied,
    /// Servers in containers.
    Containers,
}

impl Use {
    const ALL: [Self; 4] = [Self::Polling, Self::EventDriven, Self::Proxied, Self::Containers];

    fn needs(self) -> &'static [Part] {
        const POLLING: [Part; 4] = [Part::Postgres, Part::PostgresUser, Part::DataDisk, Part::CCompiler];
        const EVENT_DRIVEN: [Part; 6] = [POLLING[0], POLLING[1], POLLING[2], POLLING[3], Part::Java, Part::Kafka];
        match self {
            Self::Polling => &POLLING,
            Self::EventDriven => &EVENT_DRIVEN,
            Self::Proxied => &[Part::Toxiproxy],
            Self::Containers => &[Part::Docker, Part::Images],
        }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Polling => "polling",
            Self::EventDriven => "event-driven",
            Self::Proxied => "faults on links",
            Self::Containers => "containers",
        })
    }
}

impl Part {
    /// What it is needed for, for people; nothing for what every run has.
    #[must_use]
    pub fn purpose(self) -> Option<&'static str> {
        match self {
            Self::Postgres => Some("for every mode"),
            Self::CCompiler => Some("to build"),
            Self::Docker | Self::Images => Some("for servers in containers"),
            Self::Java | Self::Kafka => Some("for event-driven mode"),
            Self::Maven => Some("fetches Apache Kafka, for event-driven mode"),
            Self::Toxiproxy => Some("for faults on links"),
            Self::Go => Some("builds Toxiproxy, for faults on links"),
            Self::Cpus | Self::Memory | Self::PostgresUser | Self::DataDisk | Self::DurableWrite => None,
        }
    }
}

/// Whether one use is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Of what.
    pub of: Use,
    /// Parts that are not there and can't be fetched.
    pub missing: Vec<Part>,
    /// Parts that will be fetched by the first run.
    pub fetched_first: Vec<Part>,
}

impl Readiness {
    /// Whether a run can start, if only after fetching something.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.missing.is_empty()
    }
}

/// What this machine is ready for, by what was found.
#[must_use]
pub fn readiness(findings: &[Finding]) -> Vec<Readiness> {
    let in_state = |of: Use, state: State| {
        let needed = findings.iter().filter(|finding| of.needs().contains(&finding.part));
        needed
            .filter(|finding| finding.state == state)
            .map(|finding| finding.part)
            .collect()
    };
    let of_one = |of| Readiness {
        of,
        missing: in_state(of, State::Missing),
        fetched_first: in_state(of, State::WillFetch),
    };
    Use::ALL.into_iter().map(of_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(states: &[(Part, State)]) -> Vec<Finding> {
        let finding = |&(part, state): &(Part, State)| Finding {
            part,
            state,
            found: String::new(),
            remedy: None,
        };
        states.iter().map(finding).collect()
    }

    #[test]
    fn a_machine_without_java_and_go_is_ready_for_polling() {
        let ready = readiness(&found(&[
            (Part::Postgres, State::Ready),
            (Part::Docker, State::Missing),
            (Part::Java, State::Missing),
            (Part::Kafka, State::Missing),
            (Part::Toxiproxy, State::Missing),
        ]));
        assert_eq!(
            ready.iter().map(Readiness::is_ready).collect::<Vec<_>>(),
            [true, false, false, false]
        );
        assert_eq!(ready[1].missing, [Part::Java, Part::Kafka]);
    }

    #[test]
    fn what_will_be_fetched_is_ready_and_what_has_no_postgres_is_not() {
        let ready = readiness(&found(&[
            (Part::Postgres, State::WillFetch),
            (Part::Kafka, State::WillFetch),
        ]));
        assert!(ready[1].is_ready());
        assert_eq!(ready[1].fetched_first, [Part::Postgres, Part::Kafka]);
        let ready = readiness(&found(&[(Part::Postgres, State::Missing)]));
        assert!(!ready[0].is_ready() && !ready[1].is_ready());
    }
}
