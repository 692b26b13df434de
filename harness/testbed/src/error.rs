//! What can go wrong below a run, in the three kinds that the command line tells apart by exit code.
//!
//! Must not format for a terminal, and must not hold a secret.

use std::path::Path;

/// Why a testbed operation failed. The command line maps the kind to its exit code.
#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
    /// The caller asked for what can't be had: a taken port, a second run, an unknown setting (exit code 2).
    #[error("{0}")]
    BadInput(String),

    /// The machine lacks something that a command can provide (exit code 3).
    #[error("{what}; {remedy}")]
    Unavailable {
        /// What is missing, with what was found instead.
        what: String,
        /// What to do about it: a command, or a variable to set.
        remedy: String,
    },

    /// Neither the input nor the machine explains it (exit code 1).
    #[error("{0}")]
    Other(String),
}

impl TestbedError {
    /// A [`TestbedError::Unavailable`].
    pub fn unavailable(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Unavailable {
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// A [`TestbedError::Other`] that says which act failed on which path.
    pub fn io(act: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::Other(format!("can't {act} {}: {error}", path.display()))
    }
}

/// The result of everything here.
pub type Result<T, E = TestbedError> = std::result::Result<T, E>;
