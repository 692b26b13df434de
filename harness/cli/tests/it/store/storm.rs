//! All calls at once on the same instances: no deadlock, and the tables tell one story.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossover_engine::EngineError;
use crossover_engine::store::outbox::{self, Reading, RefusedRow, SentRow};
use crossover_engine::store::sweep::{self, Position};
use crossover_engine::store::{Attempt, ClaimKind, FailedAttempt, Selection, Store};
use crossover_proto::InstanceId;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use sqlx::PgConnection;

use super::contention::at_once;
use super::{LONG_LEASE, assert_outbox_follows_audit, attempt_of, connect, start};
use crate::replayed::assert_tables_equal_audit;
use crate::servers::servers;

/// How workers get jobs.
#[derive(Debug, Clone, Copy)]
enum Take {
    Claim(ClaimKind),
    Begin,
}

/// What the tasks of a storm share.
struct Storm {
    instances: Vec<InstanceId>,
    /// Attempts that somebody was given at some time: most are lost by now, and named all the same.
    given: Mutex<Vec<Attempt>>,
    /// What a relay has read: the records in the broker.
    records: Mutex<Vec<Attempt>>,
    over: AtomicBool,
    changed: AtomicU64,
}

impl Storm {
    /// Some of the attempts, the newest more often, in no order.
    fn some(of: &Mutex<Vec<Attempt>>, random: &mut SmallRng, count: usize) -> Vec<Attempt> {
        let given = of.lock().unwrap();
        let newest = given.len().saturating_sub(count * 3);
        let mut some: Vec<Attempt> = given[newest..].to_vec();
        drop(given);
        some.shuffle(random);
        some.truncate(count);
        // A statement takes each job once.
        let mut seen = HashSet::new();
        some.retain(|attempt| seen.insert(attempt.job));
        some
    }

    /// Reads and marks what the others dispatch, and sweeps, until they are done. Rows of an instance come in the order of
    /// their ids: a read that shows one shows all before it.
    async fn relay(&self, connection: &mut PgConnection) -> Result<(), EngineError> {
        let mut latest: HashMap<InstanceId, i64> = HashMap::new();
        while !self.over.load(Ordering::Relaxed) {
            let Reading::Rows(rows) = outbox::read(connection, None, &[], &[], 100).await? else {
                panic!("superseded without a fence");
            };
            for row in &rows {
                let before = latest.insert(row.key.instance, row.id);
                assert!(before < Some(row.id), "row {} came after {before:?}", row.id);
            }
            let (refused, sent): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.id % 97 == 0);
            let refused = refused.into_iter().map(|row| RefusedRow {
                id: row.id,
                instance: row.key.instance,
                reason: "too large".to_owned(),
            });
            outbox::refuse(connection, &refused.collect::<Vec<_>>()).await?;
            self.records.lock().unwrap().extend(sent.iter().map(|row| Attempt {
                job: row.key.job,
                attempt: i16::try_from(row.key.attempt).unwrap(),
                instance: row.key.instance,
            }));
            let sent = sent.iter().map(|row| SentRow {
                id: row.id,
                partition: 0,
                offset: row.id,
            });
            outbox::mark_sent(connection, &sent.collect::<Vec<_>>()).await?;
            let (stuck, _) = sweep::stuck(connection, &Position::default(), Duration::ZERO, 50).await?;
            let stuck: Vec<Attempt> = stuck.into_iter().map(|stuck| stuck.attempt).collect();
            sweep::redispatch(connection, &stuck, "sweeper").await?;
        }
        Ok(())
    }

    /// One call, drawn by lot.
    async fn act(&self, store: &Store, take: Take, random: &mut SmallRng) -> Result<usize, EngineError> {
        let lot = random.random_range(0..100);
        let some = Self::some(&self.given, random, 40);
        Ok(match lot {
            0..30 => {
                // Half of the leases are lost at once.
                let lease = if random.random() { LONG_LEASE } else { Duration::ZERO };
                let taken = match take {
                    Take::Claim(kind) => {
                        let jobs = store.claim(kind, "work", 30, "test", lease).await?;
                        jobs.iter().map(attempt_of).collect()
                    }
                    Take::Begin => {
                        let records = Self::some(&self.records, random, 30);
                        let worker = format!("worker-{}", random.random_range(0..3));
                        let done = store.begin(&records, &worker, lease).await?.done;
                        records
                            .into_iter()
                            .filter(|record| done.contains(&record.job))
                            .collect::<Vec<_>>()
                    }
                };
                self.given.lock().unwrap().extend(&taken);
                taken.len()
            }
            30..50 => store.complete(&some).await?.done.len(),
            50..60 => {
                let failed = |attempt| FailedAttempt {
                    attempt,
                    permanent: random.random_ratio(1, 20),
                    reason: String::new(),
                };
                store
                    .fail(&some.into_iter().map(failed).collect::<Vec<_>>())
                    .await?
                    .len()
            }
            60..70 => store.extend(&some, LONG_LEASE).await?.len(),
            70..75 => store.release(&some).await?.len(),
            75..85 => store.reap(40).await?.jobs,
            85..92 => store.promote(40).await?.jobs,
            92..94 => store.replay(&Selection::default(), 3).await?.0,
            94..95 => store.discard(&Selection::default(), 1).await?,
            _ => {
                let mut cancelled: Vec<InstanceId> = self.instances.clone();
                cancelled.shuffle(random);
                store.cancel(&cancelled[..2]).await?.len()
            }
        })
    }
}

