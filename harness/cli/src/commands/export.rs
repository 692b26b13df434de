//! `export RUN`: every job of a run as a row, for pandas, DuckDB or a spreadsheet.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use crossover_evidence::measure::JobRow;

use super::running::shown;
use crate::args::{ExportArgs, ExportFormat};
use crate::failure::bad_input;
use crate::place;
use crate::run::{RunDirectory, for_each_job};

/// Runs the command: to the file that is named, to standard output for `-`, else beside the run's report.
///
/// # Errors
/// If there is no such run, it is not a single one, or the file can't be written.
pub fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let path = place::run(&args.run)?;
    let directory = single_run(&path)?;
    if args.output.as_deref() == Some(Path::new("-")) {
        return match write(&directory, args.format, io::stdout().lock()) {
            // Whoever reads has seen enough, such as `head`.
            Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
            outcome => outcome.map(|()| ExitCode::SUCCESS),
        };
    }
    let output: PathBuf = match &args.output {
        Some(output) => output.clone(),
        None => directory.file(&format!("jobs.{}", args.format.extension())),
    };
    let file =
        File::create(&output).map_err(|error| bad_input(format!("can't write {}: {error}", output.display())))?;
    write(&directory, args.format, file)?;
    println!("{}", shown(&output));
    Ok(ExitCode::SUCCESS)
}

/// The directory of one run, which is none of several.
///
/// # Errors
/// Bad input if there are several, or none: their names.
pub fn single_run(path: &Path) -> anyhow::Result<RunDirectory> {
    if path.join("run.json").is_file() {
        return Ok(RunDirectory::open(path));
    }
    let (shown, inside) = (shown(path), runs_in(path)?);
    Err(bad_input(match inside.as_slice() {
        [] => format!("{shown} is no single run: it has no run.json"),
        names => format!("{shown} holds several runs; name one of them: {}", names.join(", ")),
    }))
}

fn write(directory: &RunDirectory, format: ExportFormat, output: impl Write) -> anyhow::Result<()> {
    let mut output = BufWriter::new(output);
    match format {
        ExportFormat::Csv => {
            let mut rows = csv::Writer::from_writer(&mut output);
            for_each_job(directory, |row| Ok(rows.serialize(row)?))?;
            rows.flush()?;
        }
        ExportFormat::Jsonl => for_each_job(directory, |row: JobRow| {
            serde_json::to_writer(&mut output, &row)?;
            Ok(output.write_all(b"\n")?)
        })?,
    }
    Ok(output.flush()?)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let of_json = cause
            .downcast_ref::<serde_json::Error>()
            .and_then(serde_json::Error::io_error_kind);
        let of_csv = cause.downcast_ref::<csv::Error>().and_then(|error| match error.kind() {
            csv::ErrorKind::Io(error) => Some(error.kind()),
            _ => None,
        });
        io.or(of_json).or(of_csv)
    });
    kinds.into_iter().any(|kind| kind == io::ErrorKind::BrokenPipe)
}

fn runs_in(directory: &Path) -> anyhow::Result<Vec<String>> {
    let entries = std::fs::read_dir(directory).with_context(|| format!("can't list {}", directory.display()))?;
    let runs = entries.filter_map(|entry| Some(entry.ok()?.path()).filter(|path| path.join("run.json").is_file()));
    let mut names: Vec<String> = runs.map(|path| shown(&path)).collect();
    names.sort();
    Ok(names)
}
