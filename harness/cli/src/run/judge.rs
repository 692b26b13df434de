//! Run directory → `result.json`, `series.json`, `report.html`, `report.md`. Used at the end of a run and by `report`:
//! what the report says depends on the files alone.

use std::time::Duration;

use crossover_evidence::availability;
use crossover_evidence::checks::{self, Drain, Judgement, Rules};
use crossover_evidence::downstream;
use crossover_evidence::ledger::{Ledger, Mode, RunEvidence};
use crossover_evidence::measure::seconds::{PhasePieces, pieces};
use crossover_evidence::measure::{JobRow, Measures, job_rows};
use crossover_evidence::neighbours;
use crossover_evidence::pauses::Pauses;
use crossover_evidence::plateau;
use crossover_evidence::recovery;
use crossover_evidence::result::{
    Check, InstrumentInfo, OutboxInfo, PhaseResult, PostgresVersion, RunInfo, RunResult, SCHEMA_VERSION, TestbedInfo,
    Throughput, Verdict,
};
use crossover_evidence::samples::{self, Sample};
use crossover_evidence::series::{Series, TimelineEvent};
use crossover_evidence::skew;
use crossover_evidence::snapshot::{JobState, Snapshot};
use crossover_evidence::take_over;
use crossover_evidence::unavailability::Windows;
use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::HistoryFile;
use crossover_report::RunPage;

use super::control::Control;
use super::directory::RunDirectory;
use super::hypotheses;
use super::left::Left;
use super::meta::RunMeta;
use super::topology;
use super::validity::{invalid_reasons, not_measured};
use crate::args;
use crate::scenario::{self, Document, Scenario};

/// Judges a run and writes its reports.
///
/// # Errors
/// If the directory is not a run's, or can't be written.
pub fn judge(directory: &RunDirectory) -> anyhow::Result<RunResult> {
    let meta = RunMeta::read(directory)?;
    let scenario = scenario::reload(&directory.file("scenario.toml"), &meta.scenario)?;
    let left = Left::read(directory, &meta)?;
    let control = Control::read(directory, &meta)?;
    let (result, series) = build(&meta, &scenario, &left, control.as_ref());
    let page = RunPage {
        result: &result,
        series: &series,
        plan: &scenario.plan.describe(),
        scenario_toml: &scenario.text,
    };
    directory.write_json("result.json", &result)?;
    directory.write_json("series.json", &series)?;
    directory.write("report.html", crossover_report::run_html(&page).as_bytes())?;
    directory.write("report.md", crossover_report::run_markdown(&result).as_bytes())?;
    Ok(result)
}

/// All that a run's directory tells, in the memory: nothing is written.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Its scenario and plan.
    pub scenario: Scenario,
    /// The figures, by the rules of this build.
    pub result: RunResult,
    /// What the charts draw.
    pub series: Series,
    /// Its measured phases in pieces; empty without a history.
    pub pieces: Vec<PhasePieces>,
}

/// Judges a run, and writes nothing.
///
/// # Errors
/// If the directory is not a run's, or a file is damaged.
pub fn look(directory: &RunDirectory) -> anyhow::Result<Judged> {
    let meta = RunMeta::read(directory)?;
    let scenario = scenario::reload(&directory.file("scenario.toml"), &meta.scenario)?;
    let left = Left::read(directory, &meta)?;
    let control = Control::read(directory, &meta)?;
    let (result, series) = build(&meta, &scenario, &left, control.as_ref());
    let empty = Snapshot::default();
    let pieces = match meta.history {
        true => pieces(&ledger(&meta, &scenario, &left, &empty)),
        false => Vec::new(),
    };
    Ok(Judged {
        scenario,
        result,
        series,
        pieces,
    })
}

/// Every job of a run, handed to `each` one by one.
///
/// # Errors
/// If the directory is not a run's, a file is damaged, or `each` fails.
pub fn for_each_job(
    directory: &RunDirectory,
    mut each: impl FnMut(JobRow) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let meta = RunMeta::read(directory)?;
    let scenario = scenario::reload(&directory.file("scenario.toml"), &meta.scenario)?;
    let left = Left::read(directory, &meta)?;
    let empty = Snapshot::default();
    let ledger = ledger(&meta, &scenario, &left, &empty);
    job_rows(&ledger).try_for_each(&mut each)
}

