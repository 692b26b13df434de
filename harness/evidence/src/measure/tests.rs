//! Figures of small stories. The model lets 100 µs pass between any two events.

use std::time::Duration;

use crossover_proto::history::{Event, Outcome};

use super::*;
use crate::load::Arrivals;
use crate::scene::{ORIGIN, Scene, constant, phase};

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn hop<'a>(measures: &'a Measures, name: &str) -> &'a crate::result::Hop {
    measures.latency_ms.hops.iter().find(|hop| hop.name == name).unwrap()
}

#[test]
fn dispatch_counts_from_the_intended_time_and_beside_it_from_the_send() {
    let mut scene = Scene::new(&[1]);
    // The first arrival is wanted after 5 ms; the generator is a second late.
    scene.wait(SECOND);
    scene.start();
    scene.drain();
    let latency = scene.measures().latency_ms;
    // From the send: created (2 events), answered, claimed (2), received, started.
    assert_eq!(latency.dispatch_from_send.max, Some(0.7));
    assert_eq!(latency.dispatch.max, Some(995.8));
    assert_eq!(latency.completion.max, Some(996.0));
}

#[test]
fn a_later_job_counts_from_before_the_commit_that_created_it() {
    let mut scene = Scene::new(&[1, 1]);
    scene.start();
    scene.claim_next(0);
    scene.finish(0, Outcome::Done);
    scene.wait(3 * SECOND);
    scene.drain();
    let latency = scene.measures().latency_ms;
    assert_eq!(latency.dispatch.count, 2);
    // Created, report answered, wait, claimed (2), received, started.
    assert_eq!(latency.dispatch.max, Some(3_000.6));
    assert_eq!(latency.completion.count, 1);
}

#[test]
fn a_creation_that_no_engine_lived_to_record_is_replaced_by_the_success_before_it() {
    let mut scene = Scene::new(&[1, 1]);
    scene.start();
    scene.drain();
    scene.history[1]
        .records_mut()
        .retain(|record| !matches!(record.event, Event::Created { step: 1, .. }));
    let latency = scene.measures().latency_ms;
    assert_eq!(latency.dispatch.count, 2);
    assert_eq!(hop(&scene.measures(), "accepted → claimed").latency_ms.count, 1);
}

#[test]
fn retries_are_no_samples_of_dispatch() {
    let mut scene = Scene::new(&[1]);
    scene.start();
    scene.fail_next(true);
    scene.drain();
    let measures = scene.measures();
    assert_eq!(measures.latency_ms.dispatch.count, 1);
    assert_eq!(hop(&measures, "started → finished").latency_ms.count, 2);
    assert_eq!(hop(&measures, "finished → reported").latency_ms.count, 2);
}

#[test]
fn an_attempt_that_died_unstarted_makes_the_sample_longer() {
    let mut scene = Scene::new(&[1]);
    scene.start();
    scene.claim_next(0);
    scene.executions.clear();
    scene.wait(30 * SECOND);
    scene.drain();
    let dispatch = scene.measures().latency_ms.dispatch;
    assert_eq!((dispatch.count, dispatch.censored), (1, 0));
    assert!(dispatch.max.unwrap() > 30_000.0, "{dispatch:?}");
}

#[test]
fn a_job_that_never_started_is_censored_and_one_that_was_cancelled_is_no_sample() {
    let mut scene = Scene::new(&[1]);
    scene.start();
    let cancelled = scene.start();
    scene.cancel(cancelled);
    let latency = scene.measures().latency_ms;
    assert_eq!((latency.dispatch.count, latency.dispatch.censored), (1, 1));
    assert_eq!((latency.completion.count, latency.completion.censored), (1, 1));
    assert_eq!(latency.dispatch.p50, None);
}

#[test]
fn a_lost_instance_is_censored_with_all_the_jobs_it_should_have_started() {
    let mut scene = Scene::new(&[3]);
    scene.start();
    scene.drain();
    scene.start();
    scene.snapshot.instances.pop();
    scene.snapshot.jobs.truncate(3);
    let latency = scene.measures().latency_ms;
    assert_eq!((latency.dispatch.count, latency.dispatch.censored), (6, 3));
    assert_eq!((latency.completion.count, latency.completion.censored), (2, 1));
}

