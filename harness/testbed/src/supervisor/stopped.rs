//! Whether a process stands still after SIGSTOP, as the kernel shows it.

use std::time::{Duration, Instant};

/// The signal is sent, and the kernel stops a thread when it next runs: one in the middle of a write to disk, after it.
const STOPPED_WITHIN: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Waits until every thread of the process is stopped; false if that was not seen in time, or there is no such process.
pub(super) async fn is_seen_stopped(pid: u32) -> bool {
    let begun = Instant::now();
    loop {
        if is_stopped(pid) {
            return true;
        }
        if begun.elapsed() > STOPPED_WITHIN {
            return false;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn is_stopped(pid: u32) -> bool {
    let tasks = procfs::process::Process::new(pid.cast_signed()).and_then(|process| process.tasks());
    let stands = |task: procfs::process::Task| task.stat().is_ok_and(|stat| stat.state == 'T');
    tasks.is_ok_and(|mut tasks| tasks.all(|task| task.is_ok_and(stands)))
}
