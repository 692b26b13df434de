//! Every number that the verdict depends on and that is not measured, named, with its default and why it is so.
//!
//! `--thresholds FILE` gives others, for old runs too: nothing but the verdict is computed again.

use serde::{Deserialize, Serialize};

use crate::load::LoadError;

/// The file: TOML, a table each; what it leaves out has its default.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// How far ahead is looked.
    pub forecast: ForecastThresholds,
    /// When waits for `job` rows count.
    pub lock_waits: LockThresholds,
    /// When replicas do not lift the ceiling.
    pub replicas: ReplicaThresholds,
    /// When a latency misses its objective.
    pub latency: LatencyThresholds,
}

/// How far ahead is looked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForecastThresholds {
    /// Months within which the need must meet the ceiling. The rubric says 6 to 12: the longer one errs towards acting.
    pub horizon_months: f64,
    /// The need at the horizon is *far below* a ceiling that is this many times larger. Three: the team may have misjudged
    /// its peak by half, and the machine may be twice as fast as its own, and it is below still.
    pub far_below_factor: f64,
}

impl Default for ForecastThresholds {
    fn default() -> Self {
        Self {
            horizon_months: 12.0,
            far_below_factor: 3.0,
        }
    }
}

/// When waits for `job` rows count.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LockThresholds {
    /// Share of the active engine backends that wait for rows of `job`. A tenth: the positive control (`contention`, with
    /// the blocking claim) shows 0.2 and more, a healthy SKIP LOCKED at most 0.02.
    pub share_max: f64,
    /// Shorter than this is a moment, not *sustained* (s). Five seconds are a hundred looks.
    pub sustained_s: f64,
    /// Looks a second that count as independent. The sampler looks 20 times and sees several backends each time, but neighbours see
    /// some of the same waits: every second look counts, and as one.
    pub looks_per_s: f64,
    /// Completed ÷ offered below this means saturated, if the backlog grew and neither workers nor machine were the limit: calm at
    /// that point speaks for every rate, since more load changes nothing.
    pub saturated_below: f64,
}

impl Default for LockThresholds {
    fn default() -> Self {
        Self {
            share_max: 0.1,
            sustained_s: 5.0,
            looks_per_s: 10.0,
            saturated_below: 0.95,
        }
    }
}

/// When replicas do not lift the ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplicaThresholds {
    /// The largest number of replicas must be this many times the smallest, or nothing was tried.
    pub factor_min: f64,
    /// Overlapping intervals say *not lifted* only if they leave room for no more gain than this; wider ones are noise.
    pub gain_max: f64,
}

impl Default for ReplicaThresholds {
    fn default() -> Self {
        Self {
            factor_min: 4.0,
            gain_max: 0.25,
        }
    }
}

/// When a latency misses its objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LatencyThresholds {
    /// A percentile of one run within this share of the objective is neither met nor missed: that is its spread from run to run.
    pub noise: f64,
}

impl Default for LatencyThresholds {
    fn default() -> Self {
        Self { noise: 0.2 }
    }
}

impl Thresholds {
    /// Each by its place in the file, with its value.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("forecast.horizon_months", self.forecast.horizon_months),
            ("forecast.far_below_factor", self.forecast.far_below_factor),
            ("lock_waits.share_max", self.lock_waits.share_max),
            ("lock_waits.sustained_s", self.lock_waits.sustained_s),
            ("lock_waits.looks_per_s", self.lock_waits.looks_per_s),
            ("lock_waits.saturated_below", self.lock_waits.saturated_below),
            ("replicas.factor_min", self.replicas.factor_min),
            ("replicas.gain_max", self.replicas.gain_max),
            ("latency.noise", self.latency.noise),
        ]
    }

    /// Refuses values that make no sense.
    ///
    /// # Errors
    /// The place, what was found, what is allowed.
    pub fn validate(&self) -> Result<(), LoadError> {
        let allowed = |place: &str| match place {
            "forecast.horizon_months" => (0.0, 120.0),
            "forecast.far_below_factor" => (1.0, 1_000.0),
            "lock_waits.share_max" | "lock_waits.saturated_below" | "latency.noise" => (0.0, 1.0),
            "lock_waits.sustained_s" => (0.0, 86_400.0),
            "lock_waits.looks_per_s" => (0.1, 100.0),
            "replicas.factor_min" => (2.0, 64.0),
            _ => (0.0, 10.0),
        };
        for (place, found) in self.named() {
            let (low, high) = allowed(place);
            if !(low..=high).contains(&found) {
                return Err(LoadError::new(
                    place,
                    format!("found {found}; allowed is {low} to {high}"),
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_give_one_and_leave_the_rest() {
        let thresholds: Thresholds = toml::from_str("[lock_waits]\nshare_max = 0.3").unwrap();
        assert_eq!(thresholds.lock_waits.share_max, 0.3);
        assert_eq!(thresholds.lock_waits.sustained_s, 5.0);
        assert_eq!(thresholds.forecast, ForecastThresholds::default());
        assert!(toml::from_str::<Thresholds>("[lock_waits]\nshare = 0.3").is_err());
    }

    #[test]
    fn the_defaults_are_allowed_and_nonsense_is_refused_with_its_place() {
        assert!(Thresholds::default().validate().is_ok());
        let mut thresholds = Thresholds::default();
        thresholds.lock_waits.share_max = 10.0;
        let error = thresholds.validate().unwrap_err();
        assert_eq!(error.place, "lock_waits.share_max");
        assert_eq!(error.problem, "found 10; allowed is 0 to 1");
        thresholds.lock_waits.share_max = f64::NAN;
        assert!(thresholds.validate().is_err());
    }
}
