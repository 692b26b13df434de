//! What is seen while a run goes on: phase, rate, latency so far, backlog. A live line on a terminal, plain lines
//! otherwise. It reads the workers' histories as they grow, so what it shows is what the report will show.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{IsTerminal, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossover_evidence::latency::Latency;
use crossover_evidence::plan::Plan;
use crossover_proto::InstanceId;
use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::{Event, FRAME_BYTES, JobKey, Outcome, Record};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use super::directory::RunDirectory;
use super::load::Counts;

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(500);
/// Time between two plain lines.
const PLAIN_PERIOD: Duration = Duration::from_secs(5);

/// The stages before and after the load, on the same line or as lines of their own.
#[derive(Clone)]
pub struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// On standard error.
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar }
    }

    /// A stage begins.
    pub fn stage(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => eprintln!("{text}"),
        }
    }

    /// A line that stays.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    /// Nothing more to come.
    pub fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Shows the load until the task is aborted.
    pub fn follow(
        &self,
        directory: &RunDirectory,
        plan: &Plan,
        counts: Arc<Counts>,
        origin: MonotonicNs,
    ) -> JoinHandle<()> {
        let progress = self.clone();
        let phases: Vec<(String, Duration)> = plan
            .phases
            .iter()
            .map(|phase| (phase.name.clone(), phase.start + phase.duration))
            .collect();
        let mut tail = Tail::new(directory.file("history"), origin);
        tokio::spawn(async move {
            let mut printed = Instant::now();
            let mut before = (Instant::now(), 0);
            loop {
                tokio::time::sleep(PERIOD).await;
                // File reading, kept off the threads that time the load.
                let Ok(read) = tokio::task::spawn_blocking(move || {
                    tail.read();
                    tail
                })
                .await
                else {
                    return;
                };
                tail = read;
                let rate = (tail.completed - before.1) as f64 / before.0.elapsed().as_secs_f64();
                before = (Instant::now(), tail.completed);
                let since = MonotonicNs::now().saturating_since(origin);
                let phase = phases
                    .iter()
                    .find(|(_, end)| since < *end)
                    .map_or("drain", |(name, _)| name);
                let line = tail.line(phase, since, rate, &counts);
                if progress.bar.is_some() {
                    progress.stage(&line);
                } else if printed.elapsed() >= PLAIN_PERIOD {
                    printed = Instant::now();
                    progress.stage(&line);
                }
            }
        })
    }
}

/// Reads what the histories have gained.
struct Tail {
    directory: PathBuf,
    origin: MonotonicNs,
    read: HashMap<PathBuf, u64>,
    intended: HashMap<InstanceId, MonotonicNs>,
    dispatch: Latency,
    completed: u64,
    /// Attempts that failed, until their report is answered.
    failed: HashSet<JobKey>,
}

impl Tail {
    fn new(directory: PathBuf, origin: MonotonicNs) -> Self {
        Self {
            directory,
            origin,
            read: HashMap::new(),
            intended: HashMap::new(),
            dispatch: Latency::new(),
            completed: 0,
            failed: HashSet::new(),
        }
    }

    fn read(&mut self) {
        let Ok(entries) = std::fs::read_dir(&self.directory) else {
            return;
        };
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        // The load's first: a start is known before the job that it leads to.
        files.sort();
        for file in files {
            let from = self.read.get(&file).copied().unwrap_or(FRAME_BYTES as u64);
            let Some(bytes) = gained(&file, from) else { continue };
            let (frames, _) = bytes.as_chunks::<FRAME_BYTES>();
            frames
                .iter()
                .filter_map(Record::decode)
                .for_each(|record| self.take(&record));
            self.read.insert(file, from + (frames.len() * FRAME_BYTES) as u64);
        }
    }

    fn take(&mut self, record: &Record) {
        match record.event {
            Event::Sent { instance, intended, .. } => {
                // A backlog's instances are due when the load starts.
                self.intended.insert(instance, intended.max(self.origin));
            }
            Event::Started(key) => {
                // Later steps and retries are measured in the report; here, the first step tells enough.
                if let Some(intended) = self.intended.remove(&key.instance) {
                    self.dispatch.record(record.at.saturating_since(intended));
                }
            }
            Event::Finished(key, Outcome::Transient | Outcome::Permanent) => {
                self.failed.insert(key);
            }
            // The report of a failed attempt is taken as well, and nothing is done by it.
            Event::Reported(key, outcome) => {
                let succeeded = !self.failed.remove(&key);
                self.completed += u64::from(succeeded && outcome == Outcome::Done);
            }
            _ => {}
        }
    }

    fn line(&self, phase: &str, since: Duration, rate: f64, counts: &Counts) -> String {
        let percentiles = self.dispatch.percentiles();
        let millis = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1} ms"));
        let sent = counts.sent.load(Ordering::Relaxed);
        let unknown = counts.unknown.load(Ordering::Relaxed);
        let waiting = self.intended.len();
        let mut line = format!(
            "{phase} {:.0} s · sent {sent} · done {} ({rate:.0}/s) · p50 {} · p99 {} · waiting {waiting}",
            since.as_secs_f64(),
            self.completed,
            millis(percentiles.p50),
            millis(percentiles.p99),
        );
        if unknown > 0 {
            line.push_str(&format!(" · unknown {unknown}"));
        }
        line
    }
}

fn gained(file: &PathBuf, from: u64) -> Option<Vec<u8>> {
    let mut file = File::open(file).ok()?;
    if file.metadata().ok()?.len() <= from {
        return None;
    }
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossover_proto::JobId;

    #[test]
    fn a_job_is_done_by_the_attempt_that_succeeds() {
        let mut tail = Tail::new(PathBuf::new(), MonotonicNs(0));
        let mut attempt = |attempt, outcome, answer| {
            let key = JobKey {
                instance: InstanceId(uuid::Uuid::nil()),
                job: JobId(1),
                attempt,
                step: 0,
                ordinal: 0,
            };
            for event in [Event::Finished(key, outcome), Event::Reported(key, answer)] {
                let at = MonotonicNs(1);
                tail.take(&Record { at, event });
            }
            (tail.completed, tail.failed.len())
        };
        assert_eq!(attempt(1, Outcome::Transient, Outcome::Done), (0, 0));
        assert_eq!(attempt(2, Outcome::Done, Outcome::Stale), (0, 0));
        assert_eq!(attempt(3, Outcome::Done, Outcome::Done), (1, 0));
        assert_eq!(attempt(4, Outcome::Permanent, Outcome::Done), (1, 0));
    }
}
