//! When growth meets a measured ceiling: intervals in, an interval out.
//!
//! The need after *m* months is peak × (1 + growth)^m. Growth is a range and the ceiling an interval, so the answer to "does the
//! need meet it within the horizon" is *yes* only if the slowest growth meets the ceiling's upper end, *no* only if the fastest
//! stays at or below its lower end, and unknown between.

use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::profile::Profile;
use crate::capacity::Interval;

/// Jobs per second that a team needs: at least, and at most.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Need {
    /// By the slowest growth; `null` if the peak is not known.
    pub low: Option<f64>,
    /// By the fastest growth; `null` if it is not known.
    pub high: Option<f64>,
}

impl Need {
    /// The largest peak from now until so many months from now: a need that shrinks has been met already.
    #[must_use]
    pub fn within(profile: &Profile, months: f64) -> Self {
        let after = |percent: f64| Some(profile.peak_jobs_per_s? * growth_factor(percent, months).max(1.0));
        Self {
            low: match profile.growth {
                Some(growth) => after(growth.percent_per_month_low),
                None => profile.peak_jobs_per_s,
            },
            high: profile.growth.and_then(|growth| after(growth.percent_per_month_high)),
        }
    }

    /// Does it meet the ceiling?
    #[must_use]
    pub fn meets(&self, ceiling: Interval) -> Answer {
        let meets = matches!((self.low, ceiling.high), (Some(need), Some(ceiling)) if need >= ceiling);
        let stays_below = matches!((self.high, ceiling.low), (Some(need), Some(ceiling)) if need <= ceiling);
        match (meets, stays_below) {
            (true, _) => Answer::Yes,
            (_, true) => Answer::No,
            _ => Answer::Unknown,
        }
    }

    /// Is it below the ceiling's lower end by this factor?
    #[must_use]
    pub fn is_far_below(&self, ceiling: Interval, factor: f64) -> bool {
        matches!((self.high, ceiling.low), (Some(need), Some(ceiling)) if need * factor <= ceiling)
    }
}

fn growth_factor(percent: f64, months: f64) -> f64 {
    (1.0 + percent / 100.0).powf(months)
}

/// When the need meets a ceiling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Months looked ahead.
    pub horizon_months: f64,
    /// Jobs per second at the horizon.
    pub need_at_horizon_per_s: Need,
    /// Jobs per second that polling carries, as far as it was measured.
    pub ceiling_per_s: Interval,
    /// The search that found the ceiling.
    pub run: Option<String>,
    /// Fastest growth against the ceiling's lower end (months); `null` if never, or not known.
    pub earliest_months: Option<f64>,
    /// Slowest growth against its upper end (months); `null` if never, or not known.
    pub latest_months: Option<f64>,
    /// Does it, within the horizon?
    pub meets_within_horizon: Answer,
}

impl Forecast {
    /// Of the profile's growth against a ceiling.
    #[must_use]
    pub fn of(profile: &Profile, ceiling: Interval, run: Option<String>, horizon_months: f64) -> Self {
        let need = Need::within(profile, horizon_months);
        let months =
            |percent: Option<f64>, ceiling: Option<f64>| months_until(profile.peak_jobs_per_s?, percent?, ceiling?);
        let growth = profile.growth;
        Self {
            horizon_months,
            need_at_horizon_per_s: need,
            ceiling_per_s: ceiling,
            run,
            earliest_months: months(growth.map(|growth| growth.percent_per_month_high), ceiling.low),
            latest_months: months(growth.map(|growth| growth.percent_per_month_low), ceiling.high),
            meets_within_horizon: need.meets(ceiling),
        }
    }

    /// In words: `in 7 to 15 months`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let whole = |months: f64| format!("{months:.0}");
        match (self.earliest_months, self.latest_months) {
            (Some(earliest), Some(latest)) if latest <= 0.0 && earliest <= 0.0 => {
                "the need meets polling's ceiling already".to_owned()
            }
            (Some(earliest), Some(latest)) => {
                format!(
                    "the need meets polling's ceiling in {} to {} months",
                    whole(earliest),
                    whole(latest)
                )
            }
            (Some(earliest), None) => format!(
                "the need meets polling's ceiling in {} months at the earliest, or never",
                whole(earliest)
            ),
            (None, _) if self.need_at_horizon_per_s.high.is_none() => {
                "without the peak and its growth, there is no forecast".to_owned()
            }
            (None, _) if self.ceiling_per_s.low.is_none() => "polling's ceiling is not known".to_owned(),
            (None, _) => "at this growth, the need never meets polling's ceiling".to_owned(),
        }
    }
}

