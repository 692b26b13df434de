//! One phase of the load, and which keys belong to which kind of arrivals.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use crossover_proto::schema::DurationText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LoadError;
use crate::text;

/// Highest rate (1/s): beyond it, arrivals fall within one microsecond, the unit of the plan.
const RATE_PER_S_MAX: f64 = 1_000_000.0;
/// Longest phase.
const DURATION_MAX: Duration = Duration::from_hours(24);
/// Most instances of one burst or prefill; a larger backlog says nothing more and takes hours to insert.
const COUNT_MAX: u64 = 10_000_000;
/// Longest tick: beyond it, arrivals are bursts, and are written so.
const TICK_MAX: Duration = Duration::from_secs(1);

/// One phase of the load. Phases follow each other without a gap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Unique among the phases of a scenario, 1 to 60 characters.
    pub name: String,
    /// How instances arrive.
    pub arrivals: Arrivals,
    /// Arrivals per second; for a ramp, at its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_s: Option<f64>,
    /// For a ramp: arrivals per second at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_rate_per_s: Option<f64>,
    /// Length; for a trace it may be left out, and is then as long as the trace.
    #[serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<DurationText>")]
    pub duration: Option<Duration>,
    /// Size of a burst or of a prefill (instances).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The only definition that it starts; without it, all of the workload by their weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// CSV of a trace, relative to the scenario's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Arrivals come together at multiples of this, as from a caller that gathers its starts; without it, each by itself.
    #[serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<DurationText>")]
    pub tick: Option<Duration>,
    /// Runs like any other phase, and stays out of the whole run's figures.
    #[serde(default)]
    pub warmup: bool,
}

/// How instances arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// Evenly spread at `rate_per_s`, the first after half a spacing.
    Constant,
    /// Independent of each other: exponential gaps of mean 1 ÷ `rate_per_s`.
    Poisson,
    /// Evenly spread at a rate that moves linearly from `rate_per_s` to `to_rate_per_s`.
    Ramp,
    /// `count` at once at the start of the phase, then silence for the rest of `duration`.
    Burst,
    /// As the rows of `file` say.
    Trace,
    /// None: the system at rest, for `duration`.
    Idle,
    /// `count` inserted before the load and the workers start: a backlog, not an open-loop load.
    Prefill,
}

impl Arrivals {
    /// Its spelling in scenario files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Poisson => "poisson",
            Self::Ramp => "ramp",
            Self::Burst => "burst",
            Self::Trace => "trace",
            Self::Idle => "idle",
            Self::Prefill => "prefill",
        }
    }

    fn needed_keys(self) -> &'static [&'static str] {
        match self {
            Self::Constant | Self::Poisson => &["rate_per_s", "duration"],
            Self::Ramp => &["rate_per_s", "to_rate_per_s", "duration"],
            Self::Burst => &["count", "duration"],
            Self::Trace => &["file"],
            Self::Idle => &["duration"],
            Self::Prefill => &["count"],
        }
    }

    fn optional_keys(self) -> &'static [&'static str] {
        match self {
            Self::Trace => &["duration", "warmup"],
            Self::Prefill => &["definition"],
            Self::Idle => &["warmup"],
            Self::Burst => &["definition", "warmup"],
            Self::Constant | Self::Poisson | Self::Ramp => &["definition", "tick", "warmup"],
        }
    }
}

