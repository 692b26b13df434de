//! A live job table, judged: what looks at a team's own database add up to, for condition 1a of the rubric and for whoever
//! has to mend what else was found.
//!
//! ```text
//! LiveSample × n ─▶ windows ─▶ lock waits with their interval ─▶ condition 1a: yes, no, unknown
//!                        └──▶ table, connections, transactions ─▶ findings, each with its remedy
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`sample`] | one line of `samples.jsonl` |
//! | [`evidence`] | the contract of `assess.json` |
//! | [`window`], [`interval`] | looks in windows; a ratio over windows with its 95 % interval |
//! | [`condition`] | the answer, and what speaks for it |
//! | [`finding`] | what else was found, with thresholds and remedies |
//! | [`series`] | the same over time, for the charts |
//!
//! Must not give a clean bill where it did not look: no load, hidden waits or too few looks are *unknown*.

mod condition;
mod evidence;
mod finding;
mod interval;
mod sample;
mod series;
mod summary;
mod window;

#[cfg(test)]
mod scene;

pub(crate) use self::interval::t_975;
pub use evidence::{
    Answer, Condition, Connections, Finding, FindingKind, LiveEvidence, LockWaits, Looks, Sampled, ServerFacts, Share,
    StatementTime, TableSummary, Thresholds, WaitShare,
};
pub use sample::{ConnectionCounts, Holder, HolderKind, LiveActive, LiveSample, StatementCounts, TableCounts};
pub use series::series;
pub use summary::summarise;
pub use window::WINDOWS;

/// Raised when a reader of the last version would misread this one.
pub const SCHEMA_VERSION: u32 = 1;

/// Fewer looks than this can't be told apart from chance: with none waiting in 60, up to 6 % could.
pub const LOOKS_MIN: u32 = 60;
