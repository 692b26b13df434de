//! `map.json`: polling, tuned polling and event-driven over rate × replicas: who still holds, who has the lower p99, and where
//! the lead changes.
//!
//! A point is one run, so a small lead is none: see [`LEAD_MIN`]. Who holds leads whoever does not, whatever their latencies.

use serde::{Deserialize, Serialize};

use crate::capacity::{Step, StepVerdict, Variant};
use crate::result::TestbedInfo;

/// Raised when a reader of the last version would misread this one.
pub const SCHEMA_VERSION: u32 = 1;

/// p99 ÷ p99 from which one leads the other: single runs of the same thing differ by less than this on a quiet machine.
pub const LEAD_MIN: f64 = 1.25;

/// One finished (or broken off) map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossoverMap {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// Directory name: `map-<scenario>-<utc>`.
    pub id: String,
    /// Scenario name.
    pub scenario: String,
    /// The command that repeats it.
    pub command: String,
    /// Commit of this tool, with `-dirty` where it applies; `null` before the first point.
    pub git_commit: Option<String>,
    /// RFC 3339, UTC; `null` before the first point.
    pub started_at: Option<String>,
    /// Servers and machine, as the first point found them.
    pub testbed: Option<TestbedInfo>,
    /// The grid: jobs per second, ascending.
    pub rates_per_s: Vec<f64>,
    /// The grid: engine replicas, ascending.
    pub replicas: Vec<u32>,
    /// Those that were run, in their order.
    pub points: Vec<Point>,
    /// Why its numbers may not be used; empty if they may.
    pub invalid_reasons: Vec<String>,
}

/// One variant at one place of the grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// What was run.
    pub variant: Variant,
    /// Engine replicas.
    pub replicas: u32,
    /// What came of it, as of a step of a capacity search.
    pub step: Step,
}

/// Who leads at a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lead {
    /// This one: it alone holds, or its p99 is so many times lower than the next one's that holds.
    Of(Variant, Option<f64>),
    /// Several hold, and the best of them differ by too little.
    Tie,
    /// None holds.
    Nobody,
    /// A point is missing, or tells nothing.
    Unknown,
}

/// What is known of the rates below the one from which event-driven leads for good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Below {
    /// At this one, the highest that tells, it does not lead; those between tell nothing.
    NotLed(f64),
    /// There are none.
    Lowest,
    /// The next one tells nothing, and at none below it does another lead, or none.
    Unknown,
}

impl CrossoverMap {
    /// A point of the grid, if it was run.
    #[must_use]
    pub fn point(&self, variant: Variant, replicas: u32, rate_per_s: f64) -> Option<&Point> {
        let is_it = |point: &&Point| {
            point.variant == variant && point.replicas == replicas && (point.step.rate_per_s - rate_per_s).abs() < 1e-6
        };
        self.points.iter().find(is_it)
    }

    /// Who leads among these variants.
    #[must_use]
    pub fn lead(&self, variants: &[Variant], replicas: u32, rate_per_s: f64) -> Lead {
        let points = variants
            .iter()
            .map(|variant| self.point(*variant, replicas, rate_per_s));
        let Some(points) = points.collect::<Option<Vec<&Point>>>() else {
            return Lead::Unknown;
        };
        if points.iter().any(|point| point.step.verdict == StepVerdict::Unknown) {
            return Lead::Unknown;
        }
        let mut held: Vec<&Point> = points
            .into_iter()
            .filter(|point| point.step.verdict == StepVerdict::Held)
            .collect();
        // Who alone holds leads, whatever its p99; of several each must be known.
        if held.len() > 1 && held.iter().any(|point| point.step.p99_ms.is_none()) {
            return Lead::Unknown;
        }
        let p99 = |point: &Point| point.step.p99_ms.unwrap_or(f64::INFINITY);
        held.sort_by(|a, b| p99(a).total_cmp(&p99(b)));
        match held.as_slice() {
            [] => Lead::Nobody,
            [only] => Lead::Of(only.variant, None),
            [first, second, ..] if p99(second) / p99(first) >= LEAD_MIN => {
                Lead::Of(first.variant, Some(p99(second) / p99(first)))
            }
            _ => Lead::Tie,
        }
    }

    /// Where event-driven takes the lead over these polling variants for good: what is known of the rates below, and from which rate
    /// of the grid on. `None` if at the highest rate that is settled it does not lead.
    #[must_use]
    pub fn crossing(&self, polling: &[Variant], replicas: u32) -> Option<(Below, f64)> {
        let all = [polling, &[Variant::EventDriven]].concat();
        let leads = |rate: f64| self.lead(&all, replicas, rate);
        let mut from = None;
        // Past a rate that tells nothing, a lead further down is not known to be for good.
        let mut gap = false;
        for rate in self.rates_per_s.iter().rev().copied() {
            match leads(rate) {
                Lead::Of(Variant::EventDriven, _) if !gap => from = Some(rate),
                Lead::Of(Variant::EventDriven, _) => {}
                // Beyond what either can do, nobody leads.
                Lead::Nobody | Lead::Unknown if from.is_none() => {}
                Lead::Unknown => gap = true,
                _ => return from.map(|from| (Below::NotLed(rate), from)),
            }
        }
        let below = if gap { Below::Unknown } else { Below::Lowest };
        from.map(|from| (below, from))
    }

