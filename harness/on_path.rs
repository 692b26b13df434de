//! Where a program is on `PATH`, for the build scripts that tell the tests what this machine has.

use std::env;
use std::path::PathBuf;

/// The first file of this name.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut files = env::split_paths(&path).map(|directory| directory.join(program));
    files.find(|file| file.is_file())
}
