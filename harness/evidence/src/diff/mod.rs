//! Any finished runs held against the first of them: what was different about them, and by how much their figures differ.
//!
//! Pure. It takes no side and gives no verdict: a figure has the interval that one run can honestly give ([`bootstrap`]), or
//! the reason why it has none. What makes the runs hard to compare (other plans, machines, invalid runs) is a doubt, and is
//! said before any number.
//!
//! ```text
//! settings    what was set differently, the plan's first
//! figures     every figure of both worlds: values, intervals, changes from the first run
//! doubts      why differences may have other causes than the settings
//! ```

pub mod bootstrap;
mod doubts;
mod figures;
mod settings;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::figures::{Change, Figure, Group, Unit};
pub use self::settings::{Setting, SettingKind};

use crate::measure::seconds::PhasePieces;
use crate::result::RunResult;
use crate::series::Series;

/// Raised when a reader of the last version would misread this one.
pub const SCHEMA_VERSION: u32 = 1;
/// Most runs at once: more lines can't be told apart in one chart.
pub const RUNS_MAX: usize = 8;

/// One of the runs, with all that is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Where it lies, from the directory of the report.
    pub path: &'a str,
    /// Its figures.
    pub result: &'a RunResult,
    /// Its charts' data.
    pub series: &'a Series,
    /// [`crate::plan::Plan::digest`] of its plan.
    pub plan: &'a str,
    /// Every key of its scenario with its value, defaults included.
    pub scenario: &'a [(String, String)],
    /// Its phases in pieces; empty without a history.
    pub pieces: &'a [PhasePieces],
}

/// `diff.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diff {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// Directory name: `diff-<utc>`.
    pub id: String,
    /// The command that repeats it.
    pub command: String,
    /// RFC 3339, UTC.
    pub written_at: String,
    /// Commit of this tool, with `-dirty` where it applies; `null` outside a checkout.
    pub git_commit: Option<String>,
    /// The runs; the first is the one that the others are held against.
    pub runs: Vec<DiffRun>,
    /// Why differences may have other causes than the settings.
    pub doubts: Vec<String>,
    /// What was set differently.
    pub settings: Vec<Setting>,
    /// Figures that belong together.
    pub groups: Vec<Group>,
}

/// One of the runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiffRun {
    /// `A`, `B`, …
    pub label: String,
    /// Where it lies, from the directory of the report.
    pub path: String,
    /// Its id.
    pub id: String,
    /// Its scenario.
    pub scenario: String,
    /// `polling` or `event-driven`.
    pub mode: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// May its numbers be used?
    pub valid: bool,
    /// Digest of its plan.
    pub plan: String,
    /// The command that repeats it.
    pub command: String,
}

/// Who asked, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// See [`Diff::id`].
    pub id: String,
    /// See [`Diff::command`].
    pub command: String,
    /// See [`Diff::written_at`].
    pub written_at: String,
    /// See [`Diff::git_commit`].
    pub git_commit: Option<String>,
}

/// The name of the nth run.
#[must_use]
pub fn label(index: usize) -> String {
    char::from(b'A' + u8::try_from(index % 26).unwrap_or(0)).to_string()
}

/// Holds all sides against the first.
#[must_use]
pub fn diff(identity: Identity, sides: &[Side<'_>]) -> Diff {
    let run = |(index, side): (usize, &Side<'_>)| {
        let run = &side.result.run;
        DiffRun {
            label: label(index),
            path: side.path.to_owned(),
            id: run.id.clone(),
            scenario: run.scenario.clone(),
            mode: run.mode.clone(),
            started_at: run.started_at.clone(),
            valid: run.valid,
            plan: side.plan.to_owned(),
            command: run.command.clone(),
        }
    };
    Diff {
        schema_version: SCHEMA_VERSION,
        id: identity.id,
        command: identity.command,
        written_at: identity.written_at,
        git_commit: identity.git_commit,
        runs: sides.iter().enumerate().map(run).collect(),
        doubts: doubts::of(sides),
        settings: settings::differing(sides),
        groups: figures::groups(sides),
    }
}
