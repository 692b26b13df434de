//! Whole verdicts: teams, measured systems, what is missing or noisy, and more need.

use proptest::prelude::*;

use super::fixture::{capacity, contended, limited_by, plateau_in_claiming, team, waits};
use super::profile::{Expertise, KafkaSkill, LatencyObjective, Plan};
use super::*;
use crate::capacity::{Capacity, StepVerdict};
use crate::plateau::{Attribution, Cause, Finding};

mod tuning;

fn identity() -> Identity {
    Identity {
        id: "decision-20261122T160000Z".to_owned(),
        command: "./just decide".to_owned(),
        decided_at: "2026-11-22T16:00:00Z".to_owned(),
        machine: Some("A processor (0badcafe)".to_owned()),
        scenario: "capacity".to_owned(),
        rate_keys: vec![
            rate_key("load.0.rate_per_s", 0.125),
            rate_key("load.1.rate_per_s", 0.25),
        ],
        ..Identity::default()
    }
}

fn rate_key(path: &str, per_job: f64) -> RateKey {
    RateKey {
        path: path.to_owned(),
        per_job,
    }
}

fn of(evidence: &Evidence, profile: &Profile) -> Decision {
    decide(identity(), evidence, profile, &Thresholds::default())
}

fn small() -> Profile {
    team(20.0, (0.0, 3.0), Expertise::None)
}

fn growing() -> Profile {
    let mut profile = team(900.0, (5.0, 9.0), Expertise::Plan);
    profile.kafka = Some(KafkaSkill {
        expertise: Expertise::Plan,
        plan: Some(Plan {
            owner: "Ada".to_owned(),
            date: "2027-03-01".to_owned(),
            training: "a course".to_owned(),
            on_call: "platform".to_owned(),
        }),
    });
    profile
}

fn large() -> Profile {
    team(2_500.0, (2.0, 4.0), Expertise::Experienced)
}

fn clause<'a>(decision: &'a Decision, id: &str) -> &'a Clause {
    decision.clauses.iter().find(|clause| clause.id == id).unwrap()
}

