//! The relay's statements: the fence, what a read finds and in which order, what is marked, refused and removed.

use std::time::Duration;

use crossover_engine::store::outbox::{
    OutboxRow, Reading, RefusedRow, SentRow, mark_sent, read, refuse, remove_sent, take_lead, try_lock,
};
use crossover_engine::store::{Selection, Store};
use sqlx::{Connection, PgConnection};

use super::{LONG_LEASE, connect, dispatching, jobs_in, start};
use crate::replayed::assert_tables_equal_audit;
use crate::servers::{Database, servers, wait_until};

const HOUR: Duration = Duration::from_secs(3_600);
const SOON: Duration = Duration::from_secs(10);

/// Reads without a fence.
async fn rows(connection: &mut PgConnection, in_flight: &[i64], parked: &[&str], max: u32) -> Vec<OutboxRow> {
    let parked: Vec<String> = parked.iter().map(|job_type| (*job_type).to_owned()).collect();
    match read(connection, None, in_flight, &parked, max).await.unwrap() {
        Reading::Rows(rows) => rows,
        Reading::Superseded => panic!("superseded without a fence"),
    }
}

async fn ids(connection: &mut PgConnection, in_flight: &[i64], parked: &[&str], max: u32) -> Vec<i64> {
    let rows = rows(connection, in_flight, parked, max).await;
    rows.iter().map(|row| row.id).collect()
}

/// Writes a row for nobody's job, and answers its id.
async fn insert(connection: &mut PgConnection, job_type: &str, payload_bytes: i32) -> i64 {
    sqlx::query_scalar(
        "INSERT INTO outbox (instance_id, job_id, attempt, step, ordinal, job_type, payload, source)
         VALUES (gen_random_uuid(), 1, 1, 0, 0, $1, convert_to(repeat('x', $2), 'UTF8'), 'test') RETURNING id",
    )
    .bind(job_type)
    .bind(payload_bytes)
    .fetch_one(connection)
    .await
    .unwrap()
}

fn at_offset(id: &i64) -> SentRow {
    SentRow {
        id: *id,
        partition: 4,
        offset: 100 + *id,
    }
}

