//! For tests: a small model of the engine, its workers and its load, which writes history and snapshot as the real ones
//! do. Stories are told by calls; faults are planted by editing what was written.
//!
//! One thing happens at a time, 100 µs apart. History files: the load, one replica, two workers, and in event-driven mode
//! one relay.

mod broker;
mod engine;
mod faults;
mod stories;

use std::time::Duration;

use crossover_proto::InstanceId;
use crossover_proto::clock::MonotonicNs;
use crossover_proto::definition::{Definition, JobSpec, RetryPolicy, Step};
use crossover_proto::history::{Event, HistoryFile, JobKey, Outcome, Record};
use uuid::Uuid;

use crate::checks::{Drain, Judgement, Rules, judge};
use crate::downstream::PolicyCounts;
use crate::ledger::{Ledger, Mode, RunEvidence};
use crate::load::{Arrivals, HandlerSpec, Phase, Workload, WorkloadDefinition};
use crate::measure::Measures;
use crate::plan::{Plan, Traces};
use crate::snapshot::{DefinitionRow, Snapshot, Topics};

/// Start of the load.
pub(crate) const ORIGIN: MonotonicNs = MonotonicNs(5_000_000_000_000);
pub(crate) const LOAD: usize = 0;
pub(crate) const REPLICA: usize = 1;
const RELAY: usize = 4;
const TICK_NS: u64 = 100_000;

/// A workload of one definition, `flow`, with steps of these widths.
pub(crate) fn workload(widths: &[u32]) -> Workload {
    let job = |count: u32| JobSpec {
        job_type: "work".to_owned(),
        count,
        delay: Duration::ZERO,
        retry: RetryPolicy::default(),
    };
    let step = |(index, width): (usize, &u32)| Step {
        name: format!("s{index}"),
        jobs: vec![job(*width)],
    };
    let definition = Definition {
        name: "flow".to_owned(),
        steps: widths.iter().enumerate().map(step).collect(),
    };
    let entry = WorkloadDefinition {
        weight: 1.0,
        payload_bytes: 64,
        handler: HandlerSpec::default(),
        definition,
    };
    Workload {
        hot_partition_share: None,
        definitions: vec![entry],
    }
}

/// A phase of the kind, with nothing else set.
pub(crate) fn phase(name: &str, arrivals: Arrivals) -> Phase {
    Phase {
        name: name.to_owned(),
        arrivals,
        rate_per_s: None,
        to_rate_per_s: None,
        duration: None,
        count: None,
        definition: None,
        file: None,
        tick: None,
        warmup: false,
    }
}

/// A constant phase.
pub(crate) fn constant(name: &str, rate_per_s: f64, seconds: u64) -> Phase {
    Phase {
        rate_per_s: Some(rate_per_s),
        duration: Some(Duration::from_secs(seconds)),
        ..phase(name, Arrivals::Constant)
    }
}

/// An attempt in a worker's hands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Execution {
    pub(crate) job: usize,
    attempt: u16,
    worker: usize,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Claimed,
    Received,
    Started,
    Finished(Outcome),
}

/// The run so far.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) workload: Workload,
    pub(crate) plan: Plan,
    pub(crate) mode: Mode,
    pub(crate) history: Vec<HistoryFile>,
    pub(crate) snapshot: Snapshot,
    /// What the broker holds; `None` in polling mode, or if nobody read it.
    pub(crate) topics: Option<Topics>,
    /// What the service that handlers call has counted, if it was asked.
    pub(crate) downstream: Option<Vec<PolicyCounts>>,
    pub(crate) executions: Vec<Execution>,
    now: MonotonicNs,
    sent: u64,
    prefilled: u64,
    /// Of the relay that leads.
    epoch: i64,
}

impl Scene {
    /// A system at rest, with a load of 100 instances a second for 10 s.
    pub(crate) fn new(widths: &[u32]) -> Self {
        Self::with_phases(widths, &[constant("steady", 100.0, 10)])
    }

    pub(crate) fn with_phases(widths: &[u32], phases: &[Phase]) -> Self {
        let workload = workload(widths);
        let file = |process: &str| HistoryFile::in_memory(process, Vec::new());
        let definition = DefinitionRow {
            id: 1,
            name: "flow".to_owned(),
            step_widths: widths.to_vec(),
        };
        Self {
            plan: Plan::build(&workload, phases, &Traces::new(), 1).unwrap(),
            workload,
            mode: Mode::Polling,
            history: ["load", "replica-1", "worker-1", "worker-2"].map(file).into(),
            snapshot: Snapshot {
                definitions: vec![definition],
                ..Snapshot::default()
            },
            topics: None,
            downstream: None,
            executions: Vec::new(),
            now: ORIGIN,
            sent: 0,
            prefilled: 0,
            epoch: 1,
        }
    }

