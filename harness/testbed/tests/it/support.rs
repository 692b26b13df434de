//! What the tests share: a supervisor, victims to kill, and a look at the process table.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crossover_testbed::{Containers, ContainersOptions, Supervisor};

/// The program that plays supervisor, harness and lock holder.
pub const HELPER: &str = env!("CARGO_BIN_EXE_crossover-testbed-helper");

/// What the design promises after SIGKILL of the harness.
pub const GONE_WITHIN: Duration = Duration::from_secs(3);

/// Whether the servers of these tests are to be in containers: all of them run on either provider.
pub fn wants_containers() -> bool {
    std::env::var("CROSSOVER_TESTBED").is_ok_and(|provider| provider == "containers")
}

/// A supervisor whose logs are in `directory`, on the provider that was asked for.
pub async fn supervisor(directory: &Path) -> Supervisor {
    let supervisor = local_supervisor(directory).await;
    if !wants_containers() {
        return supervisor;
    }
    let containers = Containers::connect(ContainersOptions::new(&unique_run()))
        .await
        .unwrap();
    supervisor.with_containers(containers).await.unwrap()
}

/// A supervisor of processes alone.
pub async fn local_supervisor(directory: &Path) -> Supervisor {
    Supervisor::start_with(Path::new(HELPER), &["supervise"], directory)
        .await
        .unwrap()
}

/// A directory for servers' data, which their own account may walk into: not in memory, and gone when dropped.
pub fn data_directory() -> tempfile::TempDir {
    let base = tempfile::Builder::new()
        .prefix("crossover-test-")
        .tempdir_in("/var/tmp")
        .unwrap();
    std::fs::set_permissions(base.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    base
}

/// An argument for `sleep` that no other process on this machine has: about an hour.
pub fn unique_sleep() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "3600.{:07}{:04}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// A name for a run that no other has.
pub fn unique_run() -> String {
    unique_sleep().replace("3600.", "test-")
}

/// Command lines of all processes, arguments joined by spaces; zombies have none.
pub fn command_lines() -> Vec<(u32, String)> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let ids = processes.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    let lines = ids.filter_map(|pid: u32| {
        let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Some((pid, String::from_utf8_lossy(&bytes).replace('\0', " ")))
    });
    lines.filter(|(_, line)| !line.is_empty()).collect()
}

/// How many processes have `mark` in their command line.
pub fn count_with(mark: &str) -> usize {
    command_lines().iter().filter(|(_, line)| line.contains(mark)).count()
}

/// Process ids of all that are exactly `sleep <mark>`; a shell that has this in its script is not one.
pub fn sleeping(mark: &str) -> Vec<u32> {
    let wanted = format!("sleep {mark} ");
    command_lines()
        .into_iter()
        .filter(|(_, line)| *line == wanted)
        .map(|(pid, _)| pid)
        .collect()
}

/// Waits until `condition` holds; answers how long that took.
pub fn wait_until(what: &str, within: Duration, condition: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < within, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}

/// A helper process in a role that ends by its death alone; killed when dropped.
pub struct Victim {
    child: Child,
    /// What it printed before it was ready.
    pub said: Vec<String>,
}

impl Victim {
    /// Starts it, and waits until it is ready.
    pub fn start(args: &[&str]) -> Self {
        Self::launch(Command::new(HELPER).args(args))
    }

    /// As [`Victim::start`], with its servers in containers.
    pub fn start_in_containers(args: &[&str]) -> Self {
        Self::launch(Command::new(HELPER).args(args).env("CROSSOVER_TESTBED", "containers"))
    }

    fn launch(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines
            .by_ref()
            .map(Result::unwrap)
            .take_while(|line| line != "ready")
            .collect();
        assert!(
            child.try_wait().unwrap().is_none(),
            "the victim ended by itself: {said:?}"
        );
        Self { child, said }
    }

    /// SIGKILL, and the moment of it.
    pub fn kill(&mut self) -> Instant {
        let at = Instant::now();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        at
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
