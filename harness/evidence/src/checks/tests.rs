//! All checkers over random runs: every good one passes, every planted fault is found.

use std::time::{Duration, Instant};

use crossover_proto::JobId;
use crossover_proto::history::{HistoryFile, Outcome};
use proptest::prelude::*;

use super::*;
use crate::measure::Measures;
use crate::scene::{Scene, constant};
use crate::snapshot::AuditEvent;

/// Something that happens to a run; numbers choose among what is there.
#[derive(Debug, Clone, Copy)]
enum Step {
    Start,
    StartUnknown,
    Claim(usize),
    Advance(usize, Outcome),
    Die(usize),
    Expire(usize),
    Promote,
    Release(usize),
    ReportUnanswered(usize),
    Cancel(usize),
    Relay,
    RelayDies,
    Redispatch(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        12 => Just(Outcome::Done),
        2 => Just(Outcome::Transient),
        1 => Just(Outcome::Permanent),
    ];
    prop_oneof![
        4 => Just(Step::Start),
        1 => Just(Step::StartUnknown),
        8 => (0usize..2).prop_map(Step::Claim),
        30 => (any::<usize>(), outcome).prop_map(|(n, outcome)| Step::Advance(n, outcome)),
        1 => any::<usize>().prop_map(Step::Die),
        1 => any::<usize>().prop_map(Step::Expire),
        1 => Just(Step::Promote),
        1 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::ReportUnanswered),
        1 => any::<usize>().prop_map(Step::Cancel),
        2 => Just(Step::Relay),
        1 => Just(Step::RelayDies),
        1 => any::<usize>().prop_map(Step::Redispatch),
    ]
}

impl Step {
    fn apply(self, scene: &mut Scene) {
        let executions = scene.executions.len();
        match self {
            Self::Start => scene.start_many(1).clear(),
            Self::StartUnknown => scene.start_settled_by_repeat(),
            Self::Claim(worker) => drop(scene.claim_next(worker)),
            Self::Promote => scene.promote(),
            Self::Relay => scene.relay(),
            Self::RelayDies => scene.relay_dies(),
            Self::Redispatch(n) if !scene.snapshot.jobs.is_empty() => scene.redispatch(n % scene.snapshot.jobs.len()),
            Self::Expire(n) if !scene.snapshot.jobs.is_empty() => scene.expire(n % scene.snapshot.jobs.len()),
            Self::Cancel(n) if !scene.snapshot.instances.is_empty() => {
                scene.cancel(scene.snapshot.instances[n % scene.snapshot.instances.len()].id);
            }
            Self::Advance(n, outcome) if executions > 0 => scene.advance(n % executions, outcome),
            Self::Die(n) if executions > 0 => scene.executions.truncate(n % executions),
            Self::Release(n) if executions > 0 => scene.release(n % executions),
            Self::ReportUnanswered(n) if executions > 0 => scene.report_unanswered(n % executions),
            _ => {}
        }
    }
}

/// A run with all kinds of trouble, drained, in either mode.
fn run() -> impl Strategy<Value = Scene> {
    let widths = proptest::collection::vec(1u32..4, 1..4);
    (widths, proptest::collection::vec(step(), 1..300), any::<bool>()).prop_map(|(widths, steps, event_driven)| {
        let mut scene = if event_driven {
            Scene::event_driven(&widths)
        } else {
            Scene::new(&widths)
        };
        scene.start();
        steps.into_iter().for_each(|step| step.apply(&mut scene));
        // At least one instance completes untroubled.
        scene.start();
        scene.drain();
        scene
    })
}