/// History and database brought together; `empty` stands in for a database that was never read.
fn ledger<'a>(meta: &RunMeta, scenario: &'a Scenario, left: &'a Left, empty: &'a Snapshot) -> Ledger<'a> {
    Ledger::build(RunEvidence {
        history: &left.history,
        snapshot: left.database.as_ref().unwrap_or(empty),
        plan: &scenario.plan,
        workload: &scenario.document.workload,
        topics: left.topics.as_ref(),
        downstream: samples::downstream(&left.samples),
        mode: mode_of(meta),
        origin: origin_of(meta),
        load_end: meta.load_end_ns.map(MonotonicNs),
    })
}

fn origin_of(meta: &RunMeta) -> MonotonicNs {
    MonotonicNs(meta.origin_ns.unwrap_or_default())
}

fn build(meta: &RunMeta, scenario: &Scenario, left: &Left, control: Option<&Control>) -> (RunResult, Series) {
    let (history, samples, database) = (&left.history, &left.samples, left.database.as_ref());
    let mode = mode_of(meta);
    let document = &scenario.document;
    let origin = origin_of(meta);
    let empty = Snapshot::default();
    let ledger = ledger(meta, scenario, left, &empty);
    let measures = Measures::of(&ledger);
    let judgement = judgement(&ledger, &measures, meta, document, database.is_some());
    let load_end = meta.load_end_ns.map_or_else(|| ledger.end(), MonotonicNs);
    let end = meta.end_ns.map_or_else(|| ledger.end(), MonotonicNs);
    let warm = origin.plus(warmup(scenario));
    // A backlog has no load: its work ends with the drain.
    let busy_until = if scenario.plan.arrivals.is_empty() {
        end
    } else {
        load_end.max(warm)
    };

    let mut series = measures.series.clone();
    samples::fill_series(&mut series, samples, origin);
    series.events = timeline(meta, scenario, origin);

    let lag = samples::lag(samples, warm, end, left.topics.as_ref());
    let windows = Windows::of(&ledger);
    let pauses = Pauses::of(&ledger);
    let faults = recovery::with_recovery(&availability::with_starts(&meta.faults, &ledger), &series);
    let faults = windows.with_faults(take_over::with_take_over(faults, history, origin), origin);
    let faults = match &pauses {
        Some(pauses) => pauses.with_faults(faults, origin),
        None => faults,
    };

    let undisturbed = control.map(|one| match &one.doubt {
        None => Ok(self::ledger(&one.meta, &one.scenario, &one.left, &empty)),
        Some(why) => Err(why.as_str()),
    });
    let undisturbed = undisturbed.as_ref().map(|one| one.as_ref().map_err(|why| *why));
    let neighbours = neighbours::of(&ledger, &faults, undisturbed);

    let (query_ms, hz) = samples::sampler_cost(samples);
    let mut result = RunResult {
        schema_version: SCHEMA_VERSION,
        run: run_info(meta, scenario, end.saturating_since(origin)),
        testbed: meta.testbed.clone().unwrap_or_else(no_testbed),
        topology: topology::of(meta, document, mode),
        load: measures.load,
        phases: with_waits(&measures.phases, samples, origin, end),
        latency_ms: measures.latency_ms,
        throughput: throughput(meta, measures.throughput, database, end.saturating_since(origin)),
        postgres: samples::postgres(samples, warm, end),
        outbox: outbox(meta, left, warm, load_end, end),
        skew: skew::of(&ledger, &lag),
        neighbours,
        lag,
        group_pauses: pauses.as_ref().map(Pauses::whole),
        unavailability: windows.whole(),
        downstream: downstream::info(&ledger),
        faults,
        ledger: judgement.info,
        checks: judgement.checks,
        processes: samples::processes(samples, warm, end),
        idle: samples::idle(samples, &scenario.plan.phases, origin),
        instrument: InstrumentInfo {
            record_ns: meta.record_ns,
            generator_realtime: meta.generator_realtime,
            records: history.iter().map(HistoryFile::record_count).sum(),
            dropped_bytes: ledger.dropped_bytes(),
            sampler_query_ms_p50: query_ms,
            sampler_hz: hz,
            host_cpu_share: samples::host_cpu_share(samples, warm, busy_until),
            not_measured: not_measured(meta, database.is_some()),
        },
        claims: Vec::new(),
        plateau: None,
    };
    result.plateau = plateau::attribute(&plateau::Observed {
        ledger: &ledger,
        phases: &result.phases,
        series: &series,
        samples,
        end,
        cpus: result.testbed.cpus,
        worker_slots: u64::from(document.topology.workers) * u64::from(document.topology.worker_concurrency),
    });
    result.run.invalid_reasons = invalid_reasons(meta, &result);
    result.run.valid = result.run.invalid_reasons.is_empty();
    result.claims = hypotheses::judge(document, &result);
    (result, series)
}

