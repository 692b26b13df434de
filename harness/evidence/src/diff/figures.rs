//! Every figure of the runs side by side: values, the intervals that one run can give, the changes from the first run.

use serde::{Deserialize, Serialize};

use super::Side;
use super::bootstrap::{Asked, Resampled, interval, ratio, resample};
use crate::interval::Interval;
use crate::measure::seconds::PhasePieces;
use crate::result::{FaultInfo, Percentiles, PhaseResult, RunResult};

/// Figures that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// What they are of.
    pub title: String,
    /// At least one.
    pub figures: Vec<Figure>,
}

/// One figure of all runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// What its values are.
    pub unit: Unit,
    /// One a run; `null` where it has none.
    pub values: Vec<Option<f64>>,
    /// Is the value missing because its rank falls among jobs that never started?
    pub unreached: Vec<bool>,
    /// 95 %, one a run; `null` where one run gives none.
    pub intervals: Vec<Option<Interval>>,
    /// From the first run to each; `null` for the first, and where there is nothing to divide.
    pub changes: Vec<Option<Change>>,
    /// Why there is no interval, if there is none for at least one of the runs.
    pub no_interval: Option<String>,
}

/// From the first run to another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The other's value ÷ the first's.
    pub ratio: f64,
    /// 95 %; `null` where one run gives none.
    pub interval: Option<Interval>,
}

/// What values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Milliseconds.
    Ms,
    /// Per second.
    PerSecond,
    /// A share of one.
    Share,
    /// Seconds.
    Seconds,
    /// Busy processors.
    Cores,
    /// MiB.
    Mebibytes,
    /// A number of things.
    Count,
}

pub(super) const FROM_SUMS: &str = "one number a run: only repeats can tell how much it varies";
const TOO_RARE: &str = "too few samples lie beyond it for the seconds of one run to tell";

/// All of them, in the order of the questions: how fast, how much, what waited, at what cost, what became of the jobs.
pub(super) fn groups(sides: &[Side<'_>]) -> Vec<Group> {
    let mut groups: Vec<Group> = common_phases(sides)
        .into_iter()
        .map(|phase| of_phase(sides, &phase))
        .collect();
    groups.push(whole(sides));
    groups.push(plain(sides, "what waited", waited()));
    groups.push(plain(sides, "PostgreSQL over the run", postgres()));
    groups.push(plain(sides, "cost over the run, without harness and proxies", cost()));
    groups.push(plain(sides, "what became of the jobs", ledger()));
    groups.push(Group {
        title: "back to normal after a fault".to_owned(),
        figures: recoveries(sides),
    });
    groups.iter_mut().for_each(|group| group.figures.retain(says_something));
    groups.retain(|group| !group.figures.is_empty());
    groups
}

fn says_something(figure: &Figure) -> bool {
    figure.values.iter().any(Option::is_some) || figure.unreached.contains(&true)
}

/// Names of the measured phases with arrivals that every run has.
fn common_phases(sides: &[Side<'_>]) -> Vec<String> {
    let Some((first, others)) = sides.split_first() else {
        return Vec::new();
    };
    let measured = |phase: &&PhaseResult| !phase.warmup && phase.load.intended > 0;
    let names = first
        .result
        .phases
        .iter()
        .filter(measured)
        .map(|phase| phase.name.clone());
    names
        .filter(|name| others.iter().all(|side| phase(side.result, name).is_some()))
        .collect()
}

fn phase<'a>(result: &'a RunResult, name: &str) -> Option<&'a PhaseResult> {
    result
        .phases
        .iter()
        .find(|phase| phase.name == name && phase.load.intended > 0)
}

