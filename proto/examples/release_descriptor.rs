//! Cuts a release of the schema: writes `released/descriptors.txtpb` from the `.proto` files as they are.
//!
//! ```text
//! cargo run -p crossover-proto --example release_descriptor
//! cargo run -p crossover-proto --example release_descriptor -- --accept-breaking
//! ```
//! A breaking change is refused, with what it breaks. `--accept-breaking` is for a package that nothing speaks any
//! more and of which no topic or outbox holds a record: the commit says why.

#[path = "../tests/compatibility/check/mod.rs"]
mod check;

use std::fs;
use std::process::ExitCode;

use check::{Fallible, compare, compile, from_text, read_sources, release_path, root, to_text};

const HEADER: &str = "\
# proto-file: google/protobuf/descriptor.proto
# proto-message: google.protobuf.FileDescriptorSet
#
# The schema of the last release. Written by
#   cargo run -p crossover-proto --example release_descriptor
# and not by hand: tests/compatibility holds the .proto files to it.
";

fn main() -> Fallible<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let accept_breaking = match arguments.as_slice() {
        [] => false,
        [only] if only == "--accept-breaking" => true,
        _ => {
            eprintln!("found {arguments:?}; allowed is nothing, or --accept-breaking");
            return Ok(ExitCode::from(2));
        }
    };
    let now = compile(&read_sources(&root())?)?;
    let path = release_path();
    if path.exists() {
        let findings = compare(&from_text(&fs::read_to_string(&path)?)?, &now);
        for finding in &findings {
            eprintln!("breaking: {finding}");
        }
        if !findings.is_empty() && !accept_breaking {
            eprintln!("nothing was written; see the head of examples/release_descriptor.rs for --accept-breaking");
            return Ok(ExitCode::from(5));
        }
    }
    fs::write(&path, HEADER.to_owned() + &to_text(&now)?)?;
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}
