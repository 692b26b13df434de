//! Every statement prepares, and statistics from another moment can't mislead the planner: the engine's plans are generic
//! and stay cached, and a queue's tables change from empty to full and back within minutes.

use std::collections::HashSet;
use std::time::Duration;

use crossover_engine::store::{Attempt, Store, statements};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::{BATCH, LONG_LEASE, claim, connect, dispatching, drain, start};
use crate::servers::{Database, servers};

/// Enough that a plan that looks at each of them shows.
const JOBS: usize = 20_000;
/// Pages (8 KiB) that a claim of a hundred jobs may touch late in a drain. Measured: 1,400, most of them the index entries and
/// row versions that it writes; a walk past all that is finished would touch 20,000 rows.
const CLAIM_PAGES_MAX: i64 = 3_000;

/// Statements for people and for definitions, and those that insert by what they are given: their plans may be what they like.
const RARE: [&str; 21] = [
    "definition_latest",
    "definition_insert",
    "definition_jobs_insert",
    "inspect",
    "inspect_jobs",
    "inspect_audit",
    "inspect_dispatches",
    "start",
    "start_to_outbox",
    "notify",
    "dead_letters",
    "dead_letters_lock",
    "replay_lock",
    "replay",
    "replay_to_outbox",
    "discard",
    "ping",
    "relay_take_lead",
    "relay_try_lock",
    "relay_beat",
    "relay_job_types",
];

async fn run(connection: &mut PgConnection, statement: impl Into<String>) -> Vec<String> {
    let rows = sqlx::raw_sql(AssertSqlSafe(statement.into()))
        .fetch_all(connection)
        .await
        .unwrap();
    rows.iter().map(|row| row.try_get(0).unwrap_or_default()).collect()
}

/// No autovacuum: statistics are from when the test says.
async fn quiet(database: &Database) {
    for table in ["instance", "job", "audit", "outbox", "definition", "definition_job"] {
        let statement = format!("ALTER TABLE {table} SET (autovacuum_enabled = off)");
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&database.pool)
            .await
            .unwrap();
    }
}

async fn analyze(database: &Database) {
    sqlx::raw_sql("ANALYZE").execute(&database.pool).await.unwrap();
}

/// Text, types and values of a statement's parameters as the engine binds them.
fn explained(tag: &str, attempts: &[Attempt]) -> Option<(&'static str, String)> {
    let list = |of: fn(&Attempt) -> String| attempts.iter().map(of).collect::<Vec<_>>().join(",");
    let jobs = list(|attempt| attempt.job.to_string());
    let numbers = list(|attempt| attempt.attempt.to_string());
    let instances = list(|attempt| attempt.instance.to_string());
    let named = format!("'{{{jobs}}}', '{{{numbers}}}', '{{{instances}}}'");
    let each = |value: &str| vec![value; attempts.len()].join(",");
    let reading = format!("0, '{{{jobs}}}', '{{}}', 2000, 64000000");
    Some(match tag {
        "claim" | "claim_blocking" => ("text, bigint, text, bigint", "'work', 100, 'test', 30000".to_owned()),
        "complete" | "release" => ("bigint[], smallint[], uuid[]", named),
        "complete_to_outbox" | "release_to_outbox" | "sweep_redispatch" => {
            ("bigint[], smallint[], uuid[], text", format!("{named}, 'test'"))
        }
        "begin" => (
            "bigint[], smallint[], uuid[], text, bigint",
            format!("{named}, 'test', 30000"),
        ),
        "extend" => ("bigint[], smallint[], uuid[], bigint", format!("{named}, 30000")),
        "fail" => (
            "bigint[], smallint[], uuid[], boolean[], text[]",
            format!("{named}, '{{{}}}', '{{{}}}'", each("f"), each("why")),
        ),
        "reap" | "promote" => ("bigint", "500".to_owned()),
        "reap_to_outbox" | "promote_to_outbox" => ("bigint, text", "500, 'test'".to_owned()),
        "relay_read" | "relay_read_unfenced" => ("bigint, bigint[], text[], bigint, bigint", reading),
        "relay_mark_sent" => (
            "bigint[], integer[], bigint[]",
            format!("'{{{jobs}}}', '{{{numbers}}}', '{{{jobs}}}'"),
        ),
        "relay_refuse" => (
            "bigint[], text[], uuid[]",
            format!("'{{{jobs}}}', '{{{}}}', '{{{instances}}}'", each("why")),
        ),
        "relay_remove_sent" => ("bigint, bigint, bigint", "0, 0, 5000".to_owned()),
        "sweep_stuck" => ("text, bigint, bigint, bigint", "'', 0, 30000, 500".to_owned()),
        "outcome" => ("bigint[]", format!("'{{{jobs}}}'")),
        "cancel" | "cancel_lock" => ("uuid[]", format!("'{{{instances}}}'")),
        _ => return None,
    })
}

