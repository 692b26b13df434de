//! Pairs of runs: each build's own `crossover bench`, one after the other.
//!
//! ```text
//!   pairs/<mode>/<pair>/<try>-<side>/<run>/    as any run's directory; pair 00 warms the machine up and counts nowhere
//! ```
//!
//! A run is a process group of its own: Ctrl-C in a terminal reaches us alone, and we pass it on once. Should we be killed, the run
//! under way comes to its end, and leaves nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use crossover_evidence::regress::{Measured, Metric, Pair, Run, Side};
use crossover_evidence::result::{self, RunResult};
use crossover_testbed::TestbedError;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::builds::{Placed, end_of};
use crate::commands::running::problems;
use crate::failure::{INTERRUPTED, bad_input};
use crate::run::{DEBUG_BUILD, Progress, RunDirectory};

/// Far longer than a short scenario takes, with its servers fetched first.
const RUN_WITHIN: Duration = Duration::from_secs(1_800);
/// To heal, stop all parts and write a report.
const STOPPED_WITHIN: Duration = Duration::from_secs(60);

/// How pairs are run.
pub struct Bench<'a> {
    /// Holds everything.
    pub whole: &'a RunDirectory,
    /// The scenario's file, the same for both.
    pub scenario: &'a Path,
    /// Base.
    pub base: Placed,
    /// Head.
    pub head: Placed,
    /// What it is doing.
    pub progress: &'a Progress,
    /// Ctrl-C.
    pub interrupted: watch::Receiver<bool>,
}

/// A pair, and what its runs say beside their numbers.
#[derive(Debug)]
pub struct Paired {
    /// The pair.
    pub pair: Pair,
    /// The results of the last try, base and head.
    pub results: Option<(RunResult, RunResult)>,
    /// Checks and hypotheses that failed in head, at any try.
    pub failed: Vec<String>,
    /// Why the two runs may not be held against each other, whatever their numbers.
    pub doubts: Vec<String>,
}

/// What came of one run.
enum Ran {
    Usable(Box<Usable>),
    Unusable { why: String, failed: bool },
    Interrupted,
}

struct Usable {
    run: Run,
    result: RunResult,
    plan: String,
}

