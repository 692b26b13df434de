//! The supervisor's main loop: requests on standard input, deaths by signal, end of file as the end of the run.
//!
//! Single-threaded, because `PR_SET_PDEATHSIG` follows the *thread* that spawned. Must not print anything but events
//! on standard output; its complaints go to standard error, which is a log file.

use std::io::Write;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal as NixSignal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::children::Children;
use super::ending::Manner;
use super::kept::Keeping;
use super::protocol::{Event, Exit, ProcessSpec};
use super::requests::Lines;
use crate::owned::Removable;

/// A system whose servers have all ended by themselves is in nobody's way.
const LOOK_AT_CONTAINERS: Duration = Duration::from_secs(1);

/// Runs the supervisor until the harness is gone; the body of the hidden subcommand `supervise`.
///
/// Call it from the main thread, before any other thread exists: signals are blocked and children are spawned here.
#[must_use]
pub fn supervise() -> ExitCode {
    match Supervision::prepare() {
        Ok(mut supervision) => supervision.run(),
        Err(message) => {
            eprintln!("supervisor: {message}");
            ExitCode::FAILURE
        }
    }
}

/// What the supervisor holds.
pub(super) struct Supervision {
    pub children: Children,
    pub directories: Vec<Removable>,
    /// What removes that which is no directory.
    pub commands: Vec<ProcessSpec>,
    pub keeping: Option<Keeping>,
    signals: SignalFd,
}

/// Why the loop went round.
#[derive(Debug, Default, Clone, Copy)]
struct Woken {
    input: bool,
    terminate: bool,
}

/// What a request leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    Leave(u8),
}

impl Supervision {
    fn prepare() -> Result<Self, String> {
        if let Ok(threads) = std::fs::read_dir("/proc/self/task").map(Iterator::count)
            && threads > 1
        {
            return Err(format!(
                "bug: started with {threads} threads; it must run before any runtime"
            ));
        }
        // Blocked and read from a descriptor, not ignored: an ignored signal would be inherited by every child.
        let mut mask = SigSet::empty();
        for signal in [
            NixSignal::SIGCHLD,
            NixSignal::SIGINT,
            NixSignal::SIGHUP,
            NixSignal::SIGTERM,
            NixSignal::SIGQUIT,
        ] {
            mask.add(signal);
        }
        mask.thread_block()
            .map_err(|error| format!("can't block signals: {error}"))?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&mask, flags).map_err(|error| format!("can't watch signals: {error}"))?;
        nix::sys::prctl::set_child_subreaper(true).map_err(|error| format!("can't become a subreaper: {error}"))?;
        // Fails only for a process group leader, one started by hand from a shell: Ctrl-C is blocked anyway.
        let _ = nix::unistd::setsid();
        Ok(Self {
            children: Children::default(),
            directories: Vec::new(),
            commands: Vec::new(),
            keeping: None,
            signals,
        })
    }

    fn run(&mut self) -> ExitCode {
        let mut lines = Lines::default();
        loop {
            let woken = self.wait(true, None);
            self.report_exits();
            if !woken.input {
                continue;
            }
            let Some(batch) = lines.read() else {
                return self.harness_is_gone();
            };
            for line in batch {
                if let Next::Leave(code) = self.handle(&line) {
                    return ExitCode::from(code);
                }
            }
        }
    }

    fn harness_is_gone(&mut self) -> ExitCode {
        if let Some(keeping) = self.keeping.clone() {
            keeping.record(self);
            // Nobody is left to ask for anything: until SIGTERM, or until nothing is left to keep.
            // No signal tells of the end of a container.
            let timeout = (!keeping.containers.is_empty()).then_some(LOOK_AT_CONTAINERS);
            let has_more = |children: &Children| !children.live().is_empty() || keeping.has_live_containers();
            while has_more(&self.children) && !self.wait(false, timeout).terminate {
                self.report_exits();
            }
            keeping.forget();
        }
        self.end(Manner::AfterDeath).map_or_else(
            |message| {
                eprintln!("supervisor: {message}");
                ExitCode::FAILURE
            },
            |()| ExitCode::SUCCESS,
        )
    }

    /// Waits for a signal for at most `timeout`.
    pub(super) fn wait_for_signal(&self, timeout: Duration) {
        self.wait(false, Some(timeout));
    }

    fn wait(&self, watch_input: bool, timeout: Option<Duration>) -> Woken {
        let stdin = std::io::stdin();
        let mut watched = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if watch_input {
            watched.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        let timeout = timeout.map_or(PollTimeout::NONE, |timeout| {
            PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX)
        });
        if let Err(error) = poll(&mut watched, timeout)
            && error != Errno::EINTR
        {
            eprintln!("supervisor: can't poll: {error}");
        }
        let input = watched.get(1).and_then(PollFd::any).unwrap_or(false);
        Woken {
            input,
            terminate: self.drain_signals(),
        }
    }

    /// Empties the signal descriptor; whether SIGTERM was there. All others only wake us up.
    fn drain_signals(&self) -> bool {
        let mut terminate = false;
        while let Ok(Some(signal)) = self.signals.read_signal() {
            terminate |= i32::try_from(signal.ssi_signo) == Ok(NixSignal::SIGTERM as i32);
        }
        terminate
    }

    pub(super) fn report_exits(&mut self) {
        self.exits();
    }

    /// Reports the exits since the last look, and answers them.
    pub(super) fn exits(&mut self) -> Vec<Exit> {
        let exits = self.children.reap();
        for exit in &exits {
            send(&Event::Exited(exit.clone()));
        }
        exits
    }
}

/// Tells the harness; one that is gone does not hear it, and end of file says so soon enough.
pub(super) fn send(event: &Event) {
    let Ok(mut line) = serde_json::to_string(event) else {
        return;
    };
    line.push('\n');
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush());
}
