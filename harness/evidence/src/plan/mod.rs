//! The plan: scenario + seed → every arrival of the run, known before anything starts.
//!
//! The seed fixes when each instance is wanted, which definition it runs and what its handlers draw; it does not fix the
//! interleaving of the run. Randomness is ChaCha8 (`rand::rngs::ChaCha8Rng`), seeded with the run's seed. Phase `i` of
//! the scenario uses its stream `2i` for gaps and `2i + 1` for definitions and work, so a change to one phase
//! leaves the others as they were; which instances fall on the hot partition has streams of its own. [`Plan::digest`] tells two plans apart.
//!
//! Arrivals are numbered: those of the timeline from 0, then those of the prefill. The number goes into the history
//! (`Event::Sent`), and is how the ledger knows a prefilled instance from a timed one.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use self::shape::{Draw, Shape};
use crate::load::{Arrivals, LoadError, Phase, TraceRow, Workload, validate_phases};
use crate::text;

pub mod keys;
pub mod payload;
mod shape;
#[cfg(test)]
mod tests;

/// Most arrivals of one plan: 40 bytes each, and their history is 100 times that.
const ARRIVALS_MAX: u64 = 20_000_000;

/// Rows of the traces that the phases name, by the file's name as the scenario spells it.
pub type Traces = HashMap<PathBuf, Vec<TraceRow>>;

/// All arrivals of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What it was made from.
    pub seed: u64,
    /// In the order of the scenario.
    pub phases: Vec<PlannedPhase>,
    /// The timeline, by offset.
    pub arrivals: Vec<Arrival>,
    /// Instances to insert before the load and the workers start.
    pub prefill: Vec<Arrival>,
}

/// A phase with its place on the timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedPhase {
    /// Name in the scenario.
    pub name: String,
    /// How instances arrive.
    pub kind: Arrivals,
    /// From the start of the load.
    pub start: Duration,
    /// Zero for a prefill.
    pub duration: Duration,
    /// Stays out of the whole run's figures.
    pub warmup: bool,
    /// Its shape in words, such as `constant 200/s`.
    pub description: String,
    /// How many instances it starts.
    pub arrivals_count: u64,
}

/// One instance to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// From the start of the load (µs); 0 for a prefilled one.
    pub offset_us: u64,
    /// Seeds what its handlers draw.
    pub work_seed: u64,
    /// Place of its phase in [`Plan::phases`].
    pub phase: u16,
    /// Place of its definition in the workload.
    pub definition: u16,
    /// From a trace: how long each of its handlers takes (µs).
    pub service_us: Option<u32>,
    /// From a trace: size of its payload (bytes).
    pub payload_bytes: Option<u32>,
    /// Whether its id is to fall on the hot partition; `None` if any id will do.
    pub hot: Option<bool>,
}

impl Plan {
    /// Makes the plan. `traces` holds the rows of every file that a phase names.
    ///
    /// # Errors
    /// What is wrong with the workload or the phases, with its place.
    pub fn build(workload: &Workload, phases: &[Phase], traces: &Traces, seed: u64) -> Result<Self, LoadError> {
        workload.validate()?;
        validate_phases(phases)?;
        let mut plan = Self {
            seed,
            phases: Vec::with_capacity(phases.len()),
            arrivals: Vec::new(),
            prefill: Vec::new(),
        };
        let mut start = Duration::ZERO;
        for (index, phase) in phases.iter().enumerate() {
            let shape = Shape::of(phase, traces, &format!("load[{index}]"))?;
            let planned = (plan.arrivals.len() + plan.prefill.len()) as u64;
            if shape.expected_count + planned > ARRIVALS_MAX {
                let problem = format!(
                    "found about {} arrivals up to here; a plan holds at most {}",
                    text::grouped(shape.expected_count + planned),
                    text::grouped(ARRIVALS_MAX)
                );
                return Err(LoadError::new(format!("load[{index}]"), problem));
            }
            let only = only_definition(phase, workload, index)?;
            let arrivals = shape.arrivals(&Draw::new(workload, seed, index, only), start);
            plan.phases.push(PlannedPhase {
                name: phase.name.clone(),
                kind: phase.arrivals,
                start,
                duration: shape.duration,
                warmup: phase.warmup,
                description: shape::describe(phase),
                arrivals_count: arrivals.len() as u64,
            });
            start += shape.duration;
            let target = if phase.arrivals == Arrivals::Prefill {
                &mut plan.prefill
            } else {
                &mut plan.arrivals
            };
            target.extend(arrivals);
        }
        Ok(plan)
    }

    /// The arrival of this number: first the timeline's, then the prefill's.
    #[must_use]
    pub fn arrival(&self, number: u64) -> Option<&Arrival> {
        let number = usize::try_from(number).ok()?;
        self.arrivals
            .get(number)
            .or_else(|| self.prefill.get(number.checked_sub(self.arrivals.len())?))
    }