async fn a_storm_gives_no_deadlock(take: Take) {
    const TASKS: usize = 8;
    const ACTS: usize = 250;
    let database = servers().await.database().await;
    let in_mode = move |store: Store| match take {
        Take::Claim(_) => store,
        Take::Begin => store.dispatching_to_outbox("test"),
    };
    let instances = start(&in_mode(database.store(1)), &[6, 6, 6], 200, Duration::ZERO).await;
    let storm = Arc::new(Storm {
        instances,
        given: Mutex::default(),
        records: Mutex::default(),
        over: AtomicBool::new(false),
        changed: AtomicU64::new(0),
    });
    let mut connection = connect(&database).await;
    let relay = tokio::spawn({
        let storm = storm.clone();
        async move { storm.relay(&mut connection).await }
    });
    let errors = at_once(&database, TASKS, |number, store| {
        let (storm, store) = (storm.clone(), in_mode(store));
        async move {
            // Drawn from the task's number: a failure can be looked for again.
            let mut random = SmallRng::seed_from_u64(number as u64);
            let mut errors = Vec::new();
            for _ in 0..ACTS {
                match storm.act(&store, take, &mut random).await {
                    Ok(changed) => drop(storm.changed.fetch_add(changed as u64, Ordering::Relaxed)),
                    Err(error) => errors.push(error.to_string()),
                }
            }
            errors
        }
    })
    .await;
    storm.over.store(true, Ordering::Relaxed);
    relay.await.unwrap().unwrap();
    let errors: Vec<String> = errors.into_iter().flatten().collect();
    assert!(
        errors.is_empty(),
        "{} of {} calls failed: {:#?}",
        errors.len(),
        TASKS * ACTS,
        &errors[..1]
    );
    let events = "SELECT count(DISTINCT event) FROM audit WHERE job_id IS NOT NULL";
    println!(
        "{} rows changed, {} kinds of events",
        storm.changed.load(Ordering::Relaxed),
        database.number(events).await
    );
    // All kinds but `job_scheduled`, which only a delay gives.
    assert_eq!(database.number(events).await, 10, "the storm did not do everything");
    assert_tables_equal_audit(&database.pool).await;
    if matches!(take, Take::Begin) {
        assert_outbox_follows_audit(&database).await;
        let again = "SELECT count(*) FROM outbox WHERE source = 'sweeper'";
        assert!(database.number(again).await > 0, "the sweeper found nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_all_calls_on_the_same_instances_gives_no_deadlock() {
    a_storm_gives_no_deadlock(Take::Claim(ClaimKind::SkipLocked)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_with_blocking_claims_gives_no_deadlock() {
    a_storm_gives_no_deadlock(Take::Claim(ClaimKind::Blocking)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_all_calls_and_a_relay_gives_no_deadlock_and_keeps_the_order_of_each_instance() {
    a_storm_gives_no_deadlock(Take::Begin).await;
}
