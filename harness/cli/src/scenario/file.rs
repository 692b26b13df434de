//! Reads a scenario file: parse, override, validate; an error names the file, the line, the key and what is allowed.

use std::path::{Path, PathBuf};

use anyhow::Context;
use crossover_evidence::load::{LoadError, trace};
use crossover_evidence::plan::{Plan, Traces};
use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use super::{Document, sweep};
use crate::failure::bad_input;
use crate::place::did_you_mean;

/// A scenario, read and valid, with its plan.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name: the file's stem.
    pub name: String,
    /// Its content.
    pub document: Document,
    /// The text that it was read from, overrides included: a run keeps it.
    pub text: String,
    /// Every arrival.
    pub plan: Plan,
    /// The texts of its trace files, in order of the phases: a run keeps them too, as [`kept_trace`] names them.
    pub traces: Vec<String>,
}

impl Scenario {
    /// The same plan with nothing broken, and nothing that must hold: what its faults did is held against it.
    ///
    /// # Errors
    /// If the text is not TOML.
    pub fn control(&self) -> anyhow::Result<Self> {
        let mut control = self.clone();
        control.text = sweep::without(&self.text, &["control", "faults", "hypotheses"])?;
        control.document.control = false;
        control.document.faults.clear();
        control.document.hypotheses.clear();
        Ok(control)
    }
}

/// Name of a trace's copy in a run's directory, by its place among the traces.
pub fn kept_trace(index: usize) -> String {
    format!("trace-{}.csv", index + 1)
}

/// Reads the file and applies the overrides (`key.path=value`).
///
/// # Errors
/// [`crate::failure::BadInput`], with the place of what is wrong.
pub fn load(path: &Path, overrides: &[String]) -> anyhow::Result<Scenario> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| bad_input(format!("can't read the scenario {}: {error}", path.display())))?;
    let name = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    // Trace files lie beside the scenario, unless their path is absolute.
    let beside = |_: usize, file: &Path| path.parent().unwrap_or(Path::new(".")).join(file);
    if overrides.is_empty() {
        return parse(name, text, path, beside);
    }
    // The file alone first: of what is wrong in it, the line is known; then what the overrides make of it.
    read_document(&text, path)?;
    let text = sweep::overridden(&text, path, overrides)?;
    let with = |error: anyhow::Error| bad_input(format!("--set {}: {error:#}", overrides.join(" --set ")));
    parse(name, text, path, beside).map_err(with)
}

/// Reads a scenario again from the directory of a run.
///
/// # Errors
/// If it can't be read, or is not valid (any more).
pub fn reload(path: &Path, name: &str) -> anyhow::Result<Scenario> {
    reload_with(path, name, &[])
}

/// As [`reload`], with overrides.
///
/// # Errors
/// As [`reload`].
pub fn reload_with(path: &Path, name: &str, overrides: &[String]) -> anyhow::Result<Scenario> {
    let text = std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
    let text = match overrides {
        [] => text,
        _ => sweep::overridden(&text, path, overrides)?,
    };
    let kept = |index: usize, _: &Path| path.with_file_name(kept_trace(index));
    parse(name.to_owned(), text, path, kept)
}

fn parse(
    name: String,
    text: String,
    path: &Path,
    trace_at: impl Fn(usize, &Path) -> PathBuf,
) -> anyhow::Result<Scenario> {
    let document = read_document(&text, path)?;
    let (rows, traces) = read_traces(&document, trace_at)?;
    let plan = Plan::build(&document.workload, &document.load, &rows, document.seed);
    let plan = plan.map_err(|error| refused(&error, &text, path))?;
    Ok(Scenario {
        name,
        document,
        text,
        plan,
        traces,
    })
}

fn read_document(text: &str, path: &Path) -> anyhow::Result<Document> {
    read_toml(text, path, Document::validate)
}

/// Reads and checks a TOML file of the user's.
///
/// # Errors
/// [`crate::failure::BadInput`], with file, line and key.
pub fn read_toml<T: DeserializeOwned>(
    text: &str,
    path: &Path,
    validate: impl Fn(&T) -> Result<(), LoadError>,
) -> anyhow::Result<T> {
    let content: T =
        toml::from_str(text).map_err(|error| bad_input(format!("{}: {}", path.display(), explained(&error))))?;
    validate(&content).map_err(|error| refused(&error, text, path))?;
    Ok(content)
}

fn refused(error: &LoadError, text: &str, path: &Path) -> anyhow::Error {
    let line = line_of(text, &error.place)
        .map(|line| format!(" line {line},"))
        .unwrap_or_default();
    bad_input(format!("{}:{line} {}: {}", path.display(), error.place, error.problem))
}