    /// The handlers call the downstream service under this policy.
    pub(crate) fn calls_as(&mut self, policy: &str) {
        self.workload.definitions[0].handler.downstream = Some(policy.to_owned());
    }

    pub(crate) fn ledger(&self) -> Ledger<'_> {
        Ledger::build(RunEvidence {
            load_end: None,
            history: &self.history,
            snapshot: &self.snapshot,
            topics: self.topics.as_ref(),
            downstream: self.downstream.as_deref(),
            plan: &self.plan,
            workload: &self.workload,
            mode: self.mode,
            origin: ORIGIN,
        })
    }

    pub(crate) fn measures(&self) -> Measures {
        Measures::of(&self.ledger())
    }

    /// All checks of a drained run.
    pub(crate) fn judge(&self, order_enforced: bool) -> Judgement {
        let ledger = self.ledger();
        judge(
            &ledger,
            &Measures::of(&ledger),
            Rules {
                order_enforced,
                drain: Drain::Done,
            },
        )
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, length: Duration) {
        self.now = self.now.plus(length);
    }

    fn tick(&mut self) -> MonotonicNs {
        self.now = MonotonicNs(self.now.0 + TICK_NS);
        self.now
    }

    fn record(&mut self, process: usize, event: Event) {
        let at = self.tick();
        self.history[process].records_mut().push(Record { at, event });
    }

    fn key(&self, job: usize, attempt: u16) -> JobKey {
        let row = &self.snapshot.jobs[job];
        JobKey {
            instance: row.instance,
            job: row.id,
            attempt,
            step: row.step,
            ordinal: row.ordinal,
        }
    }

    // --- the load ---

    /// The next arrival of the plan, at its time or now if that is later: sent, created, answered.
    pub(crate) fn start(&mut self) -> InstanceId {
        let instance = self.send();
        self.create_instance(instance);
        self.answer(instance, Outcome::Done);
        instance
    }

    pub(crate) fn start_many(&mut self, count: usize) -> Vec<InstanceId> {
        (0..count).map(|_| self.start()).collect()
    }

    /// The next instance of the prefill, before the load starts.
    pub(crate) fn prefill(&mut self) {
        let number = self.plan.prefill_number(usize::try_from(self.prefilled).unwrap());
        self.prefilled += 1;
        let instance = InstanceId(Uuid::from_u128(u128::from(number) + 1));
        let before = std::mem::replace(&mut self.now, MonotonicNs(ORIGIN.0 - 60_000_000_000));
        self.record(
            LOAD,
            Event::Sent {
                instance,
                intended: MonotonicNs(0),
                arrival: number,
            },
        );
        self.create_instance(instance);
        self.answer(instance, Outcome::Done);
        self.now = before;
    }

    pub(crate) fn start_refused(&mut self) {
        let instance = self.send();
        self.answer(instance, Outcome::Rejected);
    }

    pub(crate) fn start_unknown(&mut self, reached_the_database: bool) -> InstanceId {
        let instance = self.send();
        if reached_the_database {
            self.create_instance(instance);
        }
        self.answer(instance, Outcome::Unknown);
        instance
    }

    pub(crate) fn start_settled_by_repeat(&mut self) {
        let instance = self.start_unknown(true);
        self.record(
            LOAD,
            Event::Sent {
                instance,
                intended: self.intended(self.sent - 1),
                arrival: self.sent - 1,
            },
        );
        self.answer(instance, Outcome::Already);
    }

    fn send(&mut self) -> InstanceId {
        let arrival = self.sent;
        self.sent += 1;
        let instance = InstanceId(Uuid::from_u128(u128::from(arrival) + 1));
        let intended = self.intended(arrival);
        self.now = self.now.max(intended);
        self.record(
            LOAD,
            Event::Sent {
                instance,
                intended,
                arrival,
            },
        );
        instance
    }

    fn intended(&self, arrival: u64) -> MonotonicNs {
        ORIGIN.plus(Duration::from_micros(self.plan.arrival(arrival).unwrap().offset_us))
    }

    fn answer(&mut self, instance: InstanceId, outcome: Outcome) {
        self.record(LOAD, Event::Answered { instance, outcome });
    }
}
