//! The end of a run: continue, stop, kill, remove. Everything here is bounded.
//!
//! ```text
//!   SIGCONT to all ─▶ stop rules, newest first ─▶ SIGKILL to every descendant, until none ─▶ commands ─▶ directories
//!                     └─ 10 s or 2 s in all ─┘    └────────────── 1 s ─────────────────┘    └ 20 s in all ┘
//! ```
//!
//! Commands remove what lies outside this machine: a database on a server that is not ours. They come when nothing is
//! left that could use it, and a run on servers of our own has none.
//!
//! In an orderly end each child is gone before the next is asked, so that an engine can still reach its database. After
//! the death of the harness all are asked at once: nobody waits for a clean stop, and a slow engine must not use up the
//! time in which PostgreSQL gives back its shared memory, which SIGKILL would leave behind.
//!
//! A process in uninterruptible sleep outlives the second bound; the kernel kills it when it wakes.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal as NixSignal, kill};

use super::children::{Child, kill_all};
use super::descendants::descendants_of;
use super::protocol::ProcessSpec;
use super::serve::Supervision;
use crate::logs;

/// How children are asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// One by one, newest first.
    Orderly,
    /// All at once.
    AfterDeath,
}

impl Manner {
    /// For all children together.
    fn budget(self) -> Duration {
        match self {
            // Engines drain what they hold.
            Self::Orderly => Duration::from_secs(10),
            // The machine is to be as it was within about three seconds.
            Self::AfterDeath => Duration::from_secs(2),
        }
    }
}

/// SIGKILL takes milliseconds; the bound is for a machine that is out of memory or disk.
const KILL_BUDGET: Duration = Duration::from_secs(1);

/// For all commands together: dropping a database of gigabytes on a busy server takes seconds.
pub(super) const COMMANDS_BUDGET: Duration = Duration::from_secs(20);

/// How often a wait looks again, in case a death of a descendant of a descendant sends us no signal.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

impl Supervision {
    /// Ends everything; answers what could not be removed.
    pub(super) fn end(&mut self, manner: Manner) -> Result<(), String> {
        let deadline = Instant::now() + manner.budget();
        kill_all(&our_descendants(), NixSignal::SIGCONT);
        let newest_first: Vec<Child> = self.children.live().iter().rev().cloned().collect();
        match manner {
            Manner::Orderly => newest_first
                .iter()
                .for_each(|child| self.stop(std::slice::from_ref(child), deadline)),
            Manner::AfterDeath => self.stop(&newest_first, deadline),
        }
        self.kill_the_rest();
        let mut failures = self.run_commands();
        failures.extend(self.remove_directories());
        if failures.is_empty() {
            Ok(())
        } else {
            Err(failures.join("; "))
        }
    }

    /// Asks all of them, and waits for the longest of their rules.
    fn stop(&mut self, asked: &[Child], deadline: Instant) {
        for child in asked.iter().filter(|child| self.children.has(child.pid)) {
            let _ = kill(child.pid, child.stop.signal.to_nix());
        }
        let within = asked.iter().map(|child| child.stop.within).max().unwrap_or_default();
        let deadline = deadline.min(Instant::now() + within);
        while asked.iter().any(|child| self.children.has(child.pid)) && Instant::now() < deadline {
            self.wait_for_signal(deadline.saturating_duration_since(Instant::now()).min(LOOK_AGAIN));
            self.report_exits();
        }
    }

    fn kill_the_rest(&mut self) {
        let deadline = Instant::now() + KILL_BUDGET;
        loop {
            let rest = our_descendants();
            kill_all(&rest, NixSignal::SIGKILL);
            self.report_exits();
            if rest.is_empty() {
                return;
            }
            if Instant::now() >= deadline {
                eprintln!("supervisor: {} processes do not die: {rest:?}", rest.len());
                return;
            }
            self.wait_for_signal(LOOK_AGAIN);
        }
    }

    /// The latest first, one after the other; answers what failed.
    fn run_commands(&mut self) -> Vec<String> {
        let deadline = Instant::now() + COMMANDS_BUDGET;
        let commands: Vec<ProcessSpec> = self.commands.drain(..).rev().collect();
        let failed = |spec: &ProcessSpec| self.run_command(spec, deadline).err();
        let failures = commands.iter().filter_map(failed).collect();
        if !commands.is_empty() {
            self.kill_the_rest();
        }
        failures
    }

    fn run_command(&mut self, spec: &ProcessSpec, deadline: Instant) -> Result<(), String> {
        let mut spec = spec.clone();
        // What can't be told must not keep anything from being removed.
        if spec.log.parent().is_some_and(|directory| !directory.is_dir()) {
            spec.log = "/dev/null".into();
        }
        let (name, log) = (&spec.name, spec.log.display());
        self.children.spawn(&spec)?;
        loop {
            match self.exits().into_iter().find(|exit| exit.name == *name) {
                Some(exit) if exit.is_success() => return Ok(()),
                Some(exit) => return Err(format!("{exit}: {} (log {log})", logs::tail(&spec.log))),
                None if Instant::now() >= deadline => {
                    return Err(format!("{name} did not end within {COMMANDS_BUDGET:?} (log {log})"));
                }
                None => self.wait_for_signal(LOOK_AGAIN),
            }
        }
    }

    /// Answers what failed.
    fn remove_directories(&mut self) -> Vec<String> {
        let removed = self.directories.drain(..).rev().map(|directory| directory.remove());
        removed.filter_map(Result::err).collect()
    }
}

fn our_descendants() -> Vec<i32> {
    descendants_of(nix::unistd::getpid().as_raw())
}
