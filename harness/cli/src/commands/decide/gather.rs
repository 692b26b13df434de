//! Finished runs, read from their directories: what each has to say to the verdict, and on which machine it was measured.

use std::fs;
use std::path::Path;

use crossover_evidence::capacity::{self, Capacity};
use crossover_evidence::decide::LiveEvidence;
use crossover_evidence::result::{self, RunResult};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::failure::bad_input;
use crate::place::{ASSESS_FILE, CAPACITY_FILE, COMPARE_FILE, SWEEP_FILE};

/// One piece of evidence.
#[derive(Debug)]
pub struct Item {
    /// Its directory's name; of a run inside another one, with that one's.
    pub name: String,
    /// What it is.
    pub content: Content,
}

/// What it is.
#[derive(Debug)]
pub enum Content {
    /// A search, with those of its steps' runs that are still there, each with its directory.
    Capacity(Box<Capacity>, Vec<(String, RunResult)>),
    /// A run.
    Run(Box<RunResult>),
    /// A live system.
    Live(LiveEvidence),
    /// It can't be used, and why.
    Unusable(String),
}

impl Item {
    /// The machine, where the numbers are absolute and of a machine of ours.
    pub fn machine(&self) -> Option<Option<&str>> {
        match &self.content {
            Content::Capacity(capacity, _) => Some(capacity.testbed.machine.as_deref()),
            Content::Run(result) => Some(result.testbed.machine.as_deref()),
            Content::Live(_) | Content::Unusable(_) => None,
        }
    }
}

/// Everything under a directory of runs. What can't be read is an item that says so.
pub fn all(runs: &Path) -> Vec<Item> {
    let entries = fs::read_dir(runs).into_iter().flatten();
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let of = |path: &std::path::PathBuf| match named(path) {
        Ok(items) => items,
        Err(error) => vec![Item {
            name: name_of(path),
            content: Content::Unusable(format!("{error:#}")),
        }],
    };
    paths.iter().flat_map(of).collect()
}

/// What one directory holds: a search, a run, those of a sweep or comparison, or an assessed system; nothing for any other.
///
/// # Errors
/// Bad input if a file is damaged, or of another version.
pub fn named(path: &Path) -> anyhow::Result<Vec<Item>> {
    let name = name_of(path);
    let one = |content| {
        Ok(vec![Item {
            name: name.clone(),
            content,
        }])
    };
    if let Some(capacity) = read::<Capacity>(&path.join(CAPACITY_FILE), capacity::SCHEMA_VERSION)? {
        let runs = steps_of(path, &name, &capacity);
        return one(Content::Capacity(Box::new(capacity), runs));
    }
    if path.join(ASSESS_FILE).is_file() {
        let live = read_plain::<Assessed>(&path.join(ASSESS_FILE))?.live;
        return one(Content::Live(LiveEvidence {
            source: name.clone(),
            ..live
        }));
    }
    if path.join(SWEEP_FILE).is_file() || path.join(COMPARE_FILE).is_file() {
        return runs_in(path, &name);
    }
    match read::<RunResult>(&path.join("result.json"), result::SCHEMA_VERSION)? {
        Some(result) => one(Content::Run(Box::new(result))),
        None => Ok(Vec::new()),
    }
}

/// The runs of a sweep or comparison.
fn runs_in(path: &Path, name: &str) -> anyhow::Result<Vec<Item>> {
    let entries = fs::read_dir(path).into_iter().flatten();
    let mut inside: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    inside.sort();
    let mut items = Vec::new();
    for path in inside {
        if let Some(result) = read::<RunResult>(&path.join("result.json"), result::SCHEMA_VERSION)? {
            items.push(Item {
                name: format!("{name}/{}", name_of(&path)),
                content: Content::Run(Box::new(result)),
            });
        }
    }
    Ok(items)
}

/// A step whose run is gone, or damaged, still has its verdict in the search: only its waits are missing.
fn steps_of(path: &Path, name: &str, capacity: &Capacity) -> Vec<(String, RunResult)> {
    let run = |step: &capacity::Step| {
        let result = read(&path.join(&step.run).join("result.json"), result::SCHEMA_VERSION).ok()??;
        Some((format!("{name}/{}", step.run), result))
    };
    capacity.steps.iter().filter_map(run).collect()
}

/// The part of `assess.json` that the verdict reads.
#[derive(Deserialize)]
struct Assessed {
    live: LiveEvidence,
}

#[derive(Deserialize)]
struct Version {
    schema_version: Option<u32>,
}

/// A file of this version; `None` if there is none.
fn read<T: DeserializeOwned>(path: &Path, version: u32) -> anyhow::Result<Option<T>> {
    if !path.is_file() {
        return Ok(None);
    }
    let found = read_plain::<Version>(path)?.schema_version;
    if found != Some(version) {
        let found = found.map_or_else(|| "none".to_owned(), |found| found.to_string());
        return Err(bad_input(format!(
            "{}: schema_version: found {found}; this program reads {version}: run it again, or decide with the program that wrote it",
            path.display()
        )));
    }
    read_plain(path).map(Some)
}

fn read_plain<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text =
        fs::read_to_string(path).map_err(|error| bad_input(format!("can't read {}: {error}", path.display())))?;
    serde_json::from_str(&text).map_err(|error| bad_input(format!("{} is damaged: {error}", path.display())))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
