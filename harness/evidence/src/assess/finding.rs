//! What else a look at a live database shows, each with its numbers, its threshold and its remedy.

use super::condition::percent;
use super::evidence::{
    Answer, Condition, Connections, Finding, FindingKind, LockWaits, ServerFacts, TableSummary, Thresholds, WaitShare,
};
use super::{Holder, HolderKind};
use crate::text::{grouped, whole};

/// What findings are made of.
pub struct Given<'a> {
    pub server: &'a ServerFacts,
    pub thresholds: &'a Thresholds,
    pub condition: &'a Condition,
    pub lock_waits: &'a LockWaits,
    pub waits: &'a [WaitShare],
    pub table_lock_waiters_max: u32,
    pub table: &'a TableSummary,
    pub connections: &'a Connections,
    /// Each at its oldest.
    pub holders: &'a [Holder],
}

/// All findings, gravest first.
pub fn findings(given: &Given) -> Vec<Finding> {
    let mut findings: Vec<Finding> = [
        row_lock_waits(given),
        table_lock_waits(given),
        dead_rows(given),
        connections(given),
        lightweight_locks(given),
        sequential_scans(given),
    ]
    .into_iter()
    .flatten()
    .chain(given.holders.iter().filter_map(|holder| held(holder, given.thresholds)))
    .collect();
    findings.sort_by_key(|finding| finding.kind);
    findings
}

fn row_lock_waits(given: &Given) -> Option<Finding> {
    let waits = given.lock_waits;
    (waits.waiting_max > 0 && given.condition.answer != Answer::No).then(|| Finding {
        kind: FindingKind::RowLockWaits,
        evidence: format!(
            "up to {} backends at once waited for rows of {}; {} of {} windows were contended",
            waits.waiting_max, given.server.table, waits.windows_contended, waits.windows_with_load
        ),
        remedy: "claim with FOR UPDATE SKIP LOCKED; commit the claim before the job runs; touch rows in one order (by id) where several \
                 are updated together"
            .to_owned(),
    })
}

fn table_lock_waits(given: &Given) -> Option<Finding> {
    (given.table_lock_waiters_max > 0).then(|| Finding {
        kind: FindingKind::TableLockWaits,
        evidence: format!(
            "up to {} backends at once waited for the table {} as a whole",
            given.table_lock_waiters_max, given.server.table
        ),
        remedy: "find who takes LOCK TABLE or runs DDL, TRUNCATE or VACUUM FULL on it while jobs are dispatched; give DDL a lock_timeout".to_owned(),
    })
}

fn dead_rows(given: &Given) -> Option<Finding> {
    let (table, of) = (given.table, given.thresholds);
    let share = table.dead_rows as f64 / ((table.dead_rows + table.live_rows) as f64).max(1.0);
    (table.dead_rows >= of.dead_rows && share >= of.dead_share).then(|| {
        let last = table.last_autovacuum_s.map_or_else(
            || "never".to_owned(),
            |seconds| format!("{:.0} min ago", seconds / 60.0),
        );
        Finding {
            kind: FindingKind::DeadRows,
            evidence: format!(
                "{} dead rows beside {} live ones ({}; threshold {} and {} rows); last autovacuum: {last}. Every claim steps over them",
                grouped(table.dead_rows),
                grouped(table.live_rows),
                percent(share),
                percent(of.dead_share),
                grouped(of.dead_rows)
            ),
            remedy: format!(
                "if nothing holds back vacuum (see above): ALTER TABLE {} SET (autovacuum_vacuum_scale_factor = 0.01, \
                 autovacuum_vacuum_cost_delay = 0), then VACUUM it once",
                given.server.table
            ),
        }
    })
}

fn connections(given: &Given) -> Option<Finding> {
    let (most, allowed) = (given.connections.total_max, given.server.connections_allowed);
    let share = f64::from(most) / f64::from(allowed.max(1));
    (share >= given.thresholds.connections_share).then(|| Finding {
        kind: FindingKind::Connections,
        evidence: format!(
            "{most} of {allowed} connections in use ({}; threshold {}), at most {} of them active at once",
            percent(share),
            percent(given.thresholds.connections_share),
            given.connections.active_max
        ),
        remedy: "put a pooler (such as PgBouncer, transaction mode) in front of the workers, or make their pools smaller: a connection that \
                 idles still costs"
            .to_owned(),
    })
}

fn lightweight_locks(given: &Given) -> Option<Finding> {
    let of_kind = || given.waits.iter().filter(|wait| wait.wait_type == "LWLock");
    let share: f64 = of_kind().map(|wait| wait.share).sum();
    let most = of_kind().max_by(|a, b| a.share.total_cmp(&b.share))?;
    (share >= given.thresholds.lwlock_share).then(|| Finding {
        kind: FindingKind::LightweightLocks,
        evidence: format!(
            "{} of active backends waited for lightweight locks (threshold {}), most for {}",
            percent(share),
            percent(given.thresholds.lwlock_share),
            most.event
        ),
        remedy: "look the event up in PostgreSQL's manual (wait events): WALWrite asks for fewer, larger transactions; BufferContent and \
                 LockManager for fewer backends at once; those named after SLRUs for fewer subtransactions or multixacts"
            .to_owned(),
    })
}

fn sequential_scans(given: &Given) -> Option<Finding> {
    let (read, written) = (given.table.seq_rows_read_per_s, given.table.writes_per_s());
    (written > 0.0 && read / written >= given.thresholds.seq_rows_per_write).then(|| Finding {
        kind: FindingKind::SequentialScans,
        evidence: format!(
            "sequential scans of {} read {} rows/s, {} for each row written (threshold {})",
            given.server.table,
            whole(read),
            whole(read / written),
            whole(given.thresholds.seq_rows_per_write)
        ),
        remedy: "find the statement (pg_stat_statements, auto_explain); a claim needs an index that begins with what it filters and orders by, \
                 partial on what is still to do"
            .to_owned(),
    })
}

