//! Ledger → figures: latencies, throughput, what the load did, and the series that come from the history.
//!
//! It must not judge. What only samplers know (waits, backlog, lag, CPU) is left empty for the caller to fill in.
//!
//! A sample belongs to the phase of its *intended* time. For a first-step job that is the phase of its arrival; for a
//! later job, the phase in which the commit that created it lies (after the end of the load: the last phase).
//! Everything of a prefilled instance belongs to its prefill, so that a backlog never mixes with an open-loop phase.

mod backlog;
#[cfg(test)]
mod event_driven_tests;
mod latencies;
mod load;
pub mod seconds;
mod series;
mod table;
#[cfg(test)]
mod tests;
mod throughput;
mod waiting;

use crossover_proto::clock::MonotonicNs;

pub(crate) use self::table::job_type;
pub(crate) use self::waiting::{dispatch, dispatch_latency, ready};

use self::latencies::PhaseLatencies;
pub use self::table::{JobRow, job_rows};
use crate::ledger::{JobTimes, Ledger};
use crate::load::Arrivals;
use crate::result::{LatencySet, LoadInfo, PhaseLoad, PhaseResult, Throughput};
use crate::series::Series;
use crate::snapshot::JobState;

/// The figures of a run that come from its history.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// What the generator did.
    pub load: LoadInfo,
    /// In the order of the plan; `waits` and `lock_wait_share` are for the caller.
    pub phases: Vec<PhaseResult>,
    /// Whole run, warm-up excluded: the phases merged by counts.
    pub latency_ms: LatencySet,
    /// Whole run, warm-up excluded.
    pub throughput: Throughput,
    /// Dispatch, intended, accepted, completed and unfinished; the rest is for the caller.
    pub series: Series,
}

impl Measures {
    /// Computes all of them.
    #[must_use]
    pub fn of(ledger: &Ledger<'_>) -> Self {
        let plan = ledger.evidence().plan;
        let by_phase = latencies::by_phase(ledger);
        let mut whole = PhaseLatencies::new(ledger.evidence().mode);
        for (phase, latencies) in plan.phases.iter().zip(&by_phase) {
            if !phase.warmup {
                whole.merge(latencies);
            }
        }
        let throughputs = throughput::by_phase(ledger);
        let accepted = load::accepted_by_phase(ledger);
        let backlogs = backlog::by_phase(ledger);
        let phase_results = plan
            .phases
            .iter()
            .zip(by_phase)
            .zip(&throughputs)
            .zip(accepted)
            .zip(backlogs);
        let phases = phase_results.map(|((((phase, latencies), completed), accepted), backlog)| {
            let duration_s = phase.duration.as_secs_f64();
            let timed = phase.kind != Arrivals::Prefill;
            PhaseResult {
                name: phase.name.clone(),
                arrivals: phase.description.clone(),
                warmup: phase.warmup,
                start_s: phase.start.as_secs_f64(),
                duration_s,
                load: PhaseLoad {
                    intended: phase.arrivals_count,
                    accepted,
                    intended_per_s: if timed {
                        phase.arrivals_count as f64 / duration_s
                    } else {
                        0.0
                    },
                },
                latency_ms: latencies.to_set(),
                throughput: completed.to_throughput(),
                waits: Vec::new(),
                lock_wait_share: None,
                lock_looks: None,
                backlog,
            }
        });
        Self {
            load: load::info(ledger),
            phases: phases.collect(),
            latency_ms: whole.to_set(),
            throughput: throughput::whole(ledger, &throughputs),
            series: series::of(ledger),
        }
    }
}

/// When a job was completed, for counting: the answer to its report, or, where that never came and the database says
/// that it is completed, the end of its handler.
pub(crate) fn completed_at(state: Option<JobState>, times: &JobTimes) -> Option<MonotonicNs> {
    let unanswered = if state == Some(JobState::Completed) {
        times.succeeded
    } else {
        None
    };
    times.completed.or(unanswered)
}
