//! The plan as a whole: determinism, counts, numbering, phases, payloads.

use crossover_proto::load::{Work, service_time::Distribution};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::scene::{constant, phase, workload};

fn poisson(name: &str, rate_per_s: f64, seconds: u64) -> Phase {
    Phase {
        arrivals: Arrivals::Poisson,
        ..constant(name, rate_per_s, seconds)
    }
}

fn build(phases: &[Phase], seed: u64) -> Plan {
    Plan::build(&workload(&[1]), phases, &Traces::new(), seed).unwrap()
}

#[test]
fn phases_follow_each_other_and_prefills_stay_off_the_timeline() {
    let phases = [
        Phase {
            count: Some(30),
            ..phase("backlog", Arrivals::Prefill)
        },
        Phase {
            warmup: true,
            ..constant("warm", 10.0, 2)
        },
        Phase {
            count: Some(5),
            duration: Some(Duration::from_secs(3)),
            ..phase("spike", Arrivals::Burst)
        },
        constant("steady", 100.0, 1),
    ];
    let plan = build(&phases, 1);
    assert_eq!(plan.prefill.len(), 30);
    assert_eq!(plan.arrivals.len(), 20 + 5 + 100);
    assert_eq!(plan.duration(), Duration::from_secs(6));
    assert!(plan.arrivals.is_sorted_by_key(|arrival| arrival.offset_us));
    assert!(
        plan.arrivals[20..25]
            .iter()
            .all(|arrival| (arrival.offset_us, arrival.phase) == (2_000_000, 2))
    );
    assert_eq!(plan.arrivals[25].offset_us, 5_005_000);
    let phases_by_time = [0, 1_999_999, 2_000_000, 4_999_999, 5_000_000, 60_000_000].map(|at| plan.phase_at(at));
    assert_eq!(phases_by_time, [1, 1, 2, 2, 3, 3]);
}

#[test]
fn arrivals_are_numbered_the_timeline_first_and_the_prefill_after() {
    let phases = [
        Phase {
            count: Some(3),
            ..phase("backlog", Arrivals::Prefill)
        },
        constant("steady", 2.0, 1),
    ];
    let plan = build(&phases, 1);
    assert_eq!(plan.arrivals_count(), 5);
    assert_eq!(plan.prefill_number(0), 2);
    assert!(!plan.is_prefill(1) && plan.is_prefill(2));
    assert_eq!(plan.arrival(1), Some(&plan.arrivals[1]));
    assert_eq!(plan.arrival(4), Some(&plan.prefill[2]));
    assert_eq!(plan.arrival(5), None);
}

#[test]
fn a_plan_of_prefills_alone_has_one_phase_for_all_moments() {
    let plan = build(
        &[Phase {
            count: Some(3),
            ..phase("backlog", Arrivals::Prefill)
        }],
        1,
    );
    assert_eq!(plan.duration(), Duration::ZERO);
    assert_eq!(plan.phase_at(0), 0);
    assert_eq!(plan.phase_at(99_000_000), 0);
}

