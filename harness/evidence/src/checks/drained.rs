//! `drained`: after the load, all work was done, and not merely given time.
//!
//! A run that gave up on its drain is *stuck* if open work is left and nothing moved it for so long that the engine's own
//! means (leases that run out, jobs sent again, retries that fall due) must have: that is a failure. One that was cut
//! short, or still moved, shows nothing either way.
//!
//! A move is a step towards the end of a job: begun, started, ended, its report counted. That the relay sends, or a worker
//! receives, is none, since a record may be sent and received for ever.

use std::time::Duration;

use crossover_proto::clock::MonotonicNs;
use crossover_proto::definition::JobSpec;
use crossover_proto::history::{Event, Outcome};

use super::{Check, Drain, Example, Examples, fail, pass, unknown};
use crate::ledger::{Act, Ledger, Moment};
use crate::load::{HandlerSpec, Service};
use crate::snapshot::JobState;
use crate::text::{counted, duration};

const NAME: &str = "drained";

/// How the drain ended.
pub(super) enum Ending {
    Done,
    CutShort,
    /// Open work is left, and something still moved or may move.
    Moving(String),
    /// Open work is left for good.
    Stuck(String),
}

impl Ending {
    pub(super) fn of(ledger: &Ledger<'_>, drain: Drain) -> Self {
        match drain {
            Drain::Done => Self::Done,
            Drain::CutShort => Self::CutShort,
            Drain::GaveUp { end, patience } => judge(ledger, end, patience),
        }
    }

    /// Nothing more would have come: what is left is left for good.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Done | Self::Stuck(_))
    }
}

/// Work that is left.
#[derive(Debug, Default)]
struct Open {
    queued: Examples,
    running: Examples,
    waiting: Examples,
    pending: u64,
}

impl Open {
    fn of(ledger: &Ledger<'_>) -> Self {
        let mut open = Self::default();
        for (place, job) in ledger.jobs().iter().enumerate() {
            match job.state {
                Some(JobState::Queued) => open.queued.add(Example::Job(place)),
                Some(JobState::Running) => open.running.add(Example::Job(place)),
                Some(JobState::Scheduled) => open.waiting.add(Example::Job(place)),
                _ => {}
            }
        }
        let rows = &ledger.evidence().snapshot.outbox;
        open.pending = rows.iter().filter(|row| !row.sent).count() as u64;
        open
    }

    fn told(&self) -> String {
        let parts = [
            (self.queued.count(), "job", "queued"),
            (self.running.count(), "job", "running"),
            (self.waiting.count(), "job", "waiting for its time"),
            (self.pending, "outbox row", "still to be sent"),
        ];
        let left = parts.iter().filter(|(count, _, _)| *count > 0);
        let told = left.map(|(count, what, state)| format!("{} {state}", counted(*count, what)));
        told.collect::<Vec<_>>().join(", ")
    }

    fn stories(&self, ledger: &Ledger<'_>) -> Vec<String> {
        let kinds = [&self.queued, &self.running, &self.waiting];
        kinds.into_iter().flat_map(|kind| kind.stories(ledger)).collect()
    }
}

pub(super) fn check(ledger: &Ledger<'_>, ending: &Ending) -> Check {
    match ending {
        Ending::Done => pass(
            NAME,
            "no job was left to do, and no message to send, when the run ended".to_owned(),
        ),
        Ending::CutShort => unknown(NAME, "the run was broken off before its work was done".to_owned()),
        Ending::Moving(detail) => unknown(NAME, detail.clone()),
        Ending::Stuck(detail) => fail(NAME, detail.clone(), Open::of(ledger).stories(ledger)),
    }
}

fn judge(ledger: &Ledger<'_>, end: MonotonicNs, patience: Duration) -> Ending {
    let open = Open::of(ledger);
    let left = open.told();
    if left.is_empty() {
        return Ending::Moving("the time was up, though no job was left to do: starts were not settled".to_owned());
    }
    // Jobs that wait for their time are overdue only after the longest wait that the workload knows.
    let only_waiting = open.queued.count() + open.running.count() + open.pending == 0;
    let patience = patience
        + if only_waiting {
            longest_wait(ledger)
        } else {
            Duration::ZERO
        };
    let quiet = end.saturating_since(last_move(ledger, end));
    let (quiet_told, patience_told) = (whole_seconds(quiet), whole_seconds(patience));
    if quiet < patience {
        return Ending::Moving(format!(
            "the time was up with {left}; the last move was {quiet_told} before that, and stuck is what does not move for \
             {patience_told}"
        ));
    }
    if handler_under_way(ledger, end, patience) {
        return Ending::Moving(format!("the time was up with {left}; a handler was under way"));
    }
    Ending::Stuck(format!(
        "stuck: {left}, and nothing moved in the last {quiet_told}; leases, retries and lost messages take {patience_told} \
         at most"
    ))
}

fn whole_seconds(length: Duration) -> String {
    duration(Duration::from_secs(length.as_secs()))
}

/// The last step of any job towards its end, up to the end of the drain; the start of the load if there was none.
fn last_move(ledger: &Ledger<'_>, end: MonotonicNs) -> MonotonicNs {
    let moves = ledger.evidence().records().filter(|record| match record.event {
        Event::Answered { outcome, .. } | Event::Reported(_, outcome) => {
            matches!(outcome, Outcome::Done | Outcome::Already)
        }
        Event::Created { .. } | Event::Claimed { .. } | Event::Started(_) | Event::Finished(..) => true,
        Event::Sent { .. } | Event::Picked { .. } | Event::Acked { .. } | Event::Received(_) => false,
    });
    let times = moves.map(|record| record.at).filter(|at| *at <= end);
    times.max().unwrap_or(ledger.evidence().origin)
}

