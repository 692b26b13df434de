//! What is fetched once and kept: the cache, and how something gets into it whole or not at all.
//!
//! ```text
//!   <cache>/crossover-<run>-fetch-<what>/     ours, marked, removed by the supervisor whatever happens
//!     <what the program makes>  ──rename──▶  <cache>/<what>-<version>
//! ```
//!
//! The program that fetches (Maven, Go) is a child of the supervisor: SIGKILL of the harness ends it too. Half a fetch is
//! never used, and two at once do no harm: the second rename fails, and what the first put there is as good.
//!
//! Must not know what is fetched.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Result, TestbedError};
use crate::logs::tail;
use crate::owned::OwnedDirectory;
use crate::supervisor::{ProcessSpec, Signal, Supervisor};

/// 60 MB and a compilation in ten minutes; a minute is usual.
const FETCHED_WITHIN: Duration = Duration::from_secs(600);

/// Where fetched versions are: `crossover` in XDG_CACHE_HOME, or in `.cache` of the home directory.
///
/// # Errors
/// `Unavailable` if neither is known.
pub fn cache_directory() -> Result<PathBuf> {
    let not_empty = |name| {
        std::env::var_os(name)
            .filter(|value: &OsString| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = not_empty("XDG_CACHE_HOME").or_else(|| not_empty("HOME").map(|home| home.join(".cache")));
    cache.map(|cache| cache.join("crossover")).ok_or_else(|| {
        TestbedError::unavailable(
            "neither XDG_CACHE_HOME nor HOME is set, so there is no cache",
            "set HOME",
        )
    })
}

/// Something that a program brings into the cache.
pub(crate) struct Fetch<'a> {
    /// The part, in lower case: of the process, its log and the scratch directory.
    pub what: &'a str,
    /// Part of the scratch directory's name.
    pub run_id: &'a str,
    /// Where it will be; a child of the cache directory.
    pub target: &'a Path,
    /// What to do when the program fails.
    pub remedy: &'a str,
}

impl Fetch<'_> {
    /// Runs the program that `spec` makes for an empty directory, and moves the directory to the target if `is_whole`.
    ///
    /// # Errors
    /// `Unavailable`, with the end of the program's log, if it fails; `Other` if the cache can't be written.
    pub(crate) async fn run(
        &self,
        supervisor: &Supervisor,
        spec: impl FnOnce(FetchPlaces<'_>) -> Result<ProcessSpec>,
        is_whole: impl Fn(&Path) -> bool,
    ) -> Result<Duration> {
        let start = Instant::now();
        let cache = self.target.parent().unwrap_or(self.target);
        fs::create_dir_all(cache).map_err(|error| TestbedError::io("make", cache, &error))?;
        let scratch = OwnedDirectory::create(cache, self.run_id, &format!("fetch-{}", self.what))?;
        let registered = supervisor.remove_at_end(scratch.path()).await;
        registered.inspect_err(|_| drop(fs::remove_dir_all(scratch.path())))?;
        let fetched = self.fetch(supervisor, scratch.path(), spec, is_whole).await;
        // The supervisor finds nothing left to remove: better than a copy in the cache until the end of the run.
        let _ = fs::remove_dir_all(scratch.path());
        fetched.map(|()| start.elapsed())
    }

    async fn fetch(
        &self,
        supervisor: &Supervisor,
        scratch: &Path,
        spec: impl FnOnce(FetchPlaces<'_>) -> Result<ProcessSpec>,
        is_whole: impl Fn(&Path) -> bool,
    ) -> Result<()> {
        let (into, name) = (scratch.join("fetched"), format!("fetch-{}", self.what));
        fs::create_dir(&into).map_err(|error| TestbedError::io("make", &into, &error))?;
        let log = supervisor.log_dir().join(format!("{name}.log"));
        let given = FetchPlaces {
            name: &name,
            log: &log,
            scratch,
            into: &into,
        };
        supervisor
            .spawn(spec(given)?.stop(Signal::Kill, Duration::from_secs(1)))
            .await?;
        let exited = supervisor.wait_exit(&name, FETCHED_WITHIN).await;
        let exit = match exited {
            Ok(exit) => exit,
            Err(_) => supervisor.stop(&name).await?,
        };
        if !exit.is_success() || !is_whole(&into) {
            return Err(self.failed(&exit.to_string(), &log));
        }
        // If another process was faster, its copy is as good.
        match fs::rename(&into, self.target) {
            Err(error) if !is_whole(self.target) => Err(TestbedError::io("move a fetch to", self.target, &error)),
            _ => Ok(()),
        }
    }

    fn failed(&self, how: &str, log: &Path) -> TestbedError {
        let (what, shown) = (self.what, log.display());
        TestbedError::unavailable(
            format!(
                "{what} can't be fetched (is there a network?): {how}; the log {shown} ends: {}",
                tail(log)
            ),
            self.remedy,
        )
    }
}

/// What a process that fetches is given.
pub(crate) struct FetchPlaces<'a> {
    pub name: &'a str,
    pub log: &'a Path,
    /// For files of its own; removed after it.
    pub scratch: &'a Path,
    /// The directory that becomes the target.
    pub into: &'a Path,
}
