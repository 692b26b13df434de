//! Jobs completed per second, by phase and whole, and the capacity that a drained backlog shows.

use std::time::Duration;

use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::Event;

use super::completed_at;
use crate::ledger::Ledger;
use crate::load::Arrivals;
use crate::plan::PlannedPhase;
use crate::result::Throughput;

/// Completions of a phase and the time that they took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Completed {
    count: u64,
    seconds: f64,
    capacity_per_s: Option<f64>,
}

impl Completed {
    pub(super) fn to_throughput(self) -> Throughput {
        Throughput {
            completed_per_s: if self.seconds > 0.0 {
                self.count as f64 / self.seconds
            } else {
                0.0
            },
            capacity_per_s: self.capacity_per_s,
            reference_per_s: None,
        }
    }
}

/// A timed phase counts all completions within its window, cut short where the load was broken off. A prefill counts the
/// completions of its own jobs, from the start of the load to the last of them.
pub(super) fn by_phase(ledger: &Ledger<'_>) -> Vec<Completed> {
    let plan = ledger.evidence().plan;
    let mut drains = vec![Drain::default(); plan.phases.len()];
    let mut finished = Vec::with_capacity(ledger.jobs().len());
    for (place, job) in ledger.jobs().iter().enumerate() {
        let times = ledger.times(place);
        let at = completed_at(job.state, &times);
        finished.extend(at.map(|at| at.0));
        let instance = ledger.instance_of(place);
        if let Some(drain) = drains
            .get_mut(usize::from(instance.phase))
            .filter(|_| instance.prefilled)
        {
            drain.last_completion = drain.last_completion.max(at);
            drain.count += u64::from(at.is_some());
        }
    }
    find_first_claims(ledger, &mut drains);
    finished.sort_unstable();
    let of_phase = |(phase, drain): (&PlannedPhase, &Drain)| match phase.kind {
        Arrivals::Prefill => drain.completed(ledger, &finished),
        _ => within(ledger, phase, &finished),
    };
    plan.phases.iter().zip(&drains).map(of_phase).collect()
}

/// All timed phases but the warm-up and those at rest; for a plan of prefills alone, the prefills. The capacity is the
/// first prefill's.
pub(super) fn whole(ledger: &Ledger<'_>, by_phase: &[Completed]) -> Throughput {
    let phases = || ledger.evidence().plan.phases.iter().zip(by_phase);
    let is_timed = |phase: &PlannedPhase| phase.kind != Arrivals::Prefill;
    let has_timed = phases().any(|(phase, _)| is_timed(phase));
    let loaded = phases().filter(|(phase, _)| !phase.warmup && phase.kind != Arrivals::Idle);
    let counted = loaded.filter(|(phase, _)| is_timed(phase) == has_timed);
    let sum = |total: Completed, (_, one): (&PlannedPhase, &Completed)| Completed {
        count: total.count + one.count,
        seconds: total.seconds + one.seconds,
        capacity_per_s: None,
    };
    Throughput {
        capacity_per_s: by_phase.iter().find_map(|one| one.capacity_per_s),
        reference_per_s: None,
        ..counted.fold(Completed::default(), sum).to_throughput()
    }
}

fn within(ledger: &Ledger<'_>, phase: &PlannedPhase, finished: &[u64]) -> Completed {
    let from = ledger.evidence().origin.plus(phase.start);
    let load_end = ledger.evidence().load_end.unwrap_or_else(|| ledger.end());
    let to = from.plus(phase.duration).min(load_end);
    Completed {
        count: count_between(finished, from, to),
        seconds: to.saturating_since(from).as_secs_f64(),
        capacity_per_s: None,
    }
}

/// Completions in `[from, to)`.
fn count_between(finished: &[u64], from: MonotonicNs, to: MonotonicNs) -> u64 {
    let before = |moment: MonotonicNs| finished.partition_point(|at| *at < moment.0);
    before(to).saturating_sub(before(from)) as u64
}

/// A backlog while it is worked off.
#[derive(Debug, Clone, Copy, Default)]
struct Drain {
    count: u64,
    first_claim: Option<MonotonicNs>,
    last_completion: Option<MonotonicNs>,
}

/// Before the first claim of each backlog: the bracket's early end, so that the capacity is not flattered.
fn find_first_claims(ledger: &Ledger<'_>, drains: &mut [Drain]) {
    let evidence = ledger.evidence();
    if evidence.plan.prefill.is_empty() {
        return;
    }
    for record in evidence.records() {
        let Event::Claimed { key, before } = record.event else {
            continue;
        };
        let Some(instance) = ledger
            .instance_position(key.instance)
            .map(|place| &ledger.instances()[place])
        else {
            continue;
        };
        if let Some(drain) = drains
            .get_mut(usize::from(instance.phase))
            .filter(|_| instance.prefilled)
        {
            drain.first_claim = Some(drain.first_claim.map_or(before, |first| first.min(before)));
        }
    }
}

impl Drain {
    /// The capacity counts every completion between the first claim and the last completion of the backlog, those of
    /// other instances too: the system did that work as well.
    fn completed(&self, ledger: &Ledger<'_>, finished: &[u64]) -> Completed {
        let last = self.last_completion.unwrap_or(ledger.evidence().origin);
        let capacity_per_s = self.first_claim.filter(|first| *first < last).map(|first| {
            let work = count_between(finished, first, last.plus(Duration::from_nanos(1)));
            work as f64 / last.saturating_since(first).as_secs_f64()
        });
        Completed {
            count: self.count,
            seconds: last.saturating_since(ledger.evidence().origin).as_secs_f64(),
            capacity_per_s,
        }
    }
}
