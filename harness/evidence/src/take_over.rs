//! How long nobody led: from a fault on the leading relay to the first row that another process picked up.
//!
//! A leader is known by what it picks up, so this is an upper bound: with no row to pick up, nobody is seen to lead.

use std::time::Duration;

use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::{Event, HistoryFile, Record};

use crate::result::FaultInfo;

/// A link whose faults may end a lead.
const LOCK_LINK: &str = "link:postgres-relay-lock";
/// What a leader had asked for may still come in this long.
const LATE: Duration = Duration::from_secs(1);

/// The faults with their take-over times filled in; a history file is one life of a process.
#[must_use]
pub fn with_take_over(faults: Vec<FaultInfo>, history: &[HistoryFile], origin: MonotonicNs) -> Vec<FaultInfo> {
    // A pass over the whole history, which only a run with faults has to pay for.
    let lives = match faults.iter().any(|fault| fault.took_effect) {
        true => lives(history),
        false => Vec::new(),
    };
    let measured = |fault: FaultInfo| {
        let injected = origin.plus(Duration::try_from_secs_f64(fault.injected_s).unwrap_or_default());
        FaultInfo {
            take_over_s: fault.took_effect.then(|| take_over(&fault, &lives, injected)).flatten(),
            ..fault
        }
    };
    faults.into_iter().map(measured).collect()
}

/// When each process picked rows up.
struct Life<'a> {
    process: &'a str,
    picks: Vec<MonotonicNs>,
}

fn lives(history: &[HistoryFile]) -> Vec<Life<'_>> {
    let is_pick = |record: &Record| matches!(record.event, Event::Picked { .. });
    let lives = history.iter().map(|file| Life {
        process: &file.process,
        picks: file.records().filter(is_pick).map(|record| record.at).collect(),
    });
    lives.collect()
}

/// None if the fault hit nobody who led, or if the same one leads on.
fn take_over(fault: &FaultInfo, lives: &[Life<'_>], injected: MonotonicNs) -> Option<f64> {
    let last_before = |life: &Life<'_>| life.picks.iter().rev().find(|at| **at <= injected).copied();
    let leader = lives
        .iter()
        .enumerate()
        .filter_map(|(place, life)| Some((last_before(life)?, place)))
        .max()?
        .1;
    let was_hit = fault.hit.as_deref() == Some(lives.get(leader)?.process);
    if !was_hit && fault.target != LOCK_LINK {
        return None;
    }
    let others = lives.iter().enumerate().filter(|(place, _)| *place != leader);
    let first = others
        .filter_map(|(_, life)| life.picks.iter().find(|at| **at > injected))
        .min()?;
    let leads_on = lives
        .get(leader)?
        .picks
        .iter()
        .any(|at| *at > injected.plus(LATE) && at < first);
    (!leads_on).then(|| first.saturating_since(injected).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use crossover_proto::history::JobKey;
    use crossover_proto::{InstanceId, JobId};

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn relay(name: &str, seconds: &[u64]) -> HistoryFile {
        let key = JobKey {
            instance: InstanceId(uuid::Uuid::nil()),
            job: JobId(1),
            attempt: 1,
            step: 0,
            ordinal: 0,
        };
        let picked = |at: &u64| Record {
            at: MonotonicNs(at * SECOND),
            event: Event::Picked { key, outbox: 1 },
        };
        HistoryFile::in_memory(name, seconds.iter().map(picked).collect())
    }

    fn fault(target: &str) -> FaultInfo {
        FaultInfo {
            target: target.to_owned(),
            hit: Some("relay-1".to_owned()),
            injected_s: 5.0,
            took_effect: true,
            ..FaultInfo::default()
        }
    }

    fn measured(target: &str, history: &[HistoryFile]) -> Option<f64> {
        with_take_over(vec![fault(target)], history, MonotonicNs(SECOND))[0].take_over_s
    }

    #[test]
    fn it_ends_when_another_process_picks_a_row_up() {
        // The load began at 1 s, so the fault came at 6 s; the old leader still picks up what it had asked for.
        let mut history = [relay("relay-1", &[2, 4, 7]), relay("relay-2", &[8, 9])];
        assert_eq!(measured("relay:leader", &history), Some(2.0));
        assert_eq!(measured("link:postgres-relay-lock", &history), Some(2.0));
        // Another one had led: a standby was hit.
        history[0].process = "relay-3".to_owned();
        assert_eq!(measured("relay:standby", &history), None);
        // The same one leads on after its link is mended; the other comes much later.
        let led_on = [relay("relay-1", &[2, 4, 8, 9]), relay("relay-2", &[30])];
        assert_eq!(measured("link:postgres-relay-lock", &led_on), None);
    }

    #[test]
    fn a_restarted_relay_is_another_life_and_nobody_is_no_time() {
        let restarted = [relay("relay-1", &[2, 5]), relay("relay-1", &[9])];
        assert_eq!(measured("relay:1", &restarted), Some(3.0));
        assert_eq!(measured("relay:1", &[relay("relay-1", &[2, 5])]), None);
        assert_eq!(measured("relay:1", &[relay("relay-1", &[])]), None);
    }
}
