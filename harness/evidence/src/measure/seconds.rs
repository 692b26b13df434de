//! The measured phases in pieces of a second or more: what a block bootstrap draws from.
//!
//! It owns how samples are cut into pieces; it must not judge what they tell. A piece holds the dispatch samples whose
//! intended time lies in it, coarsely (within half a percent), and the completions that it saw. Warm-ups and prefills have
//! none: the first are not measured, and all jobs of the second were due at one moment.

use super::{completed_at, waiting};
use crate::ledger::Ledger;
use crate::load::Arrivals;

/// Most pieces of a phase: beyond it, a piece is longer than a second.
const PIECES_MAX: u64 = 600;
/// From the lower to the upper end of a step of latency: what is resampled is off by no more than this.
const STEP: f64 = 1.005;

/// A measured phase in pieces of equal length.
#[derive(Debug, Clone, PartialEq)]
pub struct PhasePieces {
    /// The phase's name.
    pub name: String,
    /// Length of a piece (s); the last one may be longer, by less than another piece.
    pub piece_s: u64,
    /// In order of time.
    pub pieces: Vec<Piece>,
}

/// What one piece of a phase brought.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Piece {
    /// Steps of latency and how many samples fell on each, ascending.
    pub dispatch: Vec<(u16, u32)>,
    /// Samples that never started.
    pub censored: u32,
    /// Jobs completed in it.
    pub completed: u32,
}

/// The step that a latency falls on.
#[must_use]
pub fn step_of(micros: u64) -> u16 {
    ((micros.max(1) as f64).ln() / STEP.ln())
        .round()
        .min(f64::from(u16::MAX)) as u16
}

/// Natural logarithm of a step's latency (µs).
#[must_use]
pub fn ln_of(step: u16) -> f64 {
    f64::from(step) * STEP.ln()
}

/// All measured phases in which jobs can be due at more than one moment.
#[must_use]
pub fn pieces(ledger: &Ledger<'_>) -> Vec<PhasePieces> {
    let plan = ledger.evidence().plan;
    let mut cuts: Vec<Cut> = plan.phases.iter().map(Cut::new).collect();
    for (place, job) in ledger.jobs().iter().enumerate() {
        let times = ledger.times(place);
        if let Some(sample) = waiting::dispatch(ledger, place, &times)
            && let Some(cut) = cuts.get_mut(waiting::phase(ledger, place, &times))
        {
            let latency = sample
                .started
                .map(|at| at.saturating_since(sample.intended).as_micros());
            let latency = latency.map(|micros| u64::try_from(micros).unwrap_or(u64::MAX));
            cut.add(ledger.offset_us(sample.intended), latency);
        }
        if let Some(at) = completed_at(job.state, &times) {
            let offset = ledger.offset_us(at);
            if let Some(cut) = cuts.iter_mut().find(|cut| cut.holds(offset)) {
                cut.complete(offset);
            }
        }
    }
    cuts.into_iter().filter_map(Cut::finish).collect()
}

/// A phase while its pieces are filled.
struct Cut {
    name: String,
    start_us: u64,
    end_us: u64,
    piece_s: u64,
    samples: Vec<Vec<u16>>,
    pieces: Vec<Piece>,
}

impl Cut {
    fn new(phase: &crate::plan::PlannedPhase) -> Self {
        let measured = !phase.warmup && !matches!(phase.kind, Arrivals::Prefill | Arrivals::Idle);
        let seconds = if measured { phase.duration.as_secs() } else { 0 };
        let piece_s = seconds.div_ceil(PIECES_MAX).max(1);
        let count = usize::try_from(seconds / piece_s).unwrap_or(0);
        let micros = |duration: std::time::Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self {
            name: phase.name.clone(),
            start_us: micros(phase.start),
            end_us: micros(phase.start + phase.duration),
            piece_s,
            samples: vec![Vec::new(); count],
            pieces: vec![Piece::default(); count],
        }
    }

    fn holds(&self, offset_us: u64) -> bool {
        !self.pieces.is_empty() && (self.start_us..self.end_us).contains(&offset_us)
    }

    /// The piece that a moment lies in; what lies outside goes to the nearest. `None` if there is no piece.
    fn piece(&self, offset_us: u64) -> Option<usize> {
        let last = self.pieces.len().checked_sub(1)?;
        let at = offset_us.saturating_sub(self.start_us) / (self.piece_s * 1_000_000);
        Some(usize::try_from(at).unwrap_or(last).min(last))
    }

    fn add(&mut self, offset_us: u64, latency_us: Option<u64>) {
        match (self.piece(offset_us), latency_us) {
            (Some(piece), Some(micros)) => self.samples[piece].push(step_of(micros)),
            (Some(piece), None) => self.pieces[piece].censored += 1,
            (None, _) => {}
        }
    }

    fn complete(&mut self, offset_us: u64) {
        if let Some(piece) = self.piece(offset_us) {
            self.pieces[piece].completed += 1;
        }
    }

    fn finish(mut self) -> Option<PhasePieces> {
        for (piece, samples) in self.pieces.iter_mut().zip(&mut self.samples) {
            samples.sort_unstable();
            let steps = samples.chunk_by(|a, b| a == b);
            piece.dispatch = steps
                .map(|step| (step[0], u32::try_from(step.len()).unwrap_or(u32::MAX)))
                .collect();
        }
        (!self.pieces.is_empty()).then_some(PhasePieces {
            name: self.name,
            piece_s: self.piece_s,
            pieces: self.pieces,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    #[test]
    fn every_measured_sample_and_completion_lies_in_one_piece() {
        let mut scene = Scene::new(&[1, 2]);
        scene.start();
        scene.drain();
        let measures = scene.measures();
        let ledger = scene.ledger();
        let phases = pieces(&ledger);
        let all = phases.iter().flat_map(|phase| &phase.pieces);
        let samples: u32 = all
            .clone()
            .flat_map(|piece| &piece.dispatch)
            .map(|(_, count)| count)
            .sum();
        let completed: u32 = all.map(|piece| piece.completed).sum();
        assert_eq!(u64::from(samples), measures.latency_ms.dispatch.count);
        assert_eq!(completed, 3);
    }

    #[test]
    fn a_step_is_within_half_a_percent_of_its_latency() {
        for micros in [1_u64, 7, 950, 12_345, 3_600_000_000] {
            let near = ln_of(step_of(micros)).exp() / micros as f64;
            assert!((0.9975..1.0026).contains(&near), "{micros}: {near}");
        }
    }
}
