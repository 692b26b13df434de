//! `regress.json`: two builds, base and head, run in turn on one machine, and what their pairs say of each metric.
//!
//! The unit is the pair: one run of each build, right after each other, so that what drifts on the machine meets both. Pairs turn
//! round (base first, head first, head first, …: see [`Side::first_of`]), so that being second favours neither. [`judge`] reads
//! pairs and settings, and nothing else.
//!
//! Must not know how builds are made or run.

mod interval;
mod judge;
mod metric;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::judge::{CONFIDENCE, Finding, NEEDED_MAX, Verdict, judge};
pub use self::metric::Metric;
pub use self::settings::{PAIRS_MAX, PAIRS_MIN, Settings, Watched, pairs_allowed};

use crate::result::TestbedInfo;

/// Raised when a reader of the last version would misread this one.
pub const SCHEMA_VERSION: u32 = 1;

/// One finished (or broken off) comparison of two builds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// Directory name: `regress-<scenario>-<utc>`.
    pub id: String,
    /// Scenario name.
    pub scenario: String,
    /// The scenario's title, for people.
    pub title: String,
    /// The command that repeats it.
    pub command: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// What head is held against.
    pub base: Build,
    /// What is judged.
    pub head: Build,
    /// What decides, and what is tolerated.
    pub settings: Settings,
    /// Servers and machine, as the first run found them; `null` before it.
    pub testbed: Option<TestbedInfo>,
    /// One per dispatch mode, in the order in which they are run.
    pub modes: Vec<ModePairs>,
    /// Checks and hypotheses that failed in a run of head, a line each.
    #[serde(default)]
    pub failed: Vec<String>,
    /// Why its numbers may not be used; empty if they may.
    pub invalid_reasons: Vec<String>,
}

/// One of the two builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Commit, or the path of a program that was given.
    pub name: String,
    /// How it was chosen, such as `merge base with main`.
    pub chosen: String,
    /// Full commit id; `null` for a program that was given.
    pub commit: Option<String>,
}

/// The pairs of one mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModePairs {
    /// `polling` or `event-driven`.
    pub mode: String,
    /// In the order of their making.
    pub pairs: Vec<Pair>,
    /// What they say, the primary metric first; rewritten after each pair.
    pub findings: Vec<Finding>,
}

/// One run of each build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// From 1.
    pub number: u32,
    /// Which was run first.
    pub first: Side,
    /// How often it was run until both runs could be used.
    pub tries: u32,
    /// What was wrong with the runs that could not be used, a line each.
    pub unusable: Vec<String>,
    /// What both measured; `null` if no try gave two runs that can be used.
    pub measured: Option<Measured>,
}

/// The numbers of a pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Of base.
    pub base: Run,
    /// Of head.
    pub head: Run,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its directory, relative to this file.
    pub run: String,
    /// Each metric that it has.
    pub values: BTreeMap<Metric, f64>,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// What head is held against.
    Base,
    /// What is judged.
    Head,
}

impl Side {
    /// Which of the two a pair begins with: base, head, head, base and so on, so that a steady drift over four runs cancels.
    #[must_use]
    pub fn first_of(pair: u32) -> Self {
        if pair % 2 == 1 { Self::Base } else { Self::Head }
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Base => Self::Head,
            Self::Head => Self::Base,
        }
    }

    /// As it is written in names and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Head => "head",
        }
    }
}

impl Regression {
    /// Have all pairs been tried?
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let wanted = self.settings.pairs as usize;
        self.modes.iter().all(|mode| mode.pairs.len() >= wanted)
    }

    /// Is head worse by its primary metric, in any mode?
    #[must_use]
    pub fn is_worse(&self) -> bool {
        let mut primaries = self.modes.iter().filter_map(ModePairs::primary);
        primaries.any(|finding| finding.verdict == Verdict::Worse)
    }
}

impl ModePairs {
    /// What decides.
    #[must_use]
    pub fn primary(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.is_primary)
    }

    /// Pairs without two runs that can be used.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.pairs.iter().filter(|pair| pair.measured.is_none()).count()
    }
}

impl Pair {
    /// ln(head ÷ base) of a metric, where both have it.
    #[must_use]
    pub fn log_ratio(&self, metric: Metric) -> Option<f64> {
        let measured = self.measured.as_ref()?;
        let value = |run: &Run| run.values.get(&metric).copied().filter(|value| *value > 0.0);
        Some((value(&measured.head)? / value(&measured.base)?).ln())
    }
}
