//! The breaking-change check: the schema of the last release against the `.proto` files as they are.
//!
//! Shared by the test that fails the build and by the command that cuts a release (`examples/release_descriptor.rs`),
//! and not part of the library, which needs no Protobuf compiler.
//!
//! - `schema`: `.proto` files in, descriptors out, and their text form in `released/`;
//! - `rules`: what may not change between two schemas;
//! - `members`: the same for what has a number: fields and enum values.

mod members;
mod rules;
mod schema;

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

pub use rules::compare;
pub use schema::{compile, from_text, read_sources, to_text};

/// What the check's own helpers fail with: a file that can't be read or does not compile.
pub type Fallible<T> = Result<T, Box<dyn Error>>;

/// One breaking change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The full name of what changed.
    pub place: String,
    /// What it was and what it is.
    pub found: String,
    /// What to do instead.
    pub remedy: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.found, self.remedy)
    }
}

/// Where the `.proto` files are: the root that their names are relative to.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The schema of the last release.
pub fn release_path() -> PathBuf {
    root().join("released/descriptors.txtpb")
}