/// Months until the peak has grown to the ceiling: 0 if it has, `None` if it never will.
fn months_until(peak: f64, percent: f64, ceiling: f64) -> Option<f64> {
    if peak >= ceiling {
        return Some(0.0);
    }
    (percent > 0.0).then(|| (ceiling / peak).ln() / (1.0 + percent / 100.0).ln())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decide::profile::Growth;

    fn profile(peak: f64, low: f64, high: f64) -> Profile {
        Profile {
            peak_jobs_per_s: Some(peak),
            growth: Some(Growth {
                percent_per_month_low: low,
                percent_per_month_high: high,
            }),
            ..Profile::default()
        }
    }

    fn interval(low: f64, high: f64) -> Interval {
        Interval {
            low: Some(low),
            high: Some(high),
        }
    }

    #[test]
    fn doubling_every_month_takes_ten_months_to_a_thousandfold() {
        let forecast = Forecast::of(&profile(1.0, 100.0, 100.0), interval(1_024.0, 1_024.0), None, 12.0);
        assert!((forecast.earliest_months.unwrap() - 10.0).abs() < 1e-9);
        assert_eq!(forecast.meets_within_horizon, Answer::Yes);
        assert_eq!(
            forecast.sentence(),
            "the need meets polling's ceiling in 10 to 10 months"
        );
    }

    #[test]
    fn between_the_slowest_and_the_fastest_growth_it_is_not_known() {
        // 100 jobs/s become 127 to 201 in a year.
        let meets = |low, high| Need::within(&profile(100.0, 2.0, 6.0), 12.0).meets(interval(low, high));
        assert_eq!(meets(90.0, 120.0), Answer::Yes);
        assert_eq!(meets(150.0, 180.0), Answer::Unknown);
        assert_eq!(meets(210.0, 250.0), Answer::No);
        let open = Interval {
            low: Some(150.0),
            high: None,
        };
        assert_eq!(
            Need::within(&profile(100.0, 2.0, 6.0), 12.0).meets(open),
            Answer::Unknown
        );
    }

    #[test]
    fn without_growth_the_peak_of_today_is_the_least() {
        let profile = Profile {
            peak_jobs_per_s: Some(500.0),
            ..Profile::default()
        };
        let need = Need::within(&profile, 12.0);
        assert_eq!(need.meets(interval(300.0, 400.0)), Answer::Yes);
        assert_eq!(need.meets(interval(5_000.0, 6_000.0)), Answer::Unknown);
        assert_eq!(
            Need::within(&Profile::default(), 12.0).meets(interval(1.0, 2.0)),
            Answer::Unknown
        );
    }

    #[test]
    fn a_shrinking_need_is_that_of_today() {
        let need = Need::within(&profile(100.0, -10.0, -1.0), 12.0);
        assert_eq!((need.low, need.high), (Some(100.0), Some(100.0)));
        let forecast = Forecast::of(&profile(100.0, -10.0, -1.0), interval(200.0, 250.0), None, 12.0);
        assert_eq!(
            forecast.sentence(),
            "at this growth, the need never meets polling's ceiling"
        );
    }

    proptest! {
        #[test]
        fn the_months_and_the_answer_agree(
            peak in 1.0..1e4f64, low in 0.1..10.0f64, more in 0.0..10.0f64, ceiling in 1.0..1e5f64, width in 1.0..2.0f64,
        ) {
            let forecast = Forecast::of(&profile(peak, low, low + more), interval(ceiling, ceiling * width), None, 12.0);
            let (earliest, latest) = (forecast.earliest_months.unwrap(), forecast.latest_months.unwrap());
            prop_assert!(earliest <= latest);
            match forecast.meets_within_horizon {
                Answer::Yes => prop_assert!(latest <= 12.0 + 1e-9),
                Answer::No => prop_assert!(earliest >= 12.0 - 1e-9),
                Answer::Unknown => prop_assert!(earliest <= 12.0 + 1e-9 && latest >= 12.0 - 1e-9),
            }
        }
    }
}
