//! The arithmetic of arrivals: a phase's shape in, offsets within the phase out. No definitions, no payloads.
//!
//! Offsets are whole microseconds, rounded down, ascending, and always below the phase's length. Evenly spread arrivals
//! (constant and ramp) are where the integral of the rate passes ½, 1½, 2½ …, so n = rate × length of them fit a phase
//! exactly and two phases in a row keep their spacing.

use std::time::Duration;

use rand::Rng;

/// Arrivals at a rate that moves linearly from `from` to `to` (1/s) over `length`; constant where both are equal.
#[must_use]
pub fn ramp(from: f64, to: f64, length: Duration) -> Vec<u64> {
    let seconds = length.as_secs_f64();
    let limit = limit_us(length);
    let half_slope = (to - from) / (2.0 * seconds);
    let count = ramp_count(from, to, length);
    let offset_of = |index: u64| {
        // The rate's integral from·t + half_slope·t² reaches `reached` at t, in the form of the quadratic's solution
        // that stays exact when the slope is zero or small.
        let reached = index as f64 + 0.5;
        let root = (from * from + 4.0 * half_slope * reached).max(0.0).sqrt();
        to_us(2.0 * reached / (from + root), limit)
    };
    (0..count).map(offset_of).collect()
}

/// Number of arrivals of [`ramp`]: how often the rate's integral passes a half.
#[must_use]
pub fn ramp_count(from: f64, to: f64, length: Duration) -> u64 {
    let integral = f64::midpoint(from, to) * length.as_secs_f64();
    // The nudge keeps a product such as 0.1 × 5 s, a hair above one half, from gaining an arrival.
    (integral - 0.5 - 1e-9).ceil().max(0.0) as u64
}

/// Arrivals independent of each other: gaps drawn from the exponential distribution by inversion.
#[must_use]
pub fn poisson(rate_per_s: f64, length: Duration, random: &mut impl Rng) -> Vec<u64> {
    let seconds = length.as_secs_f64();
    let limit = limit_us(length);
    let mut offsets = Vec::with_capacity((rate_per_s * seconds * 1.05) as usize + 16);
    let mut at = exponential(rate_per_s, random);
    while at < seconds {
        offsets.push(to_us(at, limit));
        at += exponential(rate_per_s, random);
    }
    offsets
}

/// Moves each arrival back to the last multiple of `tick`: those of one tick share their moment.
pub fn gather(offsets: &mut [u64], tick: Duration) {
    let tick_us = u64::try_from(tick.as_micros()).unwrap_or(u64::MAX).max(1);
    for offset in offsets {
        *offset -= *offset % tick_us;
    }
}

/// A gap (s): −ln(1 − u) ÷ rate with u in [0, 1).
fn exponential(rate_per_s: f64, random: &mut impl Rng) -> f64 {
    -(1.0 - uniform(random)).ln() / rate_per_s
}

/// A uniform number in [0, 1) from the upper 53 bits of one draw: the same on every machine.
pub fn uniform(random: &mut impl Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

fn limit_us(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX).saturating_sub(1)
}

fn to_us(seconds: f64, limit: u64) -> u64 {
    // A billionth of a second keeps 0.3 s from becoming 299,999 µs.
    ((seconds * 1e6 + 1e-3) as u64).min(limit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;

    fn integral(from: f64, to: f64, length: f64, at: f64) -> f64 {
        from * at + (to - from) / (2.0 * length) * at * at
    }

    #[test]
    fn constant_arrivals_keep_exact_spacing_from_half_a_spacing_on() {
        let offsets = ramp(200.0, 200.0, Duration::from_secs(10));
        assert_eq!(offsets.len(), 2_000);
        assert!(
            offsets
                .iter()
                .enumerate()
                .all(|(index, offset)| *offset == 2_500 + 5_000 * index as u64)
        );
        assert_eq!(
            ramp(0.1, 0.1, Duration::from_secs(30)),
            [5_000_000, 15_000_000, 25_000_000]
        );
    }

    #[test]
    fn gathered_arrivals_share_the_moments_of_their_ticks() {
        let mut offsets = ramp(200.0, 200.0, Duration::from_millis(40));
        gather(&mut offsets, Duration::from_millis(20));
        assert_eq!(offsets, [0, 0, 0, 0, 20_000, 20_000, 20_000, 20_000]);
    }

    #[test]
    fn a_rate_too_low_for_the_phase_gives_nothing() {
        assert!(ramp(0.1, 0.1, Duration::from_secs(5)).is_empty());
        assert!(ramp(1e-9, 1e-9, Duration::from_secs(1)).is_empty());
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_spread_of_the_exponential() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let offsets = poisson(1_000.0, Duration::from_secs(200), &mut random);
        let gaps: Vec<f64> = offsets.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean - 1_000.0).abs() < 10.0, "{mean}");
        assert!((variance.sqrt() - 1_000.0).abs() < 20.0, "{}", variance.sqrt());
    }

    proptest! {
        #[test]
        fn a_ramp_follows_the_integral_of_its_rate(from in 0.0f64..500.0, to in 0.1f64..500.0, millis in 1u64..60_000) {
            let length = Duration::from_millis(millis);
            let offsets = ramp(from, to, length);
            let seconds = length.as_secs_f64();
            let whole = integral(from, to, seconds, seconds);
            prop_assert!((offsets.len() as f64 - whole).abs() <= 0.5 + 1e-6, "{} of {whole}", offsets.len());
            prop_assert!(offsets.is_sorted());
            prop_assert!(offsets.iter().all(|offset| *offset < millis * 1_000));
            for (index, offset) in offsets.iter().enumerate() {
                let reached = integral(from, to, seconds, *offset as f64 / 1e6);
                // One microsecond of rounding at the highest rate of the ramp.
                let tolerance = 1e-6 * from.max(to) + 1e-6;
                prop_assert!((reached - (index as f64 + 0.5)).abs() <= tolerance, "{index}: {reached}");
            }
        }

        #[test]
        fn poisson_arrivals_are_ascending_and_near_their_expected_count(rate in 1.0f64..2_000.0, seed in any::<u64>()) {
            let length = Duration::from_secs(10);
            let offsets = poisson(rate, length, &mut ChaCha8Rng::seed_from_u64(seed));
            prop_assert!(offsets.is_sorted());
            prop_assert!(offsets.iter().all(|offset| *offset < 10_000_000));
            let expected = rate * 10.0;
            // Six standard deviations.
            prop_assert!((offsets.len() as f64 - expected).abs() < 6.0 * expected.sqrt() + 6.0);
        }
    }
}
