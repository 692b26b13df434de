//! What tuning cures: a rate, waits, latency; and where waits are looked for that nobody has looked for.

use super::*;

#[test]
fn tuning_comes_first_where_it_carries_the_need() {
    // 700 jobs/s become 1,121 to 1,193: above default polling, below tuned.
    let profile = Profile {
        peak_jobs_per_s: Some(700.0),
        growth: team(1.0, (4.0, 4.5), Expertise::None).growth,
        ..large()
    };
    let decision = of(&plateau_in_claiming(), &profile);
    assert_eq!(
        (decision.verdict, decision.reason),
        (Verdict::TunePollingFirst, Reason::TuningCures)
    );
    let unknown = "still waits for rows of job is not known";
    assert!(!decision.sentence.contains(unknown), "{}", decision.sentence);
    let mut evidence = plateau_in_claiming();
    evidence.lock_waits.clear();
    let decision = of(&evidence, &profile);
    assert_eq!(decision.reason, Reason::TuningCures);
    assert!(decision.sentence.contains(unknown), "{}", decision.sentence);
}

#[test]
fn waits_that_tuning_cures_are_the_reason_to_tune_also_below_the_ceiling() {
    let mut evidence = plateau_in_claiming();
    evidence.lock_waits = vec![
        waits(400.0, 0.3),
        LockWaits {
            variant: Variant::PollingTuned,
            ..waits(600.0, 0.0)
        },
    ];
    let decision = of(&evidence, &team(500.0, (0.0, 0.0), Expertise::Experienced));
    assert_eq!(clause(&decision, "meets-default").answer, Answer::No);
    assert_eq!(decision.reason, Reason::TuningCures);
    let sentence = &decision.sentence;
    assert!(
        sentence.contains("as it is set its claimers wait for each other's rows"),
        "{sentence}"
    );
}

#[test]
fn waits_that_nobody_looked_for_at_the_need_are_looked_for_there() {
    let mut evidence = plateau_in_claiming();
    evidence.lock_waits = vec![waits(600.0, 0.3)];
    let decision = of(&evidence, &team(500.0, (0.0, 0.0), Expertise::Experienced));
    assert_eq!(
        (decision.verdict, clause(&decision, "meets-default").answer),
        (Verdict::Inconclusive, Answer::No)
    );
    assert!(
        decision.sentence.contains("(500 jobs/s within 12 months) is not known"),
        "{}",
        decision.sentence
    );
    let commands: Vec<&str> = decision.next.iter().map(|next| next.command.as_str()).collect();
    let above = "./just bench polling capacity --set load.0.rate_per_s=64.4 --set load.1.rate_per_s=128.8";
    let below = "./just bench polling capacity --set load.0.rate_per_s=60.6 --set load.1.rate_per_s=121.2";
    assert_eq!(commands[..2], [above, below], "{commands:?}");
    assert!(
        !commands.iter().any(|command| command.contains("--replicas")),
        "no ceiling is met, so nothing of it decides: {commands:?}"
    );
    // What the runs find is an answer, though they scatter.
    let answer = |look: LockWaits| {
        let evidence = Evidence {
            lock_waits: vec![waits(600.0, 0.3), look],
            ..evidence.clone()
        };
        clause(
            &of(&evidence, &team(500.0, (0.0, 0.0), Expertise::Experienced)),
            "lock-waits",
        )
        .answer
    };
    assert_eq!(answer(waits(514.0, 0.0)), Answer::No);
    assert_eq!(answer(waits(486.0, 0.3)), Answer::Yes);
}

#[test]
fn latency_that_only_tuning_meets_says_tune_and_none_says_move() {
    let mut evidence = plateau_in_claiming();
    for capacity in &mut evidence.capacities {
        if capacity.variant == Variant::PollingTuned {
            capacity.steps.iter_mut().for_each(|step| step.p99_ms = Some(20.0));
        }
    }
    let with = |objective: f64| Profile {
        latency: Some(LatencyObjective {
            dispatch_p99_ms: objective,
            dispatch_p50_ms: None,
        }),
        ..small()
    };
    let decision = of(&evidence, &with(100.0));
    assert_eq!(
        (decision.verdict, decision.reason),
        (Verdict::TunePollingFirst, Reason::TuningMeetsLatency)
    );
    assert!(
        decision.caveats.iter().any(|caveat| caveat.contains("never says move")),
        "{:?}",
        decision.caveats
    );
    // Neither meets 5 ms: the rubric knows nothing of latency.
    assert_eq!(of(&evidence, &with(5.0)).verdict, Verdict::StayPolling);
    // 500 ms against 550: within the noise of one run.
    let decision = of(&evidence, &with(550.0));
    assert_eq!(clause(&decision, "latency-default").answer, Answer::Unknown);
}
