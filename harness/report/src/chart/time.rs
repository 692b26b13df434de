//! What all charts over time have in common: the buckets, the frame (axis, phases, faults) and the kinds of values.
//!
//! A run longer than [`POINTS`] seconds is drawn in buckets of several seconds. Percentiles can't be merged from
//! percentiles, so a bucket shows its *worst* second, and the page says so; rates and shares show their mean.

use crossover_evidence::result::{PhaseResult, RunResult};
use crossover_evidence::series::Series;

use super::Ink;
use crate::format::{mebibytes, ms, ms_tick, number, words};
use crate::ticks::Axis;

/// Most points of a line: more than a page has pixels to show.
pub const POINTS: usize = 600;

/// Runs of one plan inject a fault at the same second; how long the injection takes may differ.
const TOGETHER_S: f64 = 3.0;

/// A chart over time, ready to be drawn, listed and hovered over.
#[derive(Debug, Clone)]
pub struct TimeChart {
    /// Names the figure in the page.
    pub id: &'static str,
    /// Heading.
    pub title: &'static str,
    /// What the heading leaves open, in a few words.
    pub note: String,
    /// What the values are.
    pub unit: Unit,
    /// How they are drawn.
    pub kind: Kind,
    /// In drawing order.
    pub lines: Vec<Line>,
}

/// How a chart draws its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// From zero.
    Linear,
    /// On decades.
    Log,
    /// On top of one another.
    Stacked,
}

/// What the values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Ms,
    /// A number of things, named.
    Count(&'static str),
    /// Busy processors.
    Cores,
    /// MiB.
    Memory,
}

impl Unit {
    /// In a table cell.
    pub fn value(self, value: f64) -> String {
        match self {
            Self::Ms => ms(value),
            Self::Memory => mebibytes(value),
            _ => number(value),
        }
    }

    /// Of a tick.
    pub fn tick(self, value: f64) -> String {
        match self {
            _ if value == 0.0 => "0".to_owned(),
            Self::Ms => ms_tick(value),
            _ => self.value(value),
        }
    }

    /// Above the axis and in table headings; empty where each value carries its unit.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ms | Self::Memory => "",
            Self::Count(things) => things,
            Self::Cores => "cores",
        }
    }

    /// For the script.
    pub fn code(self) -> &'static str {
        match self {
            Self::Ms => "ms",
            Self::Memory => "MiB",
            _ => "",
        }
    }
}

/// One line.
#[derive(Debug, Clone)]
pub struct Line {
    /// At its end.
    pub label: String,
    /// Its meaning.
    pub ink: Ink,
    /// One value a bucket; a gap is a gap.
    pub values: Vec<Option<f64>>,
    /// Width of the pen (CSS pixels).
    pub stroke: f64,
    /// Buckets without a value because its rank fell among jobs that never started; empty if there are none.
    pub unreached: Vec<bool>,
}

impl Line {
    /// With the usual pen.
    pub fn new(label: impl Into<String>, ink: Ink, values: Vec<Option<f64>>) -> Self {
        Self {
            label: label.into(),
            ink,
            values,
            stroke: 1.6,
            unreached: Vec::new(),
        }
    }
}

/// What the charts of a run share.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Seconds of a bucket.
    pub step: usize,
    /// Number of buckets.
    pub buckets: usize,
    /// Seconds since the start of the load.
    pub axis: Axis,
    /// Name, start and end (s) of the phases and of the drain.
    pub phases: Vec<(String, f64, f64)>,
    /// Label, start and end (s) of the faults.
    pub faults: Vec<(String, f64, f64)>,
}

impl Frame {
    /// Of a run.
    pub fn new(result: &RunResult, series: &Series) -> Self {
        let bare = Self::bare(series);
        let end = bare.axis.high;
        let faults = result.faults.iter().map(|fault| {
            let label = format!("{} · {}", words(&fault.kind), fault.target);
            (label, fault.injected_s, fault.healed_s.unwrap_or(end))
        });
        Self {
            phases: phases(&result.phases, end),
            faults: faults.collect(),
            ..bare
        }
    }