/// Is a running job's handler at work, and not longer than the workload's handlers take? One that is was in a worker
/// that died.
fn handler_under_way(ledger: &Ledger<'_>, end: MonotonicNs, patience: Duration) -> bool {
    let longest = longest_handler(ledger) + patience;
    let running = ledger.jobs().iter().enumerate();
    running
        .filter(|(_, job)| job.state == Some(JobState::Running))
        .any(|(place, job)| {
            let is_own = |moment: &&Moment| {
                moment.attempt == job.attempt && matches!(moment.act, Act::Started | Act::Finished(_))
            };
            let last = ledger.moments(place).iter().rfind(is_own);
            last.is_some_and(|last| last.act == Act::Started && end.saturating_since(last.at) < longest)
        })
}

fn longest_handler(ledger: &Ledger<'_>) -> Duration {
    let evidence = ledger.evidence();
    let drawn = evidence
        .workload
        .definitions
        .iter()
        .map(|entry| longest_draw(&entry.handler));
    let arrivals = evidence.plan.arrivals.iter().chain(&evidence.plan.prefill);
    let traced = arrivals.filter_map(|arrival| Some(Duration::from_micros(u64::from(arrival.service_us?))));
    drawn.chain(traced).max().unwrap_or_default()
}

/// What a handler takes at most, but for one draw in many millions.
fn longest_draw(handler: &HandlerSpec) -> Duration {
    let factor = match handler.service {
        Service::None | Service::Constant => 1.0,
        Service::Exponential => 20.0,
        Service::Lognormal => (5.5 * handler.sigma - handler.sigma.powi(2) / 2.0).exp(),
    };
    Duration::try_from_secs_f64(handler.mean.as_secs_f64() * factor).unwrap_or(Duration::MAX / 4)
}

fn longest_wait(ledger: &Ledger<'_>) -> Duration {
    let definitions = ledger.evidence().workload.definitions.iter();
    let jobs = definitions.flat_map(|entry| entry.definition.steps.iter().flat_map(|step| &step.jobs));
    jobs.map(|job: &JobSpec| job.delay.max(job.retry.max_backoff))
        .max()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Verdict;
    use crate::scene::{ORIGIN, Scene};

    const PATIENCE: Duration = Duration::from_secs(35);

    /// The check of a run whose drain gave up this many seconds after the start of the load.
    fn given_up(scene: &Scene, seconds: u64) -> Check {
        let ledger = scene.ledger();
        let end = ORIGIN.plus(Duration::from_secs(seconds));
        let drain = Drain::GaveUp {
            end,
            patience: PATIENCE,
        };
        check(&ledger, &Ending::of(&ledger, drain))
    }

    #[test]
    fn jobs_that_nothing_moves_are_stuck_and_one_that_moved_lately_is_not() {
        let mut scene = Scene::new(&[2]);
        scene.start();
        let stuck = given_up(&scene, 60);
        assert_eq!(stuck.verdict, Verdict::Fail, "{stuck:?}");
        assert!(
            stuck
                .detail
                .starts_with("stuck: 2 jobs queued, and nothing moved in the last"),
            "{}",
            stuck.detail
        );
        assert!(!stuck.story.is_empty());
        assert_eq!(given_up(&scene, 20).verdict, Verdict::Unknown);
    }

    #[test]
    fn a_row_that_is_sent_and_received_for_ever_is_no_move() {
        let mut scene = Scene::event_driven(&[1]);
        scene.start();
        scene.relay();
        scene.wait(Duration::from_secs(50));
        scene.redispatch(0);
        scene.relay();
        assert_eq!(given_up(&scene, 60).verdict, Verdict::Fail);
        scene.snapshot.jobs.clear();
        scene.snapshot.outbox.iter_mut().for_each(|row| row.sent = false);
        let pending = given_up(&scene, 60);
        assert!(
            pending.detail.starts_with("stuck: 2 outbox rows still to be sent"),
            "{}",
            pending.detail
        );
    }

    #[test]
    fn a_handler_under_way_is_no_standstill_unless_its_worker_must_be_dead() {
        let mut scene = Scene::new(&[1]);
        scene.workload.definitions[0].handler = HandlerSpec {
            service: Service::Constant,
            mean: Duration::from_secs(50),
            ..HandlerSpec::default()
        };
        scene.start();
        scene.claim_next(0);
        scene.advance(0, Outcome::Done);
        scene.advance(0, Outcome::Done);
        assert_eq!(given_up(&scene, 60).verdict, Verdict::Unknown);
        assert_eq!(given_up(&scene, 90).verdict, Verdict::Fail);
    }

    #[test]
    fn jobs_that_wait_for_their_time_are_stuck_only_past_the_longest_wait() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        scene.snapshot.jobs[0].state = JobState::Scheduled;
        assert_eq!(given_up(&scene, 60).verdict, Verdict::Unknown);
        assert_eq!(given_up(&scene, 70).verdict, Verdict::Fail);
    }

    #[test]
    fn a_run_that_was_cut_short_shows_nothing_and_a_drained_one_passes() {
        let mut scene = Scene::new(&[1]);
        scene.start();
        let ledger = scene.ledger();
        let verdict = |drain| check(&ledger, &Ending::of(&ledger, drain)).verdict;
        assert_eq!(verdict(Drain::CutShort), Verdict::Unknown);
        assert_eq!(verdict(Drain::Done), Verdict::Pass);
    }
}
