//! Unavailability: the stretches in which an operation was called and no call succeeded, whoever called.
//!
//! | operation | called | succeeded |
//! |---|---|---|
//! | `start` | a start was sent | it was answered as accepted, if only after asking again |
//! | `begin` | a job was ready | a worker had its lease (polling: the claim; event-driven: the begin) |
//! | `complete` | a handler had ended | the engine answered the report |
//!
//! A stretch begins with the first call that waits, or with the last success if some waited on, and ends with the next
//! success. Those shorter than [`LEAST`] are what every system has, and count for nothing. A call whose caller died or was
//! refused waits for nobody.

use std::time::Duration;

use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::Outcome;

use crate::ledger::{Act, Job, Ledger, Moment, Start};
use crate::measure::ready;
use crate::result::{FaultInfo, Unavailability};
use crate::snapshot::JobState;

/// Twice the usual interval of polls, in which nothing is claimed by design.
const LEAST: Duration = Duration::from_secs(1);

/// A call: when it was made, and when it succeeded, if it ever did.
pub(crate) type Call = (MonotonicNs, Option<MonotonicNs>);

/// From, to.
pub(crate) type Window = (MonotonicNs, MonotonicNs);

/// The windows of each operation.
#[derive(Debug, Clone)]
pub struct Windows(Vec<(&'static str, Vec<Window>)>);

impl Windows {
    /// Finds them.
    #[must_use]
    pub fn of(ledger: &Ledger<'_>) -> Self {
        let of = |name, calls| (name, windows(calls, ledger.end(), LEAST));
        Self(vec![
            of("start", starts(ledger)),
            of("begin", begins(ledger)),
            of("complete", completions(ledger)),
        ])
    }

    /// Of the whole run, an entry for each operation.
    #[must_use]
    pub fn whole(&self) -> Vec<Unavailability> {
        self.0.iter().map(|(name, windows)| summary(name, windows)).collect()
    }

    /// The faults with the windows that lie, in part at least, between their injection and the next one's; operations that
    /// had none are left out.
    #[must_use]
    pub fn with_faults(&self, faults: Vec<FaultInfo>, origin: MonotonicNs) -> Vec<FaultInfo> {
        let spans = spans_of(&faults, origin);
        let with = |(fault, span): (FaultInfo, Window)| {
            let within = self
                .0
                .iter()
                .map(|(name, windows)| summary(name, &clipped(windows, span)));
            FaultInfo {
                unavailable: within.filter(|one| one.windows > 0).collect(),
                ..fault
            }
        };
        faults.into_iter().zip(spans).map(with).collect()
    }
}

/// Each fault's time: from its injection to that of the next one.
pub(crate) fn spans_of(faults: &[FaultInfo], origin: MonotonicNs) -> Vec<Window> {
    let injected = |fault: &FaultInfo| origin.plus(Duration::try_from_secs_f64(fault.injected_s).unwrap_or_default());
    let next = |from: MonotonicNs| faults.iter().map(injected).filter(|at| *at > from).min();
    let span = |fault| {
        let from = injected(fault);
        (from, next(from).unwrap_or(MonotonicNs(u64::MAX)))
    };
    faults.iter().map(span).collect()
}

/// The parts of windows within a span.
pub(crate) fn clipped(windows: &[Window], (from, to): Window) -> Vec<Window> {
    let cut = windows.iter().map(|window| (window.0.max(from), window.1.min(to)));
    cut.filter(|window| window.0 < window.1).collect()
}

/// How long the longest is, and all together (s).
pub(crate) fn longest_and_total_s(windows: &[Window]) -> (f64, f64) {
    let lengths = windows
        .iter()
        .map(|(from, to)| to.saturating_since(*from).as_secs_f64());
    lengths.fold((0.0, 0.0), |(longest, total), one| {
        (f64::max(longest, one), total + one)
    })
}

fn summary(name: &str, windows: &[Window]) -> Unavailability {
    let (longest_s, total_s) = longest_and_total_s(windows);
    Unavailability {
        name: name.to_owned(),
        windows: windows.len() as u64,
        longest_s,
        total_s,
    }
}

/// The stretches of at least `least` in which calls waited and none succeeded.
pub(crate) fn windows(calls: Vec<Call>, end: MonotonicNs, least: Duration) -> Vec<Window> {
    // A moment and whether it is a success in one number: of a long run there are millions. A call that succeeds at once is made
    // before it succeeds.
    let moment = |at: MonotonicNs, succeeded: bool| at.0 << 1 | u64::from(succeeded);
    let mut moments: Vec<u64> = Vec::with_capacity(2 * calls.len());
    for (from, succeeded) in calls {
        moments.push(moment(from, false));
        moments.extend(succeeded.map(|at| moment(at.max(from), true)));
    }
    moments.sort_unstable();
    let mut found = Vec::new();
    let mut add = |from: MonotonicNs, to: MonotonicNs| {
        if to.saturating_since(from) >= least {
            found.push((from, to));
        }
    };
    let (mut waiting, mut since) = (0_u64, None);
    for moment in moments {
        let (at, succeeded) = (MonotonicNs(moment >> 1), moment & 1 == 1);
        if !succeeded {
            waiting += 1;
            since.get_or_insert(at);
            continue;
        }
        if let Some(from) = since {
            add(from, at);
        }
        waiting -= 1;
        since = (waiting > 0).then_some(at);
    }
    if let Some(from) = since {
        add(from, end.max(from));
    }
    found
}

fn starts(ledger: &Ledger<'_>) -> Vec<Call> {
    let timed = ledger.instances().iter().filter(|instance| !instance.prefilled);
    let waits = timed.filter(|instance| instance.start != Start::Rejected);
    waits
        .filter_map(|instance| Some((instance.sent?, instance.accepted)))
        .collect()
}

fn begins(ledger: &Ledger<'_>) -> Vec<Call> {
    let mut calls = Vec::with_capacity(ledger.jobs().len());
    for (place, job) in ledger.jobs().iter().enumerate() {
        let begun = begins_of(ledger.moments(place));
        let ready = ready(ledger, place).map(|(at, _)| at);
        calls.extend(calls_of(ready.filter(|_| is_open(job) || !begun.is_empty()), &begun));
    }
    calls
}

/// Somebody still waits for it.
pub(crate) fn is_open(job: &Job) -> bool {
    matches!(job.state, Some(JobState::Queued | JobState::Running))
}

/// Every begin of a job, retries and repeats too.
pub(crate) fn begins_of(moments: &[Moment]) -> Vec<MonotonicNs> {
    let begun = moments.iter().filter(|moment| moment.act == Act::Claimed);
    begun.map(|moment| moment.at).collect()
}

/// The first success ends the wait; the later ones are successes too.
pub(crate) fn calls_of(from: Option<MonotonicNs>, successes: &[MonotonicNs]) -> impl Iterator<Item = Call> {
    let later = successes.iter().skip(usize::from(from.is_some()));
    from.map(|from| (from, successes.first().copied()))
        .into_iter()
        .chain(later.map(|at| (*at, Some(*at))))
}

fn completions(ledger: &Ledger<'_>) -> Vec<Call> {
    let answered = |moments: &[Moment], ended: usize| {
        let own = &moments[ended];
        let is_answer = |moment: &&Moment| {
            (moment.attempt, moment.process) == (own.attempt, own.process)
                && matches!(moment.act, Act::Reported(outcome) if outcome != Outcome::Unknown)
        };
        moments[ended..].iter().find(is_answer).map(|moment| moment.at)
    };
    let mut calls = Vec::with_capacity(ledger.jobs().len());
    for (place, job) in ledger.jobs().iter().enumerate() {
        let moments = ledger.moments(place);
        let ends = moments.iter().enumerate();
        let ends = ends.filter(|(_, moment)| matches!(moment.act, Act::Finished(_)));
        // A report that was never answered, of a job that another attempt brought to its end, waits for nobody any more.
        let calls_of = |(index, moment): (usize, &Moment)| {
            let answer = answered(moments, index);
            (answer.is_some() || is_open(job)).then_some((moment.at, answer))
        };
        calls.extend(ends.filter_map(calls_of));
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{ORIGIN, Scene};

    const SECOND: u64 = 1_000_000_000;

    fn found(calls: &[(u64, Option<u64>)]) -> Vec<(u64, u64)> {
        let at = |seconds: u64| MonotonicNs(seconds * SECOND);
        let calls = calls.iter().map(|(from, to)| (at(*from), to.map(at))).collect();
        let windows = windows(calls, at(100), LEAST);
        windows
            .iter()
            .map(|(from, to)| (from.0 / SECOND, to.0 / SECOND))
            .collect()
    }

    #[test]
    fn a_window_is_from_the_first_call_that_waits_to_the_next_success() {
        assert_eq!(found(&[(1, Some(1)), (3, Some(9)), (4, Some(9))]), [(3, 9)]);
        assert_eq!(
            found(&[(3, Some(5)), (3, Some(9))]),
            [(3, 5), (5, 9)],
            "one waits on after a success"
        );
        assert_eq!(found(&[(1, Some(1)), (50, Some(50))]), [], "nobody called in between");
        assert_eq!(found(&[(3, None)]), [(3, 100)], "to the end");
        assert_eq!(found(&[]), []);
    }

    #[test]
    fn a_call_that_waits_while_others_succeed_is_slow_and_no_outage() {
        let others = (0..100).map(|tenth| {
            let at = MonotonicNs(tenth * SECOND / 10);
            (at, Some(at))
        });
        let slow = (MonotonicNs(0), Some(MonotonicNs(9 * SECOND)));
        assert_eq!(windows(others.chain([slow]).collect(), MonotonicNs(0), LEAST), []);
    }

    fn whole(scene: &Scene) -> Vec<(String, u64, u64)> {
        let whole = Windows::of(&scene.ledger()).whole().into_iter();
        whole.map(|one| (one.name, one.windows, one.longest_s as u64)).collect()
    }

    fn three(windows: [(u64, u64); 3]) -> Vec<(String, u64, u64)> {
        let names = ["start", "begin", "complete"].map(str::to_owned).into_iter();
        names
            .zip(windows)
            .map(|(name, (count, longest))| (name, count, longest))
            .collect()
    }

    #[test]
    fn each_operation_has_windows_of_its_own() {
        let mut scene = Scene::new(&[1]);
        scene.start_many(3);
        scene.drain();
        assert_eq!(whole(&scene), three([(0, 0); 3]), "all is well");
        scene.start();
        scene.wait(Duration::from_secs(4));
        scene.drain();
        assert_eq!(whole(&scene), three([(0, 0), (1, 4), (0, 0)]), "nobody claimed");
    }

    #[test]
    fn a_fault_has_what_lies_between_it_and_the_next_one() {
        let mut scene = Scene::event_driven(&[1]);
        scene.start();
        scene.wait(Duration::from_secs(6));
        scene.drain();
        let fault = |injected_s| FaultInfo {
            injected_s,
            ..FaultInfo::default()
        };
        let windows = Windows::of(&scene.ledger());
        let faults = windows.with_faults(vec![fault(2.0), fault(5.0), fault(20.0)], ORIGIN);
        let lengths = |fault: &FaultInfo| {
            let all = fault.unavailable.iter();
            all.map(|one| (one.name.clone(), one.total_s.round() as u64))
                .collect::<Vec<_>>()
        };
        assert_eq!(lengths(&faults[0]), [("begin".to_owned(), 3)]);
        assert_eq!(lengths(&faults[1]), [("begin".to_owned(), 1)]);
        assert_eq!(lengths(&faults[2]), []);
    }
}
