//! Causes inside PostgreSQL: what the active backends of the engine were doing, by statement.

use super::machine::Machine;
use super::window::Window;
use super::{Cause, Finding, Observed, is_claim, percent};
use crate::result::WaitShare;
use crate::samples::{self, Sample, StatementUse, within};
use crate::text::whole;

/// A transaction whose snapshot is older than this holds the horizon: the engine's own last milliseconds.
const HELD_MS: u64 = 1_000;

/// Shares are of the active backends, unless they say otherwise; `None` if none was seen active.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Database {
    /// Share of the looks that saw a backend active.
    pub at_work: Option<f64>,
    /// Backends that ran, or would have, had they had a processor: mean.
    pub running: f64,
    pub job_rows: Option<f64>,
    pub claim_lwlocks: Option<f64>,
    pub claim_running: Option<f64>,
    pub wal: Option<f64>,
    pub io: Option<f64>,
    pub others_running: Option<f64>,
    /// What else is waited for: the largest of it.
    pub other: Option<(String, f64)>,
    /// Blocks that claims touched for each row claimed: over the window, and at the run's cheapest.
    pub blocks_per_row: Option<(f64, f64)>,
    /// Share of the looks at which a transaction held the horizon; `None` if nobody looked.
    pub held: Option<f64>,
    /// Age of the oldest snapshot (ms).
    pub oldest_snapshot_ms: u64,
    /// The costliest first; empty if it was not counted.
    pub statements: Vec<StatementUse>,
    pub looks: u64,
}

/// The kinds of use that a backend's look falls under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    JobRows,
    ClaimLwlocks,
    ClaimRunning,
    Wal,
    Io,
    OthersRunning,
    Other,
}

fn kind_of(wait: &WaitShare) -> Kind {
    let is_row = wait.wait_type == "Lock" && matches!(wait.event.as_str(), "transactionid" | "tuple");
    if is_row && wait.relation.as_deref() == Some("job") {
        return Kind::JobRows;
    }
    // `WALWrite`, `WALSync`; from version 17 on `WalWrite`, `WalSync`.
    if wait.event.to_ascii_lowercase().starts_with("wal") {
        return Kind::Wal;
    }
    match (wait.wait_type.as_str(), is_claim(&wait.statement)) {
        // A claim that reads walks as much as one that finds all in memory.
        ("CPU" | "IO", true) => Kind::ClaimRunning,
        ("CPU", false) => Kind::OthersRunning,
        ("IO", _) => Kind::Io,
        ("LWLock", true) => Kind::ClaimLwlocks,
        _ => Kind::Other,
    }
}

impl Database {
    pub(super) fn of(observed: &Observed<'_>, window: &Window) -> Self {
        let (from, to) = (window.from, window.to);
        let seen = samples::postgres(observed.samples, from, to);
        let (mut looks, mut busy, mut running) = (0u64, 0u64, 0u64);
        let (mut table_looks, mut held, mut oldest_snapshot_ms) = (0u64, 0u64, 0);
        for sample in within(observed.samples, from, to) {
            match sample {
                Sample::Activity { active, .. } => {
                    looks += 1;
                    busy += u64::from(!active.is_empty());
                    let on_cpu = active.iter().filter(|group| group.wait_type == "CPU");
                    running += on_cpu.map(|group| u64::from(group.count)).sum::<u64>();
                }
                Sample::Tables {
                    oldest_snapshot_ms: age,
                    ..
                } => {
                    table_looks += 1;
                    held += u64::from(*age >= HELD_MS);
                    oldest_snapshot_ms = oldest_snapshot_ms.max(*age);
                }
                _ => {}
            }
        }
        let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let of_kind = |kind: Kind| {
            let waits = seen.waits.iter().filter(|wait| kind_of(wait) == kind);
            (!seen.waits.is_empty()).then(|| waits.fold(0.0, |sum, wait| sum + wait.share))
        };
        let others = seen.waits.iter().filter(|wait| kind_of(wait) == Kind::Other);
        let largest = others.max_by(|a, b| a.share.total_cmp(&b.share));
        Self {
            at_work: ratio(busy, looks),
            running: ratio(running, looks).unwrap_or_default(),
            job_rows: of_kind(Kind::JobRows),
            claim_lwlocks: of_kind(Kind::ClaimLwlocks),
            claim_running: of_kind(Kind::ClaimRunning),
            wal: of_kind(Kind::Wal),
            io: of_kind(Kind::Io),
            others_running: of_kind(Kind::OthersRunning),
            other: largest.map(|wait| {
                (
                    format!("{} {} in {}", wait.wait_type, wait.event, wait.statement),
                    wait.share,
                )
            }),
            blocks_per_row: samples::claim_blocks_per_row(observed.samples, from, to),
            held: ratio(held, table_looks),
            oldest_snapshot_ms,
            statements: samples::statements(observed.samples, from, to),
            looks,
        }
    }

    /// Share of the claims' running that its growth in blocks explains: what a row costs beyond the run's cheapest.
    fn excess(&self) -> Option<f64> {
        self.blocks_per_row.map(|(now, cheapest)| 1.0 - cheapest / now)
    }

