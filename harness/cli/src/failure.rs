//! Failures and their exit codes: 1 a bug here, 2 bad input, 3 testbed not available, 4 a check or hypothesis failed,
//! 5 a build is worse than the one that it is held against, 6 the run is invalid, 130 interrupted.

use std::fmt;
use std::process::ExitCode;

use crossover_engine::EngineError;
use crossover_testbed::TestbedError;

/// What the run made could not be removed: as a failure here, for somebody has to see to it.
pub const LEFT_BEHIND: u8 = 1;
/// A hypothesis, check or invariant failed.
pub const FAILED: u8 = 4;
/// Head is worse than base, by more than is tolerated.
pub const REGRESSION: u8 = 5;
/// The run's numbers may not be used.
pub const INVALID: u8 = 6;
/// Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// What the user gave can't be used: the place, what was found, what is allowed.
#[derive(Debug)]
pub struct BadInput(pub String);

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadInput {}

/// A [`BadInput`] as an error.
pub fn bad_input(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(BadInput(message.into()))
}

/// Prints the failure, if there is one, and picks the exit code.
pub fn to_exit_code(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        // `… | head`: the reader has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", told(&error));
            ExitCode::from(code_of(&error))
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

/// The causes on one line, each said once: some errors quote their cause themselves.
fn told(error: &anyhow::Error) -> String {
    error
        .chain()
        .fold(String::new(), |told, cause| match cause.to_string() {
            cause if told.contains(&cause) => told,
            cause if told.is_empty() => cause,
            cause => format!("{told}: {cause}"),
        })
}

/// The exit code that an error stands for.
pub fn code_of(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<BadInput>() {
            return 2;
        }
        if let Some(error) = cause.downcast_ref::<TestbedError>() {
            return match error {
                TestbedError::BadInput(_) => 2,
                TestbedError::Unavailable { .. } => 3,
                TestbedError::Other(_) => 1,
            };
        }
        if let Some(error) = cause.downcast_ref::<EngineError>() {
            return match error {
                EngineError::DatabaseUrl(_)
                | EngineError::EngineAddress(_)
                | EngineError::Listen { .. }
                | EngineError::Definition(_) => 2,
                EngineError::Database(_) | EngineError::Unreachable { .. } => 3,
                _ => 1,
            };
        }
    }
    1
}

/// How grave an exit code is among others.
pub fn severity(code: u8) -> u8 {
    match code {
        0 => 0,
        INTERRUPTED => 1,
        INVALID => 2,
        _ => 3,
    }
}

/// Which exit code speaks for several runs: the gravest, of equals the first.
pub fn worst(codes: impl IntoIterator<Item = u8>) -> Option<u8> {
    let graver = |worst, code| if severity(code) > severity(worst) { code } else { worst };
    codes.into_iter().reduce(graver)
}