/// What the sampler saw of the outbox, and its end as it was found: the drain may have ended between two looks.
fn outbox(
    meta: &RunMeta,
    left: &Left,
    warm: MonotonicNs,
    load_end: MonotonicNs,
    end: MonotonicNs,
) -> Option<OutboxInfo> {
    let seen = OutboxInfo {
        relays_superseded: meta.relays_superseded,
        ..samples::outbox(&left.samples, warm, end, load_end)?
    };
    let Some(database) = &left.database else {
        return Some(seen);
    };
    let pending = database.outbox.iter().filter(|row| !row.sent).count() as u64;
    let drained = || meta.drained.then(|| end.saturating_since(load_end).as_secs_f64());
    Some(OutboxInfo {
        backlog_end: pending,
        drain_s: seen.drain_s.or_else(drained),
        ..seen
    })
}

/// The phases with what the samplers saw during each.
fn with_waits(phases: &[PhaseResult], samples: &[Sample], origin: MonotonicNs, end: MonotonicNs) -> Vec<PhaseResult> {
    let with = |phase: &PhaseResult| {
        let from = origin.plus(Duration::from_secs_f64(phase.start_s));
        // A prefill's jobs are worked on from the start of the load to the last of them.
        let length = Some(phase.duration_s).filter(|length| *length > 0.0);
        let length = length.or_else(|| phase.drain_s());
        let to = length.map_or(end, |length| from.plus(Duration::from_secs_f64(length)));
        let seen = samples::postgres(samples, from, to);
        PhaseResult {
            lock_wait_share: seen.lock_wait_share,
            lock_looks: samples::lock_looks(samples, from, to),
            waits: seen.waits,
            ..phase.clone()
        }
    };
    phases.iter().map(with).collect()
}

/// Without a history, only the database tells how many jobs were completed, and the harness how long that took: from the
/// start of the load to the end of the drain.
fn throughput(meta: &RunMeta, measured: Throughput, database: Option<&Snapshot>, took: Duration) -> Throughput {
    let reference_per_s = meta.reference_jobs_per_s;
    let Some(database) = database.filter(|_| !meta.history && !took.is_zero()) else {
        return Throughput {
            reference_per_s,
            ..measured
        };
    };
    let completed = database
        .jobs
        .iter()
        .filter(|job| job.state == JobState::Completed)
        .count();
    Throughput {
        completed_per_s: completed as f64 / took.as_secs_f64(),
        capacity_per_s: None,
        reference_per_s,
    }
}

/// A run that died before its database was read, or recorded nothing, can't be checked, only measured.
fn judgement(
    ledger: &Ledger<'_>,
    measures: &Measures,
    meta: &RunMeta,
    document: &Document,
    has_database: bool,
) -> Judgement {
    let rules = Rules {
        order_enforced: mode_of(meta) == Mode::EventDriven,
        drain: drain(meta, document),
    };
    let mut judgement = checks::judge(ledger, measures, rules);
    if meta.history && has_database {
        return judgement;
    }
    let missing = if meta.history {
        "the database was not read: the run died first"
    } else {
        "no history was recorded"
    };
    judgement.checks = vec![Check {
        name: "nothing-lost".to_owned(),
        verdict: Verdict::Unknown,
        detail: format!("not checked: {missing}"),
        story: Vec::new(),
    }];
    judgement.info.lost = None;
    judgement.info.double_effects = None;
    judgement
}