fn of_phase(sides: &[Side<'_>], name: &str) -> Group {
    let of = |side: &Side<'_>| phase(side.result, name).cloned();
    let set = |side: &Side<'_>| of(side).map(|phase| phase.latency_ms.dispatch).unwrap_or_default();
    let drawn = Drawn::new(sides, |side| pieces_of(side, &[name]));
    let shape = of(&sides[0]).map(|phase| phase.arrivals).unwrap_or_default();
    let mut figures = dispatch(sides, &set, &drawn);
    figures.push(drawn.figure("completed", Unit::PerSecond, Asked::Completed, |side| {
        of(side).map(|phase| phase.throughput.completed_per_s)
    }));
    figures.push(bare("lock waits on job", Unit::Share, sides, |side| {
        of(side)?.lock_wait_share
    }));
    let same = sides
        .iter()
        .all(|side| of(side).is_some_and(|phase| phase.arrivals == shape));
    Group {
        title: if same {
            format!("{name} · {shape}")
        } else {
            name.to_owned()
        },
        figures,
    }
}

fn whole(sides: &[Side<'_>]) -> Group {
    let set = |side: &Side<'_>| side.result.latency_ms.dispatch.clone();
    let drawn = Drawn::new(sides, |side| {
        let measured = side
            .result
            .phases
            .iter()
            .filter(|phase| !phase.warmup && phase.load.intended > 0);
        pieces_of(side, &measured.map(|phase| phase.name.as_str()).collect::<Vec<_>>())
    });
    let mut figures = dispatch(sides, &set, &drawn);
    figures.push(Figure {
        unreached: unreached(sides, &set, |set| set.p999),
        no_interval: Some(TOO_RARE.to_owned()),
        ..bare("dispatch p99.9", Unit::Ms, sides, |side| set(side).p999)
    });
    figures.push(bare("completion p99", Unit::Ms, sides, |side| {
        side.result.latency_ms.completion.p99
    }));
    figures.push(drawn.figure("completed", Unit::PerSecond, Asked::Completed, |side| {
        Some(side.result.throughput.completed_per_s)
    }));
    figures.push(bare("backlog drained at", Unit::PerSecond, sides, |side| {
        side.result.throughput.capacity_per_s
    }));
    figures.push(bare("starts accepted", Unit::Share, sides, |side| {
        Some(side.result.load.achieved_ratio)
    }));
    Group {
        title: "whole run, warm-up excluded".to_owned(),
        figures,
    }
}

fn dispatch(sides: &[Side<'_>], set: &impl Fn(&Side<'_>) -> Percentiles, drawn: &Drawn<'_>) -> Vec<Figure> {
    let ranks: [(&str, u32, Quantile); 3] = [
        ("dispatch p50", 500, |set| set.p50),
        ("dispatch p90", 900, |set| set.p90),
        ("dispatch p99", 990, |set| set.p99),
    ];
    let one = |(name, per_mille, of): (&str, u32, Quantile)| Figure {
        unreached: unreached(sides, set, of),
        ..drawn.figure(name, Unit::Ms, Asked::Dispatch(per_mille), |side| of(&set(side)))
    };
    ranks.map(one).to_vec()
}

fn unreached(sides: &[Side<'_>], set: &impl Fn(&Side<'_>) -> Percentiles, of: Quantile) -> Vec<bool> {
    let missing = |set: Percentiles| of(&set).is_none() && set.censored > 0;
    sides.iter().map(|side| missing(set(side))).collect()
}

type Quantile = fn(&Percentiles) -> Option<f64>;
type Read = fn(&RunResult) -> Option<f64>;

fn waited() -> Vec<(&'static str, Unit, Read)> {
    vec![
        ("outbox backlog, most", Unit::Count, |run| {
            Some(run.outbox.as_ref()?.backlog_max as f64)
        }),
        ("outbox empty after the load", Unit::Seconds, |run| {
            run.outbox.as_ref()?.drain_s
        }),
        ("consumer lag of a partition, most", Unit::Count, |run| {
            run.lag.iter().map(|lag| lag.max).max().map(|max| max as f64)
        }),
    ]
}

fn postgres() -> Vec<(&'static str, Unit, Read)> {
    vec![
        ("lock waits on job", Unit::Share, |run| run.postgres.lock_wait_share),
        ("connections of the engine, most", Unit::Count, |run| {
            Some(f64::from(run.postgres.connections_max))
        }),
        ("dead tuples in job, most", Unit::Count, |run| {
            Some(run.postgres.dead_tuples_max as f64)
        }),
    ]
}

fn cost() -> Vec<(&'static str, Unit, Read)> {
    fn sum(run: &RunResult, of: fn(&crate::result::ProcessCost) -> f64) -> Option<f64> {
        let parts = run.processes.iter().filter(|part| !part.is_instrument());
        parts.map(of).reduce(|a, b| a + b)
    }
    vec![
        ("CPU, mean", Unit::Cores, |run| sum(run, |part| part.cpu_cores_mean)),
        ("CPU per completed job", Unit::Ms, RunResult::cpu_ms_per_job),
        ("memory, sum of the parts' most", Unit::Mebibytes, |run| {
            sum(run, |part| part.memory_mb_max)
        }),
    ]
}

fn ledger() -> Vec<(&'static str, Unit, Read)> {
    vec![
        ("completed", Unit::Count, |run| Some(run.ledger.completed as f64)),
        ("lost", Unit::Count, |run| run.ledger.lost.map(|lost| lost as f64)),
        ("double effects", Unit::Count, |run| {
            run.ledger.double_effects.map(|double| double as f64)
        }),
        ("dead letters", Unit::Count, |run| Some(run.ledger.dead_lettered as f64)),
        ("unfinished", Unit::Count, |run| Some(run.ledger.unfinished as f64)),
        ("duplicate executions", Unit::Count, |run| {
            Some(run.ledger.duplicate_executions as f64)
        }),
        ("duplicate records", Unit::Count, |run| {
            run.ledger.duplicate_records.map(|twice| twice as f64)
        }),
    ]
}

/// Faults that every run has, by kind and target, each the nth of its like.
fn recoveries(sides: &[Side<'_>]) -> Vec<Figure> {
    let key = |fault: &FaultInfo| (fault.kind.clone(), fault.target.clone());
    let nth = |side: &Side<'_>, wanted: &(String, String), turn: usize| {
        let like = side.result.faults.iter().filter(|fault| key(fault) == *wanted);
        like.skip(turn).map(|fault| fault.recovery_s).next()
    };
    let mut seen: Vec<(String, String)> = Vec::new();
    let mut figures = Vec::new();
    for fault in sides
        .first()
        .map(|side| side.result.faults.as_slice())
        .unwrap_or_default()
    {
        let turn = seen.iter().filter(|other| **other == key(fault)).count();
        seen.push(key(fault));
        if sides.iter().all(|side| nth(side, &key(fault), turn).is_some()) {
            let count = if turn == 0 {
                String::new()
            } else {
                format!(" ({})", turn + 1)
            };
            let name = format!("{} on {}{count}", fault.kind, fault.target);
            figures.push(bare(&name, Unit::Seconds, sides, |side| {
                nth(side, &key(fault), turn).flatten()
            }));
        }
    }
    figures
}

fn plain(sides: &[Side<'_>], title: &str, rows: Vec<(&'static str, Unit, Read)>) -> Group {
    let figures = rows
        .into_iter()
        .map(|(name, unit, of)| bare(name, unit, sides, |side| of(side.result)));
    Group {
        title: title.to_owned(),
        figures: figures.collect(),
    }
}

/// A figure without intervals.
fn bare(name: &str, unit: Unit, sides: &[Side<'_>], of: impl Fn(&Side<'_>) -> Option<f64>) -> Figure {
    let values: Vec<Option<f64>> = sides.iter().map(of).collect();
    let first = values.first().copied().flatten();
    let change = |(index, value): (usize, &Option<f64>)| {
        let (first, value) = (first.filter(|first| *first > 0.0)?, value.as_ref()?);
        (index > 0).then_some(Change {
            ratio: value / first,
            interval: None,
        })
    };
    Figure {
        name: name.to_owned(),
        unit,
        changes: values.iter().enumerate().map(change).collect(),
        intervals: vec![None; values.len()],
        unreached: vec![false; values.len()],
        no_interval: Some(FROM_SUMS.to_owned()),
        values,
    }
}

/// The pieces of these phases, if a run has all of them and none was disturbed.
fn pieces_of<'a>(side: &Side<'a>, names: &[&str]) -> Result<Vec<&'a PhasePieces>, String> {
    if side.pieces.is_empty() && side.result.latency_ms.dispatch.count == 0 {
        return Err("a run has no history, or nothing was measured".to_owned());
    }
    let mut found = Vec::new();
    for name in names {
        let Some(pieces) = side.pieces.iter().find(|pieces| pieces.name == **name) else {
            return Err(format!(
                "all jobs of phase {name} were due at one moment: it has no seconds to draw from"
            ));
        };
        if let Some(fault) = phase(side.result, name).and_then(|phase| disturbed(side.result, phase)) {
            return Err(format!(
                "{fault} came into phase {name} once: only repeats can tell how much it varies"
            ));
        }
        found.push(pieces);
    }
    Ok(found)
}

