//! `crossover relay`, small: the whole way from a filled outbox to the report. Its speed says nothing here.

use std::path::PathBuf;

use crate::support::{Place, Turn, number, read, read_json, said};

/// The run is invalid: this is a debug build.
const INVALID: Option<i32> = Some(6);

#[test]
fn a_backlog_and_single_rows_reach_the_broker_and_the_report_says_so() {
    let place = Place::new();
    let _turn = Turn::take();
    let flags = "relay --rows 2000 --instances 50 --reference-records 2000 --samples 10 --output";
    let mut command = place.crossover(flags.split(' '));
    let said = said(command.arg(place.path("runs")).args(["--", "--batch", "500"]));
    assert_eq!(said.code, INVALID, "{}\n{}", said.output, said.errors);
    assert_eq!(place.data(), [] as [PathBuf; 0]);

    let run = place.only_run();
    let last = said.output.lines().last().unwrap();
    assert_eq!(last, run.join("report.md").display().to_string());
    let report = read_json(&run.join("relay.json"));
    assert_eq!(number(&report, "/version"), 1);
    let verified = &report["backlogs"][0]["verification"];
    let expected = serde_json::json!({
        "records": 2000, "missing": 0, "duplicates": 0, "unreadable": 0, "out_of_order": 0, "wrong_marks": 0,
    });
    assert_eq!(*verified, expected);
    for pointer in [
        "/backlogs/0/rows_per_s",
        "/backlogs/0/share_of_reference",
        "/references/1/records_per_s",
    ] {
        assert!(
            report.pointer(pointer).unwrap().as_f64().unwrap() > 0.0,
            "{pointer}: {report:#}"
        );
    }
    for leg in 0..3 {
        assert_eq!(number(&report, &format!("/idle/{leg}/latency_ms/count")), 10);
        assert_eq!(number(&report, &format!("/idle/{leg}/latency_ms/censored")), 0);
    }
    assert!(read(&run.join("report.md")).contains("-- --batch 500"));
}

#[test]
fn no_rows_at_all_are_refused() {
    let place = Place::new();
    let said = said(&mut place.crossover(["relay", "--rows", "0"]));
    assert_eq!(said.code, Some(2), "{}", said.errors);
    assert_eq!(place.data(), [] as [PathBuf; 0]);
}