/// A database with an outbox row for each of `count` instances, and a relay's connection.
async fn filled(count: usize) -> (Database, Store, PgConnection) {
    let database = servers().await.database().await;
    let store = dispatching(&database, 1);
    start(&store, &[1], count, Duration::ZERO).await;
    let connection = connect(&database).await;
    (database, store, connection)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_gives_the_fields_of_the_oldest_rows() {
    let (database, _, mut relay) = filled(10).await;
    let job = jobs_in(&database, "queued").await[0];
    let read = rows(&mut relay, &[], &[], 4).await;
    assert_eq!(read.iter().map(|row| row.id).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let first = &read[0];
    assert_eq!((first.key.job, first.key.instance), (job.job, job.instance));
    assert_eq!((first.key.attempt, first.key.step, first.key.ordinal), (1, 0, 0));
    assert_eq!((first.job_type.as_str(), first.source.as_str()), ("work", "test"));
    assert_eq!(first.payload, vec![7; 64]);
    let now = database
        .number("SELECT (extract(epoch FROM now()) * 1000000)::bigint")
        .await;
    assert!((now - 60_000_000..=now).contains(&first.created_unix_us), "{first:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_commit_in_reverse_order_lose_nothing_and_are_read_in_id_order() {
    let database = servers().await.database().await;
    let mut relay = connect(&database).await;
    let mut writers = Vec::new();
    for _ in 0..3 {
        writers.push(connect(&database).await);
    }
    let mut open = Vec::new();
    for writer in &mut writers {
        let mut transaction = writer.begin().await.unwrap();
        let id = insert(&mut transaction, "work", 1).await;
        open.push((id, transaction));
    }
    let mut in_flight = Vec::new();
    while let Some((id, transaction)) = open.pop() {
        assert!(ids(&mut relay, &in_flight, &[], 10).await.is_empty());
        transaction.commit().await.unwrap();
        // It has a lower id than all that are in flight.
        assert_eq!(ids(&mut relay, &in_flight, &[], 10).await, [id]);
        in_flight.push(id);
    }
    assert_eq!(ids(&mut relay, &[], &[], 10).await, [1, 2, 3]);
    assert_eq!(ids(&mut relay, &[2], &[], 10).await, [1, 3]);
    assert_eq!(ids(&mut relay, &[2], &[], 1).await, [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_fills_its_batch_behind_what_is_in_flight() {
    let (_, _, mut relay) = filled(50).await;
    let in_flight: Vec<i64> = (1..=20).filter(|id| *id != 7).rev().collect();
    assert_eq!(ids(&mut relay, &in_flight, &[], 5).await, [7, 21, 22, 23, 24]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_job_type_holds_up_no_other() {
    let database = servers().await.database().await;
    let mut relay = connect(&database).await;
    for job_type in ["a", "b", "a", "c", "b"] {
        insert(&mut relay, job_type, 1).await;
    }
    assert_eq!(ids(&mut relay, &[], &["a"], 10).await, [2, 4, 5]);
    assert_eq!(ids(&mut relay, &[1, 2], &["a"], 1).await, [4]);
    assert!(ids(&mut relay, &[], &["a", "b", "c"], 10).await.is_empty());
    assert_eq!(ids(&mut relay, &[], &[], 10).await, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_ends_where_its_payloads_would_fill_the_memory() {
    let database = servers().await.database().await;
    let mut relay = connect(&database).await;
    for bytes in [1, 40 << 20, 40 << 20, 1] {
        insert(&mut relay, "work", bytes).await;
    }
    assert_eq!(ids(&mut relay, &[], &[], 10).await, [1, 2, 3]);
    assert_eq!(ids(&mut relay, &[1, 2, 3], &[], 10).await, [4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_under_an_old_epoch_is_superseded() {
    let (_, _, mut relay) = filled(1).await;
    let first = take_lead(&mut relay, "first").await.unwrap();
    assert!(matches!(read(&mut relay, Some(first), &[], &[], 10).await, Ok(Reading::Rows(rows)) if rows.len() == 1));
    // The fence holds though there is nothing to read.
    assert!(matches!(read(&mut relay, Some(first), &[1], &[], 10).await, Ok(Reading::Rows(rows)) if rows.is_empty()));
    let second = take_lead(&mut relay, "second").await.unwrap();
    assert_eq!(second, first + 1);
    assert!(matches!(
        read(&mut relay, Some(first), &[], &[], 10).await,
        Ok(Reading::Superseded)
    ));
    assert!(matches!(read(&mut relay, Some(second), &[], &[], 10).await, Ok(Reading::Rows(rows)) if rows.len() == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_waits_for_a_new_leaders_commit_is_superseded() {
    let (database, _, mut old) = filled(1).await;
    let epoch = take_lead(&mut old, "old").await.unwrap();
    let mut new = connect(&database).await;
    let mut transaction = new.begin().await.unwrap();
    take_lead(&mut transaction, "new").await.unwrap();
    let waiting = tokio::spawn(async move { read(&mut old, Some(epoch), &[], &[], 10).await.unwrap() });
    let waits = || async {
        let waits = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%relay_read%'
              AND pid <> pg_backend_pid()";
        database.number(waits).await == 1
    };
    wait_until("the read waits", SOON, waits).await;
    assert!(!waiting.is_finished());
    transaction.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap(), Reading::Superseded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_leader_waits_for_a_read_that_is_under_way() {
    let (database, _, mut old) = filled(1).await;
    let epoch = take_lead(&mut old, "old").await.unwrap();
    let mut reading = old.begin().await.unwrap();
    assert!(matches!(
        read(&mut reading, Some(epoch), &[], &[], 10).await,
        Ok(Reading::Rows(_))
    ));
    let mut new = connect(&database).await;
    sqlx::query("SET lock_timeout = '100ms'")
        .execute(&mut new)
        .await
        .unwrap();
    assert!(take_lead(&mut new, "new").await.is_err());
    reading.commit().await.unwrap();
    assert_eq!(take_lead(&mut new, "new").await.unwrap(), epoch + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_session_has_the_leaders_lock() {
    let database = servers().await.database().await;
    let (mut one, mut other) = (connect(&database).await, connect(&database).await);
    assert!(try_lock(&mut one, 7).await.unwrap());
    assert!(!try_lock(&mut other, 7).await.unwrap());
    one.close().await.unwrap();
    let free = || async { try_lock(&mut connect(&database).await, 7).await.unwrap() };
    wait_until("the lock is free", SOON, free).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledgement_is_noted_once() {
    let (database, _, mut relay) = filled(5).await;
    let acked: Vec<SentRow> = [3, 1, 2, 99].iter().map(at_offset).collect();
    assert_eq!(mark_sent(&mut relay, &acked).await.unwrap(), 3);
    let later = SentRow {
        id: 1,
        partition: 5,
        offset: 900,
    };
    assert_eq!(mark_sent(&mut relay, &[later, at_offset(&4)]).await.unwrap(), 1);
    assert_eq!(ids(&mut relay, &[], &[], 10).await, [5]);
    let noted = "SELECT count(*) FROM outbox WHERE sent_at IS NOT NULL AND partition = 4 AND record_offset = 100 + id";
    assert_eq!(database.number(noted).await, 4);
}

fn refused(row: &OutboxRow) -> RefusedRow {
    RefusedRow {
        id: row.id,
        instance: row.key.instance,
        reason: "the record is too large".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_is_refused_for_good_makes_its_job_a_dead_letter() {
    let (database, store, mut relay) = filled(3).await;
    let read = rows(&mut relay, &[], &[], 10).await;
    // The last job began by another record.
    let jobs = jobs_in(&database, "queued").await;
    store.begin(&jobs[2..], "worker", LONG_LEASE).await.unwrap();
    let both: Vec<RefusedRow> = read[1..].iter().rev().map(refused).collect();
    assert_eq!(refuse(&mut relay, &both).await.unwrap(), 1);
    assert_eq!(refuse(&mut relay, &both).await.unwrap(), 0);
    assert_eq!(ids(&mut relay, &[], &[], 10).await, [1]);
    let dead = jobs_in(&database, "dead_letter").await;
    assert_eq!(dead, [jobs[1]]);
    let failed = "SELECT count(*) FROM instance JOIN job ON job.instance_id = instance.id
        WHERE instance.state = 'failed' AND last_error = 'the record is too large'";
    assert_eq!(database.number(failed).await, 1);
    let settled =
        "SELECT count(*) FROM outbox WHERE sent_at IS NOT NULL AND partition IS NULL AND record_offset IS NULL";
    assert_eq!(database.number(settled).await, 2);
    assert_tables_equal_audit(&database.pool).await;
    // A replay dispatches it again.
    assert_eq!(store.replay(&Selection::default(), 10).await.unwrap().0, 1);
    assert_eq!(ids(&mut relay, &[], &[], 10).await, [1, 4]);
    assert_tables_equal_audit(&database.pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_sent_long_ago_are_removed_but_not_those_of_jobs_that_still_wait() {
    let (database, store, mut relay) = filled(10).await;
    let jobs = jobs_in(&database, "queued").await;
    // 1 and 2 are still to be sent; 3 and 4 wait in the broker; 5 to 8 have begun; 9 and 10 too, but were sent just now.
    mark_sent(&mut relay, &(3..=10).map(|id| at_offset(&id)).collect::<Vec<_>>())
        .await
        .unwrap();
    database
        .execute("UPDATE outbox SET created_at = now() - interval '2 h'")
        .await;
    database
        .execute("UPDATE outbox SET sent_at = now() - interval '2 h' WHERE id BETWEEN 3 AND 8")
        .await;
    store.begin(&jobs[4..], "worker", LONG_LEASE).await.unwrap();
    let (mut removed, mut looks, mut after) = (0, 0, Some(0));
    while let Some(from) = after {
        let (more, next) = remove_sent(&mut relay, HOUR, from, 3).await.unwrap();
        removed += more;
        after = next;
        looks += 1;
    }
    assert_eq!((removed, looks), (4, 4));
    assert_eq!(ids(&mut relay, &[], &[], 10).await, [1, 2]);
    assert_eq!(
        database
            .number("SELECT count(*) FROM outbox WHERE id IN (3, 4, 9, 10)")
            .await,
        4
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_looks_at_no_more_than_it_must() {
    let (_, _, mut relay) = filled(10).await;
    // The third row is young, and so are all behind it.
    assert_eq!(remove_sent(&mut relay, HOUR, 0, 3).await.unwrap(), (0, None));
}
