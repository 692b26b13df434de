//! The service that handlers call: what it has counted, and what became of the jobs that called it, by policy.
//!
//! A definition whose handler names a policy calls the service once an attempt, under that policy. It must not judge: that
//! the service's counts agree with the history is the business of `checks`.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::latency::Latency;
use crate::ledger::{Act, Ledger};
use crate::measure::completed_at;
use crate::result::{DownstreamInfo, DownstreamPolicy};
use crate::snapshot::JobState;

/// What the service has counted under one policy since it started. The last five add up to `requests`, but for those under
/// way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PolicyCounts {
    /// Which policy.
    pub policy: String,
    /// Requests that reached it.
    pub requests: u64,
    /// Those of them that came while it was sick.
    pub requests_while_sick: u64,
    /// Served in its usual time.
    pub ok: u64,
    /// Served, and late because it was sick.
    pub slow: u64,
    /// Refused because it was full.
    pub refused: u64,
    /// Failed because it was sick.
    pub failed: u64,
    /// Left by the caller before there was an answer.
    pub abandoned: u64,
}

/// The jobs whose handlers call under one policy, as history and database have them.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    /// Handlers that started.
    pub(crate) started: u64,
    /// Handlers that ended: each has called once.
    pub(crate) ended: u64,
    jobs: u64,
    completed: u64,
    dead_lettered: u64,
    unfinished: u64,
    completion: Latency,
}

/// By policy; every policy of the workload is there.
pub(crate) fn callers<'a>(ledger: &Ledger<'a>) -> BTreeMap<&'a str, Callers> {
    let definitions = ledger.evidence().workload.definitions.iter();
    let calling = definitions.filter_map(|entry| Some((&*entry.definition.name, entry.handler.downstream.as_deref()?)));
    let policies: HashMap<&str, &str> = calling.collect();
    let mut callers: BTreeMap<&str, Callers> = policies.values().map(|policy| (*policy, Callers::default())).collect();
    if policies.is_empty() {
        return callers;
    }
    for place in 0..ledger.jobs().len() {
        let definition = ledger.definition(ledger.instance_of(place));
        let policy = definition.and_then(|definition| policies.get(&*definition.name));
        if let Some(callers) = policy.and_then(|policy| callers.get_mut(policy)) {
            callers.add(ledger, place);
        }
    }
    callers
}

impl Callers {
    fn add(&mut self, ledger: &Ledger<'_>, place: usize) {
        for moment in ledger.moments(place) {
            match moment.act {
                Act::Started => self.started += 1,
                Act::Finished(_) => self.ended += 1,
                _ => {}
            }
        }
        let state = ledger.jobs()[place].state;
        let Some(known) = state else { return };
        self.jobs += 1;
        match known {
            JobState::Completed => {
                self.completed += 1;
                if let Some(at) = completed_at(state, &ledger.times(place)) {
                    self.completion
                        .record(at.saturating_since(ledger.instance_of(place).intended));
                }
            }
            JobState::DeadLetter | JobState::Discarded => self.dead_lettered += 1,
            JobState::Scheduled | JobState::Queued | JobState::Running => {
                self.unfinished += 1;
                self.completion.record_censored();
            }
            JobState::Cancelled => {}
        }
    }
}

/// Both together; `None` for a run without the service, or if nobody could ask it what it had counted.
#[must_use]
pub fn info(ledger: &Ledger<'_>) -> Option<DownstreamInfo> {
    let counts = ledger.evidence().downstream?;
    let while_sick: u64 = counts.iter().map(|counts| counts.requests_while_sick).sum();
    let policy = |(name, callers): (&str, Callers)| {
        let counted = counts
            .iter()
            .find(|counts| counts.policy == name)
            .cloned()
            .unwrap_or_default();
        DownstreamPolicy {
            name: name.to_owned(),
            requests: counted.requests,
            requests_while_sick: counted.requests_while_sick,
            share_while_sick: ratio(counted.requests_while_sick, while_sick),
            ok: counted.ok,
            slow: counted.slow,
            refused: counted.refused,
            failed: counted.failed,
            abandoned: counted.abandoned,
            jobs: callers.jobs,
            completed: callers.completed,
            dead_lettered: callers.dead_lettered,
            unfinished: callers.unfinished,
            requests_per_job: ratio(counted.requests, callers.jobs),
            completion_ms: callers.completion.percentiles(),
        }
    };
    Some(DownstreamInfo {
        policies: callers(ledger).into_iter().map(policy).collect(),
    })
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    fn counts(policy: &str, requests: u64, while_sick: u64) -> PolicyCounts {
        PolicyCounts {
            policy: policy.to_owned(),
            requests,
            requests_while_sick: while_sick,
            ..PolicyCounts::default()
        }
    }

    #[test]
    fn a_policy_has_its_requests_its_share_of_the_sick_time_and_its_jobs() {
        let mut scene = Scene::new(&[1]);
        scene.calls_as("naive");
        scene.start_many(3);
        scene.fail_next(true);
        scene.drain();
        scene.start();
        scene.fail_next(false);
        scene.start();
        scene.downstream = Some(vec![counts("naive", 5, 3), counts("other", 7, 1)]);
        let info = info(&scene.ledger()).unwrap();
        assert_eq!(info.policies.len(), 1, "nobody of this workload calls under the other");
        let naive = &info.policies[0];
        assert_eq!((naive.requests, naive.requests_while_sick), (5, 3));
        assert_eq!(naive.share_while_sick, Some(0.75));
        assert_eq!(
            (naive.jobs, naive.completed, naive.dead_lettered, naive.unfinished),
            (5, 3, 1, 1)
        );
        assert_eq!(naive.requests_per_job, Some(1.0));
        assert_eq!((naive.completion_ms.count, naive.completion_ms.censored), (4, 1));
    }

    #[test]
    fn a_run_without_the_service_has_none_of_it() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        scene.drain();
        assert_eq!(info(&scene.ledger()), None);
        assert!(callers(&scene.ledger()).is_empty());
    }

    #[test]
    fn a_service_that_was_never_sick_has_no_shares() {
        let mut scene = Scene::new(&[1]);
        scene.calls_as("naive");
        scene.downstream = Some(Vec::new());
        let info = info(&scene.ledger()).unwrap();
        assert_eq!(
            (info.policies[0].requests, info.policies[0].share_while_sick),
            (0, None)
        );
    }
}
