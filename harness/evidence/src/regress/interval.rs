//! Two intervals for the mean of log-ratios: Student's t, and the bootstrap (bias-corrected and accelerated).
//!
//! Student's is right if the ratios scatter like a bell; the bootstrap asks for no bell, and is a little too narrow for few pairs.
//! A verdict needs both ([`super::judge`]), so each covers for the other's weakness.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use crate::arrivals::uniform;
use crate::interval::Interval;

/// Resamples: the ends of the interval then move by about a hundredth of its width from seed to seed.
const RESAMPLES: usize = 4_000;
/// Fixed: the same pairs give the same interval.
const SEED: u64 = 0x5eed;

/// The arithmetic mean; of nothing, 0.
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Standard deviation of a sample.
pub(super) fn spread(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len().max(2) - 1) as f64).sqrt()
}

/// Half the width of Student's interval for the mean of `count` values (two or more) of this spread.
pub(super) fn half_width(spread: f64, count: usize, confidence: f64) -> f64 {
    let quantile = students(count).map_or(f64::INFINITY, |students| {
        students.inverse_cdf(f64::midpoint(1.0, confidence))
    });
    quantile * spread / (count as f64).sqrt()
}

/// Student's interval for the mean of two values or more.
pub(super) fn student(values: &[f64], confidence: f64) -> Interval {
    let (middle, half) = (mean(values), half_width(spread(values), values.len(), confidence));
    Interval {
        low: middle - half,
        high: middle + half,
    }
}

/// How probable a mean at least so far from 0, to either side, is if there is no difference.
pub(super) fn p_value(values: &[f64]) -> f64 {
    let error = spread(values) / (values.len() as f64).sqrt();
    if error <= 0.0 {
        return if mean(values) == 0.0 { 1.0 } else { 0.0 };
    }
    let t = (mean(values) / error).abs();
    students(values.len()).map_or(1.0, |students| (2.0 * (1.0 - students.cdf(t))).clamp(0.0, 1.0))
}

fn students(count: usize) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, count.saturating_sub(1) as f64).ok()
}

/// The bootstrap interval (BCa, Efron 1987) for the mean of two values or more.
pub(super) fn bootstrap(values: &[f64], confidence: f64) -> Interval {
    let middle = mean(values);
    let mut means = resampled(values);
    means.sort_by(f64::total_cmp);
    // The same values in another order add up to another last digit.
    let near = 1e-12 * middle.abs();
    let below = means.iter().filter(|each| **each < middle - near).count() as f64;
    let same = means.iter().filter(|each| (**each - middle).abs() <= near).count() as f64;
    let share = (below + same / 2.0) / means.len() as f64;
    let normal = Normal::standard();
    let bias = normal.inverse_cdf(share.clamp(1e-4, 1.0 - 1e-4));
    let acceleration = acceleration(values);
    let end = |tail: f64| {
        let moved = bias + normal.inverse_cdf(tail);
        let at = normal.cdf(bias + moved / (1.0 - acceleration * moved));
        means[((at * means.len() as f64) as usize).min(means.len() - 1)]
    };
    let tail = (1.0 - confidence) / 2.0;
    Interval {
        low: end(tail),
        high: end(1.0 - tail),
    }
}

fn resampled(values: &[f64]) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let count = values.len();
    let mut draw = || values[((uniform(&mut random) * count as f64) as usize).min(count - 1)];
    (0..RESAMPLES)
        .map(|_| (0..count).map(|_| draw()).sum::<f64>() / count as f64)
        .collect()
}

/// How the spread of the mean changes with the mean: from leaving out one value at a time.
fn acceleration(values: &[f64]) -> f64 {
    let middle = mean(values);
    // Without value x, the mean is lower by (x − mean) ÷ (n − 1); what is the same everywhere cancels.
    let moved = values.iter().map(|value| value - middle);
    let (squares, cubes) = moved.fold((0.0, 0.0), |(squares, cubes), each| {
        (squares + each.powi(2), cubes + each.powi(3))
    });
    if squares <= 0.0 {
        0.0
    } else {
        cubes / (6.0 * squares.powf(1.5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twelve values with a tail to the right.
    const SKEWED: [f64; 12] = [0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.7, 0.9, 1.4, 2.6];

    #[test]
    fn students_interval_is_that_of_the_tables() {
        let interval = student(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95);
        // 2.776 × √2.5 ÷ √5
        assert!((interval.low - (3.0 - 1.963)).abs() < 1e-3, "{interval:?}");
        assert!((interval.high - (3.0 + 1.963)).abs() < 1e-3, "{interval:?}");
        assert!((p_value(&[1.0, 2.0, 3.0, 4.0, 5.0]) - 0.0132).abs() < 1e-3);
    }

    #[test]
    fn the_bootstrap_is_drawn_out_to_the_side_of_the_tail_and_is_the_same_every_time() {
        let interval = bootstrap(&SKEWED, 0.95);
        assert_eq!(interval, bootstrap(&SKEWED, 0.95));
        let middle = mean(&SKEWED);
        assert!(
            interval.high - middle > 1.2 * (middle - interval.low),
            "{interval:?} about {middle}"
        );
        // As a program in another language has it, with many times the resamples.
        assert!(
            (interval.low - 0.40).abs() < 0.03 && (interval.high - 1.267).abs() < 0.07,
            "{interval:?}"
        );
    }

    #[test]
    fn values_without_a_spread_have_an_interval_without_a_width() {
        for interval in [student(&[0.5; 8], 0.95), bootstrap(&[0.5; 8], 0.95)] {
            assert_eq!((interval.low, interval.high), (0.5, 0.5));
        }
        assert_eq!((p_value(&[0.5; 8]), p_value(&[0.0; 8])), (0.0, 1.0));
    }
}