#[test]
fn a_completion_whose_answer_nobody_heard_is_censored_but_counts_as_throughput() {
    let mut scene = Scene::new(&[1]);
    scene.start();
    scene.claim_next(0);
    (0..3).for_each(|_| scene.advance(0, Outcome::Done));
    scene.report_unanswered(0);
    scene.executions.clear();
    let measures = scene.measures();
    assert_eq!(
        (
            measures.latency_ms.completion.count,
            measures.latency_ms.completion.censored
        ),
        (1, 1)
    );
    assert_eq!(measures.series.completed_per_s, [1.0]);
}

#[test]
fn a_scheduled_job_counts_from_its_due_time() {
    let mut scene = Scene::new(&[1]);
    scene.workload.definitions[0].definition.steps[0].jobs[0].delay = 5 * SECOND;
    scene.start();
    scene.wait(5 * SECOND);
    scene.drain();
    let measures = scene.measures();
    assert_eq!(measures.latency_ms.dispatch.max, Some(0.8));
    assert!(hop(&measures, "accepted → claimed").latency_ms.max.unwrap() < 1.0);
}

#[test]
fn a_scheduled_job_that_is_not_due_yet_is_no_sample() {
    let mut scene = Scene::new(&[1]);
    scene.workload.definitions[0].definition.steps[0].jobs[0].delay = 5 * SECOND;
    scene.start();
    assert_eq!(scene.measures().latency_ms.dispatch.count, 0);
}

#[test]
fn the_hops_of_a_job_add_up_to_its_dispatch_and_service() {
    let mut scene = Scene::new(&[1]);
    scene.wait(SECOND);
    scene.start();
    scene.wait(SECOND);
    scene.drain();
    let measures = scene.measures();
    let names: Vec<&str> = measures.latency_ms.hops.iter().map(|hop| hop.name.as_str()).collect();
    let way = [
        "intended → sent",
        "sent → accepted",
        "accepted → claimed",
        "claimed → received",
        "received → started",
    ];
    assert_eq!(names[..5], way);
    let sum: f64 = measures.latency_ms.hops[..5]
        .iter()
        .map(|hop| hop.latency_ms.mean.unwrap())
        .sum();
    assert!((sum - measures.latency_ms.dispatch.mean.unwrap()).abs() < 1e-9, "{sum}");
    assert!(measures.latency_ms.hops.iter().all(|hop| hop.negative == 0));
}

#[test]
fn a_phase_at_rest_has_no_load_and_no_part_in_the_rate() {
    let rest = crate::load::Phase {
        duration: Some(9 * SECOND),
        ..phase("idle", Arrivals::Idle)
    };
    let mut scene = Scene::with_phases(&[1], &[rest, constant("steady", 10.0, 1)]);
    for _ in 0..10 {
        scene.start();
        scene.drain();
    }
    let measures = scene.measures();
    let idle = &measures.phases[0];
    assert_eq!(
        (idle.arrivals.as_str(), idle.load.intended, idle.duration_s),
        ("idle", 0, 9.0)
    );
    assert_eq!(idle.latency_ms.dispatch.count, 0);
    assert!(
        (measures.throughput.completed_per_s - 10.0).abs() < 1.0,
        "{:?}",
        measures.throughput
    );
}

#[test]
fn warm_up_is_a_phase_but_no_part_of_the_whole() {
    let warm = crate::load::Phase {
        warmup: true,
        ..constant("warm", 10.0, 1)
    };
    let mut scene = Scene::with_phases(&[1], &[warm, constant("steady", 10.0, 1)]);
    for _ in 0..20 {
        scene.start();
        scene.drain();
    }
    let measures = scene.measures();
    assert_eq!(measures.phases.len(), 2);
    assert_eq!(
        measures
            .phases
            .iter()
            .map(|phase| phase.latency_ms.dispatch.count)
            .collect::<Vec<_>>(),
        [10, 10]
    );
    assert_eq!(measures.latency_ms.dispatch.count, 10);
    assert_eq!(measures.latency_ms, measures.phases[1].latency_ms);
    assert_eq!(measures.phases[1].load.accepted, 10);
    assert!(
        (measures.throughput.completed_per_s - 10.0).abs() < 1.0,
        "{:?}",
        measures.throughput
    );
    assert_eq!(measures.throughput.capacity_per_s, None);
}

