//! `diff A B [C…]`: finished runs held against the first of them, from their directories alone. Nothing is started.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use crossover_evidence::diff::{Diff, Identity, RUNS_MAX, Side, diff};
use crossover_report::DiffPage;

use super::export::single_run;
use super::running::{shown, stamped};
use crate::args::DiffArgs;
use crate::failure::bad_input;
use crate::place;
use crate::run::{Judged, RunDirectory, git_commit, look, now};
use crate::scenario::keys;

/// Runs the command. It says what differs, and takes no side: the exit code is that of the page.
///
/// # Errors
/// Bad input: fewer than two runs, too many, one of them twice, or a directory that is no single run.
pub fn run(args: &DiffArgs) -> anyhow::Result<ExitCode> {
    let directories = directories(&args.runs)?;
    let judged: Vec<Judged> = directories.iter().map(look).collect::<anyhow::Result<_>>()?;
    let output = place::root()?.join(&args.output);
    let directory = RunDirectory::create_free(&output, &stamped("diff"))?;
    let identity = Identity {
        id: directory.name(),
        command: command(args),
        written_at: now(),
        git_commit: git_commit(),
    };
    let paths: Vec<String> = directories
        .iter()
        .map(|run| relative(directory.path(), run.path()))
        .collect();
    let plans: Vec<String> = judged.iter().map(|run| run.scenario.plan.digest()).collect();
    let scenarios: Vec<Vec<(String, String)>> = judged.iter().map(|run| keys(&run.scenario.document)).collect();
    let sides: Vec<Side<'_>> = judged
        .iter()
        .enumerate()
        .map(|(index, run)| Side {
            path: &paths[index],
            result: &run.result,
            series: &run.series,
            plan: &plans[index],
            scenario: &scenarios[index],
            pieces: &run.pieces,
        })
        .collect();
    write(&directory, &diff(identity, &sides), &judged)?;
    Ok(ExitCode::SUCCESS)
}

fn write(directory: &RunDirectory, diff: &Diff, judged: &[Judged]) -> anyhow::Result<()> {
    let runs: Vec<_> = judged.iter().map(|run| (&run.result, &run.series)).collect();
    let page = DiffPage { diff, runs: &runs };
    directory.write_json("diff.json", diff)?;
    directory.write("report.html", crossover_report::diff_html(&page).as_bytes())?;
    directory.write("report.md", crossover_report::diff_markdown(&page).as_bytes())?;
    println!("{}", crossover_report::diff_terminal(&page));
    println!("{}", shown(&directory.file("report.html")));
    Ok(())
}

fn directories(runs: &[PathBuf]) -> anyhow::Result<Vec<RunDirectory>> {
    if !(2..=RUNS_MAX).contains(&runs.len()) {
        let found = runs.len();
        return Err(bad_input(format!(
            "found {found} run{}; a diff takes 2 to {RUNS_MAX}, the first of which the others are held against",
            if found == 1 { "" } else { "s" }
        )));
    }
    let mut directories: Vec<RunDirectory> = Vec::new();
    for run in runs {
        let path = place::run(run)?;
        let path = std::fs::canonicalize(&path).with_context(|| format!("can't read {}", path.display()))?;
        let directory = single_run(&path)?;
        if directories.iter().any(|other| other.path() == directory.path()) {
            return Err(bad_input(format!(
                "{} is named twice; a run does not differ from itself",
                run.display()
            )));
        }
        directories.push(directory);
    }
    Ok(directories)
}

/// From one directory to another, so that links hold when both are moved together. Both are absolute.
fn relative(from: &Path, to: &Path) -> String {
    let common = from
        .components()
        .zip(to.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = from.components().skip(common).map(|_| "..".to_owned());
    let down = to
        .components()
        .skip(common)
        .map(|part| part.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

/// As a person would type it.
fn command(args: &DiffArgs) -> String {
    let runs = args.runs.iter().map(|run| format!(" {}", run.display()));
    format!("./just diff{}", runs.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_go_from_the_page_to_the_runs() {
        let from = Path::new("/p/reports/runs/diff-1");
        assert_eq!(relative(from, Path::new("/p/reports/runs/a")), "../a");
        assert_eq!(
            relative(from, Path::new("/p/reports/runs/cmp/polling")),
            "../cmp/polling"
        );
        assert_eq!(relative(from, Path::new("/q/b")), "../../../../q/b");
    }
}
