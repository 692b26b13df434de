//! CPU time and memory of processes, and how busy the host is.
//!
//! Read from /proc, a few small files per process: at 1–2 Hz a PostgreSQL with a hundred backends costs a few
//! milliseconds a second. Must not hold state: callers difference two samples.

use std::path::Path;

use procfs::process::Process;
use procfs::{Current, CurrentSI, KernelStats, Meminfo};

use crate::error::{Result, TestbedError};

/// What a process, or a process with all its descendants, has used and uses.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// User and system time since its start (s), with that of children it has waited for: sessions of PostgreSQL that
    /// are over still count.
    pub cpu_s: f64,
    /// Resident memory (bytes).
    ///
    /// For a tree, a page that several processes map must count once. The exact answer (PSS) makes the kernel walk every
    /// page table: about 10 ms a GiB and process, far too slow to sample. So: the private part of each process (resident
    /// less shared), plus the largest shared part that any one of them has. That is a lower bound, and close once some
    /// backend, or the checkpointer, has touched most of the shared buffers.
    pub resident_bytes: u64,
    /// Live processes counted.
    pub processes: u32,
}

/// Use of one process. Threads are included, descendants are not.
///
/// # Errors
/// `Other` if it does not exist.
pub fn process(pid: u32) -> Result<Usage> {
    let sample = sample_of(pid).ok_or_else(|| TestbedError::Other(format!("no process with id {pid}")))?;
    Ok(sum(&[sample]))
}

/// Use of a process with all its descendants: a PostgreSQL with its backends, a JVM with its helpers.
///
/// # Errors
/// `Other` if the root does not exist.
pub fn tree(root: u32) -> Result<Usage> {
    if sample_of(root).is_none() {
        return Err(TestbedError::Other(format!("no process with id {root}")));
    }
    // One that ended since: its time is with its parent now.
    let samples: Vec<Sample> = tree_pids(root).into_iter().filter_map(sample_of).collect();
    Ok(sum(&samples))
}

/// Time that the host's CPUs spent since boot (ticks).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostCpu {
    idle: u64,
    steal: u64,
    total: u64,
}

/// How the host's CPUs were used between two samples, as shares of their time (0 to 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HostShare {
    /// Neither idle nor waiting for a disk.
    pub busy: f64,
    /// Taken by the hypervisor: a noisy neighbour. Part of `busy`.
    pub steal: f64,
}

impl HostCpu {
    /// The present counters.
    ///
    /// # Errors
    /// `Other` if they can't be read.
    pub fn sample() -> Result<Self> {
        let stats =
            KernelStats::current().map_err(|error| TestbedError::Other(format!("can't read /proc/stat: {error}")))?;
        let cpu = stats.total;
        let idle = cpu.idle + cpu.iowait.unwrap_or(0);
        let steal = cpu.steal.unwrap_or(0);
        // Guest time is part of user time already.
        let busy = cpu.user + cpu.nice + cpu.system + cpu.irq.unwrap_or(0) + cpu.softirq.unwrap_or(0) + steal;
        Ok(Self {
            idle,
            steal,
            total: idle + busy,
        })
    }

    /// The shares since `earlier`; zero if no time passed.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "differences of ticks are small")]
    pub fn since(self, earlier: Self) -> HostShare {
        let total = self.total.saturating_sub(earlier.total);
        if total == 0 {
            return HostShare { busy: 0.0, steal: 0.0 };
        }
        // The idle counter of Linux may step back by a tick.
        let idle = self.idle.saturating_sub(earlier.idle).min(total);
        let steal = self.steal.saturating_sub(earlier.steal).min(total);
        HostShare {
            busy: (total - idle) as f64 / total as f64,
            steal: steal as f64 / total as f64,
        }
    }
}

