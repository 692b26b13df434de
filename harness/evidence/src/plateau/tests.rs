//! Each cause planted into the figures, and named; and when a run did not keep up.

use std::time::Duration;

use crossover_proto::clock::MonotonicNs;

use super::database::Database;
use super::dominant::judge;
use super::machine::Machine;
use super::parts::Parts;
use super::{Attribution, Cause, Observed, attribute};
use crate::samples::{Active, PartUsage, PoolUse, Sample, StatementUse};
use crate::scene::{ORIGIN, Scene, constant};

/// A database that is at work all the time, and nothing of it stands out.
fn database() -> Database {
    Database {
        at_work: Some(1.0),
        running: 1.5,
        job_rows: Some(0.0),
        claim_lwlocks: Some(0.1),
        claim_running: Some(0.25),
        wal: Some(0.25),
        io: Some(0.1),
        others_running: Some(0.2),
        ..Database::default()
    }
}

/// Half of four processors are busy, a quarter of them with PostgreSQL.
fn machine() -> Machine {
    Machine {
        cpus: 4.0,
        host: Some(0.5),
        postgres_cores: Some(1.0),
        postgres_may_use: 4.0,
        late: Some(0.01),
        ..Machine::default()
    }
}

fn parts() -> Parts {
    Parts {
        pool: Some(0.1),
        broker: Some(0.1),
        workers: Some(0.3),
        ..Parts::default()
    }
}

fn dominant(database: &Database, machine: &Machine, parts: &Parts) -> Option<Cause> {
    judge(database, machine, parts).0
}

#[test]
fn nothing_is_named_where_nothing_stands_out_and_the_reason_has_the_numbers() {
    let (cause, why) = judge(&database(), &machine(), &parts());
    assert_eq!(cause, None);
    assert!(why.contains("25 %") && why.contains("40 %"), "{why}");
    let idle = Database {
        at_work: Some(0.5),
        wal: Some(0.9),
        ..database()
    };
    assert_eq!(
        dominant(&idle, &machine(), &parts()),
        None,
        "a database at rest limits nothing"
    );
    assert_eq!(dominant(&Database::default(), &machine(), &Parts::default()), None);
}

#[test]
fn each_part_that_is_full_is_named() {
    let named = |parts: Parts| dominant(&database(), &machine(), &parts);
    assert_eq!(
        named(Parts {
            pool: Some(0.6),
            ..parts()
        }),
        Some(Cause::Pool)
    );
    assert_eq!(
        named(Parts {
            broker: Some(0.6),
            ..parts()
        }),
        Some(Cause::Broker)
    );
    assert_eq!(
        named(Parts {
            workers: Some(0.9),
            ..parts()
        }),
        Some(Cause::Workers)
    );
    assert_eq!(
        named(Parts {
            pool: Some(0.4),
            ..parts()
        }),
        None
    );
}

#[test]
fn what_stands_out_inside_postgres_is_named() {
    let named = |database: Database| dominant(&database, &machine(), &parts());
    assert_eq!(
        named(Database {
            wal: Some(0.6),
            ..database()
        }),
        Some(Cause::Wal)
    );
    assert_eq!(
        named(Database {
            io: Some(0.6),
            ..database()
        }),
        Some(Cause::Io)
    );
    assert_eq!(
        named(Database {
            claim_lwlocks: Some(0.6),
            ..database()
        }),
        Some(Cause::ClaimLwlocks)
    );
    assert_eq!(
        named(Database {
            claim_running: Some(0.6),
            ..database()
        }),
        Some(Cause::ClaimCpu)
    );
    assert_eq!(
        named(Database {
            others_running: Some(0.6),
            ..database()
        }),
        Some(Cause::StatementCpu)
    );
    assert_eq!(
        named(Database {
            job_rows: Some(0.35),
            ..database()
        }),
        Some(Cause::JobRowLocks)
    );
    let unknown = Some(("Lock advisory in claim".to_owned(), 0.7));
    assert_eq!(
        named(Database {
            other: unknown,
            ..database()
        }),
        None,
        "a wait without a name of ours is not blamed on another"
    );
    assert_eq!(
        named(Database {
            wal: Some(0.35),
            ..database()
        }),
        None,
        "too near to the next"
    );
}

