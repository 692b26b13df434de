//! Where things are: the project's root, its scenarios, its runs.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::failure::bad_input;

/// File that makes a directory a sweep's.
pub const SWEEP_FILE: &str = "points.json";

/// File that makes a directory a comparison's.
pub const COMPARE_FILE: &str = "compare.json";

/// File that makes a directory a capacity search's, or that of several.
pub const CAPACITY_FILE: &str = "capacities.json";

/// What the searches of a directory say of claims.
pub const CAPACITY_CLAIMS_FILE: &str = "capacity-claims.json";

/// File that makes a directory a map's.
pub const MAP_FILE: &str = "map.json";

/// File of one search for the highest rate that holds.
pub const SEARCH_FILE: &str = "capacity.json";

/// File that makes a directory an assessment's of a live system.
pub const ASSESS_FILE: &str = "assess.json";

/// File that makes a directory a comparison's of two builds.
pub const REGRESS_FILE: &str = "regress.json";

/// The nearest directory above the current one that holds `scenarios/`.
pub fn root() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir().context("no current directory")?;
    let found = here.ancestors().find(|directory| directory.join("scenarios").is_dir());
    found.map(Path::to_owned).ok_or_else(|| {
        bad_input(format!(
            "no scenarios/ in {} or above it; run this inside the project",
            here.display()
        ))
    })
}

/// Scenarios that measure.
pub const BENCH: &str = "scenarios/bench";

/// Scenarios that break things.
pub const CHAOS: &str = "scenarios/chaos";

/// The file of a scenario: a path, or a name in one of the two directories.
pub fn scenario(directory: &str, name: &str) -> anyhow::Result<PathBuf> {
    if Path::new(name).extension().is_some_and(|extension| extension == "toml") {
        return Ok(PathBuf::from(name));
    }
    let directory = root()?.join(directory);
    let path = directory.join(format!("{name}.toml"));
    if path.is_file() {
        return Ok(path);
    }
    let names = names_in(&directory)?;
    Err(bad_input(format!(
        "unknown scenario {name:?}{}; there are: {}",
        did_you_mean(name, &names),
        names.join(", ")
    )))
}

/// Names of all scenarios in one of the two directories.
pub fn scenarios(directory: &str) -> anyhow::Result<Vec<String>> {
    names_in(&root()?.join(directory))
}

/// The directory of a run, sweep, comparison, search or assessment: a path, or a name under `reports/runs/`.
pub fn run(run: &Path) -> anyhow::Result<PathBuf> {
    let root = root()?;
    let candidates = [run.to_owned(), root.join(run), root.join("reports/runs").join(run)];
    let found = candidates.into_iter().find(|path| {
        [
            "run.json",
            SWEEP_FILE,
            COMPARE_FILE,
            CAPACITY_FILE,
            MAP_FILE,
            SEARCH_FILE,
            ASSESS_FILE,
            REGRESS_FILE,
        ]
        .iter()
        .any(|file| path.join(file).is_file())
    });
    found.ok_or_else(|| {
        let runs = std::fs::read_dir(root.join("reports/runs")).into_iter().flatten();
        let mut names: Vec<String> = runs
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        let listed = if names.is_empty() {
            "there are none yet".to_owned()
        } else {
            format!("there are: {}", names.join(", "))
        };
        bad_input(format!("no run {}; {listed}", run.display()))
    })
}

/// `; did you mean "x"?`, or nothing if no name is near.
pub fn did_you_mean(found: &str, allowed: &[impl AsRef<str>]) -> String {
    let near = |name: &&str| strsim::damerau_levenshtein(found, name) <= found.len().max(name.len()) / 2;
    let nearest = allowed.iter().map(AsRef::as_ref).filter(near);
    match nearest.min_by_key(|name| strsim::damerau_levenshtein(found, name)) {
        Some(name) => format!("; did you mean {name:?}?"),
        None => String::new(),
    }
}

fn names_in(directory: &Path) -> anyhow::Result<Vec<String>> {
    let entries = std::fs::read_dir(directory).with_context(|| format!("can't list {}", directory.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            entry
                .ok()?
                .file_name()
                .to_str()?
                .strip_suffix(".toml")
                .map(str::to_owned)
        })
        .collect();
    names.sort();
    Ok(names)
}
