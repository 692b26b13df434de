//! One latency distribution: an HdrHistogram at microseconds and three digits, and the samples that never finished.
//!
//! A censored sample took at least as long as the run gave it, so all of them rank above every finished one: a
//! percentile whose rank falls among them is not known, and is `None`. Distributions merge by their counts, never
//! by their percentiles. Values are rounded up within the histogram's precision, never in our favour.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::result::Percentiles;

/// Longest latency told apart (µs): an hour. Longer ones count as an hour, and are counted.
const MICROS_MAX: u64 = 3_600_000_000;
/// Digits that are kept.
const DIGITS: u8 = 3;
/// Points of the curve per halving of the remaining share: with 19 halvings (1 in 500,000), fewer than 60 in all.
const CURVE_POINTS_PER_HALF: u32 = 3;
/// Most points of a curve.
const CURVE_POINTS_MAX: u32 = 60;

/// A latency distribution.
#[derive(Debug, Clone)]
pub struct Latency {
    histogram: Histogram<u64>,
    sum_us: u128,
    max_us: u64,
    censored: u64,
    saturated: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl Latency {
    /// An empty distribution.
    ///
    /// # Panics
    /// Never: the bounds are constants that the histogram accepts.
    #[must_use]
    pub fn new() -> Self {
        Self {
            histogram: Histogram::new_with_bounds(1, MICROS_MAX, DIGITS).expect("the bounds are valid"),
            sum_us: 0,
            max_us: 0,
            censored: 0,
            saturated: 0,
        }
    }

    /// Adds a finished sample.
    pub fn record(&mut self, latency: Duration) {
        self.record_us(u64::try_from(latency.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX));
    }

    /// Adds a finished sample (µs).
    pub fn record_us(&mut self, micros: u64) {
        let kept = micros.min(MICROS_MAX);
        self.saturated += u64::from(kept < micros);
        self.histogram.saturating_record(kept);
        self.sum_us += u128::from(kept);
        self.max_us = self.max_us.max(kept);
    }

    /// Adds a sample that never finished.
    pub fn record_censored(&mut self) {
        self.censored += 1;
    }

    /// Adds all samples of another distribution.
    ///
    /// # Panics
    /// Never: all distributions have the same bounds.
    pub fn merge(&mut self, other: &Self) {
        self.histogram
            .add(&other.histogram)
            .expect("all distributions have the same bounds");
        self.sum_us += other.sum_us;
        self.max_us = self.max_us.max(other.max_us);
        self.censored += other.censored;
        self.saturated += other.saturated;
    }

    /// Samples, the censored included.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len() + self.censored
    }

    /// Samples that never finished.
    #[must_use]
    pub fn censored(&self) -> u64 {
        self.censored
    }

    /// Samples longer than an hour, counted as an hour.
    #[must_use]
    pub fn saturated(&self) -> u64 {
        self.saturated
    }

    /// The figures of the contract (ms).
    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        let finished = self.histogram.len();
        let ranks = [500, 900, 990, 999].map(|per_mille| self.rank(per_mille, 1_000));
        let curve = self.curve_ranks();
        let mut wanted: Vec<u64> = ranks
            .iter()
            .copied()
            .chain(curve.iter().map(|(_, rank)| *rank))
            .collect();
        wanted.sort_unstable();
        let values = self.values_at(&wanted);
        let value = |rank: u64| {
            wanted
                .binary_search(&rank)
                .ok()
                .and_then(|place| values[place])
                .map(to_ms)
        };
        Percentiles {
            count: self.count(),
            p50: value(ranks[0]),
            p90: value(ranks[1]),
            p99: value(ranks[2]),
            p999: value(ranks[3]),
            max: (self.censored == 0 && finished > 0).then(|| to_ms(self.max_us)),
            mean: (finished > 0).then(|| self.sum_us as f64 / finished as f64 / 1_000.0),
            censored: self.censored,
            curve: curve
                .iter()
                .filter_map(|(percentile, rank)| Some((*percentile, value(*rank)?)))
                .collect(),
        }
    }

    /// The rank of a share: the smallest number of samples that is at least the share of all (nearest rank).
    fn rank(&self, numerator: u64, denominator: u64) -> u64 {
        let product = u128::from(self.count()) * u128::from(numerator);
        u64::try_from(product.div_ceil(u128::from(denominator)))
            .unwrap_or(u64::MAX)
            .max(1)
    }

    /// Percentiles of the curve with their ranks: ever closer to 100, until the rank of a share is the last sample.
    fn curve_ranks(&self) -> Vec<(f64, u64)> {
        let count = self.count();
        let mut points: Vec<(f64, u64)> = Vec::new();
        for index in 0..CURVE_POINTS_MAX - 1 {
            let share = 1.0 - 0.5f64.powf(f64::from(index) / f64::from(CURVE_POINTS_PER_HALF));
            let rank = ((share * count as f64).ceil() as u64).max(1);
            if rank >= count {
                break;
            }
            if points.last().is_none_or(|(_, last)| *last < rank) {
                points.push((share * 100.0, rank));
            }
        }
        if count > 0 {
            points.push((100.0, count));
        }
        points
    }

    /// The values (µs) at ascending ranks, in one pass; `None` past the finished samples.
    fn values_at(&self, ranks: &[u64]) -> Vec<Option<u64>> {
        let mut values = Vec::with_capacity(ranks.len());
        let mut below = 0;
        for step in self.histogram.iter_recorded() {
            below += step.count_since_last_iteration();
            let value = step.value_iterated_to().min(self.max_us);
            while values.len() < ranks.len() && ranks[values.len()] <= below {
                values.push(Some(value));
            }
        }
        values.resize(ranks.len(), None);
        values
    }
}

