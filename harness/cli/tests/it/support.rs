//! What the tests of whole runs share: a place with scenarios, data and runs of its own, the program, and a look at the
//! process table.

use std::fmt::Display;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use procfs::process::{Process, all_processes};
use serde_json::Value;
use tempfile::TempDir;

use crate::servers::wants_containers;

/// The program under test; it is a debug build, so no run of it is valid.
pub const CROSSOVER: &str = env!("CARGO_BIN_EXE_crossover");
/// The one reason for which a good run of a test is not valid.
pub const DEBUG_BUILD: &str = "debug build: its speed says nothing";

/// Two seconds of load, the first half second as warm-up; a step of one job, then one of three in parallel; some attempts
/// fail for now, some for good.
pub const TINY: &str = r#"title = "a tiny run"
seed = 7

[polling]
interval = "50ms"

[[load]]
name = "warm"
arrivals = "constant"
rate_per_s = 40
duration = "500ms"
warmup = true

[[load]]
name = "steady"
arrivals = "constant"
rate_per_s = 40
duration = "1500ms"

[[workload.definitions]]
handler = { service = "constant", mean = "2ms", transient_failure_rate = 0.05, permanent_failure_rate = 0.02 }
[workload.definitions.definition]
name = "order"
[[workload.definitions.definition.steps]]
name = "reserve"
jobs = [{ job_type = "work", retry = { initial_backoff = "20ms" } }]
[[workload.definitions.definition.steps]]
name = "charge-and-notify"
jobs = [
  { job_type = "charge", retry = { initial_backoff = "20ms" } },
  { job_type = "notify", count = 2, retry = { initial_backoff = "20ms" } },
]
"#;

/// As short as a run can be: a few single jobs.
pub const SHORT: &str = r#"title = "a short run"
seed = 7

[polling]
interval = "20ms"

[[load]]
name = "steady"
arrivals = "poisson"
rate_per_s = 50
duration = "300ms"

[[workload.definitions]]
definition = { name = "single", steps = [{ name = "work", jobs = [{ job_type = "work" }] }] }
"#;

/// At most two runs at once: more would be late for want of processors.
static TURNS: (Mutex<u32>, Condvar) = (Mutex::new(2), Condvar::new());

/// The right to run; given back by dropping it.
pub struct Turn;

impl Turn {
    /// Waits for it.
    pub fn take() -> Self {
        let wait = |left: MutexGuard<'static, u32>| TURNS.1.wait_while(left, |left| *left == 0);
        *wait(TURNS.0.lock().unwrap_or_else(PoisonError::into_inner)).unwrap_or_else(PoisonError::into_inner) -= 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TURNS.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        TURNS.1.notify_one();
    }
}

/// A directory with the scenarios, runs, data and run lock of one test.
pub struct Place {
    directory: TempDir,
}

impl Place {
    /// On disk, and open to the user that PostgreSQL runs as.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("crossover-it-")
            .tempdir_in("/var/tmp")
            .unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(directory.path().join("data")).unwrap();
        fs::set_permissions(directory.path().join("data"), Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// The program, at the root of the project, with our data directory and lock.
    pub fn crossover<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(CROSSOVER);
        command
            .args(arguments)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .env("CROSSOVER_DATA_DIR", self.path("data"))
            .env("CROSSOVER_LOCK", self.path("lock"))
            // Never what happens to be here: the same on every machine, unless containers are asked for.
            .env(
                "CROSSOVER_TESTBED",
                if wants_containers() { "containers" } else { "local" },
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// `bench polling` of a scenario's text, not started yet.
    pub fn bench(&self, name: &str, scenario: &str, flags: &[&str]) -> Command {
        self.bench_in("polling", name, scenario, flags)
    }

    /// As [`Place::bench`], in another mode.
    pub fn bench_in(&self, mode: &str, name: &str, scenario: &str, flags: &[&str]) -> Command {
        let file = self.write(&format!("{name}.toml"), scenario);
        let mut command = self.crossover(["bench", mode]);
        command.arg(file).arg("--output").arg(self.path("runs")).args(flags);
        command
    }

    /// Runs a scenario to its end.
    pub fn run(&self, name: &str, scenario: &str, flags: &[&str]) -> Finished {
        self.run_in("polling", name, scenario, flags)
    }

    /// As [`Place::run`], in another mode.
    pub fn run_in(&self, mode: &str, name: &str, scenario: &str, flags: &[&str]) -> Finished {
        let _turn = Turn::take();
        let mut bench = self.bench_in(mode, name, scenario, flags);
        // Left over from another day: our own servers have nothing to do with it.
        let said = said(bench.env("CROSSOVER_KAFKA_CONFIG", "/left/over.properties"));
        Finished {
            directory: self.only_run(),
            said,
        }
    }

    /// Starts a run, and waits until `count` of its arrivals or so were sent.
    pub fn run_until_sent(&self, name: &str, scenario: &str, flags: &[&str], count: u64) -> UnderWay {
        self.run_in_until_sent("polling", name, scenario, flags, count)
    }

    /// As [`Place::run_until_sent`], in another mode.
    pub fn run_in_until_sent(&self, mode: &str, name: &str, scenario: &str, flags: &[&str], count: u64) -> UnderWay {
        let turn = Turn::take();
        let child = self.bench_in(mode, name, scenario, flags).spawn().unwrap();
        let under_way = UnderWay {
            child: Some(child),
            _turn: turn,
        };
        wait_until("the load is under way", Duration::from_secs(60), || {
            let Some(run) = self.runs().pop() else { return false };
            let files = fs::read_dir(run.join("history")).into_iter().flatten().flatten();
            let mut load = files.filter(|file| file.file_name().to_string_lossy().starts_with("load-"));
            // Two frames of 64 bytes per arrival: sent and answered.
            load.any(|file| file.metadata().is_ok_and(|metadata| metadata.len() > 128 * count))
        });
        under_way
    }

    /// The runs, by name.
    pub fn runs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("runs")).into_iter().flatten().flatten();
        let mut runs: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        runs.sort();
        runs
    }