    /// Without phases and faults.
    pub fn bare(series: &Series) -> Self {
        let step = series.seconds.div_ceil(POINTS).max(1);
        Self {
            step,
            buckets: series.seconds.div_ceil(step),
            axis: Axis::exact(0.0, (series.seconds as f64).max(1.0), 8),
            phases: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Of two runs of one plan.
    pub fn of_both(results: [(&str, &RunResult); 2], series: [&Series; 2]) -> Self {
        let [(a, first), (b, second)] = results;
        Self::of_runs(&[(a, first, series[0]), (b, second, series[1])])
    }

    /// Of several runs, by their names, on the longest one's axis, with the first one's phases. A fault that came to all at
    /// about the same time is one shade.
    pub fn of_runs(runs: &[(&str, &RunResult, &Series)]) -> Self {
        let longest = runs
            .iter()
            .map(|(_, _, series)| *series)
            .max_by_key(|series| series.seconds);
        let longest = longest.cloned().unwrap_or_default();
        let frames: Vec<Self> = runs.iter().map(|(_, result, _)| Self::new(result, &longest)).collect();
        let named = runs
            .iter()
            .zip(&frames)
            .map(|((name, ..), frame)| (*name, frame.faults.clone()));
        let faults = join(&named.collect::<Vec<_>>());
        match frames.into_iter().next() {
            Some(frame) => Self { faults, ..frame },
            None => Self::bare(&longest),
        }
    }

    /// Middle of a bucket (s).
    pub fn middle(&self, bucket: usize) -> f64 {
        ((bucket as f64 + 0.5) * self.step as f64).min(self.axis.high)
    }

    /// Per-second values to buckets.
    pub fn fold(&self, values: &[Option<f64>], how: Fold) -> Vec<Option<f64>> {
        values.chunks(self.step).map(|chunk| how.of(chunk)).collect()
    }

    /// Per-second values without gaps to buckets.
    pub fn fold_whole(&self, values: &[f64], how: Fold) -> Vec<Option<f64>> {
        self.fold(&values.iter().copied().map(Some).collect::<Vec<_>>(), how)
    }
}

/// Label, start and end (s).
type Shade = (String, f64, f64);

/// Faults of all runs in order of time; those that not every run has say of which they are.
fn join(runs: &[(&str, Vec<Shade>)]) -> Vec<Shade> {
    let mut shades: Vec<(Shade, Vec<&str>)> = Vec::new();
    for (name, faults) in runs {
        for (label, from, to) in faults {
            let twin = shades.iter_mut().find(|((other, start, _), names)| {
                other == label && (start - from).abs() < TOGETHER_S && !names.contains(name)
            });
            match twin {
                Some(((_, start, end), names)) => {
                    (*start, *end) = (start.min(*from), end.max(*to));
                    names.push(name);
                }
                None => shades.push(((label.clone(), *from, *to), vec![name])),
            }
        }
    }
    shades.sort_by(|(a, _), (b, _)| a.1.total_cmp(&b.1));
    let named = |((label, from, to), names): (Shade, Vec<&str>)| match names.len() == runs.len() {
        true => (label, from, to),
        false => (format!("{label} ({})", names.join(", ")), from, to),
    };
    shades.into_iter().map(named).collect()
}

/// How the seconds of a bucket become one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// The mean of those that exist.
    Mean,
    /// The largest of those that exist.
    Largest,
    /// The largest; none if one is missing.
    Worst,
}

impl Fold {
    /// One value for the seconds of a bucket.
    pub fn of(self, chunk: &[Option<f64>]) -> Option<f64> {
        let known: Vec<f64> = chunk.iter().copied().flatten().collect();
        if known.is_empty() || (self == Self::Worst && known.len() < chunk.len()) {
            return None;
        }
        match self {
            Self::Mean => Some(known.iter().sum::<f64>() / known.len() as f64),
            Self::Largest | Self::Worst => known.into_iter().reduce(f64::max),
        }
    }
}

/// Keeps the `most` largest lines and joins the rest, so that labels stay legible whatever the number of parts.
pub fn keep_largest(mut lines: Vec<Line>, most: usize, others: Ink, join: fn(f64, f64) -> f64) -> Vec<Line> {
    let peak = |line: &Line| line.values.iter().copied().flatten().fold(0.0, f64::max);
    if lines.len() <= most + 1 {
        return lines;
    }
    lines.sort_by(|a, b| peak(b).total_cmp(&peak(a)));
    let rest = lines.split_off(most);
    let length = rest.iter().map(|line| line.values.len()).max().unwrap_or(0);
    let joined = |bucket: usize| {
        let known = rest
            .iter()
            .filter_map(|line| line.values.get(bucket).copied().flatten());
        known.reduce(join)
    };
    lines.push(Line::new(
        format!("{} others", rest.len()),
        others,
        (0..length).map(joined).collect(),
    ));
    lines
}

fn phases(phases: &[PhaseResult], end: f64) -> Vec<(String, f64, f64)> {
    let mut named: Vec<_> = phases
        .iter()
        .filter(|phase| phase.start_s < end)
        .map(|phase| {
            (
                phase.name.clone(),
                phase.start_s,
                (phase.start_s + phase.duration_s).min(end),
            )
        })
        .collect();
    let loaded = named.last().map_or(end, |(_, _, until)| *until);
    if end - loaded > 1.0 {
        named.push(("drain".to_owned(), loaded, end));
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_with_a_censored_second_has_no_worst() {
        assert_eq!(Fold::Worst.of(&[Some(1.0), None]), None);
        assert_eq!(Fold::Worst.of(&[Some(1.0), Some(4.0)]), Some(4.0));
        assert_eq!(Fold::Mean.of(&[Some(1.0), None, Some(3.0)]), Some(2.0));
        assert_eq!(Fold::Largest.of(&[None]), None);
    }

    #[test]
    fn many_parts_keep_the_largest_and_join_the_rest() {
        let lines: Vec<Line> = (0..10)
            .map(|i| Line::new(format!("p{i}"), Ink::TEXT, vec![Some(f64::from(i)), None]))
            .collect();
        let kept = keep_largest(lines, 7, Ink::SOFT, |sum, value| sum + value);
        assert_eq!(kept.len(), 8);
        assert_eq!(kept[7].label, "3 others");
        assert_eq!(kept[7].values, vec![Some(3.0), None]);
    }
}
