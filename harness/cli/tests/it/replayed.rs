//! What every test of the engine ends with: the audit log, replayed by the harness's own checker, gives the tables.

use std::collections::HashMap;

use crossover_evidence::checks::{Drain, Rules, judge};
use crossover_evidence::ledger::{Ledger, Mode, RunEvidence};
use crossover_evidence::load::Workload;
use crossover_evidence::measure::Measures;
use crossover_evidence::plan::Plan;
use crossover_evidence::result::Verdict;
use crossover_evidence::snapshot::{AuditRow, DefinitionRow, InstanceRow, JobRow, OutboxRow, Snapshot};
use crossover_proto::clock::MonotonicNs;
use crossover_proto::{InstanceId, JobId};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgPool, Row};

/// Checks that judge the database alone: the rest needs a history.
const CHECKS: [&str; 2] = ["audit-replayed-equals-tables", "no-double-effect"];

/// Fails unless tables and audit log tell the same story, with no effect twice.
pub async fn assert_tables_equal_audit(pool: &PgPool) {
    let snapshot = read(pool).await;
    let workload = Workload {
        hot_partition_share: None,
        definitions: Vec::new(),
    };
    let plan = Plan {
        seed: 0,
        phases: Vec::new(),
        arrivals: Vec::new(),
        prefill: Vec::new(),
    };
    let ledger = Ledger::build(RunEvidence {
        history: &[],
        snapshot: &snapshot,
        plan: &plan,
        workload: &workload,
        topics: None,
        downstream: None,
        mode: Mode::Polling,
        load_end: None,
        origin: MonotonicNs(0),
    });
    let judgement = judge(
        &ledger,
        &Measures::of(&ledger),
        Rules {
            order_enforced: false,
            drain: Drain::CutShort,
        },
    );
    let names: Vec<&str> = judgement.checks.iter().map(|check| check.name.as_str()).collect();
    for name in CHECKS {
        let check = judgement.checks.iter().find(|check| check.name == name);
        let check = check.unwrap_or_else(|| panic!("no check {name} in {names:?}"));
        assert!(
            check.verdict != Verdict::Fail,
            "{}: {}\n{}",
            check.name,
            check.detail,
            check.story.join("\n")
        );
    }
}

async fn read(pool: &PgPool) -> Snapshot {
    // One snapshot for all tables, though replicas may still be at work.
    let mut transaction = pool.begin().await.unwrap();
    let mut rows = async |query: &str| {
        sqlx::query(AssertSqlSafe(query.to_owned()))
            .fetch_all(&mut *transaction)
            .await
            .unwrap()
    };
    rows("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await;
    let mut types = HashMap::new();
    Snapshot {
        definitions: map(
            &rows("SELECT id, name, step_widths FROM definition ORDER BY id").await,
            |row| DefinitionRow {
                id: row.get(0),
                name: row.get(1),
                step_widths: row.get::<Vec<i32>, _>(2).into_iter().map(i32::unsigned_abs).collect(),
            },
        ),
        instances: map(
            &rows("SELECT id, definition_id, state::text, step, remaining FROM instance ORDER BY id").await,
            |row| InstanceRow {
                id: InstanceId(row.get(0)),
                definition: row.get(1),
                state: name(row.get(2)),
                step: row.get::<i16, _>(3).unsigned_abs(),
                remaining: row.get::<i32, _>(4).unsigned_abs(),
            },
        ),
        jobs: map(
            &rows("SELECT id, instance_id, job_type, step, ordinal, state::text, attempt FROM job ORDER BY id").await,
            |row| JobRow {
                id: JobId(row.get(0)),
                instance: InstanceId(row.get(1)),
                job_type: {
                    let next = u16::try_from(types.len()).unwrap();
                    *types.entry(row.get::<String, _>(2)).or_insert(next)
                },
                step: row.get::<i16, _>(3).unsigned_abs(),
                ordinal: row.get::<i16, _>(4).unsigned_abs(),
                state: name(row.get(5)),
                attempt: row.get::<i16, _>(6).unsigned_abs(),
            },
        ),
        outbox: map(
            &rows(
                "SELECT id, job_id, attempt, sent_at IS NOT NULL, coalesce(partition, -1), coalesce(record_offset, -1)
                 FROM outbox ORDER BY id",
            )
            .await,
            |row| OutboxRow {
                id: row.get(0),
                job: JobId(row.get(1)),
                attempt: row.get::<i16, _>(2).unsigned_abs(),
                sent: row.get(3),
                record: (row.get::<i32, _>(4) >= 0).then(|| (row.get(4), row.get(5))),
            },
        ),
        audit: map(
            &rows("SELECT instance_id, job_id, attempt, event::text FROM audit ORDER BY id").await,
            |row| AuditRow {
                instance: InstanceId(row.get(0)),
                job: row.get::<Option<i64>, _>(1).map(JobId).into(),
                attempt: row.get::<i16, _>(2).unsigned_abs(),
                event: name(row.get(3)),
            },
        ),
    }
}

fn map<T>(rows: &[PgRow], read: impl FnMut(&PgRow) -> T) -> Vec<T> {
    rows.iter().map(read).collect()
}

/// An enum by its name in the database.
fn name<'a, T: Deserialize<'a>>(text: &'a str) -> T {
    let text: StrDeserializer<'a, Error> = text.into_deserializer();
    T::deserialize(text).unwrap()
}
