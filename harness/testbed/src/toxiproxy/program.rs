//! The server's program: in the cache, or built into it by Go.
//!
//! Must not start it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache::{Fetch, FetchPlaces, cache_directory};
use crate::error::{Result, TestbedError};
use crate::supervisor::{ProcessSpec, Supervisor};

/// The version that is run.
pub const TOXIPROXY_VERSION: &str = "2.12.0";

const MODULE: &str = "github.com/Shopify/toxiproxy/v2";

/// Its module asks for 1.23; from 1.21 on, Go fetches a newer Go when a module asks for one.
const OLDEST_GO: (u32, u32) = (1, 21);

const NO_GO: &str =
    "install Go 1.21 or later: apt-get install golang-go (on Debian 12, from bookworm-backports: its own is 1.19)";
const NOT_BUILT: &str = "connect to the network (or set GOPROXY to a proxy of Go modules), and try again";

/// The program, if it was built.
///
/// # Errors
/// `Unavailable` if there is no cache.
pub fn find_toxiproxy() -> Result<Option<PathBuf>> {
    let target = target()?;
    Ok(is_whole(&target).then(|| program_in(&target)))
}

/// As [`find_toxiproxy`], else built into the cache (16 MB; half a minute).
///
/// # Errors
/// `Unavailable`, with the remedy, if there is no Go, or it can't build.
pub async fn fetch_toxiproxy(supervisor: &Supervisor, run_id: &str) -> Result<PathBuf> {
    if let Some(program) = find_toxiproxy()? {
        return Ok(program);
    }
    require_go()?;
    let target = target()?;
    tracing::info!("no Toxiproxy {TOXIPROXY_VERSION} in the cache: building it with Go");
    let fetch = Fetch {
        what: "toxiproxy",
        run_id,
        target: &target,
        remedy: NOT_BUILT,
    };
    let took = fetch.run(supervisor, |places| Ok(go(&places)), is_whole).await?;
    tracing::info!("built Toxiproxy {TOXIPROXY_VERSION} in {took:?}");
    Ok(program_in(&target))
}

/// Whether a Go that is new enough can be run.
pub(crate) fn require_go() -> Result<()> {
    let output = Command::new("go").arg("version").stdin(Stdio::null()).output();
    let output = output
        .map_err(|error| TestbedError::unavailable(format!("no Go, which builds Toxiproxy (go: {error})"), NO_GO))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match parse_version(&text) {
        Some(version) if version < OLDEST_GO => Err(TestbedError::unavailable(
            format!("Go is too old to build Toxiproxy: {}", text.trim()),
            NO_GO,
        )),
        // A development version has no number that compares.
        _ => Ok(()),
    }
}

/// Reads `go version go1.26.8 linux/amd64`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let number = text.split_whitespace().find_map(|word| word.strip_prefix("go1."))?;
    let minor: String = number.chars().take_while(char::is_ascii_digit).collect();
    Some((1, minor.parse().ok()?))
}

fn go(places: &FetchPlaces<'_>) -> ProcessSpec {
    ProcessSpec::new(places.name, "go", places.log)
        // Away from any go.mod, go.work or vendor directory.
        .directory(places.scratch)
        .env("GOBIN", places.into.display().to_string())
        .env("GOWORK", "off")
        .env("CGO_ENABLED", "0")
        .args(["install", "-trimpath"])
        // Else it says that its version is `git`.
        .args([
            "-ldflags".to_owned(),
            format!("-s -w -X {MODULE}.Version={TOXIPROXY_VERSION}"),
        ])
        .args([format!("{MODULE}/cmd/server@v{TOXIPROXY_VERSION}")])
}

fn target() -> Result<PathBuf> {
    Ok(cache_directory()?.join(format!("toxiproxy-{TOXIPROXY_VERSION}")))
}

/// Named by Go after its directory.
fn program_in(directory: &Path) -> PathBuf {
    directory.join("server")
}

fn is_whole(directory: &Path) -> bool {
    program_in(directory).is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_read() {
        assert_eq!(parse_version("go version go1.26.8 linux/amd64\n"), Some((1, 26)));
        assert_eq!(parse_version("go version go1.19 linux/arm64"), Some((1, 19)));
        assert_eq!(parse_version("go version devel +abc"), None);
    }
}