impl Phase {
    /// Checks what the type system can't. `place` is the phase's own, as in `load[1]`.
    ///
    /// # Errors
    /// The first thing that is wrong with it, with its key. Whether a trace's file exists is the caller's matter.
    pub fn validate(&self, place: &str) -> Result<(), LoadError> {
        let length = self.name.chars().count();
        if !(1..=60).contains(&length) {
            let problem = format!("found {length} characters; allowed are 1 to 60");
            return Err(LoadError::new(format!("{place}.name"), problem));
        }
        self.validate_keys(place)?;
        let starts_at_zero = self.arrivals == Arrivals::Ramp;
        validate_rate(place, "rate_per_s", self.rate_per_s, starts_at_zero)?;
        validate_rate(place, "to_rate_per_s", self.to_rate_per_s, starts_at_zero)?;
        if self.arrivals == Arrivals::Ramp && self.rate_per_s == Some(0.0) && self.to_rate_per_s == Some(0.0) {
            return Err(LoadError::new(
                format!("{place}.to_rate_per_s"),
                "found 0 at both ends; a ramp needs a slope",
            ));
        }
        if let Some(length) = self.duration
            && (length.is_zero() || length > DURATION_MAX)
        {
            let problem = format!(
                "found {}; allowed is more than 0s and at most 24h",
                text::duration(length)
            );
            return Err(LoadError::new(format!("{place}.duration"), problem));
        }
        if let Some(tick) = self.tick
            && !(Duration::from_micros(1)..=TICK_MAX).contains(&tick)
        {
            let problem = format!("found {}; allowed is more than 0s and at most 1s", text::duration(tick));
            return Err(LoadError::new(format!("{place}.tick"), problem));
        }
        match self.count {
            Some(count) if !(1..=COUNT_MAX).contains(&count) => {
                let problem = format!("found {count}; allowed is 1 to {COUNT_MAX}");
                Err(LoadError::new(format!("{place}.count"), problem))
            }
            _ => Ok(()),
        }
    }

    /// Every needed key is there, and no other.
    fn validate_keys(&self, place: &str) -> Result<(), LoadError> {
        let kind = self.arrivals;
        let given = [
            ("rate_per_s", self.rate_per_s.is_some()),
            ("to_rate_per_s", self.to_rate_per_s.is_some()),
            ("duration", self.duration.is_some()),
            ("count", self.count.is_some()),
            ("definition", self.definition.is_some()),
            ("file", self.file.is_some()),
            ("tick", self.tick.is_some()),
            ("warmup", self.warmup),
        ];
        for (key, is_given) in given {
            let needed = kind.needed_keys().contains(&key);
            if needed && !is_given {
                let problem = format!("not found; arrivals = \"{}\" needs it", kind.name());
                return Err(LoadError::new(format!("{place}.{key}"), problem));
            }
            if is_given && !needed && !kind.optional_keys().contains(&key) {
                let keys = [kind.needed_keys(), kind.optional_keys()].concat().join(", ");
                let problem = format!(
                    "does not belong to arrivals = \"{}\"; allowed are name, arrivals, {keys}",
                    kind.name()
                );
                return Err(LoadError::new(format!("{place}.{key}"), problem));
            }
        }
        Ok(())
    }
}

fn validate_rate(place: &str, key: &str, rate: Option<f64>, zero_allowed: bool) -> Result<(), LoadError> {
    let Some(rate) = rate else { return Ok(()) };
    let at_least = if zero_allowed { rate >= 0.0 } else { rate > 0.0 };
    if at_least && rate <= RATE_PER_S_MAX {
        return Ok(());
    }
    let lowest = if zero_allowed { "at least 0" } else { "more than 0" };
    let problem = format!("found {rate}; allowed is {lowest} and at most {RATE_PER_S_MAX}");
    Err(LoadError::new(format!("{place}.{key}"), problem))
}

