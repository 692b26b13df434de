//! Charts, HTML, Markdown and terminal tables from a finished run.
//!
//! Owns: how a reader meets the evidence — the sentence first, then the numbers, then the charts. Pure: it reads
//! [`RunResult`] and [`Series`], returns a `String`, and touches neither files nor the clock.
//!
//! Must not: judge. A check's verdict comes from the evidence crate; [`verdict`] only folds the verdicts of one run into
//! the one word of the banner, by a rule that stands there.
//!
//! ```text
//! format, ticks      numbers and axes for people
//! verdict            HELD · DEGRADED · BROKEN · INVALID, and the sentences of the banner
//! chart/             one file per chart; all drawn through `chart::canvas` (plotters → SVG with CSS variables)
//! assess             a live system: the sentence, the figures, the rows
//! capacity           capacity searches in words, for all three below
//! map                the crossover map in words, likewise
//! regress            a comparison of two builds in words, likewise
//! compare/           two runs of one plan side by side: key figures with their change, and the sentences
//! diff               any runs against the first of them, in words
//! limit              what limited a run, in words
//! html/              one file per section; the page is one file with its style, script and charts inside
//! text/              the same run and sweep for the terminal and for pull requests
//! ```
//!
//! All text from outside (names, reasons, errors, TOML) passes through maud or the SVG backend, both of which escape.

mod assess;
pub mod capacity;
mod chart;
mod compare;
mod diff;
pub mod format;
mod html;
mod limit;
pub mod map;
mod regress;
mod spread;
mod text;
mod ticks;
pub mod verdict;

use crossover_evidence::assess::LiveEvidence;
use crossover_evidence::compare::Comparison;
use crossover_evidence::result::{Claim, RunResult};
use crossover_evidence::series::Series;

pub use capacity::{CapacityPage, Searched};
pub use diff::DiffPage;
pub use html::{
    assess_html, capacity_html, claims_html, compare_html, decision_html, diff_html, map_html, regress_html, run_html,
    sweep_html,
};
pub use map::MapPage;
pub use regress::progress as regress_progress;
pub use text::{
    assess_markdown, assess_terminal, capacity_markdown, capacity_terminal, claims_markdown, claims_terminal,
    compare_markdown, compare_terminal, decision_markdown, decision_terminal, diff_markdown, diff_terminal, grid,
    map_markdown, map_terminal, markdown_table, regress_markdown, regress_terminal, run_markdown, run_terminal,
    sweep_markdown, sweep_terminal,
};

/// What the page of one run shows.
#[derive(Debug, Clone, Copy)]
pub struct RunPage<'a> {
    /// The contract of the run.
    pub result: &'a RunResult,
    /// What the charts draw.
    pub series: &'a Series,
    /// Text summary of the plan, shown as it is.
    pub plan: &'a str,
    /// The scenario file, shown as it is.
    pub scenario_toml: &'a str,
}

/// What the page of a comparison shows: one run of one plan in each mode.
#[derive(Debug, Clone, Copy)]
pub struct ComparePage<'a> {
    /// What was compared, where the runs lie, what they say of the seed's claims.
    pub comparison: &'a Comparison,
    /// The polling run.
    pub polling: &'a RunResult,
    /// The event-driven run.
    pub event_driven: &'a RunResult,
    /// Of the polling run.
    pub polling_series: &'a Series,
    /// Of the event-driven run.
    pub event_series: &'a Series,
    /// Text summary of the plan, shown as it is.
    pub plan: &'a str,
    /// The scenario file, shown as it is.
    pub scenario_toml: &'a str,
}

/// What the page of a sweep shows: one run per point.
#[derive(Debug, Clone, Copy)]
pub struct SweepPage<'a> {
    /// For people.
    pub title: &'a str,
    /// Scenario name.
    pub scenario: &'a str,
    /// `polling` or `event-driven`.
    pub mode: &'a str,
    /// RFC 3339, UTC.
    pub started_at: &'a str,
    /// The command that repeats it.
    pub command: &'a str,
    /// Swept keys, such as `polling.interval`; the first is the x-axis, the others make one line per value.
    pub keys: &'a [String],
    /// In the order of the runs.
    pub points: &'a [SweepPoint],
    /// What the sweep says; the headline.
    pub findings: &'a [Claim],
}

/// One run of a sweep.
#[derive(Debug, Clone)]
pub struct SweepPoint {
    /// One value per key, as written in the scenario.
    pub values: Vec<String>,
    /// The first value as a number (ms or a count); `None` where it is a word.
    pub x: Option<f64>,
    /// The run.
    pub result: RunResult,
    /// Relative link to the run's `report.html`.
    pub path: String,
}

/// What the page of an assessment shows.
#[derive(Debug, Clone, Copy)]
pub struct AssessPage<'a> {
    /// What was found.
    pub evidence: &'a LiveEvidence,
    /// What the charts draw.
    pub series: &'a Series,
}
