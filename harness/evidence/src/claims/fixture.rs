//! For tests: a run of each mode of a plan like the scenario `compare`, in which every claim holds that can.

use super::Pair;
use crate::result::{
    BrokerInfo, Check, FaultInfo, IdleInfo, IdlePart, InstrumentInfo, LatencySet, LedgerInfo, LoadInfo, Percentiles,
    PhaseLoad, PhaseResult, PostgresInfo, PostgresVersion, ProcessCost, RunInfo, RunResult, SCHEMA_VERSION, SendDelay,
    TestbedInfo, Throughput, TopologyInfo, Verdict,
};
use crate::series::{NamedSeries, Series};

const SECONDS: usize = 90;

pub(crate) struct Runs {
    pub(crate) polling: RunResult,
    pub(crate) event: RunResult,
    pub(crate) polling_series: Series,
    pub(crate) event_series: Series,
}

impl Runs {
    pub(crate) fn new() -> Self {
        Self {
            polling: polling(),
            event: event_driven(),
            polling_series: polling_series(),
            event_series: event_series(),
        }
    }

    pub(crate) fn pair(&self) -> Pair<'_> {
        Pair {
            polling: &self.polling,
            event: &self.event,
            polling_series: &self.polling_series,
            event_series: &self.event_series,
        }
    }
}

fn polling() -> RunResult {
    let mut result = run("polling", 245.0, 1.1, 240.0);
    result.ledger.fifo_inversions = 40;
    result.postgres.connections_max = 18;
    result.topology.settings = pairs(&[("poll interval", "500ms"), ("poll wake-up", "none")]);
    result.testbed.startup_ms = vec![("PostgreSQL ready".to_owned(), 1_600), ("workers".to_owned(), 500)];
    result.checks.extend([
        passed("nothing-lost", "9,000 jobs accounted for"),
        passed("audit-replayed-equals-tables", "jobs stand as the tables say"),
        passed(
            "fifo",
            "40 jobs of 9,000 overtaken by a later one of its type, by 12.0 ms at most",
        ),
    ]);
    result.faults = vec![fault("postgres", 71.0, 73.5, (200, 4))];
    result.processes = parts(&["postgres", "replica-1", "replica-2", "worker-1", "harness"]);
    result.idle = Some(IdleInfo {
        seconds: 14.0,
        parts: vec![
            idle("postgres", 0.012, 120.0, Some(48.0)),
            idle("harness", 0.3, 50.0, None),
        ],
    });
    result
}

fn event_driven() -> RunResult {
    let mut result = run("event-driven", 3.1, 2.4, 3.2);
    result.testbed.broker = Some(BrokerInfo {
        kind: "kafka".to_owned(),
        version: "4.3.0".to_owned(),
    });
    result.ledger.duplicate_records = Some(3);
    result.ledger.fifo_inversions = 2_000;
    result.postgres.connections_max = 26;
    result.testbed.startup_ms = vec![
        ("PostgreSQL found".to_owned(), 30_000),
        ("PostgreSQL ready".to_owned(), 1_600),
        ("Toxiproxy ready".to_owned(), 400),
        ("Kafka ready".to_owned(), 5_000),
        ("workers".to_owned(), 700),
    ];
    result.checks.extend([
        passed("nothing-lost", "9,000 jobs accounted for"),
        passed("audit-replayed-equals-tables", "jobs stand as the tables say"),
        passed("outbox-empty", "9,000 outbox rows, all settled"),
        passed("offsets-at-end", "36 partitions with records, all committed to the end"),
        passed(
            "every-record-has-its-row",
            "9,003 records and 9,000 sent outbox rows agree",
        ),
        passed(
            "order",
            "9,000 jobs first received in the order of their dispatch, up to 8 in parallel",
        ),
        passed(
            "fifo",
            "2,000 jobs of 9,000 overtaken by a later one of its type, by 310.0 ms at most",
        ),
    ]);
    result.faults = vec![
        fault("broker:1", 57.0, 65.0, (500, 499)),
        fault("postgres", 71.0, 73.5, (200, 3)),
    ];
    result.processes = parts(&[
        "postgres",
        "kafka-1",
        "relay-1",
        "replica-1",
        "replica-2",
        "worker-1",
        "worker-2",
        "toxiproxy",
    ]);
    result.idle = Some(IdleInfo {
        seconds: 14.0,
        parts: vec![
            idle("postgres", 0.022, 150.0, Some(50.0)),
            idle("kafka-1", 0.08, 420.0, Some(20.0)),
            idle("toxiproxy", 0.2, 30.0, None),
        ],
    });
    result
}

