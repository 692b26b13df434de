//! Where an axis puts its ticks: steps of 1, 2 and 5, on linear and logarithmic scales.

/// How values become positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// From zero.
    Linear,
    /// Decades; needs values above zero.
    Log,
}

/// An axis: its range and its labelled ticks.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// How values become positions.
    pub scale: Scale,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Values that get a line and a label.
    pub ticks: Vec<f64>,
}

impl Axis {
    /// From zero to just above `max`, in about `wanted` steps of 1, 2 or 5.
    pub fn linear(max: f64, wanted: usize) -> Self {
        let max = if max.is_finite() && max > 0.0 { max } else { 1.0 };
        let step = step(max, wanted);
        let steps = (max / step - 1e-9).ceil().max(1.0);
        Self {
            scale: Scale::Linear,
            low: 0.0,
            high: steps * step,
            ticks: multiples(step, steps),
        }
    }

    /// Exactly from `low` to `high` (a time axis ends where the run ends), ticks inside.
    pub fn exact(low: f64, high: f64, wanted: usize) -> Self {
        let span = if high > low { high - low } else { 1.0 };
        let step = if span > 600.0 {
            60.0 * step(span / 60.0, wanted)
        } else {
            step(span, wanted)
        };
        let first = (low / step).ceil();
        let ticks = (0..200)
            .map(|i| (first + f64::from(i)) * step)
            .take_while(|v| *v <= low + span + 1e-9)
            .collect();
        Self {
            scale: Scale::Linear,
            low,
            high: low + span,
            ticks,
        }
    }

    /// From the 1-2-5 value at or below `min` to the one at or above `max`.
    pub fn log(min: f64, max: f64) -> Self {
        let min = if min.is_finite() && min > 0.0 { min } else { 0.1 };
        let max = if max.is_finite() && max > min { max } else { min * 10.0 };
        let all: Vec<f64> = (-6..12)
            .flat_map(|e| [1.0, 2.0, 5.0].map(|m| tidy(m * 10f64.powi(e))))
            .collect();
        let low = all.iter().copied().rfind(|v| *v <= min * 1.000_001).unwrap_or(min);
        let high = all.iter().copied().find(|v| *v >= max * 0.999_999).unwrap_or(max);
        let decades = (high / low).log10();
        let ticks = all
            .into_iter()
            .filter(|v| *v >= low && *v <= high && (decades < 3.2 || is_decade(*v)))
            .collect();
        Self {
            scale: Scale::Log,
            low,
            high,
            ticks,
        }
    }

    /// Where a value lies: 0 at the lower end, 1 at the upper, kept inside.
    pub fn place(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value.max(self.low) / self.low).log10() / (self.high / self.low).log10(),
        };
        share.clamp(0.0, 1.0)
    }
}

/// The largest of 1, 2 and 5 times a power of ten that still makes about `wanted` steps.
fn step(span: f64, wanted: usize) -> f64 {
    let wanted = f64::from(u32::try_from(wanted.max(1)).unwrap_or(1));
    let raw = span / wanted;
    let power = 10f64.powf(raw.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|times| times * power >= raw * 0.999)
        .unwrap_or(10.0);
    times * power
}

fn multiples(step: f64, steps: f64) -> Vec<f64> {
    (0..200u32)
        .map(f64::from)
        .take_while(|i| *i <= steps)
        .map(|i| tidy(i * step))
        .collect()
}

/// Rids a product of its last bits: 0.30000000000000004 → 0.3.
fn tidy(value: f64) -> f64 {
    format!("{value:.9}").parse().unwrap_or(value)
}

fn is_decade(value: f64) -> bool {
    (value.log10() - value.log10().round()).abs() < 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_ticks_are_human() {
        assert_eq!(Axis::linear(237.0, 3).ticks, vec![0.0, 100.0, 200.0, 300.0]);
        assert_eq!(Axis::linear(0.0, 3).high, 1.0);
        assert_eq!(Axis::linear(0.7, 4).ticks, vec![0.0, 0.2, 0.4, 0.6, 0.8]);
    }

    #[test]
    fn a_wide_log_axis_labels_decades_and_a_narrow_one_1_2_5() {
        assert_eq!(Axis::log(3.0, 41_000.0).ticks, vec![10.0, 100.0, 1_000.0, 10_000.0]);
        assert_eq!(Axis::log(3.0, 41.0).ticks, vec![2.0, 5.0, 10.0, 20.0, 50.0]);
    }

    #[test]
    fn a_long_time_axis_steps_in_minutes() {
        assert_eq!(Axis::exact(0.0, 3_600.0, 7).ticks[1], 600.0);
        assert_eq!(
            Axis::exact(0.0, 64.0, 7).ticks,
            vec![0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
        );
    }

    #[test]
    fn places_stay_inside() {
        assert_eq!(Axis::linear(10.0, 5).place(99.0), 1.0);
        assert_eq!(Axis::log(1.0, 100.0).place(0.0), 0.0);
    }
}
