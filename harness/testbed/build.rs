//! Tells the tests which programs this machine has, so that those that need more are counted as ignored, with the reason:
//! the test runner can't skip at run time, and a test that did not run must not pass.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=PATH");
    for (name, programs) in [
        ("can_run_kafka", &["java", "mvn", "go"][..]),
        ("can_run_toxiproxy", &["go"]),
    ] {
        println!("cargo::rustc-check-cfg=cfg({name})");
        if programs.iter().all(|program| is_on_path(program)) {
            println!("cargo::rustc-cfg={name}");
        }
    }
}

fn is_on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory: std::path::PathBuf| Path::new(&directory).join(program).is_file())
}
