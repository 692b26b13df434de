//! The slope of a backlog with its 95 % interval.
//!
//! A backlog seen moment by moment is anything but independent samples: a poller's is a sawtooth, a queue near its limit
//! wanders. So it is cut into blocks of half a second (the usual poll interval: whole teeth average out), a line goes
//! through the exact means of the blocks, and what correlation is left between neighbours widens the interval.

/// Length of a block where there is room for enough of them (s).
const BLOCK_S: f64 = 0.5;
/// Fewest blocks: with fewer, nothing can be said of the noise.
const BLOCKS_MIN: usize = 6;
/// Most blocks: more say no more.
const BLOCKS_MAX: usize = 60;
/// 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_964;
/// Highest correlation of neighbours that is reckoned with: beyond it, so few blocks tell nothing anyway.
const CORRELATION_MAX: f64 = 0.9;

/// How many blocks a window of this length is cut into.
#[must_use]
pub fn blocks_for(window_s: f64) -> usize {
    ((window_s / BLOCK_S).round() as usize).clamp(BLOCKS_MIN, BLOCKS_MAX)
}

/// Mean number of spans (from, to) that are open, over each of `blocks` equal parts of `start..end`. Exact: each span counts
/// for as long as it lies in the part.
#[must_use]
pub fn block_means(spans: impl Iterator<Item = (f64, f64)>, start: f64, end: f64, blocks: usize) -> Vec<f64> {
    let length = (end - start) / blocks as f64;
    let mut open = vec![0.0; blocks];
    for (from, to) in spans {
        let (from, to) = (from.max(start), to.min(end));
        if from >= to {
            continue;
        }
        let block_of = |at: f64| (((at - start) / length) as usize).min(blocks - 1);
        for (block, sum) in open.iter_mut().enumerate().take(block_of(to) + 1).skip(block_of(from)) {
            let begin = start + block as f64 * length;
            *sum += (to.min(begin + length) - from.max(begin)).max(0.0);
        }
    }
    open.iter().map(|sum| sum / length).collect()
}

/// A slope and its 95 % interval (per second).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// Least squares.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Slope {
    /// Through values that lie `spacing_s` apart; of fewer than three, nothing is known.
    #[must_use]
    pub fn through(values: &[f64], spacing_s: f64) -> Self {
        let count = values.len() as f64;
        if values.len() < 3 {
            return Self {
                estimate: 0.0,
                low: f64::NEG_INFINITY,
                high: f64::INFINITY,
            };
        }
        let middle = (count - 1.0) / 2.0;
        let mean = values.iter().sum::<f64>() / count;
        let at = |index: usize| (index as f64 - middle) * spacing_s;
        let spread: f64 = (0..values.len()).map(|index| at(index).powi(2)).sum();
        let estimate = values
            .iter()
            .enumerate()
            .map(|(i, value)| at(i) * (value - mean))
            .sum::<f64>()
            / spread;
        let left: Vec<f64> = values
            .iter()
            .enumerate()
            .map(|(i, value)| value - mean - estimate * at(i))
            .collect();
        let squares: f64 = left.iter().map(|residual| residual * residual).sum();
        let freedom = count - 2.0;
        let error = (squares / freedom / spread).sqrt();
        let half = student(freedom) * error * inflation(&left, squares);
        Self {
            estimate,
            low: estimate - half,
            high: estimate + half,
        }
    }
}

/// By how much neighbours that are alike widen the interval: √((1 + r) ÷ (1 − r)) for a correlation of r. What a line leaves
/// of n values that have nothing in common has a correlation of −2 ÷ n, so that much is added.
fn inflation(residuals: &[f64], squares: f64) -> f64 {
    if squares <= 0.0 {
        return 1.0;
    }
    let products: f64 = residuals.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let correlation = (products / squares + 2.0 / residuals.len() as f64).clamp(0.0, CORRELATION_MAX);
    ((1.0 + correlation) / (1.0 - correlation)).sqrt()
}