/// Checks all phases of a scenario, each with its place `load[index]`, and what concerns them together.
///
/// # Errors
/// The first thing that is wrong, with its key.
pub fn validate_phases(phases: &[Phase]) -> Result<(), LoadError> {
    if phases.is_empty() {
        return Err(LoadError::new("load", "found no phase; a scenario needs at least one"));
    }
    let mut names = HashSet::new();
    let mut load_began = false;
    for (index, phase) in phases.iter().enumerate() {
        let place = format!("load[{index}]");
        phase.validate(&place)?;
        if !names.insert(&phase.name) {
            let problem = format!(
                "the name {:?} is used by an earlier phase; names must differ",
                phase.name
            );
            return Err(LoadError::new(format!("{place}.name"), problem));
        }
        if phase.arrivals == Arrivals::Prefill && load_began {
            let problem = "found \"prefill\" after another phase; it happens before the load starts, so put it first";
            return Err(LoadError::new(format!("{place}.arrivals"), problem));
        }
        load_began |= phase.arrivals != Arrivals::Prefill;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct File {
        load: Vec<Phase>,
    }

    fn refused(document: &str) -> String {
        match toml::from_str::<File>(document) {
            Ok(file) => validate_phases(&file.load).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_kind_is_read_from_toml_and_written_back() {
        let document = r#"
            [[load]]
            name = "backlog"
            arrivals = "prefill"
            count = 20000
            [[load]]
            name = "warm"
            arrivals = "constant"
            rate_per_s = 50
            duration = "10s"
            warmup = true
            [[load]]
            name = "climb"
            arrivals = "ramp"
            rate_per_s = 0
            to_rate_per_s = 200.5
            duration = "1m 30s"
            tick = "10ms"
            [[load]]
            name = "spike"
            arrivals = "burst"
            count = 500
            definition = "order"
            duration = "5s"
            [[load]]
            name = "ours"
            arrivals = "trace"
            file = "ours.csv"
            [[load]]
            name = "rest"
            arrivals = "idle"
            duration = "12s"
        "#;
        let file: File = toml::from_str(document).unwrap();
        validate_phases(&file.load).unwrap();
        assert_eq!(file.load[2].duration, Some(Duration::from_secs(90)));
        for phase in &file.load {
            let written = toml::to_string(phase).unwrap();
            assert_eq!(&toml::from_str::<Phase>(&written).unwrap(), phase);
        }
    }

    #[test]
    fn each_fault_is_named_with_its_key_and_what_is_allowed() {
        let cases = [
            (
                "arrivals = 'constant'\nrate_per_s = 0\nduration = '1s'",
                "load[0].rate_per_s: found 0; allowed is more than 0 and at most 1000000",
            ),
            (
                "arrivals = 'constant'\nrate_per_s = 1e9\nduration = '1s'",
                "load[0].rate_per_s: found 1000000000; allowed",
            ),
            (
                "arrivals = 'poisson'\nrate_per_s = nan\nduration = '1s'",
                "load[0].rate_per_s: found NaN",
            ),
            (
                "arrivals = 'poisson'\nrate_per_s = 5\nduration = '0s'",
                "load[0].duration: found 0s; allowed is more than 0s",
            ),
            (
                "arrivals = 'poisson'\nrate_per_s = 5",
                "load[0].duration: not found; arrivals = \"poisson\" needs it",
            ),
            (
                "arrivals = 'poisson'\nrate_per_s = 5\nduration = '1s'\ntick = '2s'",
                "load[0].tick: found 2s; allowed is more than 0s and at most 1s",
            ),
            (
                "arrivals = 'burst'\ncount = 1\nduration = '1s'\ntick = '1ms'",
                "load[0].tick: does not belong to arrivals = \"burst\"",
            ),
            (
                "arrivals = 'burst'\ncount = 0\nduration = '1s'",
                "load[0].count: found 0; allowed is 1 to",
            ),
            (
                "arrivals = 'burst'\ncount = 1\nduration = '1s'\nrate_per_s = 1",
                "load[0].rate_per_s: does not belong to arrivals = \"burst\"; allowed are name, arrivals, count, duration, definition, warmup",
            ),
            (
                "arrivals = 'prefill'\ncount = 1\nwarmup = true",
                "load[0].warmup: does not belong",
            ),
            (
                "arrivals = 'ramp'\nrate_per_s = 0\nto_rate_per_s = 0\nduration = '1s'",
                "load[0].to_rate_per_s: found 0 at both ends",
            ),
            (
                "arrivals = 'idle'\nduration = '1s'\nrate_per_s = 1",
                "load[0].rate_per_s: does not belong to arrivals = \"idle\"; allowed are name, arrivals, duration, warmup",
            ),
            ("arrivals = 'sometimes'", "unknown variant `sometimes`"),
            ("arrivals = 'constant'\ncolour = 1", "unknown field `colour`"),
        ];
        for (keys, expected) in cases {
            let message = refused(&format!("[[load]]\nname = 'a'\n{keys}\n"));
            assert!(
                message.contains(expected),
                "{keys}\n  gave {message}\n  not  {expected}"
            );
        }
    }

    #[test]
    fn phases_have_names_of_their_own_and_a_prefill_comes_first() {
        let steady = "[[load]]\nname = 'a'\narrivals = 'constant'\nrate_per_s = 1\nduration = '1s'\n";
        assert!(refused("load = []").contains("load: found no phase"));
        assert!(refused(&format!("{steady}{steady}")).contains("load[1].name: the name \"a\" is used"));
        let late = format!("{steady}[[load]]\nname = 'b'\narrivals = 'prefill'\ncount = 3\n");
        assert!(refused(&late).contains("load[1].arrivals: found \"prefill\" after another phase"));
    }
}
