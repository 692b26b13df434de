//! A run's directory: what is in it, and how each file gets there.
//!
//! ```text
//! scenario.toml   as it was run, overrides included     run.json      what the harness knows, rewritten at each stage
//! trace-<n>.csv   the traces that it replayed
//! plan.txt        the plan in words                     history/      one file per process, appended as things happen
//! samples.jsonl   one line per look                     database/     instances, jobs, audit log at the end (COPY text)
//! logs/           output of each process                result.json · series.json · report.html · report.md
//! ```
//! Everything above the last line is written while the run goes on, so that a dead run can still be reported on.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::scenario::{Scenario, kept_trace};

/// A run's directory.
#[derive(Debug, Clone)]
pub struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// Makes the directory and its folders.
    ///
    /// # Errors
    /// If it exists already, or can't be made.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let directory = Self::create_plain(path)?;
        for folder in ["history", "database", "logs", "ready"] {
            let folder = directory.file(folder);
            fs::create_dir(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        }
        Ok(directory)
    }

    /// Makes the directory of a sweep, which holds runs instead of being one.
    ///
    /// # Errors
    /// As [`RunDirectory::create`].
    pub fn create_plain(path: &Path) -> anyhow::Result<Self> {
        let fail = || format!("can't make the run's directory {}", path.display());
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).with_context(fail)?;
        fs::create_dir(path).with_context(fail)?;
        Ok(Self {
            path: fs::canonicalize(path).with_context(fail)?,
        })
    }

    /// Makes a directory of this name under `parent`, or of the next one that is free (`name-2`, …): two may be made within a
    /// second.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn create_free(parent: &Path, name: &Path) -> anyhow::Result<Self> {
        let numbered = |number: u32| parent.join(format!("{}-{number}", name.display()));
        let mut names = std::iter::once(parent.join(name)).chain((2..).map(numbered));
        let free = names.find(|path| !path.exists()).unwrap_or_default();
        Self::create_plain(&free)
    }

    /// An existing one.
    pub fn open(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file whole: a reader sees the old one or the new one.
    ///
    /// # Errors
    /// If the disk is full or the directory is gone.
    pub fn write(&self, name: &str, content: &[u8]) -> anyhow::Result<()> {
        let path = self.file(name);
        let half = self.file(&format!("{name}.part"));
        let write = || {
            let mut file = File::create(&half)?;
            file.write_all(content)?;
            file.sync_data()?;
            fs::rename(&half, &path)
        };
        write().with_context(|| format!("can't write {}", path.display()))
    }

    /// Writes a value as indented JSON, whole.
    ///
    /// # Errors
    /// As [`RunDirectory::write`].
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> anyhow::Result<()> {
        self.write(name, &serde_json::to_vec_pretty(value)?)
    }

    /// Reads a value that [`RunDirectory::write_json`] wrote.
    ///
    /// # Errors
    /// If the file is not there, or damaged.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> anyhow::Result<T> {
        let path = self.file(name);
        let text = fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Writes the scenario and its traces, so that a later report needs neither of the originals.
    ///
    /// # Errors
    /// As [`RunDirectory::write`].
    pub fn write_scenario(&self, scenario: &Scenario) -> anyhow::Result<()> {
        self.write("scenario.toml", scenario.text.as_bytes())?;
        let mut traces = scenario.traces.iter().enumerate();
        traces.try_for_each(|(index, trace)| self.write(&kept_trace(index), trace.as_bytes()))
    }

    /// Points `latest`, beside the runs' folder, at this run.
    pub fn mark_latest(&self) {
        // A point of a sweep lies one folder deeper, and is not what the user asked for.
        let Some(runs) = self.path.parent().filter(|parent| parent.ends_with("runs")) else {
            return;
        };
        let link = runs.with_file_name("latest");
        // Only a convenience: a file system without links does without.
        if fs::symlink_metadata(&link).is_ok_and(|found| found.is_symlink()) {
            let _ = fs::remove_file(&link);
        }
        let _ = std::os::unix::fs::symlink(&self.path, &link);
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_directories_of_one_name_are_apart_and_what_can_not_be_made_is_told() {
        let parent = tempfile::tempdir().unwrap();
        let made = [(); 3].map(|()| {
            RunDirectory::create_free(parent.path(), Path::new("decision-now"))
                .unwrap()
                .name()
        });
        assert_eq!(made, ["decision-now", "decision-now-2", "decision-now-3"]);
        fs::write(parent.path().join("file"), "").unwrap();
        let error = RunDirectory::create_free(&parent.path().join("file"), Path::new("x")).unwrap_err();
        assert!(error.to_string().contains("can't make the run's directory"), "{error}");
    }
}
