//! The checkers: pure functions from the ledger to a verdict with its story. One file each; the list is [`judge`].
//!
//! A checker never repairs, never samples, and never passes for want of evidence: what it can't tell is `unknown`.
//! A failure tells the story of a few counter-examples, checkpoint by checkpoint.

mod audit;
mod clock;
mod double_effect;
mod downstream;
mod drained;
mod duplicate_records;
mod duplicates;
mod fifo;
mod history;
mod lost;
mod offsets;
mod order;
mod outbox;
mod records;
mod stale;
mod unknowns;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crossover_proto::clock::MonotonicNs;

use crate::ledger::{Ledger, Mode, Start};
use crate::measure::Measures;
use crate::result::{Check, LedgerInfo, Verdict};
use crate::snapshot::JobState;

/// Most counter-examples that a failed check tells.
const STORIES_MAX: usize = 3;

/// What the run promises, which decides how strictly some checkers judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Order within (instance, job type) is promised: event-driven mode. Otherwise it is only counted.
    pub order_enforced: bool,
    /// How the wait for the end of all work ended.
    pub drain: Drain,
}

/// How the wait after the load ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drain {
    /// Nothing was left to do.
    Done,
    /// The time was up.
    GaveUp {
        /// When.
        end: MonotonicNs,
        /// Longest that open work may stand still in an engine that does its duty: what leases and the sending again of
        /// lost messages take.
        patience: Duration,
    },
    /// It was broken off, or never came.
    CutShort,
}

/// All verdicts, and the counts that go with them.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// What became of every job.
    pub info: LedgerInfo,
    /// In a fixed order, the gravest first.
    pub checks: Vec<Check>,
}

/// Runs every checker of the mode. `measures` must be those of the same ledger.
#[must_use]
pub fn judge(ledger: &Ledger<'_>, measures: &Measures, rules: Rules) -> Judgement {
    let ending = drained::Ending::of(ledger, rules.drain);
    let is_final = ending.is_final();
    let mut checks = vec![
        lost::check(ledger, is_final),
        drained::check(ledger, &ending),
        double_effect::check(ledger),
        audit::check(ledger),
        unknowns::check(ledger),
    ];
    if ledger.evidence().mode == Mode::EventDriven {
        checks.extend([
            outbox::check(ledger, is_final),
            offsets::check(ledger, is_final),
            records::check(ledger, is_final),
            duplicate_records::check(ledger),
        ]);
    }
    checks.extend([
        order::check(ledger, rules.order_enforced),
        stale::check(ledger),
        duplicates::check(ledger),
        fifo::check(ledger),
        history::check(ledger),
        clock::check(ledger, measures),
    ]);
    checks.extend(downstream::check(ledger, is_final));
    Judgement {
        info: info(ledger),
        checks,
    }
}

fn info(ledger: &Ledger<'_>) -> LedgerInfo {
    let started = |start: Start| {
        ledger
            .instances()
            .iter()
            .filter(|instance| instance.start == start)
            .count() as u64
    };
    let in_state = |states: &[JobState]| {
        let is_in = |state: JobState| states.contains(&state);
        ledger.jobs().iter().filter(|job| job.state.is_some_and(is_in)).count() as u64
    };
    let sent_again = duplicate_records::find(ledger);
    LedgerInfo {
        instances_accepted: started(Start::Accepted),
        accepted: ledger.jobs().iter().filter(|job| job.state.is_some()).count() as u64,
        completed: in_state(&[JobState::Completed]),
        dead_lettered: in_state(&[JobState::DeadLetter, JobState::Discarded]),
        cancelled: in_state(&[JobState::Cancelled]),
        unfinished: in_state(&[JobState::Scheduled, JobState::Queued, JobState::Running]),
        lost: Some(lost::find(ledger).lost()),
        unknown: started(Start::Unknown),
        duplicate_records: sent_again.duplicates(),
        redispatches: sent_again.redispatches.count(),
        superseded_records: sent_again.superseded,
        duplicate_executions: duplicates::find(ledger).count(),
        double_effects: Some(double_effect::find(ledger).count()),
        order_violations: order::find(ledger).violations.count(),
        fifo_inversions: fifo::find(ledger).inversions.count(),
        stale_completions: stale::find(ledger).answers,
    }
}

/// Counter-examples: all are counted, a few are kept.
#[derive(Debug, Clone, Default)]
struct Examples {
    count: u64,
    kept: Vec<Example>,
}

/// What a counter-example is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Example {
    /// Place of a job in the ledger.
    Job(usize),
    /// Place of an instance in the ledger.
    Instance(usize),
}

impl Examples {
    fn add(&mut self, example: Example) {
        self.add_many(1, example);
    }

    /// Several of one kind in one place.
    fn add_many(&mut self, count: u64, example: Example) {
        if count == 0 {
            return;
        }
        self.count += count;
        if self.kept.len() < STORIES_MAX && !self.kept.contains(&example) {
            self.kept.push(example);
        }
    }

    /// About a job, if the ledger knows it: one that nobody knows has no story.
    fn add_job(&mut self, count: u64, job: Option<usize>) {
        match job {
            Some(job) => self.add_many(count, Example::Job(job)),
            None => self.count += count,
        }
    }

    fn count(&self) -> u64 {
        self.count
    }

    fn stories(&self, ledger: &Ledger<'_>) -> Vec<String> {
        let story = |example: &Example| match example {
            Example::Job(job) => ledger.job_story(*job),
            Example::Instance(instance) => ledger.instance_story(*instance),
        };
        self.kept.iter().flat_map(story).collect()
    }
}

fn pass(name: &str, detail: String) -> Check {
    outcome(name, Verdict::Pass, detail, Vec::new())
}

fn unknown(name: &str, detail: String) -> Check {
    outcome(name, Verdict::Unknown, detail, Vec::new())
}

fn fail(name: &str, detail: String, story: Vec<String>) -> Check {
    outcome(name, Verdict::Fail, detail, story)
}

fn outcome(name: &str, verdict: Verdict, detail: String, story: Vec<String>) -> Check {
    Check {
        name: name.to_owned(),
        verdict,
        detail,
        story,
    }
}
