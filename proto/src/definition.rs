//! Workflow definitions: an ordered list of steps; a step is one job or several in parallel, joined before the next.
//!
//! The same type is written in scenario files (TOML) and registered with the engine (JSON). [`Definition::validate`]
//! names the place of what it refuses, so that both can show it.

use std::collections::HashSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::DurationText;

/// Longest name of a definition, step or job type (bytes): a job type becomes part of a topic's name.
pub const NAME_BYTES_MAX: usize = 100;
/// Most jobs that one step may start.
pub const STEP_JOBS_MAX: u32 = 1_000;

/// A workflow: steps, run in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Unique among definitions.
    pub name: String,
    /// At least one.
    pub steps: Vec<Step>,
}

/// One step: its jobs run in parallel, and all must complete before the next step starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Unique within the definition.
    pub name: String,
    /// At least one.
    pub jobs: Vec<JobSpec>,
}

/// A job of a step, or several alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// What kind of worker takes it.
    pub job_type: String,
    /// How many of it run in parallel.
    #[serde(default = "one")]
    pub count: u32,
    /// It waits this long after its step starts (a scheduled job).
    #[serde(default, with = "humantime_serde")]
    #[schemars(with = "DurationText")]
    pub delay: Duration,
    /// What happens when it fails.
    #[serde(default)]
    pub retry: RetryPolicy,
}

/// Exponential backoff: `initial × multiplier^(attempt − 1)`, at most `max`, less a random share up to `jitter`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; a failure of the last one is a dead letter.
    pub max_attempts: u32,
    /// Wait before the second attempt.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "DurationText")]
    pub initial_backoff: Duration,
    /// Factor from one wait to the next.
    pub multiplier: f64,
    /// Longest wait.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "DurationText")]
    pub max_backoff: Duration,
    /// Share of the wait that is random.
    pub jitter: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            initial_backoff: Duration::from_millis(200),
            multiplier: 2.0,
            max_backoff: Duration::from_secs(30),
            jitter: 0.2,
        }
    }
}

fn one() -> u32 {
    1
}

/// What is wrong with a definition, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("definition: {place}: {problem}")]
pub struct DefinitionError {
    /// Path to the place, as in `steps[1].jobs[0].retry.jitter`.
    pub place: String,
    /// What was found and what is allowed.
    pub problem: String,
}

impl Definition {
    /// Reads and validates a JSON document.
    ///
    /// # Errors
    /// The first thing that is wrong with it, with its place.
    pub fn from_json(document: &str) -> Result<Self, DefinitionError> {
        let mut reader = serde_json::Deserializer::from_str(document);
        let definition: Self = serde_path_to_error::deserialize(&mut reader).map_err(|error| DefinitionError {
            place: error.path().to_string(),
            problem: error.inner().to_string(),
        })?;
        definition.validate()?;
        Ok(definition)
    }

    /// The canonical document: equal definitions have equal documents.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Jobs that one instance runs when nothing fails.
    #[must_use]
    pub fn job_count(&self) -> u64 {
        self.steps.iter().map(Step::width).map(u64::from).sum()
    }

    /// All job types it uses, each once, in order of appearance.
    #[must_use]
    pub fn job_types(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let jobs = self.steps.iter().flat_map(|step| &step.jobs);
        jobs.map(|job| job.job_type.as_str())
            .filter(|name| seen.insert(*name))
            .collect()
    }

    /// Checks what the type system can't.
    ///
    /// # Errors
    /// The first thing that is wrong with it, with its place.
    pub fn validate(&self) -> Result<(), DefinitionError> {
        check_name("name", &self.name)?;
        if self.steps.is_empty() {
            return fail("steps", "found none; a definition needs at least one step");
        }
        let mut names = HashSet::new();
        for (index, step) in self.steps.iter().enumerate() {
            let place = format!("steps[{index}]");
            check_name(&format!("{place}.name"), &step.name)?;
            if !names.insert(&step.name) {
                let problem = format!("the name {:?} is used by an earlier step; names must differ", step.name);
                return fail(&format!("{place}.name"), problem);
            }
            step.validate(&place)?;
        }
        Ok(())
    }
}

impl Step {
    /// How many jobs it starts.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.jobs.iter().map(|job| job.count).sum()
    }

    fn validate(&self, place: &str) -> Result<(), DefinitionError> {
        if self.jobs.is_empty() {
            return fail(&format!("{place}.jobs"), "found none; a step needs at least one job");
        }
        for (index, job) in self.jobs.iter().enumerate() {
            job.validate(&format!("{place}.jobs[{index}]"))?;
        }
        let width: u64 = self.jobs.iter().map(|job| u64::from(job.count)).sum();
        if width > u64::from(STEP_JOBS_MAX) {
            let problem = format!("found {width} jobs; a step may start at most {STEP_JOBS_MAX}");
            return fail(&format!("{place}.jobs"), problem);
        }
        Ok(())
    }
}

