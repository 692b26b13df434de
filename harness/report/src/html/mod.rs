//! The HTML page: one file with its style, script and charts inside; it loads nothing.
//!
//! One module per section. All text passes through maud, which escapes; the only raw insertions are this crate's own
//! style and script, and the SVG of `chart`, whose backend escapes.

mod assess;
mod banner;
mod capacity;
mod checks;
mod compare;
mod decision;
mod diff;
mod downstream;
mod figures;
mod latency;
mod limit;
mod map;
mod over_time;
mod queues;
mod regress;
mod repeat;
mod run;
mod shell;
mod standing;
mod sweep;
mod table;
mod testbed;

pub use assess::assess_html;
pub use capacity::capacity_html;
pub use checks::{claim_word, ledger};
pub use compare::compare_html;
pub use decision::decision_html;
pub use diff::diff_html;
pub use map::map_html;
pub use regress::regress_html;
pub use run::run_html;
pub use standing::claims_html;
pub use sweep::{doubt, sweep_html, trust};