    /// Running claims, split: by the dead entries of a held horizon, by other dead entries, by the claiming itself.
    pub(super) fn claim_split(&self) -> [(Cause, Option<f64>); 3] {
        let excess = self.excess();
        let dead = self.claim_running.zip(excess).map(|(running, excess)| running * excess);
        let held = dead.zip(self.held).map(|(dead, held)| dead * held);
        let unheld = dead.map(|dead| dead - held.unwrap_or_default());
        let plain = self.claim_running.map(|running| running - dead.unwrap_or_default());
        [
            (Cause::HeldHorizon, held),
            (Cause::ClaimBlocks, unheld),
            (Cause::ClaimCpu, plain),
        ]
    }

    /// The share of the active backends that a cause takes.
    pub(super) fn share_of(&self, cause: Cause) -> Option<f64> {
        match cause {
            Cause::JobRowLocks => self.job_rows,
            Cause::ClaimLwlocks => self.claim_lwlocks,
            Cause::Wal => self.wal,
            Cause::Io => self.io,
            Cause::StatementCpu => self.others_running,
            _ => self.claim_split().into_iter().find(|(of, _)| *of == cause)?.1,
        }
    }

    /// Of everything that runs: the claims' part.
    pub(super) fn claims_of_running(&self) -> Option<f64> {
        let (claims, others) = self.claim_running.zip(self.others_running)?;
        (claims + others > 0.0).then(|| claims / (claims + others))
    }

    pub(super) fn findings(&self, machine: &Machine) -> Vec<Finding> {
        let causes = [
            Cause::JobRowLocks,
            Cause::ClaimLwlocks,
            Cause::HeldHorizon,
            Cause::ClaimBlocks,
            Cause::ClaimCpu,
            Cause::Wal,
            Cause::Io,
            Cause::StatementCpu,
        ];
        let finding = |cause| Finding {
            cause,
            share: self.share_of(cause),
            evidence: self.evidence(cause, machine),
            lift: lift(cause).to_owned(),
        };
        causes.into_iter().map(finding).collect()
    }

    fn evidence(&self, cause: Cause, machine: &Machine) -> String {
        let Some(share) = self.share_of(cause) else {
            return match cause {
                Cause::ClaimBlocks | Cause::HeldHorizon if self.looks > 0 => {
                    "not measured: pg_stat_statements is not there, or too few rows were claimed".to_owned()
                }
                _ => "not measured: no backend of the engine was seen active".to_owned(),
            };
        };
        let share = percent(share);
        match cause {
            Cause::JobRowLocks => format!("{share} of the active backends waited for rows of job"),
            Cause::ClaimLwlocks => {
                format!("{share} of the active backends waited for a lightweight lock inside a claim")
            }
            Cause::HeldHorizon => format!(
                "{share} of the active backends ran claims past entries that died while a transaction held the horizon, {:.1} s \
                 at the longest; {}",
                self.oldest_snapshot_ms as f64 / 1_000.0,
                self.blocks_in_words()
            ),
            Cause::ClaimBlocks => format!(
                "{share} of the active backends ran claims past entries that died otherwise; {}",
                self.blocks_in_words()
            ),
            Cause::ClaimCpu => format!("{share} of the active backends ran a claim{}", self.cost_of(is_claim)),
            Cause::Wal => format!("{share} of the active backends waited for the write-ahead log"),
            Cause::Io => format!("{share} of the active backends waited for data files"),
            _ => format!(
                "{share} of the active backends ran other statements{}; PostgreSQL used {:.2} processors in all",
                self.cost_of(|statement| !is_claim(statement)),
                machine.postgres_cores.unwrap_or_default()
            ),
        }
    }

    fn blocks_in_words(&self) -> String {
        self.blocks_per_row.map_or_else(String::new, |(now, cheapest)| {
            format!(
                "a claimed row took {} blocks, {} at its cheapest",
                whole(now),
                whole(cheapest)
            )
        })
    }

    /// The costliest of some statements, by its time in the server.
    fn cost_of(&self, is_meant: impl Fn(&str) -> bool) -> String {
        let total: f64 = self.statements.iter().map(|one| one.exec_ms).sum();
        let costliest = self.statements.iter().find(|one| is_meant(&one.statement));
        costliest.filter(|_| total > 0.0).map_or_else(String::new, |one| {
            format!(
                ", {} the costliest of them: {:.2} ms a call, {} blocks, {} of all statements' time",
                one.statement,
                one.exec_ms / one.calls as f64,
                whole(one.blocks as f64 / one.calls as f64),
                percent(one.exec_ms / total)
            )
        })
    }
}

fn lift(cause: Cause) -> &'static str {
    match cause {
        Cause::JobRowLocks => {
            "claim with SKIP LOCKED, or take claiming out of the database: the event-driven mode claims nothing"
        }
        Cause::ClaimLwlocks => "fewer claimers at once, larger batches, or the event-driven mode",
        Cause::HeldHorizon => {
            "end the transaction that holds the horizon (idle_in_transaction_session_timeout, shorter reports); then vacuum"
        }
        Cause::ClaimBlocks => "vacuum the job table more often, keep it smaller, or the event-driven mode",
        Cause::ClaimCpu => "larger batches, fewer empty polls, or the event-driven mode",
        Cause::Wal => "a disk that flushes faster, or more jobs in one commit",
        Cause::Io => "more shared_buffers, less data, or a faster disk",
        _ => "cheaper statements, or more processors for PostgreSQL",
    }
}
