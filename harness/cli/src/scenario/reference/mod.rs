//! The tables of `docs/scenarios.md`, written by the code itself: a test fails when they are out of date.
//!
//! Nothing is kept by hand beside the types. Keys, kinds of values and meanings come from the types and their comments
//! (`schemars`); a default is what a scenario has when the key is left out; what is allowed is what the validators answer to
//! values that must be refused. `every-key.toml` gives the validators something to refuse in: a new key belongs in there, and a
//! test says so.

mod ask;
mod keys;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

/// Writes the tables when it is set, instead of comparing them.
const WRITE: &str = "CROSSOVER_WRITE_REFERENCE";
/// What does so.
const COMMAND: &str = "./just scenario-reference";
const BEGIN: &str = "<!-- keys of ";
const END: &str = "<!-- end of keys -->";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/scenarios.md")
}

/// The page with every table between its marks written again.
fn written(page: &str) -> String {
    let keys = keys::all();
    let sections: Vec<&str> = page.lines().filter_map(section).collect();
    let mut out = Vec::new();
    let mut skipping = false;
    for line in page.lines() {
        skipping &= line != END;
        if !skipping {
            out.push(line.to_owned());
        }
        if let Some(name) = section(line) {
            out.extend(table::lines(&keys, name, &sections));
            skipping = true;
        }
    }
    out.join("\n") + "\n"
}

/// The tables that a mark stands for: `` <!-- keys of topology: written by `…` --> ``.
fn section(line: &str) -> Option<&str> {
    let (names, _) = line.strip_prefix(BEGIN)?.split_once(':')?;
    Some(names)
}

#[test]
fn the_scenario_reference_is_what_the_code_says() {
    let found = fs::read_to_string(page()).unwrap();
    let wanted = written(&found);
    if std::env::var_os(WRITE).is_some() {
        fs::write(page(), wanted).unwrap();
        return;
    }
    let differ = found
        .lines()
        .zip(wanted.lines())
        .position(|(found, wanted)| found != wanted);
    assert!(
        found == wanted,
        "docs/scenarios.md is out of date at line {}; write it again: {COMMAND}",
        differ.map_or(found.lines().count(), |line| line + 1)
    );
}

#[test]
fn every_key_is_in_one_table() {
    let page = fs::read_to_string(page()).unwrap();
    let sections: Vec<&str> = page.lines().filter_map(section).collect();
    for key in keys::all() {
        let tables = sections
            .iter()
            .filter(|names| table::belongs(&key.path, names, &sections))
            .count();
        assert_eq!(tables, 1, "{} is in {tables} tables of docs/scenarios.md", key.path);
    }
}

#[test]
fn every_key_has_a_meaning_and_a_place_in_the_file_with_every_key() {
    for key in keys::all() {
        assert!(!key.meaning.is_empty(), "{} has no comment in the code", key.path);
        assert!(
            ask::places(&key.path).next().is_some(),
            "put {} into every-key.toml",
            key.path
        );
    }
    assert_eq!(ask::refusal(&ask::sample()), None, "every-key.toml is refused");
}
