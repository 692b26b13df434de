//! For tests: searches, looks at waits and teams with the numbers that matter, all else as it comes.

use super::evidence::{Evidence, LockWaits};
use super::profile::{Expertise, Growth, KafkaSkill, Profile};
use crate::capacity::search::Settings;
use crate::capacity::{Capacity, Interval, SCHEMA_VERSION, Step, StepVerdict, Variant};
use crate::claims::fixture::Runs;
use crate::plateau::{Attribution, Cause};
use crate::result::LockLooks;

/// A search with this interval; its steps are the interval's ends, and its plateau lies in claiming for polling.
pub(crate) fn capacity(variant: Variant, replicas: u32, holds: (f64, f64)) -> Capacity {
    let run = Runs::new().polling;
    let step = |rate_per_s: f64, verdict| Step {
        rate_per_s,
        verdict,
        why: Vec::new(),
        slope_per_s: None,
        achieved_ratio: Some(1.0),
        drain_s: Some(0.5),
        p50_ms: Some(250.0),
        p99_ms: Some(500.0),
        host_cpu_share: Some(0.6),
        limited_by_harness: false,
        failed_checks: Vec::new(),
        run: "01".to_owned(),
    };
    let mut topology = run.topology;
    topology.replicas = replicas;
    let name = match variant {
        Variant::PollingDefault => "polling-default",
        Variant::PollingTuned => "polling-tuned",
        Variant::EventDriven => "event-driven",
    };
    Capacity {
        schema_version: SCHEMA_VERSION,
        id: format!("capacity-capacity-{name}-{replicas}"),
        scenario: "capacity".to_owned(),
        variant,
        seed: 7,
        command: "./just capacity".to_owned(),
        git_commit: None,
        started_at: "2026-11-22T08:00:00Z".to_owned(),
        testbed: run.testbed,
        topology,
        steps: vec![step(holds.0, StepVerdict::Held), step(holds.1, StepVerdict::DidNotHold)],
        search: Settings::default(),
        holds: Interval {
            low: Some(holds.0),
            high: Some(holds.1),
        },
        ended: Some("the interval is narrow enough".to_owned()),
        plateau: Some(limited_by(match variant {
            Variant::EventDriven => Cause::Wal,
            _ => Cause::ClaimLwlocks,
        })),
        invalid_reasons: Vec::new(),
    }
}

/// A plateau of one cause.
pub(crate) fn limited_by(cause: Cause) -> Attribution {
    Attribution {
        dominant: Some(cause),
        detail: "62 % of the active backends".to_owned(),
        findings: Vec::new(),
    }
}

/// Twenty seconds of polling at a rate, with this share of waits for `job` rows.
pub(crate) fn waits(rate_per_s: f64, share: f64) -> LockWaits {
    LockWaits {
        run: "default-polling-1".to_owned(),
        phase: "steady".to_owned(),
        is_backlog: false,
        variant: Variant::PollingDefault,
        offered_per_s: rate_per_s,
        completed_per_s: rate_per_s,
        replicas: 1,
        claims_are_limit: false,
        seconds: 20.0,
        share,
        looks: Some(LockLooks {
            with_active: 400,
            shares_by_second: vec![share; 20],
        }),
    }
}

/// Polling that replicas do not lift and tuning does not save (about 1,000 jobs/s, tuned 1,500), event-driven that carries far
/// more, no waits for rows.
pub(crate) fn plateau_in_claiming() -> Evidence {
    let default = [1, 2, 4, 8].map(|replicas| capacity(Variant::PollingDefault, replicas, (950.0, 1_050.0)));
    let tuned = [1, 2, 4, 8].map(|replicas| capacity(Variant::PollingTuned, replicas, (1_450.0, 1_550.0)));
    let event = [capacity(Variant::EventDriven, 2, (9_000.0, 9_500.0))];
    Evidence {
        capacities: default.into_iter().chain(tuned).chain(event).collect(),
        lock_waits: vec![
            waits(950.0, 0.01),
            LockWaits {
                variant: Variant::PollingTuned,
                ..waits(1_450.0, 0.01)
            },
        ],
        live: None,
    }
}

/// The contended positive control: a claim that blocks, with many claimers, tuned or not.
pub(crate) fn contended() -> Evidence {
    let mut evidence = plateau_in_claiming();
    evidence.lock_waits = [Variant::PollingDefault, Variant::PollingTuned]
        .map(|variant| LockWaits {
            variant,
            ..waits(300.0, 0.45)
        })
        .to_vec();
    evidence
}

/// A team by its peak (jobs/s), growth (percent a month) and expertise.
pub(crate) fn team(peak: f64, growth: (f64, f64), expertise: Expertise) -> Profile {
    Profile {
        team: "a team".to_owned(),
        peak_jobs_per_s: Some(peak),
        growth: Some(Growth {
            percent_per_month_low: growth.0,
            percent_per_month_high: growth.1,
        }),
        latency: None,
        kafka: Some(KafkaSkill { expertise, plan: None }),
    }
}
