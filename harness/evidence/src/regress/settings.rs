//! `regress.toml`: which metric decides, what is tolerated, how many pairs are run, and in which modes.

use serde::{Deserialize, Serialize};

use super::Metric;
use crate::load::LoadError;

/// Fewer pairs make intervals too wide to be of use.
pub const PAIRS_MIN: u32 = 8;
/// More take a day.
pub const PAIRS_MAX: u32 = 200;
/// Names of dispatch modes.
const MODES: [&str; 2] = ["polling", "event-driven"];
/// A larger change needs no statistics.
const TOLERANCE_MAX: f64 = 1.0;
const TRIES_MAX: u32 = 10;

/// The file's content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A scenario under `scenarios/bench/`, or the path of a scenario file.
    pub scenario: String,
    /// Dispatch modes, each judged by itself.
    pub modes: Vec<String>,
    /// Pairs of runs, in each mode.
    pub pairs: u32,
    /// How often a pair is run before it counts as missing.
    pub tries: u32,
    /// The metric that decides.
    pub primary: Watched,
    /// Metrics that are told, and decide nothing.
    #[serde(default)]
    pub secondary: Vec<Watched>,
}

/// A metric, and how much of a change of it nobody minds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// The metric.
    pub metric: Metric,
    /// As a share: 0.05 is 5 % to either side.
    pub tolerance: f64,
}

impl Settings {
    /// Refuses values that make no sense.
    ///
    /// # Errors
    /// The place, what was found, what is allowed.
    pub fn validate(&self) -> Result<(), LoadError> {
        let refuse = |place: String, problem: String| Err(LoadError::new(place, problem));
        if self.modes.is_empty() {
            return refuse(
                "modes".to_owned(),
                format!("found none; allowed are {}", MODES.join(", ")),
            );
        }
        for (index, mode) in self.modes.iter().enumerate() {
            let place = format!("modes[{index}]");
            if !MODES.contains(&mode.as_str()) {
                return refuse(place, format!("found {mode:?}; allowed are {}", MODES.join(", ")));
            }
            if self.modes[..index].contains(mode) {
                return refuse(place, format!("found {mode:?} again; leave one out"));
            }
        }
        pairs_allowed(self.pairs).map_err(|problem| LoadError::new("pairs", problem))?;
        if !(1..=TRIES_MAX).contains(&self.tries) {
            return refuse(
                "tries".to_owned(),
                format!("found {}; allowed are 1 to {TRIES_MAX}", self.tries),
            );
        }
        let places = (0..self.secondary.len()).map(|index| format!("secondary[{index}]"));
        let places: Vec<String> = std::iter::once("primary".to_owned()).chain(places).collect();
        let watched: Vec<&Watched> = self.watched().collect();
        for (index, (place, each)) in places.iter().zip(&watched).enumerate() {
            if !(each.tolerance > 0.0 && each.tolerance <= TOLERANCE_MAX) {
                let problem = format!(
                    "found {}; allowed is more than 0, up to {TOLERANCE_MAX}",
                    each.tolerance
                );
                return refuse(format!("{place}.tolerance"), problem);
            }
            if watched[..index].iter().any(|before| before.metric == each.metric) {
                let problem = format!("found {:?} again; leave one out", each.metric.name());
                return refuse(format!("{place}.metric"), problem);
            }
        }
        Ok(())
    }

    /// The primary metric, then the others.
    pub fn watched(&self) -> impl Iterator<Item = &Watched> {
        std::iter::once(&self.primary).chain(&self.secondary)
    }
}

/// Checks a number of pairs. Only an even number has each order equally often.
///
/// # Errors
/// What was found and what is allowed.
pub fn pairs_allowed(pairs: u32) -> Result<(), String> {
    if (PAIRS_MIN..=PAIRS_MAX).contains(&pairs) && pairs.is_multiple_of(2) {
        return Ok(());
    }
    Err(format!(
        "found {pairs}; allowed are even numbers from {PAIRS_MIN} to {PAIRS_MAX}"
    ))
}
