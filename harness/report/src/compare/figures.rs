//! The key figures of both runs with the change from polling to event-driven.

use crossover_evidence::result::{Percentiles, PhaseResult, RunResult};

use super::cost::{self, SYSTEM};
use super::{Pair, change, phases};
use crate::format::{NONE, count, mebibytes, ms, number, percent, percentile_short, rate, seconds};

/// Rows that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What they are of.
    pub title: String,
    /// At least one.
    pub rows: Vec<Row>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// Of each mode, with its unit.
    pub values: Pair<String>,
    /// From polling to event-driven.
    pub change: String,
}

/// All of them, in the order of the questions: how fast, how much, at what cost.
pub fn groups(runs: Pair<&RunResult>) -> Vec<Group> {
    let mut groups: Vec<Group> = phases(runs).into_iter().map(of_phase).collect();
    groups.push(whole_run(runs));
    groups.push(group("PostgreSQL over the run", postgres(runs)));
    groups.push(group(
        "cost over the run, without harness and proxies",
        over_the_run(runs),
    ));
    groups.push(group("cost at rest, without harness and proxies", at_rest(runs)));
    groups.push(group("to start", to_start(runs)));
    groups.retain(|group| !group.rows.is_empty());
    groups
}

fn group(title: impl Into<String>, rows: Vec<Option<Row>>) -> Group {
    Group {
        title: title.into(),
        rows: rows.into_iter().flatten().collect(),
    }
}

/// A row, unless neither mode has the number.
fn row(name: &str, values: Pair<Option<f64>>, show: fn(f64) -> String) -> Option<Row> {
    let text = |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), show);
    (values.polling.is_some() || values.event.is_some()).then(|| Row {
        name: name.to_owned(),
        values: values.map(text),
        change: change(values),
    })
}

/// A percentile that was not reached says so.
fn latency(name: &str, sets: Pair<&Percentiles>, of: Quantile) -> Option<Row> {
    let values = sets.map(of);
    (sets.polling.count + sets.event.count > 0).then(|| Row {
        name: name.to_owned(),
        values: sets.map(|set| percentile_short(of(set), set)),
        change: change(values),
    })
}

type Quantile = fn(&Percentiles) -> Option<f64>;

fn of_phase(phase: Pair<&PhaseResult>) -> Group {
    let dispatch = phase.map(|phase| &phase.latency_ms.dispatch);
    let completed = phase.map(|phase| Some(phase.throughput.completed_per_s));
    let accepted = phase.map(|phase| Some(phase.load.accepted as f64 / phase.load.intended.max(1) as f64));
    let all = accepted
        == Pair {
            polling: Some(1.0),
            event: Some(1.0),
        };
    let title = format!("{} · {}", phase.polling.name, phase.polling.arrivals);
    let rows = vec![
        latency("dispatch p50", dispatch, |of| of.p50),
        latency("dispatch p99", dispatch, |of| of.p99),
        row("completed", completed, rate),
        row("starts accepted", accepted, percent).filter(|_| !all),
        row("lock waits on job", phase.map(|phase| phase.lock_wait_share), percent),
    ];
    group(title, rows)
}

fn whole_run(runs: Pair<&RunResult>) -> Group {
    let dispatch = runs.map(|run| &run.latency_ms.dispatch);
    let completion = runs.map(|run| &run.latency_ms.completion);
    let rows = vec![
        latency("dispatch p50", dispatch, |of| of.p50),
        latency("dispatch p99", dispatch, |of| of.p99),
        latency("completion p99", completion, |of| of.p99),
        row("completed", runs.map(|run| Some(run.throughput.completed_per_s)), rate),
        row(
            "backlog drained at",
            runs.map(|run| run.throughput.capacity_per_s),
            rate,
        ),
        row(
            "starts accepted",
            runs.map(|run| Some(run.load.achieved_ratio)),
            percent,
        ),
    ];
    group("whole run, warm-up excluded", rows)
}

fn postgres(runs: Pair<&RunResult>) -> Vec<Option<Row>> {
    vec![
        row(
            "lock waits on job",
            runs.map(|run| run.postgres.lock_wait_share),
            percent,
        ),
        row(
            "connections of the engine, most",
            runs.map(|run| Some(f64::from(run.postgres.connections_max))),
            number,
        ),
        row(
            "dead tuples in job, most",
            runs.map(|run| Some(run.postgres.dead_tuples_max as f64)),
            number,
        ),
    ]
}

fn cores(value: f64) -> String {
    format!("{} cores", number(value))
}

fn over_the_run(runs: Pair<&RunResult>) -> Vec<Option<Row>> {
    let costs = cost::over_the_run(runs);
    let Some(system) = costs.iter().find(|cost| cost.name == SYSTEM) else {
        return Vec::new();
    };
    vec![
        row("CPU, mean", system.cores, cores),
        row("CPU per completed job", runs.map(RunResult::cpu_ms_per_job), ms),
        row("memory, sum of the parts' most", system.memory_mb, mebibytes),
    ]
}

fn at_rest(runs: Pair<&RunResult>) -> Vec<Option<Row>> {
    let costs = cost::at_rest(runs);
    let Some(system) = costs.iter().find(|cost| cost.name == SYSTEM) else {
        return Vec::new();
    };
    vec![
        row("CPU, mean", system.cores, cores),
        row("memory", system.memory_mb, mebibytes),
        row("files", system.disk_mb, mebibytes),
    ]
}

fn to_start(runs: Pair<&RunResult>) -> Vec<Option<Row>> {
    let processes = cost::over_the_run(runs)
        .iter()
        .find(|cost| cost.name == SYSTEM)
        .map(|system| system.processes.map(|number| Some(number as f64)));
    vec![
        processes.and_then(|processes| row("processes", processes, number)),
        row(
            "start-up, its steps in turn",
            runs.map(|run| run.testbed.startup_s()),
            seconds,
        ),
    ]
}

/// Both ledgers, name by name, as counts.
pub fn ledgers(runs: Pair<&RunResult>) -> Vec<Vec<String>> {
    let [(_, polling), (_, event)] = runs.map(|run| crate::html::ledger(&run.ledger)).named();
    polling
        .into_iter()
        .zip(event)
        .map(|((name, polling), (_, event))| vec![name, polling, event])
        .collect()
}

/// Jobs done of jobs accepted.
pub fn done(run: &RunResult) -> String {
    format!("{} of {}", count(run.ledger.completed), count(run.ledger.accepted))
}
