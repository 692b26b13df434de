//! The workload: which definitions are started, how often each, and what their handlers do.

use std::collections::HashSet;
use std::time::Duration;

use crossover_proto::definition::Definition;
use crossover_proto::schema::DurationText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LoadError;
use crate::text;

/// Largest payload (bytes); past it even one instance exceeds what a gRPC message is allowed to carry by default,
/// four times over, so that "too large" can still be tested.
const PAYLOAD_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// The definitions that the load starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Share of the instances whose records go to one partition (the hot one), whatever their job types; the others spread
    /// over the rest. Absent, all spread.
    #[serde(default)]
    pub hot_partition_share: Option<f64>,
    /// What an arrival starts: at least one, at most 1,000.
    pub definitions: Vec<WorkloadDefinition>,
}

/// A definition, its share of the arrivals, and what its handlers do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkloadDefinition {
    /// Its share of the arrivals is its weight ÷ the sum of weights.
    #[serde(default = "one")]
    pub weight: f64,
    /// Size of an instance's payload, handed to each of its jobs.
    #[serde(default = "sixty_four")]
    pub payload_bytes: u32,
    /// What a handler of its jobs does.
    #[serde(default)]
    pub handler: HandlerSpec,
    /// The workflow.
    pub definition: Definition,
}

/// What a handler does: it takes a time, may then call the downstream service, and succeeds or fails.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HandlerSpec {
    /// Distribution of the service time.
    pub service: Service,
    /// Its mean; for `constant`, the time itself; not with `none`.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "DurationText")]
    pub mean: Duration,
    /// Only `lognormal`: standard deviation of the logarithm.
    pub sigma: f64,
    /// Share of attempts that fail in a way that may pass.
    pub transient_failure_rate: f64,
    /// Share of attempts that fail for good; with those that may pass at most 1.
    pub permanent_failure_rate: f64,
    /// The policy under which it calls the downstream service, if it does; a call that fails is a failure that may pass.
    pub downstream: Option<String>,
}

/// Distribution of a service time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// No time at all.
    #[default]
    None,
    /// Always the mean.
    Constant,
    /// Exponential.
    Exponential,
    /// Lognormal, by mean and `sigma`.
    Lognormal,
}

fn one() -> f64 {
    1.0
}

fn sixty_four() -> u32 {
    64
}

impl Workload {
    /// Checks what the type system can't.
    ///
    /// # Errors
    /// The first thing that is wrong with it, with its place, as in `workload.definitions[0].weight`.
    pub fn validate(&self) -> Result<(), LoadError> {
        if self.definitions.is_empty() {
            return Err(LoadError::new(
                "workload.definitions",
                "found none; a workload needs at least one definition",
            ));
        }
        if let Some(share) = self.hot_partition_share
            && !(share > 0.0 && share <= 1.0)
        {
            let problem = format!("found {share}; allowed is more than 0 and at most 1");
            return Err(LoadError::new("workload.hot_partition_share", problem));
        }
        if self.definitions.len() > 1_000 {
            let problem = format!("found {}; allowed are at most 1000", self.definitions.len());
            return Err(LoadError::new("workload.definitions", problem));
        }
        let mut names = HashSet::new();
        for (index, entry) in self.definitions.iter().enumerate() {
            let place = format!("workload.definitions[{index}]");
            entry.validate(&place)?;
            let name = &entry.definition.name;
            if !names.insert(name) {
                let problem = format!("the name {name:?} is used by an earlier definition; names must differ");
                return Err(LoadError::new(format!("{place}.definition.name"), problem));
            }
        }
        Ok(())
    }

    /// Place of the definition of this name.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.definitions.iter().position(|entry| entry.definition.name == name)
    }
}

impl WorkloadDefinition {
    fn validate(&self, place: &str) -> Result<(), LoadError> {
        if !(self.weight > 0.0 && self.weight <= 1e6) {
            let problem = format!("found {}; allowed is more than 0 and at most 1000000", self.weight);
            return Err(LoadError::new(format!("{place}.weight"), problem));
        }
        if self.payload_bytes > PAYLOAD_BYTES_MAX {
            let problem = format!("found {}; allowed is at most {PAYLOAD_BYTES_MAX}", self.payload_bytes);
            return Err(LoadError::new(format!("{place}.payload_bytes"), problem));
        }
        self.handler.validate(&format!("{place}.handler"))?;
        self.definition
            .validate()
            .map_err(|error| LoadError::new(format!("{place}.definition.{}", error.place), error.problem))
    }
}

impl HandlerSpec {
    fn validate(&self, place: &str) -> Result<(), LoadError> {
        let none = self.service == Service::None;
        if none && !self.mean.is_zero() {
            let problem = format!(
                "found {}; service = \"none\" takes no time: leave it out",
                text::duration(self.mean)
            );
            return Err(LoadError::new(format!("{place}.mean"), problem));
        }
        if !none && (self.mean.is_zero() || self.mean > Duration::from_hours(1)) {
            let problem = format!(
                "found {}; allowed is more than 0s and at most 1h",
                text::duration(self.mean)
            );
            return Err(LoadError::new(format!("{place}.mean"), problem));
        }
        let lognormal = self.service == Service::Lognormal;
        if lognormal && !(self.sigma > 0.0 && self.sigma <= 5.0) {
            let problem = format!("found {}; allowed is more than 0 and at most 5", self.sigma);
            return Err(LoadError::new(format!("{place}.sigma"), problem));
        }
        if !lognormal && self.sigma != 0.0 {
            return Err(LoadError::new(
                format!("{place}.sigma"),
                "belongs to service = \"lognormal\" only",
            ));
        }
        self.validate_failure_rates(place)
    }