fn verdict(judgement: &Judgement, name: &str) -> Verdict {
    judgement
        .checks
        .iter()
        .find(|check| check.name == name)
        .unwrap()
        .verdict
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_good_run_passes_every_check_whatever_happened_in_it(scene in run()) {
        let judgement = scene.judge(false);
        for check in &judgement.checks {
            prop_assert_eq!(check.verdict, Verdict::Pass, "{:#?}", check);
        }
        let info = judgement.info;
        prop_assert_eq!(info.accepted, info.completed + info.dead_lettered + info.cancelled);
        prop_assert_eq!((info.lost, info.unknown, info.double_effects, info.unfinished), (Some(0), 0, Some(0), 0));
        prop_assert_eq!(info.instances_accepted, scene.snapshot.instances.len() as u64);
    }

    #[test]
    fn every_started_job_is_one_dispatch_sample_and_none_is_censored(scene in run()) {
        let ledger = scene.ledger();
        let started = (0..ledger.jobs().len()).filter(|job| ledger.times(*job).started.is_some()).count() as u64;
        let dead_unstarted = ledger.jobs().iter().enumerate().filter(|(job, facts)| {
            facts.state == Some(JobState::DeadLetter) && ledger.times(*job).started.is_none()
        });
        let dispatch = Measures::of(&ledger).latency_ms.dispatch;
        prop_assert_eq!(dispatch.censored, dead_unstarted.count() as u64);
        prop_assert_eq!(dispatch.count - dispatch.censored, started);
    }

    #[test]
    fn the_ledger_does_not_depend_on_the_order_of_files_and_rows(scene in run()) {
        let mut shuffled = scene.clone();
        shuffled.history.reverse();
        shuffled.snapshot.jobs.reverse();
        shuffled.snapshot.instances.reverse();
        prop_assert_eq!(scene.measures(), shuffled.measures());
        prop_assert_eq!(scene.judge(false).info, shuffled.judge(false).info);
    }

    #[test]
    fn a_planted_loss_is_found(mut scene in run(), n in any::<usize>()) {
        let lost = scene.snapshot.instances.remove(n % scene.snapshot.instances.len());
        scene.snapshot.jobs.retain(|job| job.instance != lost.id);
        scene.snapshot.audit.retain(|row| row.instance != lost.id);
        let judgement = scene.judge(false);
        prop_assert_eq!(verdict(&judgement, "nothing-lost"), Verdict::Fail);
        prop_assert!(judgement.info.lost >= Some(1));
        prop_assert!(scene.measures().latency_ms.completion.censored >= 1);
    }

    #[test]
    fn a_planted_double_effect_is_found(mut scene in run(), kind in 0usize..3) {
        let event = [AuditEvent::JobCompleted, AuditEvent::InstanceCompleted, AuditEvent::JobQueued][kind];
        scene.repeat_audit(event);
        let judgement = scene.judge(false);
        prop_assert_eq!(verdict(&judgement, "no-double-effect"), Verdict::Fail);
        prop_assert_eq!(judgement.info.double_effects, Some(1));
        prop_assert_eq!(verdict(&judgement, "audit-replayed-equals-tables"), Verdict::Fail);
    }

    #[test]
    fn a_planted_second_set_of_jobs_is_found(mut scene in run(), n in any::<usize>()) {
        let mut twin = scene.snapshot.jobs[n % scene.snapshot.jobs.len()];
        twin.id = JobId(1_000_000);
        scene.snapshot.jobs.push(twin);
        prop_assert_eq!(verdict(&scene.judge(false), "no-double-effect"), Verdict::Fail);
    }

    #[test]
    fn a_planted_duplicate_is_found_where_nothing_explains_it(width in 1u32..5, count in 1usize..20) {
        let mut scene = Scene::new(&[width]);
        scene.start_many(count);
        scene.drain();
        scene.repeat_execution();
        let judgement = scene.judge(false);
        prop_assert_eq!(verdict(&judgement, "duplicate-executions"), Verdict::Fail);
        prop_assert_eq!(judgement.info.duplicate_executions, 1);
    }

    #[test]
    fn a_planted_reorder_is_found(left in 0usize..16, right in 0usize..16) {
        prop_assume!(left != right);
        let mut scene = Scene::event_driven(&[16]);
        scene.start();
        scene.drain();
        prop_assert_eq!(verdict(&scene.judge(true), "order"), Verdict::Pass);
        scene.swap_receipts(left, right);
        let judgement = scene.judge(true);
        prop_assert_eq!(verdict(&judgement, "order"), Verdict::Fail);
        prop_assert_eq!(judgement.info.order_violations, left.abs_diff(right) as u64);
    }

    #[test]
    fn inversions_are_what_the_definition_says(starts in proptest::collection::vec(0usize..30, 0..30)) {
        let mut scene = Scene::new(&[30]);
        scene.start();
        scene.drain();
        starts.chunks_exact(2).filter(|pair| pair[0] != pair[1]).for_each(|pair| scene.swap_starts(pair[0], pair[1]));
        let ledger = scene.ledger();
        let at: Vec<_> = (0..30).map(|job| ledger.times(job).started).collect();
        let overtaken = (0..30).filter(|job| at[job + 1..].iter().any(|later| *later < at[*job])).count() as u64;
        prop_assert_eq!(fifo::find(&ledger).inversions.count(), overtaken);
    }
}

/// Run once in a while: `cargo test --release -p crossover-evidence -- --ignored --nocapture million`.
#[test]
#[ignore = "takes a minute in a debug build; it prints how long a million jobs take"]
fn a_million_jobs_are_judged_in_seconds() {
    let mut scene = Scene::with_phases(&[1, 1], &[constant("steady", 50_000.0, 10)]);
    for _ in 0..500_000 {
        scene.start();
        for _ in 0..2 {
            scene.claim(scene.snapshot.jobs.len() - 1, 0);
            scene.finish(0, Outcome::Done);
        }
    }
    let records: u64 = scene.history.iter().map(HistoryFile::record_count).sum();
    let mut began = Instant::now();
    let mut lap = || std::mem::replace(&mut began, Instant::now()).elapsed();
    let ledger = scene.ledger();
    let built = lap();
    let measures = Measures::of(&ledger);
    let measured = lap();
    let judgement = judge(
        &ledger,
        &measures,
        Rules {
            order_enforced: false,
            drain: Drain::Done,
        },
    );
    let judged = lap();
    let (jobs, rows) = (ledger.jobs().len(), scene.snapshot.audit.len());
    println!(
        "{jobs} jobs, {records} records, {rows} audit rows: built {built:?}, measured {measured:?}, judged {judged:?}"
    );
    assert!(
        judgement.checks.iter().all(|check| check.verdict == Verdict::Pass),
        "{judgement:#?}"
    );
    assert!(built + measured + judged < Duration::from_secs(60));
}
