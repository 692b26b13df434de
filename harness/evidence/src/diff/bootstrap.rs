//! How far a figure of one run can be trusted: a block bootstrap over the pieces of its phases.
//!
//! Latencies of neighbouring jobs are anything but independent: a queue that one meets, the next meets too. So not jobs but
//! blocks of neighbouring seconds are drawn, with replacement, within each phase; what remains of a figure's spread is turned
//! into an interval with Student's t for the number of blocks. It tells what the seconds of *this* run vary by. What differs
//! from run to run (another start, another neighbour on the machine) it can't know.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::assess::t_975;
use crate::interval::Interval;
use crate::measure::seconds::{PhasePieces, Piece, ln_of};

/// Resamples: enough that the interval's ends move by a few percent of its width from seed to seed.
const RESAMPLES: usize = 400;
/// Fewest pieces of a phase: with fewer there are not four blocks of some length.
pub const PIECES_MIN: usize = 20;
/// Every part of the interval is off by this much: the steps that latencies are kept in.
const STEP: f64 = 0.0025;

/// What is asked of the pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A percentile of dispatch, in per mille.
    Dispatch(u32),
    /// Completions per second.
    Completed,
}

/// The figure's logarithm in every resample, and how many blocks there were to draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Resampled {
    logs: Vec<f64>,
    degrees: usize,
}

/// Draws a figure again and again. Two runs with pieces of the same number and the same `stream` draw the same seconds, so
/// that what one plan does to both cancels out; with another stream the draws are independent.
///
/// # Errors
/// Why the pieces tell nothing.
pub fn resample(phases: &[&PhasePieces], asked: Asked, stream: u64) -> Result<Resampled, String> {
    if phases.is_empty() {
        return Err("no phase has seconds to draw from".to_owned());
    }
    if let Some(short) = phases.iter().find(|phase| phase.pieces.len() < PIECES_MIN) {
        let (name, found) = (&short.name, short.pieces.len());
        return Err(format!(
            "phase {name} has {found} seconds; an interval needs {PIECES_MIN}"
        ));
    }
    let mut random = ChaCha8Rng::seed_from_u64(stream);
    let mut sheet = Sheet::default();
    let mut logs = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        sheet.clear();
        for phase in phases {
            draw(&phase.pieces, phase.piece_s, &mut random, &mut sheet);
        }
        logs.push(sheet.log_of(asked)?);
    }
    let blocks = |phase: &&PhasePieces| phase.pieces.len() / block_length(phase.pieces.len());
    let degrees = phases.iter().map(|phase| blocks(phase) - 1).sum();
    Ok(Resampled { logs, degrees })
}

/// The 95 % interval of one run's figure around its estimate.
#[must_use]
pub fn interval(estimate: f64, of: &Resampled) -> Interval {
    around(estimate, &of.logs, of.degrees)
}

/// The 95 % interval of `of ÷ base` around its estimate.
#[must_use]
pub fn ratio(estimate: f64, base: &Resampled, of: &Resampled) -> Interval {
    let logs: Vec<f64> = of.logs.iter().zip(&base.logs).map(|(of, base)| of - base).collect();
    around(estimate, &logs, base.degrees.min(of.degrees))
}

fn around(estimate: f64, logs: &[f64], degrees: usize) -> Interval {
    let count = logs.len() as f64;
    let mean = logs.iter().sum::<f64>() / count;
    let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0);
    // Blocks that are drawn from themselves vary less than those of the process that they are from.
    let blocks = degrees as f64 + 1.0;
    let half = t_975(degrees) * (variance * blocks / degrees as f64).sqrt() + STEP;
    Interval {
        low: estimate * (-half).exp(),
        high: estimate * half.exp(),
    }
}

/// Neighbouring pieces that are drawn together: √n, between the length of a queue and the number of blocks.
fn block_length(pieces: usize) -> usize {
    (pieces as f64).sqrt().ceil() as usize
}

/// As many pieces as there are, in whole blocks; a block that begins near the end goes on at the beginning.
fn draw(pieces: &[Piece], piece_s: u64, random: &mut ChaCha8Rng, sheet: &mut Sheet) {
    let length = block_length(pieces.len());
    let mut left = pieces.len();
    while left > 0 {
        let from = random.random_range(0..pieces.len());
        for step in 0..length.min(left) {
            sheet.add(&pieces[(from + step) % pieces.len()], piece_s);
        }
        left -= length.min(left);
    }
}

/// The pieces of one resample, added up.
#[derive(Debug, Default)]
struct Sheet {
    counts: Vec<u64>,
    samples: u64,
    censored: u64,
    completed: u64,
    seconds: u64,
}

impl Sheet {
    fn clear(&mut self) {
        self.counts.fill(0);
        (self.samples, self.censored, self.completed, self.seconds) = (0, 0, 0, 0);
    }

