//! Messages, enums, services and calls; packages and files.

use super::refused;
use crate::{SAMPLE, compare, schema};

#[test]
fn a_message_or_enum_removed_or_renamed() {
    let answer = "sample.v1.Answer: the message is gone";
    let answers = [
        answer,
        "sample.v1.Desk.Ask: response sample.v1.Answer → sample.v1.Question",
        "sample.v1.Desk.Watch: response stream sample.v1.Answer → stream sample.v1.Question",
    ];
    let without = SAMPLE.replace("message Answer {}", "").replace("Answer", "Question");
    refused(SAMPLE, &without, &answers);
    let renamed = SAMPLE.replace("Part", "Piece");
    refused(
        SAMPLE,
        &renamed,
        &[
            "sample.v1.Order.part: type sample.v1.Order.Part → sample.v1.Order.Piece",
            "sample.v1.Order.Part: the message is gone",
        ],
    );
    let renamed = SAMPLE.replace("State ", "Status ");
    refused(
        SAMPLE,
        &renamed,
        &[
            "sample.v1.Order.state: type sample.v1.State → sample.v1.Status",
            "sample.v1.State: the enum is gone",
        ],
    );
}

#[test]
fn a_service_or_call_removed_or_renamed() {
    refused(
        "service Desk",
        "service Table",
        &["sample.v1.Desk: the service is gone"],
    );
    refused("rpc Ask(", "rpc Enquire(", &["sample.v1.Desk.Ask: the rpc is gone"]);
    refused(
        "rpc Ask(Question) returns (Answer);",
        "",
        &["sample.v1.Desk.Ask: the rpc is gone"],
    );
}

#[test]
fn a_call_changed() {
    let ask = "rpc Ask(Question) returns (Answer)";
    for (to, expected) in [
        (
            "rpc Ask(Order) returns (Answer)",
            "request sample.v1.Question → sample.v1.Order",
        ),
        (
            "rpc Ask(Question) returns (Order)",
            "response sample.v1.Answer → sample.v1.Order",
        ),
        (
            "rpc Ask(stream Question) returns (Answer)",
            "request sample.v1.Question → stream sample.v1.Question",
        ),
        (
            "rpc Ask(Question) returns (stream Answer)",
            "response sample.v1.Answer → stream sample.v1.Answer",
        ),
    ] {
        refused(ask, to, &[&format!("sample.v1.Desk.Ask: {expected}; keep it")]);
    }
}

#[test]
fn a_package_or_syntax_changed() {
    let file = "crossover/sample.proto:";
    refused(
        "package sample.v1;",
        "package sample.v2;",
        &[&format!("{file} package sample.v1 → sample.v2")],
    );
    let [was, is] = ["proto3", "proto2"].map(|syntax| schema(&format!("syntax = {syntax:?};")).unwrap());
    let findings = compare(&was, &is);
    assert_eq!(findings.len(), 1);
    assert!(
        findings[0].to_string().starts_with(&format!("{file} syntax proto3 → ")),
        "{}",
        findings[0]
    );
}

#[test]
fn a_file_removed() {
    let empty = "syntax = \"proto3\";\npackage sample.v1;";
    refused(
        SAMPLE,
        empty,
        &[
            "sample.v1.Order: the message is gone",
            "sample.v1.Answer: the message is gone",
            "sample.v1.Question: the message is gone",
            "sample.v1.State: the enum is gone",
            "sample.v1.Desk: the service is gone",
        ],
    );
}
