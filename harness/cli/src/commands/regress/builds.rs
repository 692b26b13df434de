//! Commits → programs, each built in a git worktree of its own.
//!
//! ```text
//!   <cache>/regress/trees/base, head    worktrees; removed at the end, whatever ends it
//!   <cache>/regress/target              what cargo has built; kept
//!   <cache>/regress/programs/<commit>-<compiler>   finished programs; the newest are kept
//! ```
//!
//! Git and cargo are children of a supervisor, which removes the worktrees also after the death of the harness. A worktree is where
//! its program runs, too: a run notes the commit of the checkout that it finds itself in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use crossover_evidence::regress::{Build, Side};
use crossover_testbed::cache::cache_directory;
use crossover_testbed::{Exit, ProcessSpec, Signal, Supervisor, TestbedError};
use tokio::sync::watch;

use crate::failure::bad_input;
use crate::run::Progress;

/// A first build on two slow processors takes a quarter of an hour.
const BUILT_WITHIN: Duration = Duration::from_secs(3_600);
/// A few hundred files.
const CHECKED_OUT_WITHIN: Duration = Duration::from_secs(300);
/// So many finished programs are kept.
const PROGRAMS_MAX: usize = 8;

/// A program, and the directory that it runs in.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The executable.
    pub program: PathBuf,
    /// A checkout with `scenarios/`.
    pub directory: PathBuf,
}

/// Where programs are made.
pub struct Workshop<'a> {
    /// Owns git and cargo.
    pub supervisor: &'a Supervisor,
    /// The project.
    pub root: &'a Path,
    /// What it is doing.
    pub progress: &'a Progress,
    /// Ctrl-C.
    pub interrupted: watch::Receiver<bool>,
}

