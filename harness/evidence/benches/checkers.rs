//! History and database brought together, measured and judged: `cargo bench --package crossover-evidence --bench checkers`.

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use crossover_evidence::checks::{Drain, Rules, judge};
use crossover_evidence::ledger::{Ledger, Mode, RunEvidence};
use crossover_evidence::load::{Arrivals, HandlerSpec, Phase, Workload, WorkloadDefinition};
use crossover_evidence::measure::Measures;
use crossover_evidence::plan::{Plan, Traces};
use crossover_evidence::snapshot::{
    AuditEvent, AuditRow, DefinitionRow, InstanceRow, InstanceState, JobRow, JobState, Snapshot,
};
use crossover_proto::clock::MonotonicNs;
use crossover_proto::definition::{Definition, JobSpec, RetryPolicy, Step};
use crossover_proto::history::{Event, HistoryFile, JobKey, Outcome, Record};
use crossover_proto::{InstanceId, JobId};
use uuid::Uuid;

const JOBS: u64 = 20_000;
const ORIGIN_NS: u64 = 1_000_000_000_000;
const US: u64 = 1_000;

/// A polling run of single jobs in which all went well.
struct Run {
    workload: Workload,
    plan: Plan,
    history: Vec<HistoryFile>,
    snapshot: Snapshot,
}

impl Run {
    fn new() -> Self {
        let workload = workload();
        let phase = Phase {
            name: "steady".to_owned(),
            arrivals: Arrivals::Constant,
            rate_per_s: Some(JOBS as f64 / 10.0),
            to_rate_per_s: None,
            duration: Some(Duration::from_secs(10)),
            count: None,
            definition: None,
            file: None,
            tick: None,
            warmup: false,
        };
        let plan = Plan::build(&workload, &[phase], &Traces::new(), 1).expect("the plan is valid");
        let mut run = Self {
            history: ["load", "replica-1", "worker-1"].map(file).into(),
            snapshot: Snapshot {
                definitions: vec![DefinitionRow {
                    id: 1,
                    name: "flow".to_owned(),
                    step_widths: vec![1],
                }],
                ..Snapshot::default()
            },
            workload,
            plan,
        };
        (0..JOBS).for_each(|number| run.job(number));
        run
    }

    fn job(&mut self, number: u64) {
        let begun = ORIGIN_NS + self.plan.arrivals[usize::try_from(number).unwrap_or(0)].offset_us * US;
        let instance = InstanceId(Uuid::from_u128(u128::from(number) + 1));
        let job = JobId(i64::try_from(number + 1).unwrap_or(i64::MAX));
        let key = JobKey {
            instance,
            job,
            attempt: 1,
            step: 0,
            ordinal: 0,
        };
        let before = MonotonicNs(begun + 100 * US);
        let sent = Event::Sent {
            instance,
            intended: MonotonicNs(begun),
            arrival: number,
        };
        let outcome = Outcome::Done;
        for (file, at, event) in [
            (0, 50, sent),
            (
                1,
                700,
                Event::Created {
                    instance,
                    step: 0,
                    before,
                },
            ),
            (0, 900, Event::Answered { instance, outcome }),
            (1, 2_000, Event::Claimed { key, before }),
            (2, 2_200, Event::Received(key)),
            (2, 2_300, Event::Started(key)),
            (2, 2_400, Event::Finished(key, outcome)),
            (2, 3_400, Event::Reported(key, outcome)),
        ] {
            let at = MonotonicNs(begun + at * US);
            self.history[file].records_mut().push(Record { at, event });
        }
        self.snapshot.instances.push(InstanceRow {
            id: instance,
            definition: 1,
            state: InstanceState::Completed,
            step: 0,
            remaining: 0,
        });
        self.snapshot.jobs.push(JobRow {
            id: job,
            instance,
            job_type: 0,
            step: 0,
            ordinal: 0,
            state: JobState::Completed,
            attempt: 1,
        });
        for (of, event) in [
            (None, AuditEvent::InstanceStarted),
            (Some(job), AuditEvent::JobQueued),
            (Some(job), AuditEvent::JobClaimed),
            (Some(job), AuditEvent::JobCompleted),
            (None, AuditEvent::InstanceCompleted),
        ] {
            self.snapshot.audit.push(AuditRow {
                instance,
                job: of.into(),
                attempt: u16::from(of.is_some()),
                event,
            });
        }
    }

    fn ledger(&self) -> Ledger<'_> {
        Ledger::build(RunEvidence {
            history: &self.history,
            snapshot: &self.snapshot,
            topics: None,
            plan: &self.plan,
            workload: &self.workload,
            mode: Mode::Polling,
            downstream: None,
            origin: MonotonicNs(ORIGIN_NS),
            load_end: None,
        })
    }
}

fn file(process: &str) -> HistoryFile {
    HistoryFile::in_memory(process, Vec::new())
}

fn workload() -> Workload {
    let job = JobSpec {
        job_type: "work".to_owned(),
        count: 1,
        delay: Duration::ZERO,
        retry: RetryPolicy::default(),
    };
    let step = Step {
        name: "s".to_owned(),
        jobs: vec![job],
    };
    let entry = WorkloadDefinition {
        weight: 1.0,
        payload_bytes: 64,
        handler: HandlerSpec::default(),
        definition: Definition {
            name: "flow".to_owned(),
            steps: vec![step],
        },
    };
    Workload {
        hot_partition_share: None,
        definitions: vec![entry],
    }
}

fn judged(criterion: &mut Criterion) {
    let run = Run::new();
    let rules = Rules {
        order_enforced: false,
        drain: Drain::Done,
    };
    let mut group = criterion.benchmark_group("20000 jobs");
    group.throughput(Throughput::Elements(JOBS));
    group.bench_function("ledger", |bench| bench.iter(|| run.ledger()));
    let ledger = run.ledger();
    group.bench_function("measures", |bench| bench.iter(|| Measures::of(&ledger)));
    let measures = Measures::of(&ledger);
    group.bench_function("checkers", |bench| {
        bench.iter_batched(|| (), |()| judge(&ledger, &measures, rules), BatchSize::LargeInput);
    });
    group.finish();
    let judgement = judge(&ledger, &measures, rules);
    assert_eq!(
        judgement.info.completed, JOBS,
        "a bench of checkers that found nothing to check"
    );
}

criterion_group!(benches, judged);
criterion_main!(benches);
