//! The HTML page: one file with its style, script and charts inside; it loads nothing.
//!
//! One module per section. All text passes through maud, which escapes; the only raw insertions are this crate's own
//! style and script, and the SVG of `chart`, whose backend escapes.

mod banner;
mod checks;
mod compare;
mod figures;
mod latency;
mod limit;
mod over_time;
mod queues;
mod repeat;
mod run;
mod shell;
mod sweep;
mod table;
mod testbed;

pub use checks::{claim_word, ledger};
pub use compare::compare_html;
pub use run::run_html;
pub use sweep::{doubt, sweep_html};
