//! The bringing together: what counts of what was recorded, and what is kept without an explanation.

use crossover_proto::JobId;
use crossover_proto::history::{Event, Outcome};

use super::*;
use crate::load::Arrivals;
use crate::scene::{ORIGIN, Scene, constant, phase};

#[test]
fn of_several_sends_and_answers_the_first_send_and_the_first_acceptance_count() {
    let mut scene = Scene::new(&[1]);
    scene.start_settled_by_repeat();
    let ledger = scene.ledger();
    let instance = ledger.instances()[0];
    let sends = scene.history[0]
        .records()
        .filter(|record| matches!(record.event, Event::Sent { .. }));
    assert_eq!(instance.sent, sends.map(|record| record.at).min());
    assert_eq!(
        instance.accepted,
        scene.history[0].records().last().map(|record| record.at)
    );
    assert_eq!(
        (instance.start, instance.number, instance.prefilled),
        (Start::Accepted, Some(0), false)
    );
}

#[test]
fn an_answer_never_lowers_what_is_known() {
    let mut scene = Scene::new(&[1]);
    let instance = scene.start();
    let mut late = scene.history[0].records().last().unwrap();
    late.event = Event::Answered {
        instance,
        outcome: Outcome::Unknown,
    };
    scene.history[0].records_mut().push(late);
    assert_eq!(scene.ledger().instances()[0].start, Start::Accepted);
}

#[test]
fn a_prefilled_instance_is_intended_at_the_start_of_the_load() {
    let backlog = crate::load::Phase {
        count: Some(2),
        ..phase("backlog", Arrivals::Prefill)
    };
    let mut scene = Scene::with_phases(&[1], &[backlog, constant("steady", 1.0, 2)]);
    scene.prefill();
    scene.start();
    let ledger = scene.ledger();
    let (timed, prefilled) = (&ledger.instances()[0], &ledger.instances()[1]);
    assert_eq!(
        (prefilled.prefilled, prefilled.phase, prefilled.intended),
        (true, 0, ORIGIN)
    );
    assert!(prefilled.sent.unwrap() < ORIGIN);
    assert_eq!((timed.prefilled, timed.phase), (false, 1));
}

#[test]
fn a_success_is_completed_by_an_answer_even_if_it_says_that_it_was_done_before() {
    let mut scene = Scene::new(&[1]);
    scene.start();
    scene.claim_next(0);
    (0..3).for_each(|_| scene.advance(0, Outcome::Done));
    scene.report_unanswered(0);
    assert_eq!(scene.ledger().times(0).completed, None);
    scene.advance(0, Outcome::Done);
    let ledger = scene.ledger();
    assert_eq!(ledger.moments(0).last().unwrap().act, Act::Reported(Outcome::Already));
    assert_eq!(ledger.times(0).completed, Some(ledger.end()));
}

#[test]
fn the_answer_to_a_failure_completes_nothing() {
    let mut scene = Scene::new(&[1]);
    scene.start();
    scene.fail_next(true);
    let ledger = scene.ledger();
    assert_eq!(ledger.moments(0).last().unwrap().act, Act::Reported(Outcome::Done));
    let times = ledger.times(0);
    assert_eq!((times.completed, times.succeeded, times.successes), (None, None, 0));
    assert!(times.last_finished.is_some());
}

#[test]
fn a_job_that_only_the_history_knows_is_kept_without_a_row() {
    let mut scene = Scene::new(&[2, 1]);
    let instance = scene.start();
    scene.drain();
    scene.snapshot.jobs.pop();
    let ledger = scene.ledger();
    let stranger = ledger.job_position(JobId(3)).unwrap();
    let job = ledger.jobs()[stranger];
    assert_eq!((job.state, job.step, job.ordinal, job.attempt), (None, 1, 0, 1));
    assert_eq!(ledger.instance_of(stranger).id, instance);
    assert!(ledger.times(stranger).completed.is_some());
}

