//! What the service that handlers call had counted at each look.

use std::collections::BTreeMap;

use crossover_proto::clock::MonotonicNs;

use super::Sample;
use super::usage::added;
use crate::downstream::PolicyCounts;
use crate::series::NamedSeries;

/// The last look: nothing calls the service after it. `None` if nobody looked, or there was nothing to look at.
#[must_use]
pub fn downstream(samples: &[Sample]) -> Option<&[PolicyCounts]> {
    samples.iter().rev().find_map(|sample| match sample {
        Sample::Downstream { policies, .. } => Some(policies.as_slice()),
        _ => None,
    })
}

/// Requests a second that reached it, by policy: what was added between the last look of a second and the one of the
/// second before, over the time between them.
pub(super) fn requests_over_time(
    samples: &[Sample],
    seconds: usize,
    second_of: impl Fn(&Sample) -> Option<usize>,
) -> Vec<NamedSeries> {
    let mut last: BTreeMap<usize, (MonotonicNs, &[PolicyCounts])> = BTreeMap::new();
    for sample in samples {
        if let (Sample::Downstream { policies, .. }, Some(second)) = (sample, second_of(sample)) {
            last.insert(second, (sample.at(), policies));
        }
    }
    let mut series: BTreeMap<&str, Vec<Option<f64>>> = BTreeMap::new();
    let looks: Vec<_> = last.into_iter().collect();
    for pair in looks.windows(2) {
        let [(_, (before, earlier)), (second, (at, policies))] = pair else {
            continue;
        };
        let span = at.saturating_since(*before).as_secs_f64();
        for counts in *policies {
            let known = earlier.iter().find(|one| one.policy == counts.policy);
            let known = known.map_or(0, |one| one.requests);
            let values = series.entry(&counts.policy).or_insert_with(|| vec![None; seconds]);
            values[*second] = (span > 0.0).then(|| added(known as f64, counts.requests as f64) / span);
        }
    }
    let named = |(name, values): (&str, Vec<Option<f64>>)| NamedSeries {
        name: name.to_owned(),
        values,
    };
    series.into_iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::fill_series;
    use crate::series::Series;

    fn look(at_ms: u64, requests: u64) -> Sample {
        Sample::Downstream {
            at: at_ms * 1_000_000,
            policies: vec![PolicyCounts {
                policy: "naive".to_owned(),
                requests,
                ..PolicyCounts::default()
            }],
        }
    }

    #[test]
    fn requests_a_second_are_what_was_added_over_the_time_between_looks_and_a_gap_is_a_gap() {
        let samples = [look(500, 10), look(900, 30), look(1_900, 80), look(3_900, 100)];
        let mut series = Series {
            seconds: 4,
            ..Series::default()
        };
        fill_series(&mut series, &samples, MonotonicNs(0));
        assert_eq!(series.downstream.len(), 1);
        assert_eq!(series.downstream[0].name, "naive");
        assert_eq!(series.downstream[0].values, [None, Some(50.0), None, Some(10.0)]);
    }

    #[test]
    fn the_last_look_is_the_count_at_the_end() {
        let samples = [look(500, 10), look(900, 30)];
        assert_eq!(downstream(&samples).unwrap()[0].requests, 30);
        assert_eq!(downstream(&[]), None);
        let line = serde_json::to_string(&samples[0]).unwrap();
        assert_eq!(serde_json::from_str::<Sample>(&line).unwrap(), samples[0]);
    }
}