#[test]
fn claims_that_walk_past_dead_entries_are_told_from_claims_that_run() {
    let walking = |held: f64| Database {
        claim_running: Some(0.6),
        blocks_per_row: Some((100.0, 20.0)),
        held: Some(held),
        ..database()
    };
    assert_eq!(dominant(&walking(1.0), &machine(), &parts()), Some(Cause::HeldHorizon));
    assert_eq!(dominant(&walking(0.0), &machine(), &parts()), Some(Cause::ClaimBlocks));
    let share = |cause| walking(1.0).share_of(cause).unwrap();
    assert!((share(Cause::HeldHorizon) - 0.48).abs() < 1e-9 && (share(Cause::ClaimCpu) - 0.12).abs() < 1e-9);
}

#[test]
fn a_horizon_that_is_held_most_of_the_time_is_named_before_what_it_makes_worse() {
    let beside_the_log = |held, now| Database {
        claim_running: Some(0.3),
        wal: Some(0.6),
        blocks_per_row: Some((now, 20.0)),
        held: Some(held),
        ..database()
    };
    let named = |held, now| dominant(&beside_the_log(held, now), &machine(), &parts());
    assert_eq!(named(1.0, 60.0), Some(Cause::HeldHorizon));
    assert_eq!(named(0.4, 200.0), Some(Cause::Wal), "held for a while only");
    assert_eq!(named(1.0, 30.0), Some(Cause::Wal), "claims hardly notice it");
}

#[test]
fn a_full_machine_is_the_cause_unless_one_kind_of_statement_takes_half_of_it() {
    let full = |cores| Machine {
        host: Some(0.97),
        postgres_cores: Some(cores),
        ..machine()
    };
    // A full machine makes pools and the log wait, too.
    let waiting = Parts {
        pool: Some(0.9),
        ..parts()
    };
    assert_eq!(dominant(&database(), &full(2.0), &waiting), Some(Cause::HostCpu));
    let claiming = Database {
        claim_running: Some(0.6),
        others_running: Some(0.1),
        ..database()
    };
    assert_eq!(dominant(&claiming, &full(3.0), &waiting), Some(Cause::ClaimCpu));
    let others = Database {
        claim_running: Some(0.1),
        others_running: Some(0.6),
        ..database()
    };
    assert_eq!(dominant(&others, &full(3.0), &waiting), Some(Cause::StatementCpu));
}

#[test]
fn a_postgres_at_its_own_limit_is_named_only_if_it_has_less_than_the_machine() {
    let short = Machine {
        postgres_may_use: 1.0,
        postgres_cores: Some(0.97),
        ..machine()
    };
    assert_eq!(dominant(&database(), &short, &parts()), Some(Cause::PostgresCpu));
    let idle = Machine {
        postgres_cores: Some(0.5),
        ..short.clone()
    };
    assert_eq!(dominant(&database(), &idle, &parts()), None);
    let nobody_waits = Database {
        running: 0.9,
        ..database()
    };
    assert_eq!(dominant(&nobody_waits, &short, &parts()), None, "nobody wanted more");
}

#[test]
fn a_load_that_comes_late_hides_all_that_is_behind_it() {
    let late = Machine {
        late: Some(0.8),
        host: Some(0.99),
        ..machine()
    };
    let locks = Database {
        job_rows: Some(0.9),
        ..database()
    };
    assert_eq!(dominant(&locks, &late, &parts()), Some(Cause::Harness));
}

/// What a run of a scene comes to, with two slots of workers.
fn attribution(scene: &Scene, samples: &[Sample]) -> Option<Attribution> {
    let (ledger, measures) = (scene.ledger(), scene.measures());
    attribute(&Observed {
        ledger: &ledger,
        phases: &measures.phases,
        series: &measures.series,
        samples,
        end: ledger.end(),
        cpus: 2,
        worker_slots: 2,
    })
}