#[test]
fn the_plan_of_a_seed_never_changes() {
    // If this digest changes, runs recorded by an earlier version can't be repeated: say so in the changelog.
    let plan = build(&[constant("a", 50.0, 2), poisson("b", 80.0, 3)], 42);
    insta::assert_snapshot!(plan.describe(), @r"
    plan 5475ffe8cb53837e, seed 42: 352 instances in 5s
      a: constant 50/s, 0s to 2s, 100 instances
      b: Poisson 80/s, 2s to 5s, 252 instances
    ");
}

#[test]
fn a_change_to_one_phase_leaves_the_others_as_they_were() {
    let before = build(&[poisson("a", 50.0, 2), poisson("b", 80.0, 3)], 42);
    let after = build(&[poisson("a", 10.0, 2), poisson("b", 80.0, 3)], 42);
    let second = |plan: &Plan| {
        plan.arrivals
            .iter()
            .filter(|arrival| arrival.phase == 1)
            .copied()
            .collect::<Vec<_>>()
    };
    assert_eq!(second(&before), second(&after));
}

#[test]
fn a_phase_may_start_one_definition_only_and_one_at_rest_starts_nothing() {
    let mut workload = workload(&[1]);
    let mut rare = workload.definitions[0].clone();
    rare.definition.name = "rare".to_owned();
    workload.definitions.push(rare);
    let only = |name: &str| Phase {
        definition: Some(name.to_owned()),
        ..constant("a", 100.0, 1)
    };
    let rest = Phase {
        duration: Some(Duration::from_secs(3)),
        ..phase("rest", Arrivals::Idle)
    };
    let plan = |phases: &[Phase]| Plan::build(&workload, phases, &Traces::new(), 3);
    let planned = plan(&[only("rare"), rest, constant("b", 10.0, 1)]).unwrap();
    assert!(planned.arrivals[..100].iter().all(|arrival| arrival.definition == 1));
    assert!(planned.arrivals[100..].iter().any(|arrival| arrival.definition == 0));
    assert_eq!(planned.arrivals[100].offset_us, 4_050_000);
    let shapes: Vec<(&str, u64)> = planned
        .phases
        .iter()
        .map(|phase| (phase.description.as_str(), phase.arrivals_count))
        .collect();
    assert_eq!(
        shapes,
        [("constant 100/s of rare", 100), ("idle", 0), ("constant 10/s", 10)]
    );
    assert_eq!(
        plan(&[only("none")]).unwrap_err().to_string(),
        "load[0].definition: found \"none\"; allowed are the workload's: flow, rare"
    );
}

#[test]
fn definitions_arrive_by_their_weights() {
    let mut workload = workload(&[1]);
    let mut rare = workload.definitions[0].clone();
    rare.definition.name = "rare".to_owned();
    rare.weight = 0.25;
    workload.definitions.push(rare);
    let plan = Plan::build(&workload, &[constant("a", 10_000.0, 1)], &Traces::new(), 3).unwrap();
    let rare = plan.arrivals.iter().filter(|arrival| arrival.definition == 1).count();
    assert!((1_800..2_200).contains(&rare), "{rare} of 10,000, expected 2,000");
}

#[test]
fn a_trace_is_followed_row_by_row() {
    let rows = vec![
        TraceRow {
            offset_us: 0,
            definition: 0,
            service_us: 700,
            payload_bytes: 300,
        },
        TraceRow {
            offset_us: 1_500_250,
            definition: 0,
            service_us: 0,
            payload_bytes: 0,
        },
    ];
    let traced = Phase {
        file: Some("t.csv".into()),
        ..phase("ours", Arrivals::Trace)
    };
    let traces = Traces::from([("t.csv".into(), rows)]);
    let workload = workload(&[1]);
    let plan = Plan::build(&workload, &[constant("a", 1.0, 1), traced.clone()], &traces, 1).unwrap();
    assert_eq!(plan.arrivals[2].offset_us, 2_500_250);
    assert_eq!(plan.phases[1].duration, Duration::from_millis(1_501));
    let payload = plan.payload(&plan.arrivals[1], &workload);
    assert_eq!(payload.len(), 300);
    let service = Work::decode(&payload[..]).unwrap().service.unwrap();
    assert_eq!((service.distribution(), service.mean_us), (Distribution::Constant, 700));

    let unread = Plan::build(&workload, std::slice::from_ref(&traced), &Traces::new(), 1).unwrap_err();
    assert_eq!(unread.to_string(), "load[0].file: the trace t.csv was not read");
    let short = Phase {
        duration: Some(Duration::from_secs(1)),
        ..traced
    };
    let cut = Plan::build(&workload, &[short], &traces, 1).unwrap_err().to_string();
    assert!(
        cut.starts_with("load[0].duration: found 1s, but the trace's last row is at 1s 500ms"),
        "{cut}"
    );
}

#[test]
fn a_plan_too_large_to_hold_is_refused() {
    let error = Plan::build(&workload(&[1]), &[constant("a", 1e6, 3_600)], &Traces::new(), 1).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("load[0]: found about 3,600,000,000 arrivals"),
        "{error}"
    );
}

#[test]
fn a_payload_carries_the_handlers_instruction() {
    let mut workload = workload(&[1]);
    workload.definitions[0].handler.transient_failure_rate = 0.25;
    let plan = Plan::build(&workload, &[constant("a", 5.0, 1)], &Traces::new(), 1).unwrap();
    let work = Work::decode(&plan.payload(&plan.arrivals[0], &workload)[..]).unwrap();
    assert_eq!(work.seed, plan.arrivals[0].work_seed);
    assert_eq!(work.transient_failure_rate, 0.25);
    assert_eq!(work.service.unwrap().distribution(), Distribution::None);
}

proptest! {
    #[test]
    fn the_same_seed_makes_the_same_plan_and_another_seed_another(seed in any::<u64>(), rate in 5.0f64..500.0) {
        let phases = [poisson("a", rate, 2), constant("b", rate, 1)];
        let plan = build(&phases, seed);
        prop_assert_eq!(&plan, &build(&phases, seed));
        prop_assert_eq!(plan.digest(), build(&phases, seed).digest());
        prop_assert_ne!(plan.digest(), build(&phases, seed ^ 1).digest());
        let counted: u64 = plan.phases.iter().map(|phase| phase.arrivals_count).sum();
        prop_assert_eq!(counted, plan.arrivals_count());
        prop_assert!(plan.arrivals.is_sorted_by_key(|arrival| arrival.offset_us));
        prop_assert!(plan.arrivals.iter().all(|arrival| plan.phase_at(arrival.offset_us) == arrival.phase));
    }

    #[test]
    fn a_payload_is_as_long_as_asked_or_two_bytes_longer(bytes in 0u32..40_000) {
        let mut workload = workload(&[1]);
        workload.definitions[0].payload_bytes = bytes;
        let plan = Plan::build(&workload, &[constant("a", 1.0, 1)], &Traces::new(), 1).unwrap();
        let length = plan.payload(&plan.arrivals[0], &workload).len() as u32;
        let bare = 11;
        prop_assert!(length >= bytes && (length <= bytes + 2 || length == bare), "{length} for {bytes}");
    }
}
