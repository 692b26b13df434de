//! `export`: every job of a finished run as a row, in both forms, with the columns that the documentation names.

use std::path::Path;

use serde_json::Value;

use crate::support::{Place, number, read, said, tiny};

/// The documentation's table of columns: the first cell of each line between its heading and the next one.
fn documented() -> Vec<String> {
    let text = read(Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../reports/README.md"
    )));
    let (_, section) = text.split_once("### `jobs.csv` and `jobs.jsonl`").unwrap();
    let section = section.split("\n### ").next().unwrap();
    let cells = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    cells.map(str::to_owned).collect()
}

fn exported(format: &str) -> String {
    let place = Place::new();
    let run = tiny().directory.display().to_string();
    let said = said(&mut place.crossover(["export", &run, "--format", format, "--output", "-"]));
    assert_eq!(said.code, Some(0), "{}", said.errors);
    said.output
}

#[test]
fn every_job_is_a_row_and_its_columns_are_those_of_the_documentation() {
    let table = exported("csv");
    let mut lines = table.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(columns, documented());
    let result = tiny().result();
    assert_eq!(lines.count() as u64, number(&result, "/ledger/accepted"));
}

#[test]
fn both_forms_say_the_same_and_latencies_are_those_of_the_report() {
    let rows: Vec<Value> = exported("jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let result = tiny().result();
    // The whole run's figures leave the warm-up out.
    let measured = rows.iter().filter(|row| row["warmup"] == false);
    let slowest = measured.filter_map(|row| row["dispatch_us"].as_u64()).max().unwrap();
    let reported = result["latency_ms"]["dispatch"]["max"].as_f64().unwrap();
    assert!(
        (slowest as f64 / 1_000.0 - reported).abs() < 0.002,
        "{slowest} µs, reported {reported} ms"
    );
    let completed = rows.iter().filter(|row| row["state"] == "completed").count() as u64;
    assert_eq!(completed, number(&result, "/ledger/completed"));
    assert_eq!(rows.len() + 1, exported("csv").lines().count());
}

#[test]
fn a_directory_without_a_run_is_refused_with_what_there_is() {
    let place = Place::new();
    let said = said(&mut place.crossover(["export", "no-such-run"]));
    assert_eq!(said.code, Some(2));
    assert!(said.errors.contains("no run no-such-run"), "{}", said.errors);
}