fn at(second: u64) -> MonotonicNs {
    ORIGIN.plus(Duration::from_secs(second))
}

#[test]
fn a_run_whose_jobs_start_as_they_come_has_no_plateau() {
    let mut scene = Scene::with_phases(&[1], &[constant("steady", 50.0, 4)]);
    for _ in 0..200 {
        scene.start();
        scene.drain();
    }
    assert_eq!(attribution(&scene, &[]), None);
}

#[test]
fn a_run_whose_jobs_pile_up_has_one_and_says_what_was_not_measured() {
    let mut scene = Scene::with_phases(&[1], &[constant("steady", 50.0, 4)]);
    scene.start_many(200);
    scene.drain();
    let found = attribution(&scene, &[]).unwrap();
    assert!(found.detail.contains("phase steady 100 %"), "{}", found.detail);
    assert_eq!(found.dominant, None, "nobody looked at anything");
    let missing = found.findings.iter().filter(|finding| finding.share.is_none());
    assert!(missing.clone().count() >= 10, "{found:#?}");
    assert!(
        missing
            .clone()
            .all(|finding| finding.evidence.starts_with("not measured")),
        "{found:#?}"
    );
}

#[test]
fn starts_that_are_never_answered_are_left_over_too() {
    let mut scene = Scene::with_phases(&[1], &[constant("steady", 50.0, 4)]);
    for _ in 0..200 {
        scene.start_unknown(false);
    }
    assert!(attribution(&scene, &[]).is_some());
}

#[test]
fn a_phase_that_is_too_short_to_tell_is_not_judged() {
    let mut scene = Scene::with_phases(&[1], &[constant("steady", 50.0, 1)]);
    scene.start_many(50);
    assert_eq!(attribution(&scene, &[]), None);
}

#[test]
fn samples_of_claims_past_dead_entries_come_to_the_held_horizon() {
    let mut scene = Scene::with_phases(&[1], &[constant("steady", 50.0, 4)]);
    scene.start_many(200);
    scene.drain();
    let mut samples = Vec::new();
    for second in 0..4 {
        let now = at(second).0 + 1;
        let running = Active {
            wait_type: "CPU".to_owned(),
            event: String::new(),
            relation: None,
            statement: "claim".to_owned(),
            count: 3,
        };
        let claim = StatementUse {
            statement: "claim".to_owned(),
            calls: 10 * second,
            rows: 100 * second,
            exec_ms: 100.0 * second as f64,
            blocks: 1_000 * second * second,
            blocks_read: 0,
        };
        let postgres = PartUsage {
            name: "postgres".to_owned(),
            cpu_s: 1.8 * second as f64,
            memory_mb: 100.0,
            disk_mb: None,
            processors: Some(2),
        };
        let replica = PoolUse {
            name: "replica-1".to_owned(),
            wait_s: 0.0,
            held_s: second as f64,
        };
        samples.extend([
            Sample::Activity {
                at: now,
                query_us: 300,
                connections: 8,
                active: vec![running],
            },
            Sample::Tables {
                at: now,
                dead_tuples: 1_000,
                oldest_snapshot_ms: 5_000,
            },
            Sample::Statements {
                at: now,
                query_us: 300,
                statements: vec![claim],
            },
            Sample::Usage {
                at: now,
                parts: vec![postgres],
                host_busy: Some(0.97),
            },
            Sample::Pool {
                at: now,
                replicas: vec![replica],
            },
        ]);
    }
    let found = attribution(&scene, &samples).unwrap();
    assert_eq!(found.dominant, Some(Cause::HeldHorizon), "{found:#?}");
    assert_eq!(found.findings[0].cause, Cause::HeldHorizon);
    let evidence = &found.findings[0].evidence;
    assert!(evidence.contains("took 30 blocks, 10 at its cheapest"), "{evidence}");
}
