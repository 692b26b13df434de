//! The runs of one point of a sweep: from the lowest to the highest of each figure.

use crate::format::{NONE, count, ms, rate};
use crate::{SweepPage, SweepPoint};

/// Headings of [`rows`], after the keys.
pub const HEADS: [&str; 4] = ["runs", "p50", "p99", "completed"];

/// Has any point more than one run?
pub fn is_repeated(page: &SweepPage) -> bool {
    groups(page).iter().any(|group| group.len() > 1)
}

/// One row a point: its values, then each figure from its lowest to its highest run.
pub fn rows(page: &SweepPage) -> Vec<Vec<String>> {
    let row = |group: Vec<&SweepPoint>| {
        let dispatch = |value: fn(&SweepPoint) -> Option<f64>| range(group.iter().map(|point| value(point)), ms);
        let mut row = group[0].values.clone();
        row.extend([
            count(group.len() as u64),
            dispatch(|point| point.result.latency_ms.dispatch.p50),
            dispatch(|point| point.result.latency_ms.dispatch.p99),
            range(
                group.iter().map(|point| Some(point.result.throughput.completed_per_s)),
                rate,
            ),
        ]);
        row
    };
    groups(page).into_iter().map(row).collect()
}

/// Nothing if a run has no such number: the highest is not known then.
fn range(values: impl Iterator<Item = Option<f64>>, format: impl Fn(f64) -> String) -> String {
    let Some(values) = values.collect::<Option<Vec<f64>>>() else {
        return NONE.to_owned();
    };
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match format(low) == format(high) {
        true => format(low),
        false => format!("{} to {}", format(low), format(high)),
    }
}

/// The points of the same values, in the order of the first of them.
fn groups<'a>(page: &SweepPage<'a>) -> Vec<Vec<&'a SweepPoint>> {
    let mut groups: Vec<Vec<&SweepPoint>> = Vec::new();
    for point in page.points {
        match groups.iter_mut().find(|group| group[0].values == point.values) {
            Some(group) => group.push(point),
            None => groups.push(vec![point]),
        }
    }
    groups
}
