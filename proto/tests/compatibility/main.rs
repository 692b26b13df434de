//! A breaking change of a `.proto` file fails here (C12).
//!
//! The schema of the last release, `released/descriptors.txtpb`, is compared with all `.proto` files under `crossover/`:
//!
//! | refused | allowed |
//! |---|---|
//! | a field or enum value renumbered, renamed, or its number given to another | a new field, also in a oneof that exists |
//! | a field or enum value removed, unless number **and** name are reserved | removed, with both reserved |
//! | a reservation taken back | reserving more |
//! | a field's type changed, **also** between types with the same wire form | a message moved to another file of its package |
//! | a field's label changed (singular, optional, repeated), or its oneof | `packed`, `deprecated`, comments, order in the file |
//! | a message, enum, service or call removed or renamed | new ones |
//! | a call's request, response or streaming changed | |
//! | the package or syntax of a file changed | a new file, a new package |
//!
//! No change of type is allowed, because the compatible ones are so on paper only: `int64` read as `int32` is cut off
//! without a word, `string` read as `bytes` changes what the generated code accepts, and an enum read as a number loses its
//! names. A rename is refused because no tool can tell it from a number that is used again.
//!
//! A release is cut by `examples/release_descriptor.rs`, which refuses what this test refuses.

mod allowed;
mod check;
mod refused;

use std::fs;

use check::{Fallible, Finding, compare, compile, from_text, read_sources, release_path, root, to_text};
use protox::prost_reflect::DescriptorPool;

fn release() -> Fallible<DescriptorPool> {
    from_text(&fs::read_to_string(release_path())?)
}

/// What the `.proto` files, with one place changed in one of them, break of the last release.
fn broken_by_changing(file: &str, from: &str, to: &str) -> Fallible<Vec<Finding>> {
    let mut sources = read_sources(&root())?;
    let source = sources.get_mut(file).ok_or("no such file")?;
    *source = changed(source, from, to)?;
    Ok(compare(&release()?, &compile(&sources)?))
}

/// What the sample, with one place changed, breaks of the sample.
fn broken_in_sample(from: &str, to: &str) -> Fallible<Vec<Finding>> {
    Ok(compare(&schema(SAMPLE)?, &schema(&changed(SAMPLE, from, to)?)?))
}

/// A schema of one file.
fn schema(source: &str) -> Fallible<DescriptorPool> {
    compile(&[("crossover/sample.proto".to_owned(), source.to_owned())].into())
}

/// `text` with its only `from` replaced.
fn changed(text: &str, from: &str, to: &str) -> Fallible<String> {
    match text.matches(from).count() {
        1 => Ok(text.replacen(from, to, 1)),
        count => Err(format!("{from:?} is there {count} times; a case must change one place").into()),
    }
}

/// A schema that has one of everything.
const SAMPLE: &str = r#"
syntax = "proto3";
package sample.v1;

message Order {
  reserved 20 to 22, 30;
  reserved "colour";
  int64 id = 1;
  repeated uint32 sizes = 2;
  optional string note = 3;
  map<string, bytes> labels = 4;
  oneof target {
    string address = 5;
    bytes token = 6;
  }
  State state = 7;
  Part part = 8;
  bytes body = 9;
  message Part {
    uint32 weight = 1;
    enum Side {
      SIDE_LEFT = 0;
    }
  }
}

enum State {
  reserved 8, 9;
  reserved "STATE_LOST";
  STATE_NEW = 0;
  STATE_OLD = 1;
}

message Answer {}
message Question {}

service Desk {
  rpc Ask(Question) returns (Answer);
  rpc Watch(Question) returns (stream Answer);
}
"#;

#[test]
fn no_proto_file_breaks_the_last_release() {
    let now = compile(&read_sources(&root()).unwrap()).unwrap();
    let findings: Vec<String> = compare(&release().unwrap(), &now)
        .iter()
        .map(Finding::to_string)
        .collect();
    assert!(
        findings.is_empty(),
        "breaking changes of the wire schema:\n  {}\n",
        findings.join("\n  ")
    );
}

#[test]
fn the_release_holds_the_api_the_event_and_the_work() {
    let release = release().unwrap();
    assert!(release.get_service_by_name("crossover.engine.v1.Engine").is_some());
    for message in ["crossover.event.v1.JobDispatch", "crossover.load.v1.Work"] {
        assert!(release.get_message_by_name(message).is_some(), "{message}");
    }
}

#[test]
fn a_schema_reads_back_from_its_text() {
    for schema in [
        schema(SAMPLE).unwrap(),
        compile(&read_sources(&root()).unwrap()).unwrap(),
    ] {
        let text = to_text(&schema).unwrap();
        let back = from_text(&text).unwrap();
        assert_eq!(to_text(&back).unwrap(), text);
        assert_eq!(compare(&schema, &back), []);
        assert_eq!(compare(&back, &schema), []);
    }
}
