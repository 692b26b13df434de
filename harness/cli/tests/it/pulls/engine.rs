//! A Docker engine of the test's own, on a disk so small that it can be filled.
//!
//! The disk is a file, mounted where this engine alone sees it: with the engine, by whatever it ends, the mount goes. The engine
//! dies with the test.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crossover_testbed::disk::free_bytes;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::{said, wait_until};

/// The image, its layers as they are downloaded, and a container or two.
const DISK_BYTES: u64 = 1_500 << 20;

/// The file system keeps less than that back from a file that is made at once.
const RESERVED_BYTES: u64 = 32 << 20;

/// An engine with nothing to do is there in a second.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// It has no containers to wait for.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);

/// One attempt at a download: the default of five, seconds apart, is the engine's business, not ours.
const START: &str = r#"
mount -o loop "$0/disk" "$0/root"
exec dockerd --host="unix://$0/docker.sock" --data-root="$0/root" --exec-root="$0/exec" --pidfile="$0/pid" \
    --bridge=none --iptables=false --ip6tables=false --shutdown-timeout=1 --log-level=warn --max-download-attempts=1
"#;

/// Freezes a disk for as long as `$1` says, whatever becomes of the test meanwhile.
const FREEZE: &str = r#"fsfreeze --freeze "$0"; echo frozen; sleep "$1"; fsfreeze --unfreeze "$0""#;

pub struct OwnEngine {
    process: Child,
    directory: TempDir,
}

impl OwnEngine {
    pub fn start() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("crossover-it-engine-")
            .tempdir_in("/var/tmp");
        let directory = directory.unwrap();
        let disk = directory.path().join("disk");
        File::create(&disk).unwrap().set_len(DISK_BYTES).unwrap();
        fs::create_dir(directory.path().join("root")).unwrap();
        // No blocks in reserve for root, who the engine is.
        require(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&disk));
        let log = File::create(directory.path().join("log")).unwrap();
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"])
            .args(["sh", "-euc", START])
            .arg(directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let engine = Self { process, directory };
        wait_until("an engine on a small disk answers", READY_WITHIN, || {
            said(engine.docker().arg("version")).code == Some(0)
        });
        engine
    }

    /// As DOCKER_HOST wants it.
    pub fn address(&self) -> String {
        format!("unix://{}", self.directory.path().join("docker.sock").display())
    }

    /// Its client.
    pub fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.arg("--host").arg(self.address());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Ids of all containers, running or not.
    pub fn containers(&self) -> String {
        require(self.docker().args(["ps", "--all", "--quiet"]))
    }

    /// Its disk, from our side of the mount.
    fn disk(&self) -> PathBuf {
        let root = self.directory.path().join("root");
        PathBuf::from(format!("/proc/{}/root{}", self.process.id(), root.display()))
    }

    /// Leaves about so much of the disk, until what this answers is dropped.
    pub fn fill(&self, leave_bytes: u64) -> Filler {
        let path = self.disk().join("filler");
        let most = free_bytes(&self.disk()).unwrap() - RESERVED_BYTES;
        require(
            Command::new("fallocate")
                .args(["--length", &most.to_string()])
                .arg(&path),
        );
        let mut file = File::options().append(true).open(&path).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        file.set_len(file.metadata().unwrap().len() - leave_bytes).unwrap();
        Filler { path }
    }

    /// Lets nothing be written to the disk for a while, from now on; the thread ends when that is over.
    pub fn freeze(&self, time: Duration) -> std::thread::JoinHandle<()> {
        let mut freezing = Command::new("sh")
            .args(["-euc", FREEZE])
            .arg(self.disk())
            .arg(time.as_secs_f64().to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // What was written before goes to the disk first.
        let mut said = String::new();
        let mut output = BufReader::new(freezing.stdout.take().unwrap());
        output.read_line(&mut said).unwrap();
        assert_eq!(said, "frozen\n");
        std::thread::spawn(move || assert!(freezing.wait().unwrap().success()))
    }
}

/// A file that takes up room until it is dropped.
pub struct Filler {
    path: PathBuf,
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGTERM);
        let begun = Instant::now();
        while begun.elapsed() < STOPPED_WITHIN && self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a command that must do; answers what it printed.
pub fn require(command: &mut Command) -> String {
    let said = said(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    );
    assert_eq!(said.code, Some(0), "{command:?}: {}{}", said.output, said.errors);
    said.output
}
