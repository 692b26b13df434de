//! Which processors a process may run on: asked, and restricted to make a server short of them.

use std::mem::size_of;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::error::{Result, TestbedError};
use crate::usage::tree_pids;

/// How many processors a process may use; `None` if it is gone.
#[must_use]
pub fn processors(pid: u32) -> Option<u32> {
    let set = sched_getaffinity(pid_of(pid)).ok()?;
    u32::try_from(members(&set).count()).ok()
}

/// Refuses more processors than we may use ourselves, before anything is started.
///
/// # Errors
/// `BadInput`, with what there is.
pub fn check(place: &str, wanted: u32) -> Result<()> {
    let there = processors(std::process::id()).unwrap_or(u32::MAX);
    if (1..=there).contains(&wanted) {
        return Ok(());
    }
    Err(TestbedError::BadInput(format!(
        "{place}: found {wanted}; this machine has {there}: give 1 to {there}, or leave it out"
    )))
}

/// Lets a process and all its descendants use only the first `count` processors of our own. What they start later inherits it.
///
/// # Errors
/// `Other` if the process is gone, or not ours to restrict.
pub fn restrict_tree(root: u32, count: u32) -> Result<()> {
    let fail = |error| TestbedError::Other(format!("can't keep process {root} to {count} processors: {error}"));
    let ours = sched_getaffinity(Pid::from_raw(0)).map_err(fail)?;
    let mut set = CpuSet::new();
    for processor in members(&ours).take(count as usize) {
        set.set(processor).map_err(fail)?;
    }
    // The root first: whom it starts from now on is restricted already.
    sched_setaffinity(pid_of(root), &set).map_err(fail)?;
    for pid in tree_pids(root) {
        // One that ended meanwhile needs no processor.
        let _ = sched_setaffinity(pid_of(pid), &set);
    }
    Ok(())
}

fn members(set: &CpuSet) -> impl Iterator<Item = usize> {
    (0..size_of::<CpuSet>() * 8).filter(|processor| set.is_set(*processor).unwrap_or(false))
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restricted_process_may_use_so_many_processors_and_we_still_all() {
        let ours = processors(std::process::id()).unwrap();
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        restrict_tree(child.id(), 1).unwrap();
        let its = processors(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(its, Some(1));
        assert_eq!(processors(std::process::id()), Some(ours));
    }

    #[test]
    fn more_processors_than_there_are_are_refused_by_name() {
        assert!(check("a.b", 1).is_ok());
        let error = check("a.b", 1_000_000).unwrap_err().to_string();
        assert!(error.contains("a.b") && error.contains("1000000"), "{error}");
        assert!(check("a.b", 0).is_err());
    }
}