fn run(mode: &str, single_ms: f64, best_ms: f64, steady_ms: f64) -> RunResult {
    let phases = vec![
        phase("warmup", 0.0, 4.0, 50.0, 3.0, 1.0),
        phase("idle", 4.0, 17.0, 0.0, 0.0, 0.0),
        phase("single", 21.0, 10.0, 5.0, single_ms, best_ms),
        phase("steady", 31.0, 15.0, 250.0, steady_ms, best_ms),
        phase("overload", 46.0, 5.0, 2_500.0, 900.0, best_ms),
        phase("recovery", 51.0, 5.0, 100.0, 900.0, best_ms),
        phase("broker-outage", 56.0, 14.0, 100.0, steady_ms, best_ms),
        phase("postgres-outage", 70.0, 10.0, 100.0, steady_ms, best_ms),
    ];
    RunResult {
        schema_version: SCHEMA_VERSION,
        run: run_info(mode),
        testbed: testbed(),
        topology: TopologyInfo {
            replicas: 2,
            relays: 0,
            workers: 2,
            partitions: 0,
            settings: Vec::new(),
        },
        load: LoadInfo {
            intended: 9_000,
            sent: 9_000,
            accepted: 9_000,
            rejected: 0,
            unknown: 0,
            achieved_ratio: 1.0,
            send_delay_ms: SendDelay::default(),
            late_share: 0.0,
        },
        phases,
        latency_ms: LatencySet::default(),
        throughput: Throughput::default(),
        postgres: PostgresInfo {
            samples: 1_000,
            ..PostgresInfo::default()
        },
        outbox: None,
        lag: Vec::new(),
        downstream: None,
        skew: Vec::new(),
        neighbours: None,
        group_pauses: None,
        unavailability: Vec::new(),
        faults: Vec::new(),
        ledger: LedgerInfo {
            accepted: 9_000,
            completed: 9_000,
            lost: Some(0),
            duplicate_records: Some(0),
            double_effects: Some(0),
            ..LedgerInfo::default()
        },
        checks: Vec::new(),
        processes: Vec::new(),
        idle: None,
        instrument: InstrumentInfo {
            sampler_query_ms_p50: Some(0.8),
            sampler_hz: Some(20.0),
            ..InstrumentInfo::default()
        },
        claims: Vec::new(),
        plateau: None,
    }
}

fn run_info(mode: &str) -> RunInfo {
    RunInfo {
        id: format!("compare-{mode}-20261122T080000Z"),
        scenario: "compare".to_owned(),
        title: "Both".to_owned(),
        mode: mode.to_owned(),
        seed: 7,
        command: "./just bench compare".to_owned(),
        git_commit: Some("0123456789ab".to_owned()),
        started_at: "2026-11-22T08:00:00Z".to_owned(),
        duration_s: 82.0,
        valid: true,
        invalid_reasons: Vec::new(),
        interrupted: false,
    }
}

fn testbed() -> TestbedInfo {
    TestbedInfo {
        provider: "local".to_owned(),
        postgres: PostgresVersion {
            version: "15.18".to_owned(),
            settings: Vec::new(),
        },
        broker: None,
        acknowledgement: Vec::new(),
        fsync_us_p50: None,
        file_system: "ext4".to_owned(),
        cpus: 2,
        memory_mb: 8_192,
        machine: None,
        startup_ms: Vec::new(),
    }
}

fn phase(name: &str, start_s: f64, duration_s: f64, per_s: f64, p50: f64, best: f64) -> PhaseResult {
    let count = (per_s * duration_s) as u64;
    let dispatch = Percentiles {
        count,
        p50: (count > 0).then_some(p50),
        curve: vec![(0.0, best), (50.0, p50)],
        ..Percentiles::default()
    };
    PhaseResult {
        name: name.to_owned(),
        arrivals: format!("constant {per_s}/s"),
        warmup: name == "warmup",
        start_s,
        duration_s,
        load: PhaseLoad {
            intended: count,
            accepted: count,
            intended_per_s: per_s,
        },
        latency_ms: LatencySet {
            dispatch,
            ..LatencySet::default()
        },
        throughput: Throughput::default(),
        waits: Vec::new(),
        lock_wait_share: None,
        lock_looks: None,
        backlog: None,
    }
}

/// 100 jobs a second are completed, none from 72 s to 74 s; overloaded from 46 s to 52 s.
fn series() -> Series {
    let at = |second: usize| if (46..52).contains(&second) { 4_000.0 } else { 3.0 };
    let mut series = Series {
        seconds: SECONDS,
        unfinished: (0..SECONDS).map(at).collect(),
        completed_per_s: vec![100.0; SECONDS],
        outbox_backlog: vec![None; SECONDS],
        ..Series::default()
    };
    series.completed_per_s[72..74].fill(0.0);
    series
}

/// Backends were looked at all the time, and none waited for a lock.
fn polling_series() -> Series {
    let mut series = series();
    series.waits = vec![NamedSeries {
        name: "CPU".to_owned(),
        values: vec![Some(1.0); SECONDS],
    }];
    series
}

/// The same, and nothing completed while the broker is away; the lag shows the overload in its second second.
fn event_series() -> Series {
    let mut series = series();
    series.completed_per_s[58..65].fill(0.0);
    series.outbox_backlog = vec![Some(5.0); SECONDS];
    let lag = |second: usize| Some(if (47..52).contains(&second) { 3_000.0 } else { 20.0 });
    let line = |name: &str| NamedSeries {
        name: name.to_owned(),
        values: (0..SECONDS).map(lag).collect(),
    };
    series.lag = vec![line("workers.work"), line("workers.work/jobs.work/3")];
    series
}

fn fault(target: &str, injected_s: f64, healed_s: f64, starts: (u64, u64)) -> FaultInfo {
    FaultInfo {
        kind: "kill".to_owned(),
        target: target.to_owned(),
        injected_s,
        healed_s: Some(healed_s),
        took_effect: true,
        recovery_s: Some(9.0),
        starts_intended: starts.0,
        starts_accepted: starts.1,
        ..FaultInfo::default()
    }
}

fn passed(name: &str, detail: &str) -> Check {
    Check {
        name: name.to_owned(),
        verdict: Verdict::Pass,
        detail: detail.to_owned(),
        story: Vec::new(),
    }
}

fn parts(names: &[&str]) -> Vec<ProcessCost> {
    let part = |name: &&str| ProcessCost {
        name: (*name).to_owned(),
        cpu_s: 1.0,
        cpu_cores_mean: 0.1,
        memory_mb_max: 20.0,
    };
    names.iter().map(part).collect()
}

fn idle(name: &str, cpu_cores: f64, memory_mb: f64, disk_mb: Option<f64>) -> IdlePart {
    IdlePart {
        name: name.to_owned(),
        cpu_cores,
        memory_mb,
        disk_mb,
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}
