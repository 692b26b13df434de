//! Whether a server that was just launched takes connections.
//!
//! Two signs together: the status line that the server keeps in `postmaster.pid`, under the process id that we started
//! (a crash leaves a stale file), and a TCP connection. No SQL, so no client library.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::error::{Result, TestbedError};
use crate::logs::tail;
use crate::supervisor::Supervisor;

/// Recovery after a crash replays up to 4 GB of WAL (`max_wal_size`): a minute on a fast disk, several on a slow one.
const READY_WITHIN: Duration = Duration::from_secs(300);

/// A start takes a tenth of a second, so this is the resolution of what is reported.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Line of the status in `postmaster.pid`, counted from 0; from PostgreSQL's `miscadmin.h`.
const STATUS_LINE: usize = 7;

/// A server that was launched and is not ready yet.
#[derive(Debug)]
pub(super) struct Launched<'a> {
    pub supervisor: &'a Supervisor,
    pub name: &'a str,
    pub pid: u32,
    pub port: u16,
    pub data: &'a Path,
    pub log: &'a Path,
}

impl Launched<'_> {
    /// Waits until it takes connections.
    pub(super) async fn ready(&self) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if says_ready(self.data, self.pid) && TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.is_ok() {
                return Ok(());
            }
            if !self.supervisor.is_alive(self.name) {
                return Err(self.ended());
            }
            if Instant::now() > deadline {
                let log = self.log.display();
                return Err(TestbedError::Other(format!(
                    "PostgreSQL is not ready after {READY_WITHIN:?}; its log is {log}"
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Its log says why; a setting that it doesn't know or a value that it refuses came from the caller.
    fn ended(&self) -> TestbedError {
        let last = tail(self.log);
        let message = format!(
            "PostgreSQL ended while it started; its log {} ends: {last}",
            self.log.display()
        );
        let is_setting = [
            "unrecognized configuration parameter",
            "invalid value for parameter",
            "outside the valid range",
        ];
        if is_setting.iter().any(|complaint| last.contains(complaint)) {
            return TestbedError::BadInput(message);
        }
        TestbedError::Other(message)
    }
}

fn says_ready(data: &Path, pid: u32) -> bool {
    let Ok(text) = std::fs::read_to_string(data.join("postmaster.pid")) else {
        return false;
    };
    let mut lines = text.lines();
    let is_ours = lines.next().is_some_and(|line| line.trim() == pid.to_string());
    is_ours
        && lines
            .nth(STATUS_LINE - 1)
            .is_some_and(|status| status.trim() == "ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_status_of_our_own_process_counts() {
        let data = tempfile::tempdir().unwrap();
        let write = |status| {
            let text = format!("4711\n/data\n1700000000\n5432\n\n127.0.0.1\n  123 456\n{status}\n");
            std::fs::write(data.path().join("postmaster.pid"), text).unwrap();
        };
        write("starting");
        assert!(!says_ready(data.path(), 4711));
        write("ready   ");
        assert!(says_ready(data.path(), 4711));
        assert!(!says_ready(data.path(), 4712), "left by another process");
    }
}