/// The plan of a statement as a line a node; `analyze` runs it, and undoes it.
async fn plan(connection: &mut PgConnection, tag: &str, attempts: &[Attempt], analyze: bool) -> String {
    let (_, text) = statements().find(|(found, _)| *found == tag).unwrap();
    let (types, values) = explained(tag, attempts).unwrap();
    let options = if analyze {
        "ANALYZE, BUFFERS, TIMING OFF"
    } else {
        "COSTS OFF"
    };
    run(connection, "BEGIN").await;
    run(connection, format!("PREPARE explained ({types}) AS {text}")).await;
    let lines = run(connection, format!("EXPLAIN ({options}) EXECUTE explained ({values})")).await;
    run(connection, "DEALLOCATE explained").await;
    run(connection, "ROLLBACK").await;
    lines.join("\n")
}

/// The states of statistics that mislead: few of a kind when they were taken, many when the plan is used.
#[derive(Debug, Clone, Copy)]
enum Statistics {
    Empty,
    AllQueued,
    AllCompleted,
}

async fn bring_about(statistics: Statistics, database: &Database, store: &Store) {
    quiet(database).await;
    let count = if matches!(statistics, Statistics::Empty) {
        0
    } else {
        JOBS
    };
    start(store, &[1], count, Duration::ZERO).await;
    if matches!(statistics, Statistics::AllCompleted) {
        drain(store, count).await;
        let sent = "UPDATE outbox SET sent_at = now(), partition = 0, record_offset = id";
        assert_eq!(database.execute(sent).await, count as u64);
    }
    analyze(database).await;
}

