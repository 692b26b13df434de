//! The same evidence without a browser: a table for the terminal, a few lines for a pull request.

mod assess;
mod capacity;
mod compare;
pub mod decision;
mod diff;
mod grid;
mod map;
mod markdown;
mod regress;
pub mod standing;
mod sweep;
mod terminal;

pub use assess::{assess_markdown, assess_terminal};
pub use capacity::{capacity_markdown, capacity_terminal};
pub use compare::{compare_markdown, compare_terminal};
pub use decision::{decision_markdown, decision_terminal};
pub use diff::{diff_markdown, diff_terminal};
pub use grid::{grid, markdown_table};
pub use map::{map_markdown, map_terminal};
pub use markdown::run_markdown;
pub use regress::{regress_markdown, regress_terminal};
pub use standing::{claims_markdown, claims_terminal};
pub use sweep::{sweep_markdown, sweep_terminal};
pub use terminal::run_terminal;