#[test]
fn a_backlog_counts_from_the_start_of_the_load_and_shows_the_capacity() {
    let backlog = crate::load::Phase {
        count: Some(50),
        ..phase("backlog", Arrivals::Prefill)
    };
    let mut scene = Scene::with_phases(&[1], &[backlog]);
    (0..50).for_each(|_| scene.prefill());
    scene.drain();
    let measures = scene.measures();
    // Each job takes claim (2 events), receipt, start, finish and report: 600 µs.
    let capacity = measures.throughput.capacity_per_s.unwrap();
    assert!((1_667.0..1_700.0).contains(&capacity), "{capacity}");
    let dispatch = &measures.phases[0].latency_ms.dispatch;
    assert_eq!((dispatch.count, dispatch.max), (50, Some(29.8)));
    assert_eq!((measures.load.intended, measures.load.accepted), (50, 50));
    assert_eq!(hop(&measures, "intended → sent").latency_ms.count, 0);
    assert_eq!(hop(&measures, "accepted → claimed").latency_ms.count, 50);
    assert_eq!(hop(&measures, "accepted → claimed").negative, 0);
    assert_eq!(measures.series.accepted_per_s, [0.0]);
    assert!(
        (measures.throughput.completed_per_s - 1_667.0).abs() < 1.0,
        "{:?}",
        measures.throughput
    );
}

#[test]
fn load_figures_tell_what_was_sent_and_how_late() {
    let mut scene = Scene::with_phases(&[1], &[constant("steady", 10.0, 1)]);
    scene.start_many(4);
    scene.wait(Duration::from_millis(120));
    // Wanted at 450 ms, sent 20 ms late; then refused, unknown, and three never sent.
    scene.start();
    scene.start_refused();
    scene.start_unknown(true);
    let load = scene.measures().load;
    assert_eq!(
        (load.intended, load.sent, load.accepted, load.rejected, load.unknown),
        (10, 7, 5, 1, 1)
    );
    assert_eq!(load.achieved_ratio, 0.5);
    assert!(
        (20.0..21.0).contains(&load.send_delay_ms.max),
        "{:?}",
        load.send_delay_ms
    );
    assert_eq!(load.late_share, 1.0 / 7.0, "those after the last send were not due");
}

#[test]
fn an_arrival_that_was_skipped_is_late() {
    let mut scene = Scene::with_phases(&[1], &[constant("steady", 10.0, 1)]);
    scene.start_many(10);
    scene.history[0]
        .records_mut()
        .retain(|record| !matches!(record.event, Event::Sent { arrival: 4, .. }));
    assert_eq!(scene.measures().load.late_share, 0.1);
}

#[test]
fn series_have_one_bucket_a_second() {
    let mut scene = Scene::with_phases(&[1], &[constant("steady", 2.0, 4)]);
    // Wanted at 0.25, 0.75, 1.25, …; nothing is worked on before 2.25 s, and the last three are left.
    scene.start_many(5);
    scene.drain();
    scene.start_many(3);
    let series = scene.measures().series;
    assert_eq!(series.seconds, 4);
    assert_eq!(series.intended_per_s, [2.0; 4]);
    assert_eq!(series.accepted_per_s, [2.0; 4]);
    assert_eq!(series.completed_per_s, [0.0, 0.0, 5.0, 0.0]);
    assert_eq!(series.unfinished, [2.0, 4.0, 1.0, 3.0]);
    let first = series.dispatch_ms[0].unwrap();
    assert_eq!(first.count, 2);
    assert!(
        first.max.unwrap() > 2_000.0 && first.p50.unwrap() < 1_600.0,
        "{first:?}"
    );
    let last = series.dispatch_ms[3].unwrap();
    assert_eq!((last.count, last.p50, last.max), (2, None, None));
}

#[test]
fn a_run_of_nothing_has_figures_of_nothing() {
    let scene = Scene::new(&[1]);
    let measures = scene.measures();
    assert_eq!(measures.latency_ms.dispatch.count, 0);
    assert_eq!(measures.throughput.completed_per_s, 0.0);
    assert_eq!((measures.load.sent, measures.load.late_share), (0, 0.0));
    assert_eq!(measures.series.seconds, 1);
    assert_eq!(scene.ledger().end(), ORIGIN);
}
