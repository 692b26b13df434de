//! Tells the tests which programs and images this machine has, so that those that need more are counted as ignored, with the
//! reason: the test runner can't skip at run time, and a test that did not run must not pass.

use std::env;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[path = "../on_path.rs"]
mod on_path;

/// An engine that does not answer by then is as good as none.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// One of each row must be there: makers' image or stand-in.
const IMAGES: [[&str; 2]; 3] = [
    ["\"postgres:17", "\"crossover-standin-postgres:"],
    ["\"apache/kafka:", "\"crossover-standin-kafka:"],
    ["\"ghcr.io/shopify/toxiproxy:", "\"crossover-standin-toxiproxy:"],
];
const REDPANDA: &str = "redpandadata/redpanda:";

/// Of an engine of the test's own, on a disk of its own, and of a registry. Besides, it takes root.
const OWN_ENGINE: [&str; 8] = [
    "dockerd",
    "docker",
    "go",
    "setpriv",
    "unshare",
    "mkfs.ext4",
    "fallocate",
    "fsfreeze",
];

fn main() {
    // The command line's crate is built with this script as well. A file that is not there would have it run at each build.
    println!("cargo::rerun-if-changed=../testbed/build.rs");
    println!("cargo::rerun-if-changed=../on_path.rs");
    // Only tests ask for any of it: nobody waits for a release build because an image was built or an engine moved.
    if env::var("PROFILE").is_ok_and(|profile| profile == "debug") {
        println!("cargo::rerun-if-env-changed=PATH");
        println!("cargo::rerun-if-env-changed=DOCKER_HOST");
        println!("cargo::rerun-if-changed=../testbed/images-changed");
    }
    let images = images().unwrap_or_default();
    let has_images = IMAGES.iter().all(|row| row.iter().any(|name| images.contains(name)));
    for (name, is_so) in [
        ("can_run_kafka", are_on_path(&["java", "mvn", "go"])),
        ("can_run_toxiproxy", are_on_path(&["go"])),
        ("can_run_containers", has_images),
        (
            "can_run_own_engine",
            has_images && is_root() && are_on_path(&OWN_ENGINE),
        ),
        ("can_run_redpanda", has_images && images.contains(REDPANDA)),
    ] {
        println!("cargo::rustc-check-cfg=cfg({name})");
        if is_so {
            println!("cargo::rustc-cfg={name}");
        }
    }
}

fn are_on_path(programs: &[&str]) -> bool {
    programs.iter().all(|program| on_path::find(program).is_some())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// What the engine says of all its images, as it says it.
fn images() -> Option<String> {
    let named = env::var("DOCKER_HOST").ok().filter(|value| !value.is_empty());
    let address = named.unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
    let mut stream = UnixStream::connect(address.strip_prefix("unix://")?).ok()?;
    stream.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
    stream
        .write_all(b"GET /images/json HTTP/1.0\r\nHost: docker\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
