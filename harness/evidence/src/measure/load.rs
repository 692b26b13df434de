//! What the generator did: sent, accepted, and how late.

use crate::ledger::{Ledger, Start};
use crate::result::{LoadInfo, SendDelay};

/// An arrival sent later than this after its intended time is late (ns). Far above a timer's jitter, far below the
/// latencies that it would distort.
const LATE_NS: u64 = 10_000_000;

/// Counts cover timed and prefilled arrivals; delays and lateness only the timed ones. An arrival that was never sent
/// is late if the generator went on past its time; if it was broken off before, the arrival was not due.
pub(super) fn info(ledger: &Ledger<'_>) -> LoadInfo {
    let plan = ledger.evidence().plan;
    let origin = ledger.evidence().origin;
    let planned = || ledger.instances().iter().filter(|instance| instance.number.is_some());
    let timed = || planned().filter(|instance| !instance.prefilled);
    let count = |start: Start| planned().filter(|instance| instance.start == start).count() as u64;
    let delay_ns = |instance: &crate::ledger::Instance| Some(instance.sent?.0.saturating_sub(instance.intended.0));
    let mut delays: Vec<u64> = timed().filter_map(delay_ns).collect();
    delays.sort_unstable();
    let sent = planned().filter(|instance| instance.sent.is_some()).count() as u64;
    let last_sent = timed().filter_map(|instance| instance.sent).max().unwrap_or(origin);
    let passed_ns = (last_sent.0.saturating_sub(origin.0)).saturating_sub(LATE_NS);
    let due = plan
        .arrivals
        .partition_point(|arrival| arrival.offset_us * 1_000 < passed_ns);
    let sent_due = timed()
        .filter(|instance| instance.sent.is_some() && instance.number < Some(due as u64))
        .count();
    let missed = due.saturating_sub(sent_due);
    let late = delays.len() - delays.partition_point(|delay| *delay <= LATE_NS) + missed;
    let intended = plan.arrivals_count();
    let accepted = count(Start::Accepted);
    LoadInfo {
        intended,
        sent,
        accepted,
        rejected: count(Start::Rejected),
        unknown: count(Start::Unknown),
        achieved_ratio: if intended == 0 {
            1.0
        } else {
            accepted as f64 / intended as f64
        },
        send_delay_ms: SendDelay {
            p50: at_rank(&delays, 500),
            p99: at_rank(&delays, 990),
            max: at_rank(&delays, 1_000),
        },
        late_share: late as f64 / (delays.len() + missed).max(1) as f64,
    }
}

/// Nearest rank (ms); 0 where nothing was sent.
fn at_rank(sorted_ns: &[u64], per_mille: usize) -> f64 {
    let rank = (sorted_ns.len() * per_mille).div_ceil(1_000);
    rank.checked_sub(1).map_or(0.0, |index| sorted_ns[index] as f64 / 1e6)
}

/// Accepted instances by the phase of their intended time.
pub(super) fn accepted_by_phase(ledger: &Ledger<'_>) -> Vec<u64> {
    let mut accepted = vec![0; ledger.evidence().plan.phases.len()];
    for instance in ledger
        .instances()
        .iter()
        .filter(|instance| instance.start == Start::Accepted)
    {
        if let Some(count) = accepted.get_mut(usize::from(instance.phase)) {
            *count += 1;
        }
    }
    accepted
}