#[test]
fn three_teams_on_one_plateau_get_three_answers() {
    let evidence = plateau_in_claiming();
    let told: Vec<String> = [small(), growing(), large()]
        .iter()
        .map(|profile| {
            let decision = of(&evidence, profile);
            format!("{:?} ({:?}): {}", decision.verdict, decision.reason, decision.sentence)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn the_contended_positive_control_is_a_ceiling_and_moves_only_a_team_that_can() {
    let evidence = contended();
    for profile in [growing(), large()] {
        let decision = of(&evidence, &profile);
        assert_eq!(decision.verdict, Verdict::MoveToEventDriven, "{}", decision.sentence);
        assert_eq!(clause(&decision, "lock-waits").answer, Answer::Yes);
        assert!(
            decision.sentence.contains("wait for each other's rows"),
            "{}",
            decision.sentence
        );
    }
    let unable = Profile {
        kafka: small().kafka,
        ..large()
    };
    assert_eq!(of(&evidence, &unable).verdict, Verdict::StayPolling);
}

#[test]
fn every_clause_cites_its_number_and_what_would_change_it() {
    let decision = of(&plateau_in_claiming(), &growing());
    for clause in &decision.clauses {
        assert!(
            !clause.detail.is_empty() && !clause.would_change.is_empty(),
            "{clause:?}"
        );
        let from_profile = clause.id == "expertise";
        assert_eq!(clause.run.is_none(), from_profile, "{clause:?}");
        assert!(
            from_profile || clause.value.is_some() || clause.id == "cause-in-claiming",
            "{clause:?}"
        );
    }
    let told: Vec<String> = decision
        .clauses
        .iter()
        .map(|clause| format!("{} {:?}: {}", clause.id, clause.answer, clause.detail))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn without_evidence_or_profile_it_is_inconclusive_and_names_what_to_run() {
    let decision = of(&Evidence::default(), &large());
    assert_eq!(decision.verdict, Verdict::Inconclusive);
    let commands: Vec<&str> = decision.next.iter().map(|next| next.command.as_str()).collect();
    assert_eq!(commands[0], "./just capacity polling capacity");
    assert!(
        commands.contains(&"./just capacity event-driven capacity"),
        "{commands:?}"
    );
    let prefilled = Identity {
        scenario: "contended".to_owned(),
        rate_keys: Vec::new(),
        ..identity()
    };
    let decision = decide(prefilled, &Evidence::default(), &large(), &Thresholds::default());
    assert_eq!(
        decision.next[0].command, "./just capacity polling",
        "its own would be refused"
    );
    let decision = of(&plateau_in_claiming(), &Profile::default());
    assert_eq!(decision.verdict, Verdict::Inconclusive);
    assert_eq!(decision.next[0].command, "./just decide --profile FILE");
    let mut silent = large();
    silent.kafka = None;
    let decision = of(&plateau_in_claiming(), &silent);
    assert_eq!(decision.reason, Reason::ExpertiseUnknown);
    assert_eq!(decision.next.len(), 1, "{:?}", decision.next);
}

#[test]
fn an_invalid_search_counts_as_none() {
    let mut evidence = plateau_in_claiming();
    for capacity in &mut evidence.capacities {
        capacity.invalid_reasons.push("debug build".to_owned());
    }
    assert_eq!(of(&evidence, &large()).verdict, Verdict::Inconclusive);
}

#[test]
fn intervals_too_wide_to_tell_are_inconclusive() {
    let mut evidence = plateau_in_claiming();
    for capacity in &mut evidence.capacities {
        if capacity.variant != Variant::EventDriven {
            capacity.holds.low = capacity.holds.low.map(|low| low / 3.0);
            capacity.holds.high = capacity.holds.high.map(|high| high * 3.0);
        }
    }
    let decision = of(&evidence, &growing());
    assert_eq!(clause(&decision, "replicas-do-not-lift").answer, Answer::Unknown);
    assert_eq!(
        (decision.verdict, decision.reason),
        (Verdict::Inconclusive, Reason::CeilingUnknown)
    );
}

#[test]
fn when_the_machine_was_the_limit_nothing_is_settled() {
    let mut evidence = plateau_in_claiming();
    for capacity in &mut evidence.capacities {
        capacity.plateau = Some(limited_by(Cause::HostCpu));
    }
    // At the horizon the lock waits were not looked at, so nothing else speaks.
    let decision = of(&evidence, &large());
    assert_eq!(
        (decision.verdict, decision.reason),
        (Verdict::Inconclusive, Reason::HostLimit)
    );
    assert!(
        decision.sentence.contains("not settled (host)"),
        "{}",
        decision.sentence
    );
    assert!(decision.next[0].why.contains("more processors"), "{:?}", decision.next);
    // A team that is far below any ceiling does not care.
    assert_eq!(of(&evidence, &small()).verdict, Verdict::StayPolling);
}

/// Waits at a need of 500 jobs/s, and what tuned polling and event-driven dispatch carry.
fn waiting(tuned: Capacity, event: Capacity) -> Decision {
    let mut evidence = contended();
    evidence
        .capacities
        .retain(|capacity| capacity.variant == Variant::PollingDefault);
    evidence.capacities.extend([tuned, event]);
    of(&evidence, &team(500.0, (0.0, 0.0), Expertise::Experienced))
}

fn at_the_machines_limit(mut search: Capacity) -> Capacity {
    search.steps[1].host_cpu_share = Some(0.97);
    search
}

#[test]
fn the_one_that_carries_less_must_not_have_been_held_up_by_the_machine() {
    let tuned = |holds| capacity(Variant::PollingTuned, 1, holds);
    let event = |holds| capacity(Variant::EventDriven, 1, holds);
    let (low, high) = ((800.0, 900.0), (1_000.0, 1_100.0));
    for decision in [
        waiting(tuned(high), at_the_machines_limit(event(low))),
        waiting(at_the_machines_limit(tuned(low)), event(high)),
    ] {
        assert_eq!(
            (decision.verdict, decision.reason),
            (Verdict::Inconclusive, Reason::HostLimit),
            "{}",
            decision.sentence
        );
        assert!(
            clause(&decision, "event-driven-above-tuned")
                .detail
                .contains("97 % busy")
        );
    }
    // Its upper end may be open.
    let mut open = event(high);
    open.holds.high = None;
    let decision = waiting(at_the_machines_limit(tuned(low)), open);
    assert_eq!(decision.reason, Reason::HostLimit, "{}", decision.sentence);
    // What carries more may have been.
    let decision = waiting(tuned(low), at_the_machines_limit(event(high)));
    assert_eq!(decision.verdict, Verdict::MoveToEventDriven, "{}", decision.sentence);
    let decision = waiting(at_the_machines_limit(tuned(high)), event(low));
    assert_eq!(decision.reason, Reason::NothingGained, "{}", decision.sentence);
}

#[test]
fn replicas_do_not_lift_only_if_the_machine_left_them_room_and_no_number_between_gains() {
    let answer = |evidence: &Evidence| clause(&of(evidence, &large()), "replicas-do-not-lift").answer;
    let tuned = |evidence: &mut Evidence, replicas: u32, change: &dyn Fn(&mut Capacity)| {
        let mut searches = evidence.capacities.iter_mut();
        let search = searches.find(|one| one.variant == Variant::PollingTuned && one.topology.replicas == replicas);
        change(search.unwrap());
    };
    let mut evidence = plateau_in_claiming();
    assert_eq!(answer(&evidence), Answer::Yes);
    tuned(&mut evidence, 8, &|search| search.steps[1].host_cpu_share = Some(0.97));
    assert_eq!(answer(&evidence), Answer::Unknown);
    // It lifts, all the same.
    tuned(&mut evidence, 2, &|search| {
        (search.holds.low, search.holds.high) = (Some(2_000.0), Some(2_100.0));
    });
    assert_eq!(answer(&evidence), Answer::No);
    // Four replicas may carry 40 % more, eight no more than one.
    let mut evidence = plateau_in_claiming();
    tuned(&mut evidence, 4, &|search| search.holds.high = Some(2_030.0));
    assert_eq!(answer(&evidence), Answer::Unknown);
}

#[test]
fn searches_of_other_commits_or_workers_are_not_compared() {
    let change: [fn(&mut Capacity); 2] = [
        |search| search.git_commit = Some("another".to_owned()),
        |search| search.topology.workers += 1,
    ];
    for change in change {
        let mut event = capacity(Variant::EventDriven, 1, (9_000.0, 9_500.0));
        change(&mut event);
        let decision = waiting(capacity(Variant::PollingTuned, 1, (800.0, 900.0)), event);
        assert_eq!(decision.reason, Reason::EventDrivenUnknown);
    }
}

#[test]
fn a_cause_and_the_machine_are_read_from_the_same_search() {
    let mut evidence = plateau_in_claiming();
    evidence
        .capacities
        .retain(|capacity| capacity.variant != Variant::PollingTuned);
    // The newest ended without a plateau, the one before on a full machine.
    let mut older = capacity(Variant::PollingTuned, 1, (1_450.0, 1_550.0));
    older.started_at = "2026-11-22T07:00:00Z".to_owned();
    older.plateau = Some(limited_by(Cause::HostCpu));
    let mut newest = capacity(Variant::PollingTuned, 1, (1_450.0, 1_550.0));
    newest.plateau = None;
    evidence.capacities.extend([older, newest]);
    evidence.lock_waits = vec![waits(9_000.0, 0.0)];
    let decision = of(&evidence, &large());
    assert_eq!(clause(&decision, "cause-in-claiming").answer, Answer::Unknown);
    assert_eq!(
        (decision.verdict, decision.reason),
        (Verdict::Inconclusive, Reason::HostLimit)
    );
}

#[test]
fn a_plateau_by_the_log_or_commits_never_says_move() {
    for cause in [Cause::Wal, Cause::Io, Cause::StatementCpu, Cause::Workers] {
        let mut evidence = plateau_in_claiming();
        for capacity in &mut evidence.capacities {
            capacity.plateau = Some(limited_by(cause));
        }
        // Calm at the need as well.
        evidence.lock_waits = vec![waits(9_000.0, 0.0)];
        let decision = of(&evidence, &large());
        assert_eq!(decision.verdict, Verdict::StayPolling, "{}", decision.sentence);
        assert!(decision.sentence.contains("not claiming"), "{}", decision.sentence);
    }
}

#[test]
fn what_would_help_is_what_lifts_the_cause() {
    let sentence = |cause, lift: &str| {
        let mut evidence = plateau_in_claiming();
        for capacity in &mut evidence.capacities {
            let finding = |cause, lift: &str| Finding {
                cause,
                share: Some(0.9),
                evidence: "90 %".to_owned(),
                lift: lift.to_owned(),
            };
            let findings = vec![finding(Cause::Io, "another disk"), finding(cause, lift)];
            capacity.plateau = Some(Attribution {
                findings,
                ..limited_by(cause)
            });
        }
        evidence.lock_waits = vec![waits(9_000.0, 0.0)];
        of(&evidence, &large()).sentence
    };
    assert_eq!(
        sentence(Cause::Pool, "more connections per replica"),
        "Stay with polling: what limits it (1,450 to 1,550 jobs/s) is not claiming but too few connections, which is to be set right \
         whatever the way of dispatch; what would help: more connections per replica."
    );
    assert_eq!(
        sentence(Cause::Wal, "a disk that flushes faster"),
        "Stay with polling: what limits it (1,450 to 1,550 jobs/s) is not claiming but the write-ahead log, so event-driven dispatch \
         would pay the same cost; what would help: a disk that flushes faster."
    );
}

#[test]
fn replicas_that_lift_the_ceiling_are_no_plateau() {
    let mut evidence = plateau_in_claiming();
    for capacity in &mut evidence.capacities {
        if capacity.variant == Variant::PollingTuned {
            let times = f64::from(capacity.topology.replicas).sqrt();
            capacity.holds.low = capacity.holds.low.map(|low| low * times);
            capacity.holds.high = capacity.holds.high.map(|high| high * times);
        }
    }
    evidence.lock_waits = vec![waits(9_000.0, 0.0)];
    let decision = of(&evidence, &large());
    assert_eq!(clause(&decision, "replicas-do-not-lift").answer, Answer::No);
    assert_eq!(decision.verdict, Verdict::TunePollingFirst, "{}", decision.sentence);
}

#[test]
fn a_step_that_did_not_hold_says_nothing_of_latency() {
    let mut evidence = plateau_in_claiming();
    for step in evidence.capacities.iter_mut().flat_map(|capacity| &mut capacity.steps) {
        step.verdict = StepVerdict::Unknown;
    }
    let profile = Profile {
        latency: Some(LatencyObjective {
            dispatch_p99_ms: 100.0,
            dispatch_p50_ms: None,
        }),
        ..small()
    };
    assert_eq!(
        clause(&of(&evidence, &profile), "latency-default").answer,
        Answer::Unknown
    );
}

#[test]
fn other_thresholds_change_the_verdict_of_old_runs() {
    let mut evidence = contended();
    evidence.lock_waits.iter_mut().for_each(|look| look.share = 0.2);
    let thresholds: Thresholds = toml::from_str("[lock_waits]\nshare_max = 0.5").unwrap();
    let lock_waits = |thresholds| clause(&decide(identity(), &evidence, &growing(), &thresholds), "lock-waits").answer;
    assert_eq!(lock_waits(Thresholds::default()), Answer::Yes);
    assert_eq!(lock_waits(thresholds), Answer::Unknown);
}

#[test]
fn searches_of_another_plan_are_not_compared() {
    let mut evidence = plateau_in_claiming();
    for capacity in &mut evidence.capacities {
        capacity.seed = u64::from(capacity.variant == Variant::EventDriven);
    }
    let decision = of(&evidence, &large());
    assert_eq!(decision.reason, Reason::EventDrivenUnknown);
}

#[test]
fn a_decision_survives_its_file() {
    let decision = of(&plateau_in_claiming(), &growing());
    let read: Decision = serde_json::from_str(&serde_json::to_string(&decision).unwrap()).unwrap();
    assert_eq!((read.verdict, &read.sentence), (decision.verdict, &decision.sentence));
    assert_eq!(
        (read.clauses.len(), read.profile),
        (decision.clauses.len(), decision.profile)
    );
}

fn measured() -> impl Strategy<Value = Evidence> {
    let holds = || (50.0..5_000.0f64, 1.0..1.5f64).prop_map(|(low, width)| (low, low * width));
    let cause = prop_oneof![
        Just(Cause::ClaimCpu),
        Just(Cause::ClaimLwlocks),
        Just(Cause::Wal),
        Just(Cause::HostCpu)
    ];
    let looks = prop::collection::vec((10.0..5_000.0f64, 0.0..0.6f64, any::<bool>()), 0..5);
    (holds(), holds(), holds(), cause, looks).prop_map(|(default, tuned, event, cause, looks)| {
        let mut capacities = vec![
            capacity(Variant::PollingDefault, 1, default),
            capacity(Variant::PollingTuned, 1, tuned),
            capacity(Variant::PollingTuned, 8, (tuned.0, tuned.1 * 1.02)),
        ];
        capacities
            .iter_mut()
            .for_each(|capacity| capacity.plateau = Some(limited_by(cause)));
        capacities.push(capacity(Variant::EventDriven, 1, event));
        let look = |(rate, share, tuned): (f64, f64, bool)| LockWaits {
            variant: if tuned {
                Variant::PollingTuned
            } else {
                Variant::PollingDefault
            },
            ..waits(rate, share)
        };
        Evidence {
            capacities,
            lock_waits: looks.into_iter().map(look).collect(),
            live: None,
        }
    })
}

proptest! {
    #[test]
    fn more_need_never_turns_move_into_polling(
        evidence in measured(), peak in 10.0..5_000.0f64, times in 1.0..20.0f64, low in 0.0..5.0f64, more in 0.0..5.0f64,
    ) {
        let verdict = |peak| of(&evidence, &team(peak, (low, low + more), Expertise::Experienced)).verdict;
        if verdict(peak) == Verdict::MoveToEventDriven {
            prop_assert!(matches!(verdict(peak * times), Verdict::MoveToEventDriven | Verdict::Inconclusive));
        }
    }

    #[test]
    fn without_expertise_nobody_is_told_to_move(evidence in measured(), peak in 10.0..5_000.0f64, growth in 0.0..10.0f64) {
        let verdict = of(&evidence, &team(peak, (growth, growth), Expertise::None)).verdict;
        prop_assert!(matches!(verdict, Verdict::StayPolling | Verdict::TunePollingFirst));
    }
}