fn held(holder: &Holder, of: &Thresholds) -> Option<Finding> {
    let kind = match holder.kind {
        HolderKind::Transaction => {
            let age_s = holder.age_s?;
            let idles = holder.state.starts_with("idle in transaction");
            if age_s >= of.transaction_s && holder.horizon_transactions.is_some() {
                FindingKind::HeldHorizon
            } else if idles && age_s >= of.idle_in_transaction_s {
                FindingKind::IdleInTransaction
            } else {
                return None;
            }
        }
        HolderKind::PreparedTransaction if holder.age_s? >= of.transaction_s => FindingKind::HeldHorizon,
        HolderKind::ReplicationSlot | HolderKind::Standby
            if holder.horizon_transactions? >= of.horizon_transactions =>
        {
            FindingKind::HeldHorizon
        }
        _ => return None,
    };
    Some(Finding {
        kind,
        evidence: told(holder, kind, of),
        remedy: remedy(holder),
    })
}

fn told(holder: &Holder, kind: FindingKind, of: &Thresholds) -> String {
    let age = holder.age_s.map(|age| format!(", open for {} s", whole(age)));
    let since = holder.horizon_transactions.map(|number| {
        format!(
            ", and no row that died in the last {} transactions can be removed",
            grouped(number)
        )
    });
    let threshold = match (holder.kind, kind) {
        (HolderKind::ReplicationSlot | HolderKind::Standby, _) => {
            format!("{} transactions", grouped(of.horizon_transactions))
        }
        (_, FindingKind::IdleInTransaction) => format!("{} s", of.idle_in_transaction_s),
        _ => format!("{} s", of.transaction_s),
    };
    let what = match holder.kind {
        HolderKind::Transaction => "a transaction of",
        HolderKind::PreparedTransaction => "the prepared transaction",
        HolderKind::ReplicationSlot => "the replication slot",
        HolderKind::Standby => "the standby",
    };
    let pid = holder.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
    format!(
        "{what} {:?} ({}{pid}){}{} (threshold {threshold})",
        holder.name,
        holder.state,
        age.unwrap_or_default(),
        since.unwrap_or_default()
    )
}

fn remedy(holder: &Holder) -> String {
    match holder.kind {
        HolderKind::Transaction => {
            let end = holder
                .pid
                .map(|pid| format!(" (at once: SELECT pg_terminate_backend({pid}))"));
            format!(
                "end it{}; commit before waiting for anything outside the database; set idle_in_transaction_session_timeout",
                end.unwrap_or_default()
            )
        }
        HolderKind::PreparedTransaction => {
            "COMMIT PREPARED or ROLLBACK PREPARED it, and see why its coordinator forgot it".to_owned()
        }
        HolderKind::ReplicationSlot => {
            "let its consumer catch up; if nobody needs it any more, SELECT pg_drop_replication_slot".to_owned()
        }
        HolderKind::Standby => "end long queries on the standby, or set hot_standby_feedback = off there".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;
    use super::*;

    fn kinds(scene: &Scene) -> Vec<FindingKind> {
        scene.evidence().findings.iter().map(|finding| finding.kind).collect()
    }

    fn holder(kind: HolderKind, state: &str, age_s: Option<f64>, horizon: Option<u64>) -> Holder {
        Holder {
            kind,
            name: "reports".to_owned(),
            pid: Some(4_711),
            state: state.to_owned(),
            age_s,
            horizon_transactions: horizon,
        }
    }

    #[test]
    fn a_healthy_table_has_no_findings() {
        assert_eq!(kinds(&Scene::busy()), []);
    }

    #[test]
    fn each_fault_that_is_planted_is_found() {
        assert_eq!(kinds(&Scene::busy().waiting(|_| 3)), [FindingKind::RowLockWaits]);
        assert_eq!(
            kinds(&Scene::busy().waiting_for("relation", |_| 1)),
            [FindingKind::TableLockWaits]
        );
        assert_eq!(kinds(&Scene::busy().dead(50_000)), [FindingKind::DeadRows]);
        assert_eq!(kinds(&Scene::busy().connected(90)), [FindingKind::Connections]);
        assert_eq!(kinds(&Scene::busy().scanning(500_000)), [FindingKind::SequentialScans]);
        assert_eq!(kinds(&Scene::busy().on_lwlock(6)), [FindingKind::LightweightLocks]);
    }

    #[test]
    fn what_holds_back_vacuum_is_named_with_its_remedy() {
        let found = |holder: Holder| Scene::busy().held_by(holder).evidence().findings;
        let open = found(holder(HolderKind::Transaction, "active", Some(300.0), Some(12)));
        assert_eq!(open[0].kind, FindingKind::HeldHorizon);
        assert!(
            open[0].remedy.contains("pg_terminate_backend(4711)"),
            "{}",
            open[0].remedy
        );
        let idle = found(holder(HolderKind::Transaction, "idle in transaction", Some(30.0), None));
        assert_eq!(idle[0].kind, FindingKind::IdleInTransaction);
        let slot = found(holder(HolderKind::ReplicationSlot, "inactive", None, Some(1 << 20)));
        assert_eq!(slot[0].kind, FindingKind::HeldHorizon);
        // Young, or no matter for vacuum.
        assert_eq!(
            found(holder(HolderKind::Transaction, "active", Some(30.0), Some(3))),
            []
        );
        assert_eq!(found(holder(HolderKind::ReplicationSlot, "active", None, None)), []);
    }
}
