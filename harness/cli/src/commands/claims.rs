//! `claims`: every claim that started the project, and where the finished runs leave it. Nothing is started.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crossover_evidence::claims::standing::{ClaimsPage, Ran, SCHEMA_VERSION, Said, all};
use crossover_evidence::result::{self, Claim, RunResult};
use serde::Deserialize;

use super::running::{shown, stamped};
use crate::args::ClaimsArgs;
use crate::place;
use crate::run::{RunDirectory, git_commit, now};

/// Files over several runs that say something of claims: as `claims` or as `findings`.
const OVER_RUNS: [&str; 3] = [place::COMPARE_FILE, "sweep.json", place::CAPACITY_CLAIMS_FILE];

/// Runs the command.
///
/// # Errors
/// If the page can't be written.
pub fn run(args: &ClaimsArgs) -> anyhow::Result<ExitCode> {
    let output = place::root()?.join(&args.output);
    let mut read = Read::default();
    read.directory(&output, "", 0);
    let directory = RunDirectory::create_free(&output, &stamped("claims"))?;
    let page = ClaimsPage {
        schema_version: SCHEMA_VERSION,
        id: directory.name(),
        written_at: now(),
        git_commit: git_commit(),
        runs: read.ran.len(),
        valid_runs: read.ran.iter().filter(|ran| ran.valid).count(),
        claims: all(&read.said, &read.ran),
    };
    directory.write_json("claims.json", &page)?;
    directory.write("report.html", crossover_report::claims_html(&page).as_bytes())?;
    directory.write("report.md", crossover_report::claims_markdown(&page).as_bytes())?;
    println!("{}", crossover_report::claims_terminal(&page));
    println!("{}", shown(&directory.file("report.html")));
    Ok(ExitCode::SUCCESS)
}

/// What the directories say.
#[derive(Debug, Default)]
struct Read {
    said: Vec<Said>,
    ran: Vec<Ran>,
}

/// The part of a file over several runs that is looked at.
#[derive(Debug, Deserialize)]
struct OverRuns {
    #[serde(default)]
    started_at: String,
    #[serde(default)]
    claims: Vec<Claim>,
    #[serde(default)]
    findings: Vec<Claim>,
    #[serde(default)]
    invalid_reasons: Vec<String>,
}

/// How deep runs lie: a step of a search of a sweep.
const DEPTH: usize = 3;

impl Read {
    /// All runs in a directory, also those inside of others; what can't be read has nothing to say.
    fn directory(&mut self, path: &Path, name: &str, depth: usize) {
        let entries = fs::read_dir(path).into_iter().flatten();
        let mut inside: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        inside.sort();
        for path in inside.iter().filter(|path| path.is_dir()) {
            let own = path.file_name().unwrap_or_default().to_string_lossy();
            let name = if name.is_empty() {
                own.into_owned()
            } else {
                format!("{name}/{own}")
            };
            let is_run = self.run(path, &name);
            if !is_run && depth < DEPTH {
                self.directory(path, &name, depth + 1);
                self.over_runs(path, &name);
            }
        }
    }

    fn run(&mut self, path: &Path, name: &str) -> bool {
        let Some(result) = read::<RunResult>(&path.join("result.json")) else {
            return path.join("run.json").is_file();
        };
        if result.schema_version == result::SCHEMA_VERSION {
            let ran = Ran::of(&result, name);
            let said = |claim: Claim| Said {
                run: name.to_owned(),
                at: ran.at.clone(),
                valid: ran.valid,
                claim,
            };
            self.said.extend(result.claims.into_iter().map(said));
            self.ran.push(ran);
        }
        true
    }

    /// Comparisons and sweeps say "not settled" themselves where a run of theirs is not valid. A sweep's moment is that of its
    /// newest run.
    fn over_runs(&mut self, path: &Path, name: &str) {
        let inside = format!("{name}/");
        let newest = self
            .ran
            .iter()
            .filter(|ran| ran.run.starts_with(&inside))
            .map(|ran| ran.at.as_str())
            .max();
        let newest = newest.unwrap_or_default().to_owned();
        for over in OVER_RUNS.iter().filter_map(|file| read::<OverRuns>(&path.join(file))) {
            let at = if over.started_at.is_empty() {
                newest.clone()
            } else {
                over.started_at
            };
            let said = |claim: Claim| Said {
                run: name.to_owned(),
                at: at.clone(),
                valid: over.invalid_reasons.is_empty(),
                claim,
            };
            self.said.extend(over.claims.into_iter().chain(over.findings).map(said));
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
