//! Positive controls: each kind of breaking change, planted, must be found, and told with its place.

mod members;
mod names;

use crate::{broken_by_changing, broken_in_sample};

/// Changes the sample and expects exactly these findings, by how they begin.
#[track_caller]
fn refused(from: &str, to: &str, expected: &[&str]) {
    let findings = broken_in_sample(from, to).expect("a case compiles");
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let as_expected = findings
        .iter()
        .zip(expected)
        .all(|(found, begin)| found.starts_with(begin));
    assert!(
        as_expected && findings.len() == expected.len(),
        "found {findings:#?}\nnot {expected:#?}"
    );
}

#[test]
fn a_renumbered_field_of_the_event() {
    let findings = broken_by_changing("crossover/event/v1/event.proto", "attempt = 5;", "attempt = 8;").unwrap();
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        findings,
        ["crossover.event.v1.JobDispatch.attempt: number 5 → 8; give it its number back"]
    );
}

#[test]
fn a_changed_call_of_the_engine() {
    let call = ("rpc Start(StartRequest)", "rpc Start(stream StartRequest)");
    let findings = broken_by_changing("crossover/engine/v1/engine.proto", call.0, call.1).unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].place, "crossover.engine.v1.Engine.Start");
}

#[test]
fn a_retyped_field_of_the_work() {
    let findings = broken_by_changing("crossover/load/v1/work.proto", "fixed64 seed", "uint64 seed").unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].found, "type fixed64 → uint64");
}
