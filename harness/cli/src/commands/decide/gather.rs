//! Finished runs, read from their directories: what each has to say to the verdict, and on which machine it was measured.

use std::fs;
use std::path::{Path, PathBuf};

use crossover_evidence::capacity::{self, Capacity};
use crossover_evidence::decide::{Answer, LiveWaits};
use crossover_evidence::result::{self, RunResult};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::failure::bad_input;
use crate::place::{ASSESS_FILE, CAPACITY_FILE, COMPARE_FILE, SEARCH_FILE, SWEEP_FILE};

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
    Live(LiveWaits),
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
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let of = |path: &PathBuf| match named(path) {
        Ok(items) => items,
        Err(error) => vec![Item {
            name: name_of(path),
            content: Content::Unusable(format!("{error:#}")),
        }],
    };
    paths.iter().flat_map(of).collect()
}

/// What one directory holds: a search, a run, those of several, or an assessed system; nothing for any other.
///
/// # Errors
/// Bad input if a file is damaged, or of another version.
pub fn named(path: &Path) -> anyhow::Result<Vec<Item>> {
    in_directory(path, name_of(path))
}

fn in_directory(path: &Path, name: String) -> anyhow::Result<Vec<Item>> {
    if let Some(mut capacity) = read::<Capacity>(&path.join(SEARCH_FILE), capacity::SCHEMA_VERSION)? {
        let runs = steps_of(path, &name, &capacity);
        // By its place under the runs, so that whoever cites it can be followed.
        capacity.id.clone_from(&name);
        let content = Content::Capacity(Box::new(capacity), runs);
        return Ok(vec![Item { name, content }]);
    }
    if path.join(ASSESS_FILE).is_file() {
        let content = read_plain::<Assessed>(&path.join(ASSESS_FILE))?.content(&name);
        return Ok(vec![Item { name, content }]);
    }
    if [CAPACITY_FILE, SWEEP_FILE, COMPARE_FILE]
        .iter()
        .any(|file| path.join(file).is_file())
    {
        return inside(path, &name);
    }
    let result = read::<RunResult>(&path.join("result.json"), result::SCHEMA_VERSION)?;
    let content = result.map(|result| Content::Run(Box::new(result)));
    Ok(content.map(|content| Item { name, content }).into_iter().collect())
}

/// The runs of a sweep or comparison, the searches of a command.
fn inside(path: &Path, name: &str) -> anyhow::Result<Vec<Item>> {
    let entries = fs::read_dir(path).into_iter().flatten();
    let mut inside: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    inside.sort();
    let mut items = Vec::new();
    for path in inside.iter().filter(|path| path.is_dir()) {
        items.extend(in_directory(path, format!("{name}/{}", name_of(path)))?);
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
    sampled: Sampled,
    condition: Condition,
    lock_waits: Waits,
}

#[derive(Deserialize)]
struct Sampled {
    duration_s: f64,
}

#[derive(Deserialize)]
struct Condition {
    answer: Answer,
}

#[derive(Deserialize)]
struct Waits {
    lock_wait_share: Option<Share>,
    #[serde(default)]
    lock_wait_share_at_most: Option<Share>,
}

#[derive(Clone, Copy, Deserialize)]
struct Share {
    low: f64,
    high: f64,
}

impl Assessed {
    fn content(&self, source: &str) -> Content {
        let waits = &self.lock_waits;
        let Some(share) = waits.lock_wait_share else {
            return Content::Unusable("no session was seen active on the job table".to_owned());
        };
        Content::Live(LiveWaits {
            source: source.to_owned(),
            seconds: self.sampled.duration_s,
            lock_wait_share_low: share.low,
            lock_wait_share_high: waits.lock_wait_share_at_most.unwrap_or(share).high,
            sustained: self.condition.answer == Answer::Yes,
            jobs_per_s: None,
        })
    }
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