    /// The only run there is.
    pub fn only_run(&self) -> PathBuf {
        let mut runs = self.runs();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.remove(0)
    }

    /// What servers left behind: nothing, if all went well.
    pub fn data(&self) -> Vec<PathBuf> {
        fs::read_dir(self.path("data"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    }
}

/// A run that was started; killed when dropped.
pub struct UnderWay {
    child: Option<Child>,
    _turn: Turn,
}

impl UnderWay {
    /// Process id of the harness.
    pub fn pid(&self) -> i32 {
        self.child.as_ref().unwrap().id().cast_signed()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Said {
        Said::of(self.child.take().unwrap().wait_with_output().unwrap())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What the program printed, and its exit code.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub output: String,
    pub errors: String,
}

impl Said {
    /// Of a process that ended.
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a command to its end.
pub fn said(command: &mut Command) -> Said {
    Said::of(command.output().unwrap())
}

/// A run that ended.
#[derive(Debug)]
pub struct Finished {
    pub directory: PathBuf,
    pub said: Said,
}

impl Finished {
    /// Its `result.json`.
    pub fn result(&self) -> Value {
        read_json(&self.directory.join("result.json"))
    }

    /// A file of it.
    pub fn text(&self, name: &str) -> String {
        read(&self.directory.join(name))
    }
}

/// One finished tiny run, for all tests that only look at it.
pub fn tiny() -> &'static Finished {
    static TINY_RUN: LazyLock<Finished> = LazyLock::new(|| {
        let place = Place::new();
        let Finished { directory, said } = place.run("tiny", TINY, &[]);
        assert_eq!(place.data(), [] as [PathBuf; 0]);
        // Nothing is dropped at the end of a test binary: what lasts that long is kept where cargo keeps such things, and
        // removed by the next.
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tiny-run");
        let _ = fs::remove_dir_all(&kept);
        copy(&directory, &kept);
        Finished { directory: kept, said }
    });
    &TINY_RUN
}

/// Copies a directory with all it holds.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A file's text.
pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file's JSON.
pub fn read_json(path: &Path) -> Value {
    serde_json::from_str(&read(path)).unwrap()
}

/// Asserts that a run is not valid because this is a debug build, and for no other reason. On a machine that is busy
/// with other tests the generator may be late too; that is the machine's doing, not the run's.
pub fn assert_otherwise_valid(result: &Value) {
    let reasons = result["run"]["invalid_reasons"].as_array().unwrap();
    let mut others = reasons
        .iter()
        .filter_map(Value::as_str)
        .filter(|reason| !reason.starts_with("the generator was late"));
    assert_eq!(others.next(), Some(DEBUG_BUILD));
    assert_eq!(others.next(), None, "{reasons:?}");
    assert_eq!(result["run"]["valid"], false);
}

/// Asserts that every check passed.
pub fn assert_checks_pass(result: &Value) {
    let checks = result["checks"].as_array().unwrap();
    assert!(checks.len() >= 10, "{checks:#?}");
    for check in checks {
        assert_eq!(check["verdict"], "pass", "{check:#}");
    }
}

/// A check by its name.
pub fn check<'a>(result: &'a Value, name: &str) -> &'a Value {
    let checks = result["checks"].as_array().unwrap();
    checks
        .iter()
        .find(|check| check["name"] == name)
        .unwrap_or_else(|| panic!("no check {name}: {checks:#?}"))
}

/// A number of `result.json`, by its path.
pub fn number(result: &Value, pointer: &str) -> u64 {
    let found = result.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
    found.as_u64().unwrap_or_else(|| panic!("{pointer} is {found}"))
}

/// Process ids and start times of all descendants.
pub fn descendants(pid: i32) -> Vec<(i32, u64)> {
    let stats: Vec<_> = all_processes()
        .unwrap()
        .filter_map(|process| process.ok()?.stat().ok())
        .collect();
    let mut found = vec![(pid, 0)];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next].0;
        found.extend(
            stats
                .iter()
                .filter(|stat| stat.ppid == parent)
                .map(|stat| (stat.pid, stat.starttime)),
        );
        next += 1;
    }
    found.split_off(1)
}

/// Those that still run; a zombie is gone.
pub fn alive(processes: &[(i32, u64)]) -> Vec<String> {
    let lives = |(pid, start): &(i32, u64)| {
        let stat = Process::new(*pid).ok()?.stat().ok()?;
        (stat.starttime == *start && stat.state != 'Z').then(|| format!("{pid} {}", stat.comm))
    };
    processes.iter().filter_map(lives).collect()
}

/// Waits until `condition` holds.
pub fn wait_until(what: impl Display, within: Duration, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < within, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