/// The rows of the traces by the file that the phase names, and their texts in order of the phases.
fn read_traces(
    document: &Document,
    trace_at: impl Fn(usize, &Path) -> PathBuf,
) -> anyhow::Result<(Traces, Vec<String>)> {
    let (mut rows, mut texts) = (Traces::new(), Vec::new());
    for (index, file) in document.load.iter().filter_map(|phase| phase.file.as_ref()).enumerate() {
        let path = trace_at(index, file);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| bad_input(format!("can't read the trace {}: {error}", path.display())))?;
        let parsed = trace::parse(&text, &document.workload)
            .map_err(|error| bad_input(format!("{}: line {}: {}", path.display(), error.line, error.problem)))?;
        rows.insert(file.clone(), parsed);
        texts.push(text);
    }
    Ok((rows, texts))
}

/// The parser's message, with the nearest allowed name where a field is unknown.
fn explained(error: &toml::de::Error) -> String {
    let message = error.to_string();
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message.contains("unknown field") || message.contains("unknown variant");
    let hint = match quoted.next().filter(|_| unknown) {
        Some(found) => did_you_mean(found, &quoted.collect::<Vec<_>>()),
        None if message.contains("expected a duration") => ": a string with a unit, as in \"500ms\"".to_owned(),
        None => String::new(),
    };
    format!("{}{hint}", message.trim_end())
}

/// Line (from 1) of a place such as `load[1].rate_per_s`, or of the nearest part of it that the file spells out.
fn line_of(text: &str, place: &str) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let mut span = None;
    let mut value = &DeValue::Table(table.into_inner());
    for step in steps(place) {
        let next = match (step, value) {
            (Step::Key(key), DeValue::Table(table)) => table.get(key),
            (Step::Index(index), DeValue::Array(array)) => array.get(index),
            _ => None,
        };
        let Some(found) = next else { break };
        span = Some(found.span());
        value = found.get_ref();
    }
    let start = span?.start;
    Some(text.get(..start)?.matches('\n').count() + 1)
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

fn steps(place: &str) -> impl Iterator<Item = Step<'_>> {
    place
        .split(['.', '['])
        .map(|part| match part.trim_end_matches(']').parse() {
            Ok(index) => Step::Index(index),
            Err(_) => Step::Key(part),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
title = "t"

[[load]]
name = "a"
arrivals = "constant"
rate_per_s = 10
duration = "1s"

[[workload.definitions]]
definition = { name = "d", steps = [{ name = "s", jobs = [{ job_type = "j" }] }] }
"#;

    fn refusal(text: &str) -> String {
        parse("x".to_owned(), text.to_owned(), Path::new("x.toml"), |_, file| {
            file.to_owned()
        })
        .unwrap_err()
        .to_string()
    }

    #[test]
    fn a_short_file_is_a_scenario() {
        let scenario = parse("x".to_owned(), GOOD.to_owned(), Path::new("x.toml"), |_, file| {
            file.to_owned()
        })
        .unwrap();
        assert_eq!(scenario.plan.arrivals.len(), 10);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_name() {
        let message = refusal(&GOOD.replace("rate_per_s", "rate_pers"));
        assert!(message.contains("line 7") && message.contains("rate_pers"), "{message}");
        assert!(message.contains("did you mean \"rate_per_s\"?"), "{message}");
    }

    #[test]
    fn a_value_out_of_range_is_named_with_its_line_and_the_range() {
        let message = refusal(&GOOD.replace("rate_per_s = 10", "rate_per_s = 0"));
        assert!(
            message.starts_with("x.toml: line 7, load[0].rate_per_s: found 0"),
            "{message}"
        );
        let message = refusal(&format!("{GOOD}\n[topology]\nreplicas = 0\n"));
        assert!(
            message.contains("line 14, topology.replicas: found 0; allowed is 1 to 64"),
            "{message}"
        );
    }

    #[test]
    fn a_duration_needs_its_unit() {
        let message = refusal(&GOOD.replace("\"1s\"", "1"));
        assert!(message.contains("line 8") && message.contains("duration"), "{message}");
    }

    #[test]
    fn a_fault_on_a_part_that_is_not_there_is_refused() {
        let fault = "\n[[faults]]\nkind = \"kill\"\ntarget = \"worker:2\"\nat = \"0s\"\n";
        let message = refusal(&format!("{GOOD}{fault}"));
        assert!(
            message.contains("allowed are postgres, replica:1 to replica:1, worker:1 to worker:1, relay:1 to relay:1"),
            "{message}"
        );
    }

    #[test]
    fn every_scenario_of_ours_can_be_run() {
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
        for directory in ["bench", "chaos"] {
            let files = std::fs::read_dir(scenarios.join(directory)).unwrap();
            for path in files.map(|file| file.unwrap().path()) {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(text.starts_with("# "), "{}: say what is expected", path.display());
                if let Err(error) = load(&path, &[]) {
                    panic!("{error:#}");
                }
            }
        }
    }
}