    fn validate_failure_rates(&self, place: &str) -> Result<(), LoadError> {
        let rates = [
            ("transient_failure_rate", self.transient_failure_rate),
            ("permanent_failure_rate", self.permanent_failure_rate),
        ];
        for (key, rate) in rates {
            if !(0.0..=1.0).contains(&rate) {
                return Err(LoadError::new(
                    format!("{place}.{key}"),
                    format!("found {rate}; allowed is 0 to 1"),
                ));
            }
        }
        let sum = self.transient_failure_rate + self.permanent_failure_rate;
        if sum > 1.0 {
            let problem = format!("found {sum} together with transient_failure_rate; allowed is at most 1");
            return Err(LoadError::new(format!("{place}.permanent_failure_rate"), problem));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: &str = "[[definitions.definition.steps]]\nname = 'a'\njobs = [{ job_type = 'mail' }]\n";

    fn document(keys: &str, handler: &str) -> String {
        format!(
            "[[definitions]]\n{keys}\n[definitions.handler]\n{handler}\n[definitions.definition]\nname = 'order'\n{STEPS}"
        )
    }

    fn refused(keys: &str, handler: &str) -> String {
        match toml::from_str::<Workload>(&document(keys, handler)) {
            Ok(workload) => workload.validate().unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_short_workload_gets_the_defaults() {
        let workload: Workload = toml::from_str(&document("", "")).unwrap();
        workload.validate().unwrap();
        let entry = &workload.definitions[0];
        assert_eq!((entry.weight, entry.payload_bytes), (1.0, 64));
        assert_eq!(entry.handler, HandlerSpec::default());
        assert_eq!(workload.position("order"), Some(0));
        assert_eq!(workload.position("other"), None);
    }

    #[test]
    fn each_fault_is_named_with_its_place() {
        let cases = [
            ("weight = 0", "", "workload.definitions[0].weight: found 0; allowed"),
            (
                "payload_bytes = 99999999",
                "",
                "workload.definitions[0].payload_bytes: found 99999999; allowed",
            ),
            (
                "",
                "transient_failure_rate = 1.5",
                "workload.definitions[0].handler.transient_failure_rate: found 1.5; allowed is 0 to 1",
            ),
            (
                "",
                "transient_failure_rate = 0.6\npermanent_failure_rate = 0.6",
                "handler.permanent_failure_rate: found 1.2 together",
            ),
            (
                "",
                "service = 'exponential'",
                "handler.mean: found 0s; allowed is more than 0s",
            ),
            (
                "",
                "mean = '5ms'",
                "handler.mean: found 5ms; service = \"none\" takes no time",
            ),
            (
                "",
                "service = 'lognormal'\nmean = '5ms'",
                "handler.sigma: found 0; allowed is more than 0",
            ),
            (
                "",
                "service = 'constant'\nmean = '5ms'\nsigma = 1.0",
                "handler.sigma: belongs to service = \"lognormal\" only",
            ),
            ("", "service = 'uniform'", "unknown variant `uniform`"),
            ("", "speed = 1", "unknown field `speed`"),
        ];
        for (keys, handler, expected) in cases {
            let message = refused(keys, handler);
            assert!(
                message.contains(expected),
                "{keys} {handler}\n  gave {message}\n  not  {expected}"
            );
        }
    }

    #[test]
    fn a_share_is_more_than_nothing_and_no_more_than_all() {
        let mut workload: Workload = toml::from_str(&document("", "")).unwrap();
        for share in [0.0, 1.5, f64::NAN] {
            workload.hot_partition_share = Some(share);
            let message = workload.validate().unwrap_err().to_string();
            assert!(message.starts_with("workload.hot_partition_share: found"), "{message}");
        }
        workload.hot_partition_share = Some(1.0);
        workload.validate().unwrap();
    }

    #[test]
    fn a_fault_inside_a_definition_keeps_its_place() {
        let mut workload: Workload = toml::from_str(&document("", "")).unwrap();
        workload.definitions[0].definition.steps[0].jobs[0].count = 0;
        let message = workload.validate().unwrap_err().to_string();
        assert!(
            message.starts_with("workload.definitions[0].definition.steps[0].jobs[0].count: found 0"),
            "{message}"
        );
        workload.definitions[0].definition.steps[0].jobs[0].count = 1;
        workload.definitions.push(workload.definitions[0].clone());
        let message = workload.validate().unwrap_err().to_string();
        assert!(
            message.starts_with("workload.definitions[1].definition.name: the name \"order\" is used"),
            "{message}"
        );
    }
}
