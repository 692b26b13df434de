//! Stand-in images, for machines where the official ones can't be pulled: built here, of the same parts that the local
//! testbed runs on.
//!
//! ```text
//!   debootstrap ─tar─▶ docker import ─▶ crossover-standin-base ─┬─ apt: PostgreSQL ────────▶ crossover-standin-postgres
//!                                                               └─ apt: Java; Kafka's jars ▶ crossover-standin-kafka
//!   Go ─▶ Toxiproxy, static ───────────────────────────────────────────────────────────────▶ crossover-standin-toxiproxy
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`names`] | what the images are called, official and stand-in |
//! | [`mirror`] | where Debian packages come from on this machine |
//! | [`needs`] | what has to be there before a build starts, with the remedies |
//! | [`base`] | the Debian below |
//! | [`build`] | which are built, in which order, and the end of a build that is broken off |
//!
//! Programs that build are children of the supervisor, and the scratch directory is its to remove: SIGKILL of the harness
//! leaves neither a process nor a file, and the engine drops a build whose client is gone. A tag is given to a finished
//! image only. The recipes are the files `*.Dockerfile` beside this one.
//!
//! Must not start containers, pull images, nor print: progress goes to the caller, a line at a time.

mod base;
mod build;
mod mirror;
mod names;
mod needs;

pub use build::{Wanted, build, remove};
pub(crate) use names::{InEngine, in_engine};
pub use names::{STAND_IN_LABEL, STAND_IN_TAG, StandIn};