/// CPUs that this process may use: affinity and cgroup quota count.
#[must_use]
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Memory that this process may use (bytes): that of the machine, or the limit of our cgroup if that is less.
///
/// # Errors
/// `Other` if /proc/meminfo can't be read.
pub fn memory_bytes() -> Result<u64> {
    let meminfo =
        Meminfo::current().map_err(|error| TestbedError::Other(format!("can't read /proc/meminfo: {error}")))?;
    Ok(cgroup_limit_bytes().map_or(meminfo.mem_total, |limit| limit.min(meminfo.mem_total)))
}

struct Sample {
    cpu_ticks: u64,
    private_bytes: u64,
    shared_bytes: u64,
}

fn sample_of(pid: u32) -> Option<Sample> {
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    let (stat, memory) = (process.stat().ok()?, process.statm().ok()?);
    let waited_for = stat.cutime.saturating_add(stat.cstime);
    let page = procfs::page_size();
    Some(Sample {
        cpu_ticks: stat.utime + stat.stime + u64::try_from(waited_for).unwrap_or(0),
        private_bytes: memory.resident.saturating_sub(memory.shared) * page,
        shared_bytes: memory.shared * page,
    })
}

#[expect(clippy::cast_precision_loss, reason = "2^53 ticks are longer than any machine lives")]
fn sum(samples: &[Sample]) -> Usage {
    let ticks: u64 = samples.iter().map(|sample| sample.cpu_ticks).sum();
    let private: u64 = samples.iter().map(|sample| sample.private_bytes).sum();
    let shared = samples.iter().map(|sample| sample.shared_bytes).max().unwrap_or(0);
    Usage {
        cpu_s: ticks as f64 / procfs::ticks_per_second() as f64,
        resident_bytes: private + shared,
        processes: u32::try_from(samples.len()).unwrap_or(u32::MAX),
    }
}

/// A process and all its descendants, each behind its parent.
pub(crate) fn tree_pids(root: u32) -> Vec<u32> {
    let mut pids = vec![root];
    let mut visited = 0;
    while let Some(pid) = pids.get(visited).copied() {
        pids.extend(children_of(pid));
        visited += 1;
    }
    pids
}

/// Children are listed by the thread that forked them, so a tree is read without a walk over all processes.
fn children_of(pid: u32) -> Vec<u32> {
    let tasks = i32::try_from(pid)
        .ok()
        .and_then(|pid| Process::new(pid).ok())
        .and_then(|process| process.tasks().ok());
    let Some(tasks) = tasks else { return Vec::new() };
    tasks.filter_map(|task| task.ok()?.children().ok()).flatten().collect()
}

/// The limit of cgroup version 2, as a container sees its own; `max` and absence are no limit.
fn cgroup_limit_bytes() -> Option<u64> {
    std::fs::read_to_string(Path::new("/sys/fs/cgroup/memory.max"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_uses_cpu_time_and_memory() {
        let before = process(std::process::id()).unwrap();
        let start = std::time::Instant::now();
        let mut sum = 0_u64;
        while start.elapsed() < std::time::Duration::from_millis(100) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let after = process(std::process::id()).unwrap();
        assert!(after.cpu_s - before.cpu_s >= 0.03, "{before:?} {after:?}");
        assert!(after.resident_bytes > 1 << 20);
    }

    #[test]
    fn a_tree_counts_children_and_shared_pages_once() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let (one, all) = (process(std::process::id()).unwrap(), tree(std::process::id()).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(all.processes >= 2, "{all:?}");
        assert!(all.resident_bytes >= one.resident_bytes / 2, "{one:?} {all:?}");
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert!(process(u32::MAX / 2).is_err());
    }

    #[test]
    fn shares_of_the_host_come_from_differences() {
        let earlier = HostCpu {
            idle: 100,
            steal: 0,
            total: 200,
        };
        let later = HostCpu {
            idle: 175,
            steal: 5,
            total: 300,
        };
        assert_eq!(
            later.since(earlier),
            HostShare {
                busy: 0.25,
                steal: 0.05
            }
        );
        assert_eq!(earlier.since(earlier), HostShare { busy: 0.0, steal: 0.0 });
        assert!(HostCpu::sample().unwrap().total > 0);
    }
}
