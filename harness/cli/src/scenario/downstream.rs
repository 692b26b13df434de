//! `[downstream]`: the service that handlers call, and the policies by which workers call it.

use std::collections::BTreeMap;
use std::time::Duration;

use crossover_evidence::load::LoadError;
use crossover_proto::schema::DurationText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::validate::{lasting, refuse, within};
use super::{Action, Document};

/// The service: how much it can do, and who calls it how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Downstream {
    /// Calls that it serves at once; more are refused. Less than 200 × `topology.workers`.
    pub capacity: u32,
    /// How long it serves one.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "DurationText")]
    pub service_time: Duration,
    /// How long a handler waits for its answer.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "DurationText")]
    pub timeout: Duration,
    /// Policies by the names that handlers call them: at least one, each of 1 to 60 of `a-z A-Z 0-9 _ -`.
    pub policies: BTreeMap<String, Policy>,
}

impl Default for Downstream {
    fn default() -> Self {
        Self {
            capacity: 32,
            service_time: Duration::from_millis(5),
            timeout: Duration::from_secs(1),
            policies: BTreeMap::new(),
        }
    }
}

/// How a worker calls; without a limit, as often as it has a job for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Most calls of each worker: a token bucket; without it, a worker calls at once.
    pub calls_per_s: Option<f64>,
    /// How many of them may come at once after a pause; 1 if absent, and only beside `calls_per_s`.
    pub burst: Option<u32>,
}

impl Downstream {
    /// The limits as a worker's flags have them.
    pub fn limits(&self) -> impl Iterator<Item = String> {
        self.policies.iter().filter_map(|(name, policy)| {
            let calls_per_s = policy.calls_per_s?;
            Some(format!("{name}={calls_per_s}/{}", policy.burst.unwrap_or(1)))
        })
    }

    fn validate(&self) -> Result<(), LoadError> {
        let (millisecond, minute) = (Duration::from_millis(1), Duration::from_secs(60));
        within("downstream.capacity", self.capacity, 1..=100_000)?;
        lasting("downstream.service_time", self.service_time, Duration::ZERO, minute)?;
        lasting("downstream.timeout", self.timeout, millisecond, minute)?;
        if self.policies.is_empty() {
            let example = "give at least one, as in [downstream.policies.naive]";
            return refuse("downstream.policies".to_owned(), format!("found none; {example}"));
        }
        self.policies
            .iter()
            .try_for_each(|(name, policy)| policy.validate(name))
    }
}

impl Policy {
    fn validate(&self, name: &str) -> Result<(), LoadError> {
        let place = format!("downstream.policies.{name}");
        let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        if !(1..=60).contains(&name.len()) || !name.chars().all(fits) {
            let problem = format!("found the name {name:?}; allowed are 1 to 60 of a-z A-Z 0-9 _ -");
            return refuse(place, problem);
        }
        match (self.calls_per_s, self.burst) {
            (Some(rate), _) if !(0.001..=1e6).contains(&rate) => refuse(
                format!("{place}.calls_per_s"),
                format!("found {rate}; allowed is 0.001 to 1000000"),
            ),
            (None, Some(_)) => refuse(
                format!("{place}.burst"),
                "belongs to a limit; give calls_per_s too, or take it out",
            ),
            (_, burst) => within(&format!("{place}.burst"), burst.unwrap_or(1), 1..=100_000),
        }
    }
}

impl Document {
    /// The service, who calls it, and what makes it sick.
    pub(super) fn validate_downstream(&self) -> Result<(), LoadError> {
        if let Some(downstream) = &self.downstream {
            downstream.validate()?;
            let at_once = CALLS_OF_A_WORKER * self.topology.workers;
            if downstream.capacity >= at_once {
                let problem = format!(
                    "found {}; allowed is less than {at_once}: the connection of a worker carries {CALLS_OF_A_WORKER} calls at once, \
                     so it would never be full; add workers",
                    downstream.capacity
                );
                return refuse("downstream.capacity".to_owned(), problem);
            }
        }
        for (index, entry) in self.workload.definitions.iter().enumerate() {
            let Some(policy) = &entry.handler.downstream else {
                continue;
            };
            let place = format!("workload.definitions[{index}].handler.downstream");
            match &self.downstream {
                None => return refuse(place, format!("found {policy:?}; {NO_TABLE}")),
                Some(downstream) if !downstream.policies.contains_key(policy) => {
                    let known: Vec<&str> = downstream.policies.keys().map(String::as_str).collect();
                    let allowed = known.join(", ");
                    return refuse(place, format!("found the policy {policy:?}; allowed are {allowed}"));
                }
                Some(_) => {}
            }
        }
        for (index, fault) in self.faults.iter().enumerate() {
            let is_of_it = matches!(fault.action(&self.topology), Ok(Action::Downstream(_)));
            if is_of_it && self.downstream.is_none() {
                let problem = format!("found {:?}; {NO_TABLE}", fault.kind.to_string());
                return refuse(format!("faults[{index}].kind"), problem);
            }
        }
        Ok(())
    }
}

/// Most calls under way on one connection: the server's limit of HTTP/2 streams.
const CALLS_OF_A_WORKER: u32 = 200;

const NO_TABLE: &str = "the scenario has no service that handlers call; add a table [downstream]";
