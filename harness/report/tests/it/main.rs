//! What a reader of a report sees: the pages' structure, and the text outputs as snapshots.
//!
//! `CROSSOVER_PREVIEW=DIR cargo test -p crossover-report` writes the fixtures' pages to DIR, to look at, and where there is a
//! Chromium, pictures of them.

mod assess;
mod browser;
mod capacity;
mod compare;
mod decision;
mod diff;
mod downstream;
mod fixture;
mod html;
mod preview;
mod regress;
mod text;
mod verdict;