async fn plans_hold_after(statistics: Statistics) {
    let database = servers().await.database().await;
    let store = dispatching(&database, 2);
    bring_about(statistics, &database, &store).await;
    // Jobs to name, from after the statistics.
    start(&store, &[1], BATCH, Duration::ZERO).await;
    let attempts = claim(&store, BATCH, LONG_LEASE).await;
    let mut connection = connect(&database).await;
    for tag in statements().map(|(tag, _)| tag) {
        if explained(tag, &[]).is_none() {
            assert!(
                RARE.contains(&tag),
                "is {tag} hot? Explain it here, or name it among the rare ones"
            );
            continue;
        }
        let plan = plan(&mut connection, tag, &attempts, false).await;
        for scan in [
            "Seq Scan on job",
            "Seq Scan on instance",
            "Seq Scan on audit",
            "Seq Scan on outbox",
        ] {
            // `job` and `instance` begin the names of no other table that is read here but `definition_job`.
            assert!(
                !plan.contains(scan),
                "{statistics:?}: {tag} scans a whole table\n{plan}"
            );
        }
        let (needed, refused): (&[&str], &[&str]) = match tag {
            "claim" | "claim_blocking" => (&["Index Scan using job_ready on job"], &["job_leased", "job_due"]),
            "complete" | "complete_to_outbox" | "extend" | "release" | "release_to_outbox" | "fail" | "begin" => {
                (&["job_pkey"], &["job_leased", "job_ready", "job_of_instance"])
            }
            "reap" | "reap_to_outbox" => (&["job_leased", "job_pkey"], &["job_ready", "job_of_instance"]),
            "promote" | "promote_to_outbox" => (&["job_due", "job_pkey"], &["job_ready", "job_leased"]),
            "outcome" => (&["job_pkey"], &[]),
            "cancel" => (&["job_of_instance", "job_pkey"], &["job_ready"]),
            "relay_read" | "relay_read_unfenced" => {
                (&["outbox_pending", "hashed SubPlan"], &["outbox_pkey", "outbox_of_job"])
            }
            // A nested loop from the ids, which are in order: see the locks.
            "relay_mark_sent" => (
                &["Nested Loop", "outbox_pkey"],
                &["outbox_pending", "Hash Join", "Merge Join"],
            ),
            "relay_refuse" => (
                &["outbox_pkey", "job_pkey", "instance_pkey"],
                &["outbox_pending", "job_ready"],
            ),
            "relay_remove_sent" => (&["outbox_pkey", "job_pkey"], &["outbox_pending", "job_ready"]),
            "sweep_stuck" => (
                &["job_ready", "outbox_of_job"],
                &["job_pkey", "outbox_pending", "outbox_pkey"],
            ),
            "sweep_redispatch" => (
                &["job_pkey", "instance_pkey", "outbox_of_job"],
                &["job_ready", "outbox_pending", "outbox_pkey"],
            ),
            _ => (&["instance_pkey"], &[]),
        };
        for index in needed {
            assert!(
                plan.contains(index),
                "{statistics:?}: {tag} does not use {index}\n{plan}"
            );
        }
        for index in refused {
            assert!(!plan.contains(index), "{statistics:?}: {tag} uses {index}\n{plan}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_made_from_statistics_of_empty_tables_use_the_right_indexes() {
    plans_hold_after(Statistics::Empty).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_made_from_statistics_of_a_full_queue_use_the_right_indexes() {
    plans_hold_after(Statistics::AllQueued).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_made_from_statistics_of_a_drained_queue_use_the_right_indexes() {
    plans_hold_after(Statistics::AllCompleted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_prepares_against_the_schema_under_a_tag_of_its_own() {
    let database = servers().await.database().await;
    let mut connection = connect(&database).await;
    let mut tags = HashSet::new();
    for (tag, text) in statements() {
        assert!(text.starts_with(&format!("/* {tag} */")) && !tag.is_empty(), "{text}");
        assert!(tags.insert(tag), "two statements are tagged {tag}");
        run(&mut connection, format!("PREPARE p_{tag} AS {text}")).await;
    }
    assert!(tags.len() >= 43, "{tags:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_late_in_a_drain_reads_a_bounded_number_of_pages() {
    let database = servers().await.database().await;
    let store = database.store(2);
    bring_about(Statistics::AllQueued, &database, &store).await;
    drain(&store, JOBS - 200).await;
    let mut connection = connect(&database).await;
    let plan = plan(&mut connection, "claim", &[], true).await;
    let pages = pages_of(&plan);
    println!("a claim of 100 of the last 200 of {JOBS} jobs touched {pages} pages");
    assert!(pages < CLAIM_PAGES_MAX, "{pages} pages\n{plan}");
    connection.close().await.unwrap();
}

/// Pages that the whole plan touched: the first line of buffers is that of the top node, which includes all others.
fn pages_of(plan: &str) -> i64 {
    let line = plan
        .lines()
        .find(|line| line.trim_start().starts_with("Buffers: shared"))
        .unwrap();
    let number = |name: &str| {
        let after = line.split(name).nth(1).unwrap_or("0");
        after.split(' ').next().unwrap().parse::<i64>().unwrap()
    };
    number("hit=") + number("read=")
}
