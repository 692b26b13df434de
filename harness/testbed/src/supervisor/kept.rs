//! A system that outlives its harness on purpose (`--keep`): the supervisor stays, and a file says what it holds.
//!
//! The supervisor can't simply let go: its death is the death of its children (`PR_SET_PDEATHSIG`), and somebody has to
//! know which directories to remove one day. So it waits for SIGTERM, which [`end_kept`] sends, and then ends all as
//! it would have at end of file. If all it holds ends by itself, it leaves too.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal as NixSignal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::ending::COMMANDS_BUDGET;
use super::serve::Supervision;
use crate::error::{Result, TestbedError};

/// Twice what the end takes at most, without commands.
const END_WITHIN: Duration = Duration::from_secs(6);

/// What is kept, as written to the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Process id of the supervisor.
    pub supervisor_pid: u32,
    /// When that process started (clock ticks since boot), so that another with its number is not taken for it.
    pub supervisor_start_ticks: u64,
    /// Names and process ids, in order of start.
    pub processes: Vec<(String, u32)>,
    /// What will be removed.
    pub directories: Vec<PathBuf>,
    /// Names of the programs that run at the end, to remove what lies outside this machine.
    pub commands: Vec<String>,
}

impl Kept {
    /// Reads the file.
    ///
    /// # Errors
    /// `BadInput` if there is none, or it is not one of ours.
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| TestbedError::BadInput(format!("no kept system in {}: {error}", file.display())))?;
        serde_json::from_str(&text).map_err(|error| {
            TestbedError::BadInput(format!("{} does not describe a kept system: {error}", file.display()))
        })
    }

    /// Whether its supervisor still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        start_ticks(self.supervisor_pid) == Some(self.supervisor_start_ticks)
    }
}

/// Ends a kept system: its processes and directories are gone when this returns. One that is gone already is fine.
///
/// # Errors
/// As [`Kept::read`]; `Other` if its supervisor does not end within a few seconds.
pub async fn end_kept(file: &Path) -> Result<Kept> {
    let kept = Kept::read(file)?;
    let commands = if kept.commands.is_empty() {
        Duration::ZERO
    } else {
        COMMANDS_BUDGET
    };
    let deadline = Instant::now() + END_WITHIN + commands;
    if let (true, Ok(pid)) = (kept.is_running(), i32::try_from(kept.supervisor_pid)) {
        kill(Pid::from_raw(pid), NixSignal::SIGTERM)
            .map_err(|error| TestbedError::Other(format!("can't signal the supervisor (pid {pid}): {error}")))?;
    }
    while kept.is_running() {
        if Instant::now() > deadline {
            return Err(TestbedError::Other(format!(
                "the supervisor (pid {}) does not end",
                kept.supervisor_pid
            )));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _ = std::fs::remove_file(file);
    Ok(kept)
}

/// The supervisor's side: where to write it down.
#[derive(Debug, Clone)]
pub(super) struct Keeping {
    pub file: PathBuf,
    /// Names and process ids of the run's containers.
    pub containers: Vec<(String, u32)>,
}

impl Keeping {
    pub(super) fn try_record(&self, supervision: &Supervision) -> Result<(), String> {
        let us = std::process::id();
        let children = supervision.children.live().iter();
        let kept = Kept {
            supervisor_pid: us,
            supervisor_start_ticks: start_ticks(us).unwrap_or(0),
            processes: children
                .map(|child| (child.name.clone(), child.pid.as_raw().unsigned_abs()))
                .chain(self.containers.iter().cloned())
                .collect(),
            directories: supervision
                .directories
                .iter()
                .map(|directory| directory.path().to_path_buf())
                .collect(),
            commands: supervision.commands.iter().map(|spec| spec.name.clone()).collect(),
        };
        let text = serde_json::to_string_pretty(&kept).map_err(|error| error.to_string())?;
        std::fs::write(&self.file, text).map_err(|error| format!("can't write {}: {error}", self.file.display()))
    }

    /// Whether a container still runs. Its number may be another's by then: the kept system stays too long, until it is ended.
    pub(super) fn has_live_containers(&self) -> bool {
        self.containers.iter().any(|(_, pid)| start_ticks(*pid).is_some())
    }

    pub(super) fn record(&self, supervision: &Supervision) {
        if let Err(message) = self.try_record(supervision) {
            eprintln!("supervisor: {message}");
        }
    }

    pub(super) fn forget(&self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Start of a live process; a zombie counts as gone.
pub(crate) fn start_ticks(pid: u32) -> Option<u64> {
    let stat = procfs::process::Process::new(i32::try_from(pid).ok()?)
        .ok()?
        .stat()
        .ok()?;
    (stat.state != 'Z').then_some(stat.starttime)
}
