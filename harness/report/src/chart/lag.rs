//! Consumer lag: in all of each group, then the worst partitions apart and of the rest the largest at each moment.

use crossover_evidence::series::{NamedSeries, Series};

use super::Ink;
use super::time::{Fold, Frame, Kind, Line, TimeChart, Unit, keep_largest};

/// Most groups, and most partitions, that get a line of their own.
const MOST: usize = 3;

/// The chart, in event-driven mode.
pub fn chart(series: &Series, frame: &Frame) -> Option<TimeChart> {
    let (partitions, groups): (Vec<_>, Vec<_>) = series.lag.iter().partition(|lag| is_partition(lag));
    let line = |lag: &NamedSeries, label| Line::new(label, Ink::LAG, frame.fold(&lag.values, Fold::Largest));
    let of_group = |lag: &&NamedSeries| line(lag, group_label(&lag.name, groups.len()));
    let of_partition = |lag: &&NamedSeries| line(lag, partition_label(&lag.name, groups.len()));
    let mut lines = keep_largest(groups.iter().map(of_group).collect(), MOST, Ink::SOFT, |a, b| a + b);
    let worst = keep_largest(partitions.iter().map(of_partition).collect(), MOST, Ink::SOFT, f64::max);
    let is_whole = lines.is_empty();
    lines.extend(worst.into_iter().map(|line| Line {
        ink: if is_whole { line.ink } else { Ink::SOFT },
        stroke: if is_whole { line.stroke } else { 1.1 },
        ..line
    }));
    let lines: Vec<Line> = lines
        .into_iter()
        .enumerate()
        .map(|(index, line)| Line {
            ink: line.ink.nth(index),
            ..line
        })
        .collect();
    (!lines.is_empty()).then(|| TimeChart {
        id: "lag",
        title: "Consumer lag",
        note: if is_whole {
            "records behind the end of a partition; of the others, the largest"
        } else {
            "records behind the end: of a group in all, and of its worst partitions"
        }
        .to_owned(),
        unit: Unit::Count("records"),
        kind: Kind::Linear,
        lines,
    })
}

/// The lag of all groups together; `None` where nobody looked.
pub fn total(series: &Series) -> Vec<Option<f64>> {
    let groups: Vec<&NamedSeries> = series.lag.iter().filter(|lag| !is_partition(lag)).collect();
    let at = |second: usize| {
        let known = groups
            .iter()
            .filter_map(|group| group.values.get(second).copied().flatten());
        known.reduce(|a, b| a + b)
    };
    (0..series.seconds).map(at).collect()
}

/// `group/topic/partition`; a group's total has the group's name alone.
fn is_partition(lag: &NamedSeries) -> bool {
    lag.name.contains('/')
}

fn group_label(name: &str, groups: usize) -> String {
    if groups > 1 {
        job_type(name).to_owned()
    } else {
        "in all".to_owned()
    }
}

fn partition_label(name: &str, groups: usize) -> String {
    let end = name.rsplit('/').next().unwrap_or(name);
    match name.split('/').next() {
        Some(group) if groups > 1 => format!("{} {end}", job_type(group)),
        _ => format!("part. {end}"),
    }
}

/// What a group's name ends in: `workers.mail` → `mail`.
fn job_type(group: &str) -> &str {
    group.rsplit('.').next().unwrap_or(group)
}