/// The fault that a phase was disturbed by: until it was mended, or, where that is known, back to normal.
fn disturbed(result: &RunResult, phase: &PhaseResult) -> Option<String> {
    let end = phase.start_s + phase.duration_s;
    let lasts = |fault: &FaultInfo| {
        let normal = fault.recovery_s.map(|recovery| fault.injected_s + recovery);
        normal
            .into_iter()
            .chain(fault.healed_s)
            .fold(fault.injected_s, f64::max)
    };
    let hit = result
        .faults
        .iter()
        .find(|fault| fault.injected_s < end && lasts(fault) > phase.start_s);
    hit.map(|fault| format!("the fault {} on {}", fault.kind, fault.target))
}

/// What intervals of one group are drawn from.
struct Drawn<'a> {
    sides: &'a [Side<'a>],
    pieces: Vec<Result<Vec<&'a PhasePieces>, String>>,
    /// Runs of one plan draw the same seconds.
    paired: bool,
}

impl<'a> Drawn<'a> {
    fn new(sides: &'a [Side<'a>], pieces: impl Fn(&Side<'a>) -> Result<Vec<&'a PhasePieces>, String>) -> Self {
        Self {
            sides,
            pieces: sides.iter().map(pieces).collect(),
            paired: sides.iter().all(|side| side.plan == sides[0].plan),
        }
    }

    fn figure(&self, name: &str, unit: Unit, asked: Asked, of: impl Fn(&Side<'_>) -> Option<f64>) -> Figure {
        let drawn: Vec<Result<Resampled, String>> = self
            .pieces
            .iter()
            .enumerate()
            .map(|(index, pieces)| {
                let stream = if self.paired { 0 } else { index as u64 };
                pieces
                    .as_ref()
                    .map_err(Clone::clone)
                    .and_then(|pieces| resample(pieces, asked, stream))
            })
            .collect();
        let mut figure = bare(name, unit, self.sides, of);
        let first = drawn.first().and_then(|first| first.as_ref().ok());
        for (index, of) in drawn.iter().enumerate() {
            let Ok(of) = of else { continue };
            figure.intervals[index] = figure.values[index].map(|value| interval(value, of));
            if let (Some(change), Some(base)) = (&mut figure.changes[index], first) {
                change.interval = Some(ratio(change.ratio, base, of));
            }
        }
        figure.no_interval = drawn.into_iter().find_map(Result::err);
        figure
    }
}
