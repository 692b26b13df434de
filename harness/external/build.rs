//! Tells the tests whether this machine can run Kafka, so that those that need it are counted as ignored, with the reason.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=PATH");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(can_run_kafka)");
    if ["java", "keytool", "mvn"].iter().all(|program| is_on_path(program)) {
        println!("cargo::rustc-cfg=can_run_kafka");
    }
}

fn is_on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory: std::path::PathBuf| Path::new(&directory).join(program).is_file())
}
