//! Does one cause explain the plateau? Asked from the outside in: a cause that makes others look like causes comes first.
//!
//! A load that comes late tells of nothing behind it. A server at its own limit of processors, full workers and queues at
//! the same rows or a held horizon each keep connections and processors busy that would be free otherwise, so they are asked before pool
//! and host. A machine whose processors are all busy is the cause itself, unless one kind of statement takes most of them.

use super::database::Database;
use super::machine::Machine;
use super::parts::Parts;
use super::{Cause, percent};

/// From this share on, a late load, a pool or the outbox is the cause.
const HALF: f64 = 0.5;
/// From this share on, a queue for rows is: each in it waits for the whole work of another, its commit included, so what the
/// others wait for is partly the queue's doing.
const ROW_QUEUE: f64 = 0.3;
/// From this share on, a held horizon is: what it costs grows as long as it is held, and nothing else gets better meanwhile…
const HORIZON: f64 = 0.15;
/// …if a claimed row took so many times the blocks of the run's cheapest. (And it was held at half of the looks.)
const HORIZON_BLOCKS: f64 = 2.0;
/// From this share on, workers or PostgreSQL's own processors are full.
const FULL: f64 = 0.85;
/// From this share on, the machine's processors are all busy.
const HOST_FULL: f64 = 0.9;
/// PostgreSQL is at work all the time if so many looks see a backend active.
const AT_WORK: f64 = 0.8;
/// Of what PostgreSQL does, a kind stands out from this share on…
const STANDS_OUT: f64 = 0.4;
/// …and so many times the next one.
const MARGIN: f64 = 1.5;

/// The dominant cause, and why; or why there is none.
pub(super) fn judge(database: &Database, machine: &Machine, parts: &Parts) -> (Option<Cause>, String) {
    let at_least = |share: Option<f64>, least: f64| share.filter(|share| *share >= least);
    if let Some(share) = at_least(machine.late, HALF) {
        let why = format!("{} of the wait passed before the calls were made", percent(share));
        return named(Cause::Harness, why, HALF);
    }
    let kept_short = machine.postgres_is_kept_short() && database.running > machine.postgres_may_use;
    if let Some(share) = at_least(machine.postgres_share(), FULL).filter(|_| kept_short) {
        let why = format!(
            "PostgreSQL used {} of the processors that it may use, and {:.1} backends wanted to run on {}",
            percent(share),
            database.running,
            machine.postgres_may_use
        );
        return named(Cause::PostgresCpu, why, FULL);
    }
    if let Some(share) = at_least(parts.workers, FULL) {
        let why = format!("handlers filled {} of the workers' slots", percent(share));
        return named(Cause::Workers, why, FULL);
    }
    if let Some(share) = at_least(database.job_rows, ROW_QUEUE) {
        let why = format!("{} of the active backends waited for rows of job", percent(share));
        return named(Cause::JobRowLocks, why, ROW_QUEUE);
    }
    if let Some(share) = at_least(database.share_of(Cause::HeldHorizon), HORIZON).filter(|_| horizon_shows(database)) {
        let why = format!(
            "{} of the active backends ran claims past what a held horizon kept",
            percent(share)
        );
        return named(Cause::HeldHorizon, why, HORIZON);
    }
    if at_least(machine.host, HOST_FULL).is_some() {
        return on_a_full_machine(database, machine);
    }
    if let Some(share) = at_least(parts.pool, HALF) {
        let why = format!(
            "statements spent {} of their time waiting for a connection",
            percent(share)
        );
        return named(Cause::Pool, why, HALF);
    }
    if let Some(share) = at_least(parts.broker, HALF) {
        let why = format!("{} of the unfinished jobs waited in the outbox", percent(share));
        return named(Cause::Broker, why, HALF);
    }
    inside_postgres(database)
}

fn named(cause: Cause, why: String, threshold: f64) -> (Option<Cause>, String) {
    (
        Some(cause),
        format!("{why} (from {} on it is the cause)", percent(threshold)),
    )
}

fn horizon_shows(database: &Database) -> bool {
    let is_dear = |(now, cheapest): (f64, f64)| now >= HORIZON_BLOCKS * cheapest;
    database.held.is_some_and(|held| held >= HALF) && database.blocks_per_row.is_some_and(is_dear)
}

/// The one kind of statement that takes half of all processors, else the machine.
fn on_a_full_machine(database: &Database, machine: &Machine) -> (Option<Cause>, String) {
    let busy = percent(machine.host.unwrap_or_default());
    let postgres = machine.postgres_cores.unwrap_or_default() / machine.cpus;
    let claims = database.claims_of_running().map(|share| share * postgres);
    if let Some(share) = claims.filter(|share| *share >= HALF) {
        let why = format!(
            "claims took {} of all processors, which were {busy} busy",
            percent(share)
        );
        return named(largest_of_claims(database), why, HALF);
    }
    if let Some(share) = claims.map(|share| postgres - share).filter(|share| *share >= HALF) {
        let why = format!(
            "statements other than claims took {} of all processors, which were {busy} busy",
            percent(share)
        );
        return named(Cause::StatementCpu, why, HALF);
    }
    named(
        Cause::HostCpu,
        format!("the processors were {busy} busy, and nobody took half of them"),
        HOST_FULL,
    )
}

/// Why claims run as long as they do.
fn largest_of_claims(database: &Database) -> Cause {
    let parts = database.claim_split().into_iter();
    let largest = parts.max_by(|a, b| a.1.unwrap_or_default().total_cmp(&b.1.unwrap_or_default()));
    largest.map_or(Cause::ClaimCpu, |(cause, _)| cause)
}

/// The kind that takes most of the active backends, if PostgreSQL is at work all the time.
fn inside_postgres(database: &Database) -> (Option<Cause>, String) {
    let nothing = "nothing stands out";
    let Some(at_work) = database.at_work else {
        return (None, format!("{nothing}: PostgreSQL was not looked at"));
    };
    if at_work < AT_WORK {
        let why = format!(
            "{nothing}: the processors, the workers and the pools had room, and PostgreSQL was at work in {} of the looks ({} \
             would be all the time)",
            percent(at_work),
            percent(AT_WORK)
        );
        return (None, why);
    }
    let claims = largest_of_claims(database);
    let mut kinds = [
        (Cause::ClaimCpu, database.claim_running),
        (Cause::JobRowLocks, database.job_rows),
        (Cause::ClaimLwlocks, database.claim_lwlocks),
        (Cause::Wal, database.wal),
        (Cause::Io, database.io),
        (Cause::StatementCpu, database.others_running),
    ]
    .map(|(cause, share)| (Some(cause), cause.words().to_owned(), share.unwrap_or_default()))
    .to_vec();
    kinds.extend(database.other.iter().map(|(name, share)| (None, name.clone(), *share)));
    kinds.sort_by(|a, b| b.2.total_cmp(&a.2));
    let (cause, name, share) = kinds[0].clone();
    let (_, next_name, next) = &kinds[1];
    let compared = format!(
        "{name} took {} of the active backends, then {next_name} {}",
        percent(share),
        percent(*next)
    );
    let rule = format!("{} and {MARGIN} times the next would stand out", percent(STANDS_OUT));
    if share < STANDS_OUT || share < MARGIN * next {
        return (None, format!("{nothing}: {compared} ({rule})"));
    }
    // Why claims run so long is a question of its own.
    (
        cause.map(|cause| if cause == Cause::ClaimCpu { claims } else { cause }),
        compared,
    )
}
