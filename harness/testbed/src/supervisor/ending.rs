//! The end of a run: continue, stop, kill, remove. Everything here is bounded.
//!
//! ```text
//!   SIGCONT to all ─▶ stop rules, newest first ─▶ SIGKILL to every descendant, until none ─▶ directories
//!                     └─ 10 s or 2 s in all ─┘    └────────────── 1 s ─────────────────┘
//! ```
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
use super::serve::Supervision;

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
        self.remove_directories()
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

    fn remove_directories(&mut self) -> Result<(), String> {
        let removed = self.directories.drain(..).rev().map(|directory| directory.remove());
        let failures: Vec<String> = removed.filter_map(Result::err).collect();
        if failures.is_empty() {
            Ok(())
        } else {
            Err(failures.join("; "))
        }
    }
}

fn our_descendants() -> Vec<i32> {
    descendants_of(nix::unistd::getpid().as_raw())
}
