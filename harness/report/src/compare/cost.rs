//! What each kind of part costs: processes of one kind added up, so that two runs with other parts can be compared.

use crossover_evidence::result::{IdlePart, ProcessCost, RunResult, is_instrument};

use super::Pair;

/// One kind of part, or the whole system.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// For people.
    pub name: String,
    /// Busy processors; `None` where a mode has no such part.
    pub cores: Pair<Option<f64>>,
    /// Resident memory (MiB).
    pub memory_mb: Pair<Option<f64>>,
    /// Size of files (MiB).
    pub disk_mb: Pair<Option<f64>>,
    /// Processes.
    pub processes: Pair<u64>,
}

/// One process, at rest or over the run.
struct Process<'a> {
    name: &'a str,
    cores: f64,
    memory_mb: f64,
    disk_mb: Option<f64>,
}

/// The whole system without the instrument: the generator and the proxies are not a part of it.
pub const SYSTEM: &str = "all parts";

const KINDS: [(&str, &[&str]); 5] = [
    ("PostgreSQL", &["postgres"]),
    ("engine replicas", &["replica"]),
    ("workers", &["worker"]),
    ("relays", &["relay"]),
    ("brokers", &["broker", "kafka", "redpanda"]),
];

/// Over the whole run; empty if no process was seen.
pub fn over_the_run(runs: Pair<&RunResult>) -> Vec<Cost> {
    costs(&runs.map(|run| run.processes.iter().map(Process::of_run).collect()))
}

/// At rest; empty unless both runs have an idle phase.
pub fn at_rest(runs: Pair<&RunResult>) -> Vec<Cost> {
    let idle = runs.map(|run| run.idle.as_ref()).both();
    idle.map_or_else(Vec::new, |idle| {
        costs(&idle.map(|idle| idle.parts.iter().map(Process::at_rest).collect()))
    })
}

impl<'a> Process<'a> {
    fn of_run(part: &'a ProcessCost) -> Self {
        Self {
            name: &part.name,
            cores: part.cpu_cores_mean,
            memory_mb: part.memory_mb_max,
            disk_mb: None,
        }
    }

    fn at_rest(part: &'a IdlePart) -> Self {
        Self {
            name: &part.name,
            cores: part.cpu_cores,
            memory_mb: part.memory_mb,
            disk_mb: part.disk_mb,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Part(&'static str),
    Other,
    Instrument,
}

fn kind(process: &str) -> Kind {
    let is = |starts: &[&str]| starts.iter().any(|start| process.starts_with(start));
    if is_instrument(process) {
        return Kind::Instrument;
    }
    let known = KINDS.into_iter().find(|(_, starts)| is(starts));
    known.map_or(Kind::Other, |(name, _)| Kind::Part(name))
}

/// The system first, then each kind that at least one run has, the instrument last.
fn costs(processes: &Pair<Vec<Process>>) -> Vec<Cost> {
    let parts = KINDS.map(|(name, _)| (name, Kind::Part(name)));
    let each = parts
        .into_iter()
        .chain([("other parts", Kind::Other), ("harness and proxies", Kind::Instrument)])
        .map(|(name, of)| sum(name, processes, |process| kind(process.name) == of));
    let system = sum(SYSTEM, processes, |process| kind(process.name) != Kind::Instrument);
    std::iter::once(system)
        .chain(each)
        .filter(|cost| cost.processes.polling + cost.processes.event > 0)
        .collect()
}

fn sum(name: &str, processes: &Pair<Vec<Process>>, belongs: impl Fn(&Process) -> bool) -> Cost {
    let pair = Pair {
        polling: &processes.polling,
        event: &processes.event,
    };
    let add = |of: fn(&Process) -> Option<f64>| {
        pair.map(|processes| {
            let values = processes.iter().filter(|process| belongs(process)).filter_map(of);
            values.reduce(|a, b| a + b)
        })
    };
    Cost {
        name: name.to_owned(),
        cores: add(|process| Some(process.cores)),
        memory_mb: add(|process| Some(process.memory_mb)),
        disk_mb: add(|process| process.disk_mb),
        processes: pair.map(|processes| processes.iter().filter(|process| belongs(process)).count() as u64),
    }
}
