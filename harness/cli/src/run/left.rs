//! What a run left in its directory, read back: all that is judged, and nothing else.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};

use anyhow::Context;
use crossover_evidence::samples::Sample;
use crossover_evidence::snapshot::{Snapshot, Topics};
use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::{HistoryFile, read_file_up_to};

use super::directory::RunDirectory;
use super::meta::RunMeta;
use super::{snapshot, topics};
use crate::failure::bad_input;

/// What a run left in its directory, beside `run.json` and its scenario.
pub struct Left {
    /// One file a process, up to the moment at which the database was copied: what a kept system did later is not the run's.
    /// The records stay in the files.
    pub history: Vec<HistoryFile>,
    /// What the samplers saw.
    pub samples: Vec<Sample>,
    /// The database at the end; `None` if the run died before it was read.
    pub database: Option<Snapshot>,
    /// The topics at the end; `None` in polling mode, or if they could not be read.
    pub topics: Option<Topics>,
}

impl Left {
    /// Reads all of it.
    ///
    /// # Errors
    /// If the directory is not a run's, or a file is damaged.
    pub fn read(directory: &RunDirectory, meta: &RunMeta) -> anyhow::Result<Self> {
        Ok(Self {
            history: read_history(directory, meta.snapshot_ns.map(MonotonicNs))?,
            samples: read_samples(directory)?,
            database: snapshot::read(directory)?,
            topics: topics::read(directory)?,
        })
    }
}

/// Reads a file of the run that is JSON.
///
/// # Errors
/// Bad input: the directory is not a run's, or the file is damaged.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(directory: &RunDirectory, name: &str) -> anyhow::Result<T> {
    let path = directory.file(name);
    let text = fs::read_to_string(&path).map_err(|error| {
        bad_input(format!(
            "{} is not a run's directory: can't read {name}: {error}",
            directory.path().display()
        ))
    })?;
    serde_json::from_str(&text).map_err(|error| bad_input(format!("{} is damaged: {error}", path.display())))
}

fn read_history(directory: &RunDirectory, last: Option<MonotonicNs>) -> anyhow::Result<Vec<HistoryFile>> {
    let folder = directory.file("history");
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .with_context(|| format!("can't list {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths.iter().map(|path| Ok(read_file_up_to(path, last)?)).collect()
}

/// A torn last line, left by a kill, is passed over.
fn read_samples(directory: &RunDirectory) -> anyhow::Result<Vec<Sample>> {
    let Ok(file) = File::open(directory.file("samples.jsonl")) else {
        return Ok(Vec::new());
    };
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    Ok(lines.filter_map(|line| serde_json::from_str(&line).ok()).collect())
}
