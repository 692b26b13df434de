//! Tells the tests whether this machine has a Chromium, so that those that need one are counted as ignored, with the reason:
//! a test that did not run must not pass.

use std::env;
use std::path::{Path, PathBuf};

/// Names of the browsers that speak the DevTools protocol as the tests do, in the order of preference.
const BROWSERS: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
];

fn main() {
    println!("cargo::rerun-if-env-changed=PATH");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(has_browser)");
    let path = env::var_os("PATH").unwrap_or_default();
    let in_directory = |name: &str| -> Option<PathBuf> {
        let directories = env::split_paths(&path);
        directories
            .map(|directory| Path::new(&directory).join(name))
            .find(|file| file.is_file())
    };
    if let Some(browser) = BROWSERS.iter().find_map(|name| in_directory(name)) {
        println!("cargo::rustc-cfg=has_browser");
        println!("cargo::rustc-env=CROSSOVER_TEST_BROWSER={}", browser.display());
    }
}