    fn add(&mut self, piece: &Piece, piece_s: u64) {
        for (step, count) in &piece.dispatch {
            let step = usize::from(*step);
            if self.counts.len() <= step {
                self.counts.resize(step + 1, 0);
            }
            self.counts[step] += u64::from(*count);
            self.samples += u64::from(*count);
        }
        self.censored += u64::from(piece.censored);
        self.completed += u64::from(piece.completed);
        self.seconds += piece_s;
    }

    fn log_of(&self, asked: Asked) -> Result<f64, String> {
        match asked {
            Asked::Completed if self.completed > 0 => Ok((self.completed as f64 / self.seconds as f64).ln()),
            Asked::Completed => Err("nothing was completed in some of its seconds".to_owned()),
            Asked::Dispatch(per_mille) => self.percentile(per_mille),
        }
    }

    /// Nearest rank; what never started ranks last.
    fn percentile(&self, per_mille: u32) -> Result<f64, String> {
        let all = self.samples + self.censored;
        let rank = (all * u64::from(per_mille)).div_ceil(1_000).max(1);
        let mut below = 0;
        let found = self.counts.iter().position(|count| {
            below += count;
            below >= rank
        });
        found
            .map(|step| ln_of(u16::try_from(step).unwrap_or(u16::MAX)))
            .ok_or_else(|| "its rank may fall among jobs that never started".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::seconds::step_of;

    /// A minute of a queue that wanders: latencies of neighbouring seconds are alike.
    fn wandering(random: &mut ChaCha8Rng, factor: f64) -> PhasePieces {
        let mut level = 0.0_f64;
        let mut piece = || {
            level = 0.6 * level + random.random_range(-0.2..0.2);
            let mut steps: Vec<u16> = (0..40)
                .map(|_| step_of((10_000.0 * factor * (level + random.random_range(0.0..1.0)).exp()) as u64))
                .collect();
            steps.sort_unstable();
            Piece {
                dispatch: steps.into_iter().map(|step| (step, 1)).collect(),
                censored: 0,
                completed: 40,
            }
        };
        PhasePieces {
            name: "steady".to_owned(),
            piece_s: 1,
            pieces: (0..60).map(|_| piece()).collect(),
        }
    }

    fn p50(phase: &PhasePieces, stream: u64) -> (f64, Resampled) {
        let mut sheet = Sheet::default();
        phase.pieces.iter().for_each(|piece| sheet.add(piece, 1));
        let estimate = sheet.percentile(500).unwrap().exp();
        (estimate, resample(&[phase], Asked::Dispatch(500), stream).unwrap())
    }

    #[test]
    fn two_runs_that_are_alike_differ_about_as_seldom_as_the_interval_says() {
        let mut random = ChaCha8Rng::seed_from_u64(11);
        let mut covered = 0;
        for _ in 0..60 {
            let (a, b) = (wandering(&mut random, 1.0), wandering(&mut random, 1.0));
            let ((at, base), (bt, of)) = (p50(&a, 1), p50(&b, 2));
            let found = ratio(bt / at, &base, &of);
            covered += u32::from((found.low..=found.high).contains(&1.0));
        }
        // 95 % of 60 are 57; by chance 53 or fewer once in forty times.
        assert!(covered >= 53, "{covered} of 60");
    }

    #[test]
    fn a_difference_of_a_half_is_found() {
        let mut random = ChaCha8Rng::seed_from_u64(12);
        let (a, b) = (wandering(&mut random, 1.0), wandering(&mut random, 1.5));
        let ((at, base), (bt, of)) = (p50(&a, 1), p50(&b, 2));
        let found = ratio(bt / at, &base, &of);
        assert!(found.low > 1.0 && found.high < 2.2, "{found:?}");
    }

    #[test]
    fn the_same_seconds_are_drawn_of_two_runs_of_one_plan() {
        let mut random = ChaCha8Rng::seed_from_u64(13);
        let a = wandering(&mut random, 1.0);
        let (estimate, base) = p50(&a, 7);
        let (_, same) = p50(&a, 7);
        let nothing = ratio(1.0, &base, &same);
        assert!(nothing.high < 1.003, "{nothing:?}");
        assert!(interval(estimate, &base).high > estimate * 1.02);
    }

    #[test]
    fn what_never_started_and_what_is_short_give_no_interval() {
        let mut random = ChaCha8Rng::seed_from_u64(14);
        let mut phase = wandering(&mut random, 1.0);
        phase.pieces[30].censored = 60;
        let refused = resample(&[&phase], Asked::Dispatch(990), 1).unwrap_err();
        assert!(refused.contains("never started"), "{refused}");
        assert!(resample(&[&phase], Asked::Dispatch(500), 1).is_ok());
        phase.pieces.truncate(12);
        let refused = resample(&[&phase], Asked::Completed, 1).unwrap_err();
        assert_eq!(refused, "phase steady has 12 seconds; an interval needs 20");
    }
}
