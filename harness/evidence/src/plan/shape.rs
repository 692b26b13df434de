//! From one phase of the scenario to its arrivals: length, offsets, definitions and work seeds.

use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::{Arrival, Traces};
use crate::arrivals;
use crate::load::{Arrivals, LoadError, Phase, TraceRow, Workload};
use crate::text;

/// A phase's length and expected size, with what it takes to lay out its arrivals.
pub(super) struct Shape<'a> {
    phase: &'a Phase,
    rows: &'a [TraceRow],
    pub(super) duration: Duration,
    pub(super) expected_count: u64,
}

impl<'a> Shape<'a> {
    pub(super) fn of(phase: &'a Phase, traces: &'a Traces, place: &str) -> Result<Self, LoadError> {
        let rows = match &phase.file {
            None => &[][..],
            Some(file) => traces.get(file).map(Vec::as_slice).ok_or_else(|| {
                LoadError::new(
                    format!("{place}.file"),
                    format!("the trace {} was not read", file.display()),
                )
            })?,
        };
        let duration = match (phase.arrivals, phase.duration) {
            (Arrivals::Prefill, _) => Duration::ZERO,
            (Arrivals::Trace, given) => trace_length(rows, given, place)?,
            (_, given) => given.unwrap_or_default(),
        };
        let rate = phase.rate_per_s.unwrap_or_default();
        let expected_count = match phase.arrivals {
            Arrivals::Constant => arrivals::ramp_count(rate, rate, duration),
            Arrivals::Ramp => arrivals::ramp_count(rate, phase.to_rate_per_s.unwrap_or(rate), duration),
            Arrivals::Poisson => (rate * duration.as_secs_f64()) as u64,
            Arrivals::Burst | Arrivals::Prefill => phase.count.unwrap_or_default(),
            Arrivals::Trace => rows.len() as u64,
            Arrivals::Idle => 0,
        };
        Ok(Self {
            phase,
            rows,
            duration,
            expected_count,
        })
    }

    pub(super) fn arrivals(&self, draw: &Draw, start: Duration) -> Vec<Arrival> {
        let rate = self.phase.rate_per_s.unwrap_or_default();
        let mut offsets = match self.phase.arrivals {
            Arrivals::Constant => arrivals::ramp(rate, rate, self.duration),
            Arrivals::Ramp => arrivals::ramp(rate, self.phase.to_rate_per_s.unwrap_or(rate), self.duration),
            Arrivals::Poisson => arrivals::poisson(rate, self.duration, &mut draw.gaps()),
            Arrivals::Burst | Arrivals::Prefill => vec![0; usize::try_from(self.expected_count).unwrap_or(0)],
            Arrivals::Trace => self.rows.iter().map(|row| row.offset_us).collect(),
            Arrivals::Idle => Vec::new(),
        };
        if let Some(tick) = self.phase.tick {
            arrivals::gather(&mut offsets, tick);
        }
        let start_us = u64::try_from(start.as_micros()).unwrap_or(u64::MAX);
        let mut drawn = draw.arrivals(start_us, &offsets);
        for (arrival, row) in drawn.iter_mut().zip(self.rows) {
            arrival.definition = row.definition;
            arrival.service_us = Some(row.service_us);
            arrival.payload_bytes = Some(row.payload_bytes);
        }
        drawn
    }
}

/// As long as given, else just long enough that the last row lies within.
fn trace_length(rows: &[TraceRow], given: Option<Duration>, place: &str) -> Result<Duration, LoadError> {
    let last = rows.last().map_or(0, |row| row.offset_us);
    match given {
        Some(length) if u128::from(last) >= length.as_micros() => {
            let problem = format!(
                "found {}, but the trace's last row is at {}; allowed is more, or nothing",
                text::duration(length),
                text::duration(Duration::from_micros(last))
            );
            Err(LoadError::new(format!("{place}.duration"), problem))
        }
        Some(length) => Ok(length),
        None => Ok(Duration::from_millis(last / 1_000 + 1)),
    }
}

/// The random streams of one phase.
pub(super) struct Draw<'a> {
    workload: &'a Workload,
    seed: u64,
    phase: usize,
    only: Option<u16>,
}

impl<'a> Draw<'a> {
    /// Of all definitions, or of `only` one: the streams are the same.
    pub(super) fn new(workload: &'a Workload, seed: u64, phase: usize, only: Option<u16>) -> Self {
        Self {
            workload,
            seed,
            phase,
            only,
        }
    }

    fn gaps(&self) -> ChaCha8Rng {
        self.stream(0)
    }

    fn stream(&self, which: u64) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(2 * self.phase as u64 + which);
        random
    }

    /// Far from the streams of other phases.
    fn skew(&self) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(u64::MAX - self.phase as u64);
        random
    }

    fn arrivals(&self, start_us: u64, offsets: &[u64]) -> Vec<Arrival> {
        let mut random = self.stream(1);
        let mut skew = self.skew();
        let share = self.workload.hot_partition_share;
        let phase = u16::try_from(self.phase).unwrap_or(u16::MAX);
        let weights: Vec<f64> = self.workload.definitions.iter().map(|entry| entry.weight).collect();
        let total: f64 = weights.iter().sum();
        let draw = |offset: &u64| {
            let picked = pick(&weights, arrivals::uniform(&mut random) * total);
            Arrival {
                offset_us: start_us + offset,
                definition: self.only.unwrap_or(picked),
                work_seed: random.next_u64(),
                phase,
                service_us: None,
                payload_bytes: None,
                hot: share.map(|share| arrivals::uniform(&mut skew) < share),
            }
        };
        offsets.iter().map(draw).collect()
    }
}

/// The first place whose cumulative weight exceeds `mark`.
fn pick(weights: &[f64], mut mark: f64) -> u16 {
    let last = weights.len().saturating_sub(1);
    let found = weights.iter().position(|weight| {
        mark -= weight;
        mark < 0.0
    });
    u16::try_from(found.unwrap_or(last)).unwrap_or(u16::MAX)
}

/// A phase's shape in words.
pub(super) fn describe(phase: &Phase) -> String {
    let rate = text::rate(phase.rate_per_s.unwrap_or_default());
    let count = text::grouped(phase.count.unwrap_or_default());
    let shape = match phase.arrivals {
        Arrivals::Constant => format!("constant {rate}"),
        Arrivals::Poisson => format!("Poisson {rate}"),
        Arrivals::Ramp => format!("ramp {rate} to {}", text::rate(phase.to_rate_per_s.unwrap_or_default())),
        Arrivals::Burst => format!("burst of {count}"),
        Arrivals::Prefill => format!("prefill of {count}"),
        Arrivals::Idle => "idle".to_owned(),
        Arrivals::Trace => {
            let file = phase.file.as_deref().map(|file| file.display().to_string());
            format!("trace {}", file.unwrap_or_default())
        }
    };
    let shape = match phase.tick {
        Some(tick) => format!("{shape}, together every {}", text::duration(tick)),
        None => shape,
    };
    match &phase.definition {
        Some(name) => format!("{shape} of {name}"),
        None => shape,
    }
}