impl JobSpec {
    fn validate(&self, place: &str) -> Result<(), DefinitionError> {
        check_name(&format!("{place}.job_type"), &self.job_type)?;
        if self.count == 0 {
            return fail(&format!("{place}.count"), "found 0; allowed is 1 or more");
        }
        if self.delay > Duration::from_hours(24 * 366) {
            return fail(&format!("{place}.delay"), "longer than a year");
        }
        self.retry.validate(&format!("{place}.retry"))
    }
}

impl RetryPolicy {
    fn validate(&self, place: &str) -> Result<(), DefinitionError> {
        if !(1..=1_000).contains(&self.max_attempts) {
            let problem = format!("found {}; allowed is 1 to 1000", self.max_attempts);
            return fail(&format!("{place}.max_attempts"), problem);
        }
        if !(1.0..=100.0).contains(&self.multiplier) {
            let problem = format!("found {}; allowed is 1 to 100", self.multiplier);
            return fail(&format!("{place}.multiplier"), problem);
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return fail(
                &format!("{place}.jitter"),
                format!("found {}; allowed is 0 to 1", self.jitter),
            );
        }
        if self.max_backoff < self.initial_backoff {
            let problem = format!(
                "found {}, shorter than initial_backoff ({})",
                humantime::format_duration(self.max_backoff),
                humantime::format_duration(self.initial_backoff)
            );
            return fail(&format!("{place}.max_backoff"), problem);
        }
        Ok(())
    }
}

fn check_name(place: &str, name: &str) -> Result<(), DefinitionError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    let problem = format!("found {name:?}; allowed are 1 to {NAME_BYTES_MAX} of a-z, A-Z, 0-9, '_', '-' and '.'");
    fail(place, problem)
}

fn fail<T>(place: &str, problem: impl Into<String>) -> Result<T, DefinitionError> {
    Err(DefinitionError {
        place: place.to_owned(),
        problem: problem.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(document: &str) -> String {
        Definition::from_json(document).unwrap_err().to_string()
    }

    #[test]
    fn a_short_definition_gets_the_defaults() {
        let document = r#"{"name":"n","steps":[{"name":"a","jobs":[{"job_type":"t"}]}]}"#;
        let definition = Definition::from_json(document).unwrap();
        assert_eq!(definition.steps[0].jobs[0].count, 1);
        assert_eq!(definition.steps[0].jobs[0].retry, RetryPolicy::default());
        assert_eq!(Definition::from_json(&definition.to_json()).unwrap(), definition);
    }

    #[test]
    fn each_fault_is_named_with_its_place() {
        let cases = [
            (r#"{"name":"n","steps":[]}"#, "steps: found none"),
            (
                r#"{"name":"n","steps":[{"name":"a","jobs":[]}]}"#,
                "steps[0].jobs: found none",
            ),
            (
                r#"{"name":"n","steps":[{"name":"a","jobs":[{"job_type":"t","colour":1}]}]}"#,
                "steps[0].jobs[0].colour: unknown field `colour`",
            ),
            (
                r#"{"name":"n","steps":[{"name":"a","jobs":[{"job_type":"t"}]},{"name":"a","jobs":[{"job_type":"t"}]}]}"#,
                "steps[1].name: the name \"a\" is used",
            ),
            (
                r#"{"name":"n","steps":[{"name":"a","jobs":[{"job_type":"t","count":0}]}]}"#,
                "steps[0].jobs[0].count: found 0",
            ),
            (
                r#"{"name":"n","steps":[{"name":"a","jobs":[{"job_type":"t","retry":{"max_attempts":0}}]}]}"#,
                "steps[0].jobs[0].retry.max_attempts: found 0; allowed is 1 to 1000",
            ),
            (
                r#"{"name":"n","steps":[{"name":"a","jobs":[{"job_type":"t","retry":{"jitter":1.5}}]}]}"#,
                "steps[0].jobs[0].retry.jitter: found 1.5",
            ),
            (
                r#"{"name":"n","steps":[{"name":"a","jobs":[{"job_type":"t","retry":{"max_backoff":"1ms"}}]}]}"#,
                "steps[0].jobs[0].retry.max_backoff: found 1ms, shorter than initial_backoff (200ms)",
            ),
            (
                r#"{"name":"n","steps":[{"name":"a","jobs":[{"job_type":"no spaces"}]}]}"#,
                "steps[0].jobs[0].job_type: found \"no spaces\"",
            ),
        ];
        for (document, expected) in cases {
            let message = refused(document);
            assert!(
                message.contains(expected),
                "{document}\n  gave {message}\n  not  {expected}"
            );
        }
    }
}
