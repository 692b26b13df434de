//! Several finished runs in words: which differences can be told from noise, for page, terminal and pull request.
//!
//! Must not judge which run is better: that depends on what was changed, and why. A difference is one whose interval does
//! not hold 1 and that is larger than [`SAME`]; a figure without an interval is never called different.

use crossover_evidence::diff::{Change, Diff, Figure, Group, Unit};
use crossover_evidence::interval::Interval;
use crossover_evidence::result::RunResult;
use crossover_evidence::series::Series;

use crate::compare::SAME;
use crate::format::{NONE, count, mebibytes, ms, number, percent, rate, seconds};

/// What the page of a diff shows.
#[derive(Debug, Clone, Copy)]
pub struct DiffPage<'a> {
    /// What was found.
    pub diff: &'a Diff,
    /// The runs, in its order, with what their charts draw.
    pub runs: &'a [(&'a RunResult, &'a Series)],
}

/// The lead: what was set differently.
pub fn headline(diff: &Diff) -> String {
    let names: Vec<&str> = diff.settings.iter().map(|setting| setting.name.as_str()).collect();
    let runs = match diff.runs.as_slice() {
        [_, _] => "B against A".to_owned(),
        runs => format!("{} runs against A", count(runs.len() as u64 - 1)),
    };
    let differ = format!("{} settings differ", count(names.len() as u64));
    match names.as_slice() {
        [] => format!("{runs}: nothing was set differently, so what differs is what repeats differ by."),
        [one] => format!("{runs}: one setting differs, {one}."),
        [most @ .., last] if names.len() <= 4 => format!("{runs}: {differ}, {} and {last}.", most.join(", ")),
        names => format!("{runs}: {differ}, the first are {}.", names[..3].join(", ")),
    }
}

/// One sentence a run: what differs from the first.
pub fn findings(diff: &Diff) -> Vec<String> {
    let others = diff.runs.iter().enumerate().skip(1);
    others.map(|(index, run)| finding(diff, index, &run.label)).collect()
}

/// Differences that a sentence has room for.
const TOLD_MAX: usize = 6;
/// Told by the table alone: the percentiles beside them say as much.
const NOT_TOLD: &str = "dispatch p90";

fn finding(diff: &Diff, index: usize, label: &str) -> String {
    let of = |figure: &Figure| figure.changes.get(index).copied().flatten();
    let figures = || diff.groups.iter().flat_map(|group| &group.figures);
    let judged = figures()
        .filter(|figure| of(figure).is_some_and(|change| change.interval.is_some()))
        .count();
    let differing = figures()
        .filter(|figure| of(figure).as_ref().is_some_and(differs))
        .count();
    let (mut told, mut count_told) = (Vec::new(), 0);
    for group in &diff.groups {
        let wanted = group.figures.iter().filter(|figure| figure.name != NOT_TOLD);
        let changes = wanted.filter_map(|figure| Some((figure, of(figure).filter(differs)?)));
        let words: Vec<String> = changes
            .take(TOLD_MAX - count_told)
            .map(|(figure, change)| format!("{} {}", figure.name, change_words(&change)))
            .collect();
        if !words.is_empty() {
            count_told += words.len();
            told.push(format!("{}: {}", short(group), words.join(", ")));
        }
    }
    match differing {
        0 if judged == 0 => format!("{label}: no figure has an interval, so no difference can be told from noise."),
        0 => format!(
            "{label}: none of {judged} figures with intervals differs by more than noise and {}.",
            percent(SAME)
        ),
        _ => format!(
            "{label} against A, {differing} of {judged} figures with intervals differ. {}.",
            told.join("; ")
        ),
    }
}

/// A group's name without its load.
fn short(group: &Group) -> &str {
    let title = group.title.split(" · ").next().unwrap_or_default();
    title.split(',').next().unwrap_or_default()
}

/// Is a change one that neither noise nor a tenth explains?
pub fn differs(change: &Change) -> bool {
    let clear = |interval: Interval| interval.low > 1.0 || interval.high < 1.0;
    let large = (change.ratio - 1.0).abs() > SAME;
    change.interval.is_some_and(clear) && large
}

/// What no page over single runs can leave out.
pub fn caveat() -> String {
    format!(
        "Intervals (95 %) tell what the seconds of each run vary by; what differs from run to run, only repeats can tell. \
         Marked is what leaves its interval and {}.",
        percent(SAME)
    )
}

/// A value with its unit, as it is in a table.
pub fn value(figure: &Figure, index: usize) -> String {
    match figure.values.get(index).copied().flatten() {
        Some(value) => show(figure.unit, value),
        None if figure.unreached.get(index) == Some(&true) => "not reached".to_owned(),
        None => NONE.to_owned(),
    }
}

/// The interval of a value; nothing if it has none.
pub fn interval(figure: &Figure, index: usize) -> Option<String> {
    let interval = figure.intervals.get(index).copied().flatten()?;
    Some(format!(
        "{} to {}",
        show(figure.unit, interval.low),
        show(figure.unit, interval.high)
    ))
}

/// A change in words: `× 1.30 (1.21 to 1.40)`; nothing for the first run.
pub fn change(figure: &Figure, index: usize) -> Option<String> {
    figure
        .changes
        .get(index)
        .copied()
        .flatten()
        .map(|change| change_words(&change))
}

/// A change without its interval, where there is no room for it.
pub fn change_short(figure: &Figure, index: usize) -> Option<String> {
    let change = figure.changes.get(index).copied().flatten()?;
    Some(format!("×\u{a0}{}", factor(change.ratio)))
}

fn change_words(change: &Change) -> String {
    match change.interval {
        Some(interval) => format!(
            "×\u{a0}{} ({} to {})",
            factor(change.ratio),
            factor(interval.low),
            factor(interval.high)
        ),
        None => format!("×\u{a0}{}", factor(change.ratio)),
    }
}

/// Two decimals tell 1 from 0.99; small and large factors have three digits that matter.
fn factor(value: f64) -> String {
    match value {
        0.095..9.995 => format!("{value:.2}"),
        _ => number(value),
    }
}

fn show(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Ms => ms(value),
        Unit::PerSecond => rate(value),
        Unit::Share => percent(value),
        Unit::Seconds => seconds(value),
        Unit::Cores => format!("{} cores", number(value)),
        Unit::Mebibytes => mebibytes(value),
        Unit::Count => number(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(ratio: f64, ends: Option<(f64, f64)>) -> Change {
        let interval = ends.map(|(low, high)| Interval { low, high });
        Change { ratio, interval }
    }

    #[test]
    fn only_what_leaves_its_interval_and_a_tenth_differs() {
        assert!(differs(&changed(1.3, Some((1.2, 1.4)))));
        assert!(differs(&changed(0.5, Some((0.4, 0.6)))));
        assert!(!differs(&changed(1.3, Some((0.9, 1.8)))), "noise explains it");
        assert!(
            !differs(&changed(1.05, Some((1.04, 1.06)))),
            "two runs of one thing differ by a tenth"
        );
        assert!(!differs(&changed(3.0, None)), "nobody knows how much it varies");
    }

    #[test]
    fn factors_are_told_with_the_digits_that_matter() {
        assert_eq!(change_words(&changed(0.034, None)), "×\u{a0}0.034");
        assert_eq!(
            change_words(&changed(1.2, Some((1.0, 12.5)))),
            "×\u{a0}1.20 (1.00 to 12.5)"
        );
    }
}