    /// Are all points of the grid there?
    #[must_use]
    pub fn is_complete(&self, variants: &[Variant]) -> bool {
        self.points.len() >= self.rates_per_s.len() * self.replicas.len() * variants.len()
    }
}

#[cfg(test)]
mod tests {
    use StepVerdict::{DidNotHold, Held, Unknown};

    use super::*;

    const POLLING: Variant = Variant::PollingDefault;
    const EVENT: Variant = Variant::EventDriven;

    fn point(variant: Variant, rate_per_s: f64, p99_ms: f64, verdict: StepVerdict) -> Point {
        Point {
            variant,
            replicas: 2,
            step: Step {
                rate_per_s,
                verdict,
                why: Vec::new(),
                slope_per_s: None,
                achieved_ratio: None,
                drain_s: None,
                p50_ms: None,
                p99_ms: Some(p99_ms),
                host_cpu_share: None,
                limited_by_harness: false,
                failed_checks: Vec::new(),
                run: String::new(),
            },
        }
    }

    /// p99 and whether it holds.
    type Seen = (f64, StepVerdict);

    /// Per rate, what was seen of polling and of event-driven.
    fn map(points: &[(f64, Seen, Seen)]) -> CrossoverMap {
        let both = points.iter().flat_map(|(rate, polling, event)| {
            [
                point(POLLING, *rate, polling.0, polling.1),
                point(EVENT, *rate, event.0, event.1),
            ]
        });
        CrossoverMap {
            schema_version: SCHEMA_VERSION,
            id: "map".to_owned(),
            scenario: "capacity".to_owned(),
            command: String::new(),
            git_commit: None,
            started_at: None,
            testbed: None,
            rates_per_s: points.iter().map(|(rate, ..)| *rate).collect(),
            replicas: vec![2],
            points: both.collect(),
            invalid_reasons: Vec::new(),
        }
    }

    #[test]
    fn the_lower_p99_leads_a_small_difference_does_not_and_who_holds_leads_who_does_not() {
        let map = map(&[
            (10.0, (5.0, Held), (50.0, Held)),
            (20.0, (50.0, Held), (45.0, Held)),
            (40.0, (5.0, DidNotHold), (50.0, Held)),
            (80.0, (5.0, DidNotHold), (50.0, DidNotHold)),
            (160.0, (5.0, Unknown), (50.0, Held)),
        ]);
        let lead = |rate| map.lead(&[POLLING, EVENT], 2, rate);
        assert_eq!(lead(10.0), Lead::Of(POLLING, Some(10.0)));
        assert_eq!(lead(20.0), Lead::Tie);
        assert_eq!(lead(40.0), Lead::Of(EVENT, None));
        assert_eq!((lead(80.0), lead(160.0)), (Lead::Nobody, Lead::Unknown));
        assert_eq!(lead(320.0), Lead::Unknown);
    }

    #[test]
    fn who_holds_without_a_p99_leads_nobody_who_holds_and_is_led_by_nobody() {
        let mut map = map(&[
            (10.0, (5.0, Held), (50.0, Held)),
            (20.0, (5.0, DidNotHold), (50.0, Held)),
        ]);
        for point in &mut map.points {
            if point.variant == EVENT {
                point.step.p99_ms = None;
            }
        }
        assert_eq!(map.lead(&[POLLING, EVENT], 2, 10.0), Lead::Unknown);
        assert_eq!(map.lead(&[POLLING, EVENT], 2, 20.0), Lead::Of(EVENT, None));
    }

    #[test]
    fn a_rate_that_tells_nothing_is_no_lower_end_of_the_crossing() {
        let led = (90.0, Held);
        let crossed = map(&[
            (10.0, (5.0, Held), (50.0, Held)),
            (20.0, led, (45.0, Held)),
            (40.0, led, (45.0, Unknown)),
            (80.0, led, (45.0, Held)),
        ]);
        assert_eq!(crossed.crossing(&[POLLING], 2), Some((Below::NotLed(10.0), 80.0)));
        let open = map(&[(40.0, led, (45.0, Unknown)), (80.0, led, (45.0, Held))]);
        assert_eq!(open.crossing(&[POLLING], 2), Some((Below::Unknown, 80.0)));
    }

    #[test]
    fn the_crossing_is_between_the_last_rate_without_the_lead_and_the_first_with_it_for_good() {
        let crossed = map(&[
            (10.0, (5.0, Held), (50.0, Held)),
            (20.0, (90.0, Held), (45.0, Held)),
            (40.0, (5.0, Held), (50.0, Held)),
            (80.0, (90.0, Held), (45.0, Held)),
            (160.0, (5.0, DidNotHold), (50.0, Held)),
            (320.0, (5.0, DidNotHold), (50.0, DidNotHold)),
        ]);
        assert_eq!(crossed.crossing(&[POLLING], 2), Some((Below::NotLed(40.0), 80.0)));
        let always = map(&[(10.0, (500.0, Held), (50.0, Held)), (20.0, (500.0, Held), (50.0, Held))]);
        assert_eq!(always.crossing(&[POLLING], 2), Some((Below::Lowest, 10.0)));
        let never = map(&[
            (10.0, (5.0, Held), (50.0, Held)),
            (20.0, (5.0, Held), (50.0, DidNotHold)),
        ]);
        assert_eq!(never.crossing(&[POLLING], 2), None);
    }
}