fn drain(meta: &RunMeta, document: &Document) -> Drain {
    match meta.end_ns {
        _ if meta.drained => Drain::Done,
        Some(end) if !meta.interrupted => Drain::GaveUp {
            end: MonotonicNs(end),
            patience: patience(document, mode_of(meta)),
        },
        _ => Drain::CutShort,
    }
}

/// Longest that open work may stand still: until leases have run out, lost messages were sent again and calls were given up,
/// and somewhat more, for the looks that find them.
fn patience(document: &Document, mode: Mode) -> Duration {
    let lost_after = match mode {
        Mode::Polling => Duration::ZERO,
        Mode::EventDriven => document.event_driven.redispatch_after,
    };
    let called = document
        .downstream
        .as_ref()
        .map_or(Duration::ZERO, |downstream| downstream.timeout);
    document.engine.lease.max(lost_after) + called + Duration::from_secs(5)
}

fn run_info(meta: &RunMeta, scenario: &Scenario, duration: Duration) -> RunInfo {
    RunInfo {
        id: meta.id.clone(),
        scenario: meta.scenario.clone(),
        title: scenario.document.title.clone(),
        mode: meta.mode.clone(),
        seed: scenario.document.seed,
        command: meta.command.clone(),
        git_commit: meta.git_commit.clone(),
        started_at: meta.started_at.clone(),
        duration_s: duration.as_secs_f64(),
        valid: true,
        invalid_reasons: Vec::new(),
        interrupted: meta.interrupted || !meta.finished,
    }
}

fn mode_of(meta: &RunMeta) -> Mode {
    match meta.mode == args::Mode::EventDriven.name() {
        true => Mode::EventDriven,
        false => Mode::Polling,
    }
}

fn timeline(meta: &RunMeta, scenario: &Scenario, origin: MonotonicNs) -> Vec<TimelineEvent> {
    let phases = scenario.plan.phases.iter().map(|phase| TimelineEvent {
        at_s: phase.start.as_secs_f64(),
        text: format!("phase {}: {}", phase.name, phase.description),
    });
    let happened = meta.events.iter().map(|(at, text)| TimelineEvent {
        at_s: MonotonicNs(*at).signed_since(origin) as f64 / 1e9,
        text: text.clone(),
    });
    let mut events: Vec<TimelineEvent> = phases.chain(happened).collect();
    events.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    events
}

/// Length of the warm-up phases at the start.
fn warmup(scenario: &Scenario) -> Duration {
    let timed = scenario.plan.phases.iter().filter(|phase| !phase.duration.is_zero());
    timed.take_while(|phase| phase.warmup).map(|phase| phase.duration).sum()
}

/// For a run that died before its servers were up.
fn no_testbed() -> TestbedInfo {
    TestbedInfo {
        provider: "local".to_owned(),
        postgres: PostgresVersion {
            version: "not started".to_owned(),
            settings: Vec::new(),
        },
        broker: None,
        acknowledgement: Vec::new(),
        fsync_us_p50: None,
        file_system: String::new(),
        cpus: 0,
        memory_mb: 0,
        machine: None,
        startup_ms: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_work_may_stand_still_until_leases_have_run_out_and_event_driven_until_messages_were_sent_again() {
        let document = |lease: u64, redispatch: u64| {
            let text = format!(
                "title = 't'\nengine.lease = '{lease}s'\nevent_driven.redispatch_after = '{redispatch}s'\nload = []\n\
                 workload.definitions = []"
            );
            toml::from_str::<Document>(&text).unwrap()
        };
        let seconds =
            |document: &Document| [Mode::Polling, Mode::EventDriven].map(|mode| patience(document, mode).as_secs());
        assert_eq!(seconds(&document(2, 30)), [7, 35]);
        assert_eq!(seconds(&document(60, 30)), [65, 65]);
    }
}
