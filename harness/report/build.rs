//! Tells the tests whether this machine has a Chromium, so that those that need one are counted as ignored, with the reason:
//! a test that did not run must not pass.

#[path = "../on_path.rs"]
mod on_path;

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
    println!("cargo::rerun-if-changed=../on_path.rs");
    println!("cargo::rustc-check-cfg=cfg(has_browser)");
    if let Some(browser) = BROWSERS.iter().find_map(|name| on_path::find(name)) {
        println!("cargo::rustc-cfg=has_browser");
        println!("cargo::rustc-env=CROSSOVER_TEST_BROWSER={}", browser.display());
    }
}