/// 97.5 % quantile of Student's distribution: three terms of its expansion about the normal one, within 0.5 % from four
/// degrees of freedom on.
fn student(freedom: f64) -> f64 {
    let first = (Z.powi(3) + Z) / 4.0;
    let second = (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / 96.0;
    let third = (3.0 * Z.powi(7) + 19.0 * Z.powi(5) + 17.0 * Z.powi(3) - 15.0 * Z) / 384.0;
    Z + first / freedom + second / freedom.powi(2) + third / freedom.powi(3)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;
    use crate::arrivals::uniform;

    /// Jobs that come evenly at `rate` for 8 s and are served one after the other at `service` a second.
    fn queue(rate: f64, service: f64) -> Vec<(f64, f64)> {
        let mut free = 0.0f64;
        let job = |number: usize| {
            let from = number as f64 / rate;
            free = free.max(from) + 1.0 / service;
            (from, free)
        };
        (0..(rate * 8.0) as usize).map(job).collect()
    }

    fn slope_of(spans: &[(f64, f64)]) -> Slope {
        Slope::through(&block_means(spans.iter().copied(), 4.0, 8.0, 8), 0.5)
    }

    #[test]
    fn students_quantiles_are_those_of_the_tables() {
        for (freedom, table) in [(4.0, 2.776), (8.0, 2.306), (10.0, 2.228), (30.0, 2.042)] {
            let found = student(freedom);
            assert!((found - table).abs() < 0.005 * table, "{freedom}: {found} for {table}");
        }
    }

    #[test]
    fn block_means_are_exact() {
        let spans = [(0.0, 1.0), (0.5, 3.0), (-5.0, 0.25), (7.0, 9.0)];
        assert_eq!(block_means(spans.into_iter(), 0.0, 2.0, 2), [1.75, 1.0]);
        assert_eq!(
            block_means(spans.into_iter(), 0.0, 8.0, 2),
            [(1.0 + 2.5 + 0.25) / 4.0, 0.25]
        );
    }

    #[test]
    fn a_queue_that_gets_5_percent_too_much_grows_by_that_and_one_that_gets_5_percent_less_does_not() {
        let over = slope_of(&queue(1_050.0, 1_000.0));
        assert!((over.estimate - 50.0).abs() < 1.0 && over.low > 45.0, "{over:?}");
        let under = slope_of(&queue(950.0, 1_000.0));
        assert!(under.high < 0.01 * 950.0, "{under:?}");
    }

    #[test]
    fn the_sawtooth_of_a_poller_is_no_slope() {
        // Claimed at the tick after the arrival, whatever the ticks' phase.
        for phase in [0.0, 0.1, 0.33] {
            let served = |number: usize| {
                let from = number as f64 / 1_000.0;
                let tick = ((from - phase) / 0.5).floor() + 1.0;
                (from, tick * 0.5 + phase)
            };
            let slope = slope_of(&(0..8_000).map(served).collect::<Vec<_>>());
            assert!(slope.high < 0.01 * 1_000.0 && slope.low > -10.0, "{phase}: {slope:?}");
        }
    }

    #[test]
    fn the_interval_holds_the_slope_of_a_noisy_line_also_where_neighbours_are_alike() {
        let mut random = ChaCha8Rng::seed_from_u64(11);
        for memory in [0.0, 0.5] {
            let mut within = 0;
            for _ in 0..1_000 {
                let mut noise = 0.0;
                let value = |index: usize| {
                    noise = memory * noise + uniform(&mut random) - 0.5;
                    3.0 * index as f64 * 0.5 + noise
                };
                let slope = Slope::through(&(0..12).map(value).collect::<Vec<_>>(), 0.5);
                within += i32::from(slope.low <= 3.0 && 3.0 <= slope.high);
            }
            assert!(
                within > if memory > 0.0 { 860 } else { 940 },
                "{memory}: {within} of 1,000"
            );
        }
    }
}
