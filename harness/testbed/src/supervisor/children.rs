//! The supervisor's own children: starting, signalling and reaping them.
//!
//! *Invariant*: a process id is in the table until it is reaped, so a signal never reaches a stranger that was given
//! the same number.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crossover_proto::clock::MonotonicNs;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal as NixSignal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::descendants::descendants_of;
use super::protocol::{Exit, ProcessSpec, Reach, Signal, StopRule};

/// A child that has not been reaped.
#[derive(Debug, Clone)]
pub(super) struct Child {
    pub name: String,
    pub pid: Pid,
    pub stop: StopRule,
}

/// All children that have not been reaped, in order of start.
#[derive(Debug, Default)]
pub(super) struct Children {
    live: Vec<Child>,
}

impl Children {
    pub(super) fn live(&self) -> &[Child] {
        &self.live
    }

    pub(super) fn has(&self, pid: Pid) -> bool {
        self.live.iter().any(|child| child.pid == pid)
    }

    pub(super) fn spawn(&mut self, spec: &ProcessSpec) -> Result<Pid, String> {
        if self.live.iter().any(|child| child.name == spec.name) {
            return Err(format!("a process named {} runs already", spec.name));
        }
        let mut command = command_of(spec)?;
        // Not waited for through this handle: `reap` takes whoever died, orphans included.
        let child = command
            .spawn()
            .map_err(|error| format!("can't start {} ({}): {error}", spec.name, spec.program.display()))?;
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(|error| error.to_string())?);
        self.live.push(Child {
            name: spec.name.clone(),
            pid,
            stop: spec.stop,
        });
        Ok(pid)
    }

    pub(super) fn signal(&self, name: &str, signal: Signal, reach: Reach) -> Result<(), String> {
        let child = self
            .live
            .iter()
            .find(|child| child.name == name)
            .ok_or_else(|| format!("no process named {name} runs"))?;
        match reach {
            Reach::Process => kill(child.pid, signal.to_nix()),
            Reach::Tree => signal_tree(child.pid, signal.to_nix()),
        }
        .map_err(|error| format!("can't signal {name} (pid {}): {error}", child.pid))
    }

    /// Reaps all that died, named children and orphans that fell to us alike; answers the former.
    pub(super) fn reap(&mut self) -> Vec<Exit> {
        let mut exits = Vec::new();
        loop {
            let (pid, code, signal) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, Some(code), None),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, None, Some(signal as i32)),
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return exits,
                // A stop is not reported without WUNTRACED, and an interrupted call is made again.
                Ok(_) | Err(_) => continue,
            };
            let Some(position) = self.live.iter().position(|child| child.pid == pid) else {
                continue;
            };
            let child = self.live.remove(position);
            exits.push(Exit {
                name: child.name,
                pid: pid.as_raw().unsigned_abs(),
                code,
                signal,
                at_monotonic_ns: MonotonicNs::now().0,
            });
        }
    }
}

fn command_of(spec: &ProcessSpec) -> Result<Command, String> {
    if let Some(image) = &spec.image {
        return Err(format!(
            "bug: {} is to run from image {image}, and this run has no container engine",
            spec.name
        ));
    }
    let opened = OpenOptions::new().create(true).append(true).open(&spec.log);
    let log = opened.map_err(|error| format!("can't open the log {}: {error}", spec.log.display()))?;
    let log_too = log
        .try_clone()
        .map_err(|error| format!("can't duplicate the log of {}: {error}", spec.name))?;
    let mut command = Command::new(&spec.program);
    if !spec.inherit_env {
        command.env_clear();
    }
    for name in &spec.without_env {
        command.env_remove(name);
    }
    command
        .args(&spec.args)
        .envs(&spec.env)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(log_too)
        .process_group(0);
    if let Some(directory) = &spec.directory {
        command.current_dir(directory);
    }
    if let Some(user) = spec.user {
        command.uid(user.uid).gid(user.gid);
    }
    prepare_in_child(&mut command);
    Ok(command)
}

/// Undoes what the child would inherit from us, and sets the backstop for our own death (after the change of user id,
/// which would clear it).
fn prepare_in_child(command: &mut Command) {
    let us = nix::unistd::getpid();
    let between_fork_and_exec = move || {
        // We block signals to read them from a descriptor; a child that blocks SIGTERM can't be stopped.
        SigSet::empty().thread_set_mask()?;
        nix::sys::prctl::set_pdeathsig(NixSignal::SIGKILL)?;
        // We may have died before the call above; then nobody would tell the child.
        if nix::unistd::getppid() == us {
            Ok(())
        } else {
            Err(std::io::Error::from(Errno::ESRCH))
        }
    };
    #[expect(
        unsafe_code,
        reason = "pre_exec has no safe form. The closure calls sigemptyset, pthread_sigmask, prctl and getppid, \
                  all async-signal-safe; it neither allocates nor locks, and an Errno turns into an io::Error without allocating"
    )]
    unsafe {
        command.pre_exec(between_fork_and_exec);
    }
}

/// Signals a process and all its descendants. The root is frozen first, or it would fork while we look.
fn signal_tree(root: Pid, signal: NixSignal) -> nix::Result<()> {
    if signal == NixSignal::SIGCONT {
        kill_all(&descendants_of(root.as_raw()), signal);
        return kill(root, signal);
    }
    kill(root, NixSignal::SIGSTOP)?;
    kill_all(&descendants_of(root.as_raw()), signal);
    kill(root, signal)?;
    match signal {
        NixSignal::SIGSTOP | NixSignal::SIGKILL => Ok(()),
        _ => kill(root, NixSignal::SIGCONT),
    }
}

/// Signals each of them; one that is gone already is what was wanted.
pub(super) fn kill_all(pids: &[i32], signal: NixSignal) {
    for &pid in pids {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_not_passed_on_can_still_be_given() {
        let spec = ProcessSpec::new("a", "/bin/true", "/dev/null")
            .env("GIVEN", "1")
            .without_env(["GIVEN", "LEFT_OVER"]);
        let command = command_of(&spec).unwrap();
        let of = |wanted: &str| command.get_envs().find(|(name, _)| *name == wanted);
        let (given, left_over) = (of("GIVEN").unwrap(), of("LEFT_OVER").unwrap());
        assert_eq!(given.1, Some("1".as_ref()));
        assert_eq!(left_over.1, None, "removed, not just not set");
    }
}