#[test]
fn of_a_job_that_only_the_history_knows_the_last_record_tells_and_the_highest_attempt_counts() {
    let mut scene = Scene::new(&[1]);
    scene.start();
    scene.execute_twice();
    scene.snapshot.jobs.clear();
    // A late report of the first attempt is the last that is read of it.
    let records = scene.history[3].records_mut();
    let mut late = *records.last().unwrap();
    if let Event::Reported(key, _) = &mut late.event {
        key.attempt = 1;
    }
    records.push(late);
    let ledger = scene.ledger();
    assert_eq!((ledger.jobs().len(), ledger.jobs()[0].attempt), (1, 2));
    assert_eq!(ledger.moments(0).last().unwrap().attempt, 1);
}

#[test]
fn a_history_without_a_database_can_be_read() {
    let mut scene = Scene::new(&[2, 1]);
    scene.start();
    scene.drain();
    scene.snapshot = Snapshot::default();
    let ledger = scene.ledger();
    assert_eq!((ledger.instances().len(), ledger.jobs().len()), (1, 3));
    assert_eq!(ledger.definition(&ledger.instances()[0]), None);
}

#[test]
fn a_database_without_a_history_can_be_read() {
    let mut scene = Scene::new(&[2, 1]);
    scene.start();
    scene.drain();
    scene.history.clear();
    let ledger = scene.ledger();
    assert_eq!(
        (ledger.instances()[0].start, ledger.instances()[0].sent),
        (Start::NotSent, None)
    );
    assert_eq!(ledger.members(0).len(), 3);
    assert_eq!(ledger.times(0), JobTimes::default());
    assert_eq!(ledger.end(), ORIGIN);
}

#[test]
fn delays_are_those_of_the_workloads_definition_place_by_place() {
    let mut scene = Scene::new(&[3]);
    let jobs = &mut scene.workload.definitions[0].definition.steps[0].jobs;
    jobs[0].count = 1;
    jobs.push(jobs[0].clone());
    jobs[1].count = 2;
    jobs[1].delay = Duration::from_secs(7);
    scene.start();
    let ledger = scene.ledger();
    assert_eq!([0, 1, 2].map(|job| ledger.delay(job).as_secs()), [0, 7, 7]);
}

#[test]
fn the_story_of_a_job_is_told_by_time_and_by_the_log() {
    let mut scene = Scene::new(&[1]);
    scene.start();
    scene.execute_twice();
    let story = scene.ledger().job_story(0);
    insta::assert_snapshot!(story.join("\n"), @r"
    job 1 of instance 00000000-0000-0000-0000-000000000001: step 0, place 0, attempt 2, Completed
      +0.005200 s  created
      +0.005600 s  claimed, attempt 1, by replica-1
      +0.005700 s  received, attempt 1, by worker-1
      +0.005800 s  handler started, attempt 1, by worker-1
      +0.005900 s  handler ended: Done, attempt 1, by worker-1
      +0.006100 s  claimed, attempt 2, by replica-1
      +0.006200 s  received, attempt 2, by worker-2
      +0.006300 s  handler started, attempt 2, by worker-2
      +0.006400 s  handler ended: Done, attempt 2, by worker-2
      +0.006500 s  report answered: Done, attempt 2, by worker-2
      audit: JobQueued, attempt 1
      audit: JobClaimed, attempt 1
      audit: JobLeaseExpired, attempt 1
      audit: JobClaimed, attempt 2
      audit: JobCompleted, attempt 2
    ");
}

#[test]
fn the_story_of_an_event_driven_job_names_relay_and_broker() {
    let mut scene = Scene::event_driven(&[1]);
    scene.start();
    scene.drain();
    let story = scene.ledger().job_story(0);
    insta::assert_snapshot!(story.join("\n"), @r"
    job 1 of instance 00000000-0000-0000-0000-000000000001: step 0, place 0, attempt 1, Completed
      +0.005200 s  created
      +0.005500 s  picked up by the relay, attempt 1, by relay-1
      +0.005600 s  acknowledged by the broker, attempt 1, by relay-1
      +0.005700 s  received, attempt 1, by worker-1
      +0.005900 s  begun, attempt 1, by replica-1
      +0.006000 s  handler started, attempt 1, by worker-1
      +0.006100 s  handler ended: Done, attempt 1, by worker-1
      +0.006200 s  report answered: Done, attempt 1, by worker-1
      outbox: row 1, attempt 1, sent to partition 1, offset 0
      audit: JobQueued, attempt 1
      audit: JobClaimed, attempt 1
      audit: JobCompleted, attempt 1
    ");
}
