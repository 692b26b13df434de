//! What the check must let through: a check that cries at additions is one that is switched off.

use crate::check::compile;
use crate::{SAMPLE, broken_by_changing, broken_in_sample, changed, compare, schema};

#[track_caller]
fn allowed(from: &str, to: &str) {
    assert_eq!(broken_in_sample(from, to).expect("a case compiles"), []);
}

#[test]
fn a_second_kind_of_payload_in_the_event() {
    let (from, to) = ("bytes inline = 7;", "bytes inline = 7; string reference = 8;");
    let findings = broken_by_changing("crossover/event/v1/event.proto", from, to).unwrap();
    assert_eq!(findings, []);
}

#[test]
fn a_new_call_of_the_engine() {
    let (from, to) = (
        "service Engine {",
        "service Engine { rpc Pause(LeaseRequest) returns (OutcomeResponse);",
    );
    let findings = broken_by_changing("crossover/engine/v1/engine.proto", from, to).unwrap();
    assert_eq!(findings, []);
}

#[test]
fn a_new_field_value_call_message_enum_or_service() {
    allowed("bytes body = 9;", "bytes body = 9; bytes more = 10;");
    allowed("bytes token = 6;", "bytes token = 6; bytes third = 10;");
    allowed("STATE_OLD = 1;", "STATE_OLD = 1; STATE_GONE = 2;");
    allowed("message Answer {}", "message Answer { string text = 1; }");
    allowed(
        "message Answer {}",
        "message Answer {} message Other {} enum Kind { KIND_NONE = 0; }",
    );
    allowed("service Desk {", "service Desk { rpc Tell(Answer) returns (Answer);");
    allowed(
        "service Desk {",
        "service Bell { rpc Ring(Answer) returns (Answer); } service Desk {",
    );
}

#[test]
fn a_removal_with_number_and_name_reserved() {
    allowed("bytes body = 9;", "reserved 9; reserved \"body\";");
    allowed("bytes body = 9;", "reserved 9 to 19; reserved \"body\";");
    allowed("bytes token = 6;\n  }", "} reserved 6; reserved \"token\";");
    allowed("map<string, bytes> labels = 4;", "reserved 4; reserved \"labels\";");
    allowed("STATE_OLD = 1;", "reserved 1; reserved \"STATE_OLD\";");
}

#[test]
fn reserving_more_or_writing_it_otherwise() {
    allowed("20 to 22, 30", "20, 21, 22, 30");
    allowed("20 to 22, 30", "20 to 40");
    allowed("30;", "30, 50 to max;");
    allowed("reserved 8, 9;", "reserved 8 to max;");
}

#[test]
fn what_neither_the_wire_nor_the_code_can_see() {
    allowed(
        "int64 id = 1;",
        "// The order's own.\n  int64 id = 1 [deprecated = true];",
    );
    allowed(
        "repeated uint32 sizes = 2;",
        "repeated uint32 sizes = 2 [packed = false];",
    );
    allowed(
        "message Answer {}\nmessage Question {}",
        "message Question {}\nmessage Answer {}",
    );
}

#[test]
fn a_message_moved_to_another_file_of_its_package() {
    let here = changed(SAMPLE, "message Answer {}", "").unwrap();
    let here = changed(
        &here,
        "package sample.v1;",
        "package sample.v1; import \"crossover/answer.proto\";",
    )
    .unwrap();
    let there = "syntax = \"proto3\"; package sample.v1; message Answer {}";
    let sources = [
        ("crossover/sample.proto", here.as_str()),
        ("crossover/answer.proto", there),
    ];
    let sources = sources.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(
        compare(&schema(SAMPLE).unwrap(), &compile(&sources.into()).unwrap()),
        []
    );
}