impl Workshop<'_> {
    /// The program of a build; `None` if the user broke off.
    ///
    /// # Errors
    /// Bad input if it does not build; no testbed without cargo.
    pub async fn program(&self, side: Side, build: &Build) -> anyhow::Result<Option<Placed>> {
        let Some(commit) = &build.commit else {
            return Ok(Some(Placed {
                program: PathBuf::from(&build.name),
                directory: self.root.to_owned(),
            }));
        };
        let cache = cache_directory()?.join("regress");
        let tree = cache.join("trees").join(side.name());
        self.check_out(side, commit, &tree).await?;
        let programs = cache.join("programs");
        let program = programs.join(format!("{}-{}", build.name, compiler()?));
        if program.is_file() {
            // So that it counts as new when old ones are removed.
            let _ = fs::File::options()
                .append(true)
                .open(&program)
                .and_then(|file| file.set_modified(SystemTime::now()));
        } else if !*self.interrupted.borrow() {
            let target = cache.join("target");
            if !self.build(side, build, &tree, &target).await? {
                return Ok(None);
            }
            keep(&target.join("release/crossover"), &program)?;
            remove_old(&programs, PROGRAMS_MAX);
        }
        let placed = Placed {
            program,
            directory: tree,
        };
        Ok((!*self.interrupted.borrow()).then_some(placed))
    }

    async fn check_out(&self, side: Side, commit: &str, tree: &Path) -> anyhow::Result<()> {
        let name = format!("check-out-{}", side.name());
        // One that was left behind by a machine that went down, perhaps of another clone of the project.
        if tree.exists() {
            fs::remove_dir_all(tree).with_context(|| format!("can't remove {}", tree.display()))?;
        }
        let parent = tree.parent().unwrap_or(tree);
        fs::create_dir_all(parent).with_context(|| format!("can't make {}", parent.display()))?;
        let shown = tree.display().to_string();
        // Forced: git may still know the worktree that was left behind. No hooks: they are for who works in it.
        let add = [
            "worktree", "add", "--quiet", "--force", "--force", "--detach", &shown, commit,
        ];
        let log = self.log(&name);
        self.supervisor.spawn(self.git(&name, &add)).await?;
        let exit = self.supervisor.wait_exit(&name, CHECKED_OUT_WITHIN).await?;
        if !exit.is_success() {
            return Err(bad_input(format!(
                "{commit} can't be checked out: {exit}: {}",
                end_of(&log)
            )));
        }
        let remove = ["worktree", "remove", "--force", "--force", &shown];
        let remove = self.git(&format!("remove-{}", side.name()), &remove);
        self.supervisor.run_at_end(remove).await?;
        Ok(())
    }

    /// Says whether it came to its end.
    async fn build(&self, side: Side, build: &Build, tree: &Path, target: &Path) -> anyhow::Result<bool> {
        let name = format!("build-{}", side.name());
        let log = self.log(&name);
        let (side, commit) = (side.name(), &build.name);
        self.progress.note(&format!(
            "building {side} ({commit}); the first build takes several minutes"
        ));
        let spec = ProcessSpec::new(&name, "cargo", &log)
            .args(["build", "--release", "--locked", "--package", "crossover"])
            .env("CARGO_TARGET_DIR", target.display().to_string())
            .env("CARGO_TERM_COLOR", "never")
            .directory(tree)
            .stop(Signal::Term, Duration::from_secs(5));
        self.supervisor.spawn(spec).await?;
        let Some(exit) = self.ended(&name).await? else {
            return Ok(false);
        };
        if !exit.is_success() {
            let (shown, end) = (log.display(), end_of(&log));
            return Err(bad_input(format!(
                "{side} ({commit}) does not build: {exit}; its log {shown} ends: {end}"
            )));
        }
        Ok(true)
    }

    /// Waits for the end of a process, or ends it when the user breaks off: `None`.
    async fn ended(&self, name: &str) -> anyhow::Result<Option<Exit>> {
        let mut interrupted = self.interrupted.clone();
        tokio::select! {
            exit = self.supervisor.wait_exit(name, BUILT_WITHIN) => Ok(Some(exit?)),
            Ok(_) = interrupted.wait_for(|is_so| *is_so) => {
                self.supervisor.stop(name).await?;
                Ok(None)
            }
        }
    }

    fn git(&self, name: &str, arguments: &[&str]) -> ProcessSpec {
        ProcessSpec::new(name, "git", self.log(name))
            .args(["-c", "core.hooksPath=/dev/null"])
            .args(arguments.iter().copied())
            .directory(self.root)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.supervisor.log_dir().join(format!("{name}.log"))
    }
}

/// What a program depends on beside its commit, in eight digits: the compiler and its flags.
fn compiler() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output().map_err(|error| {
        TestbedError::unavailable(
            format!("rustc can't be run: {error}"),
            "install Rust: https://rustup.rs; or give --base-program and --head-program",
        )
    })?;
    let mut hash = crc32fast::Hasher::new();
    hash.update(&output.stdout);
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        hash.update(std::env::var_os(variable).unwrap_or_default().as_encoded_bytes());
    }
    Ok(format!("{:08x}", hash.finalize()))
}

/// Copies a program to where it is kept, whole or not at all.
fn keep(built: &Path, program: &Path) -> anyhow::Result<()> {
    let half = program.with_extension("part");
    let parent = program.parent().unwrap_or(program);
    let copy = || {
        fs::create_dir_all(parent)?;
        fs::copy(built, &half)?;
        fs::rename(&half, program)
    };
    copy().with_context(|| format!("can't copy {} to {}", built.display(), program.display()))
}

/// Removes all but the newest programs. What can't be removed stays: it is only a cache.
fn remove_old(programs: &Path, kept: usize) {
    let entries = fs::read_dir(programs).into_iter().flatten().flatten();
    let changed = |path: &Path| path.metadata().and_then(|found| found.modified()).ok();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort_by_key(|path| std::cmp::Reverse(changed(path)));
    for path in paths.iter().skip(kept) {
        let _ = fs::remove_file(path);
    }
}

/// The last lines of a log, on one line.
pub fn end_of(log: &Path) -> String {
    let text = fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(4)..].join(" | ")
}