impl Bench<'_> {
    /// Runs a pair, again if a run of it can't be used; `None` if the user broke off.
    ///
    /// # Errors
    /// Bad input or no testbed: what no other try would lift.
    pub async fn pair(&self, mode: &str, number: u32, tries: u32) -> anyhow::Result<Option<Paired>> {
        let directory = format!("pairs/{mode}/{number:02}");
        // What a pair that was broken off left.
        if self.whole.file(&directory).exists() {
            fs::remove_dir_all(self.whole.file(&directory)).with_context(|| format!("can't remove {directory}"))?;
        }
        let first = Side::first_of(number);
        let mut paired = Paired {
            pair: Pair {
                number,
                first,
                tries: 0,
                unusable: Vec::new(),
                measured: None,
            },
            results: None,
            failed: Vec::new(),
            doubts: Vec::new(),
        };
        while paired.pair.tries < tries && paired.pair.measured.is_none() {
            paired.pair.tries += 1;
            let place = |side: Side| format!("{directory}/{}-{}", paired.pair.tries, side.name());
            let (one, other) = (place(first), place(first.other()));
            let Some(one) = self.usable(mode, first, &one, &mut paired).await? else {
                return Ok(None);
            };
            // A second run beside one that can't be used would be for nothing.
            let Some(one) = one else { continue };
            let Some(other) = self.usable(mode, first.other(), &other, &mut paired).await? else {
                return Ok(None);
            };
            let Some(other) = other else { continue };
            let (base, head) = match first {
                Side::Base => (one, other),
                Side::Head => (other, one),
            };
            paired.take(*base, *head);
        }
        Ok(Some(paired))
    }

    /// A run that can be used, or `Some(None)` with its reason noted; `None` if the user broke off.
    async fn usable(
        &self,
        mode: &str,
        side: Side,
        place: &str,
        paired: &mut Paired,
    ) -> anyhow::Result<Option<Option<Box<Usable>>>> {
        if *self.interrupted.borrow() {
            return Ok(None);
        }
        let (number, name) = (paired.pair.number, side.name());
        let nth = if number == 0 {
            "warming up".to_owned()
        } else {
            format!("pair {number}")
        };
        self.progress.stage(&format!("{mode}: {nth}, {name}"));
        match self.run(mode, side, place).await? {
            Ran::Usable(usable) => Ok(Some(Some(usable))),
            Ran::Unusable { why, failed } => {
                self.progress
                    .note(&format!("{mode}: {nth}, {name} can't be used: {why}"));
                if failed && side == Side::Head {
                    paired.failed.push(format!("{mode}, {nth}: {why}"));
                }
                paired.pair.unusable.push(format!("{name}: {why}"));
                Ok(Some(None))
            }
            Ran::Interrupted => Ok(None),
        }
    }

    async fn run(&self, mode: &str, side: Side, place: &str) -> anyhow::Result<Ran> {
        let directory = self.whole.file(place);
        fs::create_dir_all(&directory).with_context(|| format!("can't make {}", directory.display()))?;
        let log = directory.join("bench.log");
        let mut child = self.start(mode, side, &directory, &log)?;
        let Some(status) = self.ended(&mut child).await? else {
            return Ok(Ran::Interrupted);
        };
        let told = || format!("{}: its log {} ends: {}", side.name(), log.display(), end_of(&log));
        match status.code() {
            Some(2) => return Err(bad_input(told())),
            Some(3) => return Err(TestbedError::unavailable(told(), "see ./just doctor").into()),
            Some(code) if code == i32::from(INTERRUPTED) && *self.interrupted.borrow() => return Ok(Ran::Interrupted),
            _ => {}
        }
        let unusable = |why: String, failed| Ok(Ran::Unusable { why, failed });
        let Some((run, result)) = read(&directory)? else {
            return unusable(format!("it ended without a result ({status}): {}", end_of(&log)), false);
        };
        if result.schema_version != result::SCHEMA_VERSION {
            let (found, known) = (result.schema_version, result::SCHEMA_VERSION);
            return Err(bad_input(format!(
                "{}: its result.json has version {found}, and this program reads version {known}; choose a nearer BASE",
                side.name()
            )));
        }
        let reasons = result.run.invalid_reasons.iter().map(String::as_str);
        let reasons: Vec<&str> = reasons.filter(|reason| *reason != DEBUG_BUILD).collect();
        if !reasons.is_empty() || result.run.interrupted {
            return unusable(format!("it is not valid: {}", reasons.join("; ")), false);
        }
        let failed: Vec<&str> = problems(&result.checks, &result.claims).collect();
        if !failed.is_empty() {
            return unusable(format!("failed: {}", failed.join("; ")), true);
        }
        let values = Metric::ALL
            .into_iter()
            .filter_map(|metric| Some((metric, metric.of(&result)?)));
        let path = run.strip_prefix(self.whole.path()).unwrap_or(&run);
        Ok(Ran::Usable(Box::new(Usable {
            run: Run {
                run: path.display().to_string(),
                values: values.collect(),
            },
            plan: fs::read_to_string(run.join("plan.txt")).unwrap_or_default(),
            result,
        })))
    }

    fn start(&self, mode: &str, side: Side, directory: &Path, log: &Path) -> anyhow::Result<Child> {
        let placed = match side {
            Side::Base => &self.base,
            Side::Head => &self.head,
        };
        let file = fs::File::create(log).with_context(|| format!("can't write {}", log.display()))?;
        let mut command = Command::new(&placed.program);
        command
            .args(["bench", mode])
            .arg(self.scenario)
            .arg("--output")
            .arg(directory)
            .current_dir(&placed.directory)
            // The machine's lock is ours for all runs together; each takes one of its own.
            .env("CROSSOVER_LOCK", self.whole.file("lock"))
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0);
        let fail = || format!("can't run {}", placed.program.display());
        command.spawn().with_context(fail)
    }

    /// Waits for the end of a run, and ends it when the user breaks off: `None`.
    async fn ended(&self, child: &mut Child) -> anyhow::Result<Option<ExitStatus>> {
        let mut interrupted = self.interrupted.clone();
        tokio::select! {
            status = timeout(RUN_WITHIN, child.wait()) => {
                if let Ok(status) = status {
                    return Ok(Some(status?));
                }
            }
            Ok(_) = interrupted.wait_for(|is_so| *is_so) => {}
        }
        if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        if timeout(STOPPED_WITHIN, child.wait()).await.is_err() {
            // Its supervisor removes what it leaves.
            child.kill().await?;
        }
        match *self.interrupted.borrow() {
            true => Ok(None),
            false => Err(anyhow::anyhow!("a run did not end within {RUN_WITHIN:?}")),
        }
    }
}

impl Paired {
    fn take(&mut self, base: Usable, head: Usable) {
        if base.plan != head.plan {
            self.doubts
                .push("base and head planned different loads from the same scenario and seed".to_owned());
        }
        self.pair.measured = Some(Measured {
            base: base.run,
            head: head.run,
        });
        self.results = Some((base.result, head.result));
    }
}

/// The run in this directory: there is one.
fn read(directory: &Path) -> anyhow::Result<Option<(PathBuf, RunResult)>> {
    let entries = fs::read_dir(directory).with_context(|| format!("can't read {}", directory.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let Some(run) = paths.into_iter().find(|path| path.join("result.json").is_file()) else {
        return Ok(None);
    };
    let result = RunDirectory::open(&run).read_json("result.json")?;
    Ok(Some((run, result)))
}