    /// Number of the prefilled arrival at `index` of [`Plan::prefill`].
    #[must_use]
    pub fn prefill_number(&self, index: usize) -> u64 {
        (self.arrivals.len() + index) as u64
    }

    /// Does the number belong to the prefill?
    #[must_use]
    pub fn is_prefill(&self, number: u64) -> bool {
        number >= self.arrivals.len() as u64
    }

    /// Timed and prefilled arrivals together.
    #[must_use]
    pub fn arrivals_count(&self) -> u64 {
        (self.arrivals.len() + self.prefill.len()) as u64
    }

    /// Length of the timeline: from the start of the load to the end of its last phase.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.phases.iter().map(|phase| phase.duration).sum()
    }

    /// The phase in which the moment `offset_us` after the start of the load lies. Moments before the load belong to
    /// its first phase, moments after it to its last; a plan of prefills alone has its last prefill.
    #[must_use]
    pub fn phase_at(&self, offset_us: u64) -> u16 {
        let offset = Duration::from_micros(offset_us);
        let timed = || {
            self.phases
                .iter()
                .enumerate()
                .filter(|(_, phase)| phase.kind != Arrivals::Prefill)
        };
        let found = timed()
            .find(|(_, phase)| offset < phase.start + phase.duration)
            .or_else(|| timed().next_back());
        let index = found.map_or(self.phases.len().saturating_sub(1), |(index, _)| index);
        u16::try_from(index).unwrap_or(u16::MAX)
    }

    /// What the instance carries: see [`payload::encode`].
    #[must_use]
    pub fn payload(&self, arrival: &Arrival, workload: &Workload) -> Vec<u8> {
        payload::encode(arrival, workload)
    }

    /// 16 hexadecimal digits: equal plans have equal digests (FNV-1a over every arrival and phase).
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Fnv::default();
        hash.add(self.seed);
        for phase in &self.phases {
            phase.name.bytes().for_each(|byte| hash.add(u64::from(byte)));
            hash.add(phase.start.as_micros() as u64);
            hash.add(phase.duration.as_micros() as u64);
            hash.add(u64::from(phase.warmup));
        }
        for arrival in self.arrivals.iter().chain(&self.prefill) {
            hash.add(arrival.offset_us);
            hash.add(arrival.work_seed);
            hash.add(u64::from(arrival.phase) << 16 | u64::from(arrival.definition));
            hash.add(arrival.service_us.map_or(u64::MAX, u64::from));
            hash.add(arrival.payload_bytes.map_or(u64::MAX, u64::from));
            // A plan without a hot partition has the digest that it always had.
            arrival.hot.into_iter().for_each(|hot| hash.add(u64::from(hot)));
        }
        format!("{:016x}", hash.0)
    }

    /// The plan in a few lines, for the terminal and the run's directory.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut lines = format!(
            "plan {}, seed {}: {} in {}\n",
            self.digest(),
            self.seed,
            text::counted(self.arrivals_count(), "instance"),
            text::duration(self.duration())
        );
        let all = || self.arrivals.iter().chain(&self.prefill);
        if all().any(|arrival| arrival.hot.is_some()) {
            let hot = all().filter(|arrival| arrival.hot == Some(true)).count() as u64;
            let _ = writeln!(
                lines,
                "  partition {} gets {}",
                keys::HOT,
                text::counted(hot, "instance")
            );
        }
        for phase in &self.phases {
            let when = match phase.kind {
                Arrivals::Prefill => "before the load".to_owned(),
                _ => format!(
                    "{} to {}",
                    text::duration(phase.start),
                    text::duration(phase.start + phase.duration)
                ),
            };
            let warmup = if phase.warmup { ", warm-up" } else { "" };
            let count = text::counted(phase.arrivals_count, "instance");
            // Writing to a String can't fail.
            let _ = writeln!(
                lines,
                "  {}: {}, {when}, {count}{warmup}",
                phase.name, phase.description
            );
        }
        lines
    }
}

/// Place of the definition that a phase names.
fn only_definition(phase: &Phase, workload: &Workload, index: usize) -> Result<Option<u16>, LoadError> {
    let Some(name) = &phase.definition else { return Ok(None) };
    let place = workload.position(name).and_then(|place| u16::try_from(place).ok());
    place.map(Some).ok_or_else(|| {
        let names = workload.definitions.iter().map(|entry| entry.definition.name.as_str());
        let allowed = names.collect::<Vec<_>>().join(", ");
        LoadError::new(
            format!("load[{index}].definition"),
            format!("found {name:?}; allowed are the workload's: {allowed}"),
        )
    })
}

/// FNV-1a over 64-bit words, byte by byte.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, word: u64) {
        for byte in word.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
