//! Hops of event-driven jobs. The model lets 100 µs pass between any two events.

use crossover_proto::history::Event;

use super::tests::{SECOND, hop};
use super::*;
use crate::load::Arrivals;
use crate::scene::{ORIGIN, Scene, phase};

#[test]
fn in_event_driven_mode_the_way_goes_over_relay_and_broker_and_still_adds_up() {
    let mut scene = Scene::event_driven(&[1]);
    scene.wait(SECOND);
    scene.start();
    scene.wait(SECOND);
    scene.drain();
    let latency = scene.measures().latency_ms;
    let names: Vec<&str> = latency.hops.iter().map(|hop| hop.name.as_str()).collect();
    let way = [
        "intended → sent",
        "sent → accepted",
        "accepted → picked",
        "picked → received",
        "received → begun",
        "begun → started",
        "started → finished",
        "finished → reported",
    ];
    assert_eq!(names, way);
    let sum: f64 = latency.hops[..6].iter().map(|hop| hop.latency_ms.mean.unwrap()).sum();
    assert!((sum - latency.dispatch.mean.unwrap()).abs() < 1e-9, "{sum}");
    assert!(latency.hops.iter().all(|hop| hop.negative == 0));
}

#[test]
fn an_acknowledgement_that_comes_after_the_receipt_is_no_negative_hop() {
    let mut scene = Scene::event_driven(&[1]);
    scene.start();
    scene.drain();
    for record in scene.history[4].records_mut() {
        if matches!(record.event, Event::Acked { .. }) {
            record.at = record.at.plus(SECOND);
        }
    }
    let measures = scene.measures();
    assert!(measures.latency_ms.hops.iter().all(|hop| hop.negative == 0));
    let beside = &measures.latency_ms.beside[0];
    assert_eq!(beside.name, "picked → acknowledged");
    assert_eq!((beside.latency_ms.max, beside.negative), (Some(1_000.1), 0));
    assert!(
        scene
            .judge(false)
            .checks
            .iter()
            .all(|check| check.name != "clock" || check.verdict == crate::result::Verdict::Pass)
    );
    assert!(Scene::new(&[1]).measures().latency_ms.beside.is_empty());
}

#[test]
fn a_pick_up_before_the_reply_to_the_commit_is_no_negative_hop_and_one_before_the_commit_is() {
    let mut scene = Scene::event_driven(&[1]);
    scene.start();
    scene.drain();
    let (before, reply) = scene.history[1]
        .records()
        .find_map(|record| match record.event {
            Event::Created { before, .. } => Some((before, record.at)),
            _ => None,
        })
        .unwrap();
    let first_at = |scene: &Scene| scene.history[4].records().next().unwrap().at;
    let picked = first_at(&scene);
    let shift = |scene: &mut Scene, to: MonotonicNs| {
        let from = first_at(scene);
        scene.shift_process(4, to.signed_since(from).try_into().unwrap());
    };
    assert!(picked > reply);
    shift(&mut scene, MonotonicNs(reply.0 - 1));
    assert_eq!(hop(&scene.measures(), "accepted → picked").negative, 0);
    shift(&mut scene, MonotonicNs(before.0 - 1));
    assert_eq!(hop(&scene.measures(), "accepted → picked").negative, 1);
}

#[test]
fn a_begin_that_was_never_recorded_is_not_replaced_by_that_of_a_later_attempt() {
    let mut scene = Scene::event_driven(&[1]);
    scene.start();
    scene.fail_next(true);
    scene.drain();
    let begins = |scene: &Scene| hop(&scene.measures(), "begun → started").clone();
    assert_eq!((begins(&scene).latency_ms.count, begins(&scene).negative), (1, 0));
    // The replica was killed between the commit and its record; the worker asked again and was told that it has it.
    let is_first = |event: &Event| matches!(event, Event::Claimed { key, .. } if key.attempt == 1);
    scene.history[1].records_mut().retain(|record| !is_first(&record.event));
    assert_eq!((begins(&scene).latency_ms.count, begins(&scene).negative), (0, 0));
}

#[test]
fn a_backlog_that_was_in_the_broker_before_the_load_waits_from_its_start() {
    let backlog = crate::load::Phase {
        count: Some(3),
        ..phase("backlog", Arrivals::Prefill)
    };
    let mut scene = Scene::event_driven_with_phases(&[1], &[backlog]);
    (0..3).for_each(|_| scene.prefill());
    scene.relay();
    scene.history[4]
        .records_mut()
        .iter_mut()
        .for_each(|record| record.at = MonotonicNs(ORIGIN.0 - 1_000));
    scene.drain();
    let measures = scene.measures();
    let picked = hop(&measures, "accepted → picked");
    assert_eq!(
        (picked.latency_ms.count, picked.latency_ms.max, picked.negative),
        (3, Some(0.0), 0)
    );
    assert_eq!(
        measures.latency_ms.hops[2..6]
            .iter()
            .map(|hop| hop.latency_ms.mean.unwrap())
            .sum::<f64>(),
        measures.latency_ms.dispatch.mean.unwrap()
    );
}