fn to_ms(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(samples: &[u64], censored: u64) -> Latency {
        let mut latency = Latency::new();
        samples.iter().for_each(|micros| latency.record_us(*micros));
        (0..censored).for_each(|_| latency.record_censored());
        latency
    }

    #[test]
    fn an_empty_distribution_knows_nothing() {
        assert_eq!(Latency::new().percentiles(), Percentiles::default());
    }

    #[test]
    fn percentiles_are_nearest_ranks_in_milliseconds() {
        let samples: Vec<u64> = (1..=1_000).map(|n| n * 1_000).collect();
        let figures = of(&samples, 0).percentiles();
        assert_eq!(figures.count, 1_000);
        for (found, expected) in [
            (figures.p50, 500.0),
            (figures.p90, 900.0),
            (figures.p99, 990.0),
            (figures.p999, 999.0),
        ] {
            let found = found.unwrap();
            assert!((expected..=expected * 1.001).contains(&found), "{found} for {expected}");
        }
        assert_eq!(figures.max, Some(1_000.0));
        assert_eq!(figures.mean, Some(500.5));
    }

    #[test]
    fn a_percentile_among_the_censored_is_not_known() {
        let figures = of(&[1_000; 95], 5).percentiles();
        assert_eq!((figures.count, figures.censored), (100, 5));
        assert_eq!((figures.p50, figures.p90), (Some(1.0), Some(1.0)));
        assert_eq!((figures.p99, figures.p999, figures.max), (None, None, None));
        assert_eq!(figures.mean, Some(1.0));
        assert!(
            figures.curve.iter().all(|(percentile, _)| *percentile <= 95.0),
            "{:?}",
            figures.curve
        );
    }

    #[test]
    fn a_rank_exactly_at_the_last_finished_sample_is_known() {
        assert_eq!(of(&[1_000; 99], 1).percentiles().p99, Some(1.0));
        assert_eq!(of(&[1_000; 98], 2).percentiles().p99, None);
        assert_eq!(of(&[], 3).percentiles().p50, None);
    }

    #[test]
    fn more_than_an_hour_counts_as_an_hour_and_is_counted() {
        let latency = of(&[u64::MAX, MICROS_MAX], 0);
        assert_eq!(latency.saturated(), 1);
        assert_eq!(latency.percentiles().max, Some(3_600_000.0));
    }

    #[test]
    fn a_duration_is_rounded_up_to_the_microsecond() {
        let mut latency = Latency::new();
        latency.record(Duration::from_nanos(1_001));
        latency.record(Duration::ZERO);
        assert_eq!(latency.percentiles().max, Some(0.002));
    }

    #[test]
    fn the_curve_ascends_to_the_maximum_within_sixty_points() {
        let samples: Vec<u64> = (0..200_000).map(|n| 100 + n % 7_777).collect();
        let figures = of(&samples, 0).percentiles();
        assert!(
            figures.curve.len() <= 60 && figures.curve.len() > 40,
            "{}",
            figures.curve.len()
        );
        assert!(figures.curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
        assert_eq!(figures.curve.last(), Some(&(100.0, figures.max.unwrap())));
    }

    proptest! {
        #[test]
        fn merging_is_recording_all_in_one(
            left in proptest::collection::vec(0u64..10_000_000, 0..200),
            right in proptest::collection::vec(0u64..10_000_000, 0..200),
            censored in (0u64..9, 0u64..9),
        ) {
            let mut merged = of(&left, censored.0);
            merged.merge(&of(&right, censored.1));
            let whole = of(&[left, right].concat(), censored.0 + censored.1);
            prop_assert_eq!(merged.percentiles(), whole.percentiles());
        }

        #[test]
        fn every_percentile_is_the_nearest_rank_within_three_digits(
            mut samples in proptest::collection::vec(0u64..100_000_000, 1..300),
        ) {
            let figures = of(&samples, 0).percentiles();
            samples.sort_unstable();
            for (found, per_mille) in [(figures.p50, 500), (figures.p90, 900), (figures.p99, 990), (figures.p999, 999)] {
                let exact = samples[(samples.len() * per_mille).div_ceil(1_000) - 1] as f64 / 1_000.0;
                let found = found.unwrap();
                prop_assert!(found >= exact && found <= exact * 1.001 + 0.001, "{found} for {exact}");
            }
        }
    }
}
