//! A live system, told: the same words, figures and rows for the page, the terminal and a pull request.

use crossover_evidence::assess::{Answer, FindingKind, LiveEvidence, Share, StatementTime, WaitShare};

use crate::format::{NONE, count, mebibytes, ms, ms_or_none, number, percent, percent_or_none, rate, seconds};

/// The answer in capitals.
pub fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Yes => "YES",
        Answer::No => "NO",
        Answer::Unknown => "NOT SETTLED",
    }
}

/// What was looked at.
pub fn subject(evidence: &LiveEvidence) -> String {
    let (sampled, server) = (&evidence.sampled, &evidence.server);
    format!(
        "{} on {}, {}{}",
        server.table,
        server.place,
        seconds(sampled.duration_s.round()),
        if sampled.interrupted { " (interrupted)" } else { "" }
    )
}

/// Names and values.
pub fn figures(evidence: &LiveEvidence) -> Vec<(String, String)> {
    let (waits, table, connections, looks) = (
        &evidence.lock_waits,
        &evidence.table,
        &evidence.connections,
        &evidence.looks,
    );
    let server = &evidence.server;
    let (inserted, updated, deleted) = (table.inserted_per_s, table.updated_per_s, table.deleted_per_s);
    let vacuum = match table.last_autovacuum_s {
        Some(age_s) => format!("{} ago", seconds(age_s.round())),
        None => "never".to_owned(),
    };
    let bytes =
        |bytes: Option<u64>| bytes.map_or_else(|| NONE.to_owned(), |bytes| mebibytes(bytes as f64 / 1_048_576.0));
    [
        ("waiting, of active on the table", share(waits.lock_wait_share)),
        ("looks with a row-lock waiter", share(waits.waiting_looks_share)),
        ("most waiting at once", count(u64::from(waits.waiting_max))),
        (
            "windows contended",
            format!("{} of {} with load", waits.windows_contended, waits.windows_with_load),
        ),
        ("active on the table, mean", number(waits.active_mean)),
        (
            "rows written",
            format!(
                "{} ({} inserted, {} updated, {} deleted)",
                rate(table.writes_per_s()),
                rate(inserted),
                rate(updated),
                rate(deleted)
            ),
        ),
        (
            "rows, estimated",
            format!("{} live, {} dead", count(table.live_rows), count(table.dead_rows)),
        ),
        (
            "last autovacuum",
            format!("{vacuum}; {} meanwhile", count(table.autovacuums)),
        ),
        (
            "size",
            format!(
                "table {}, indexes {}",
                bytes(server.heap_bytes),
                bytes(server.index_bytes)
            ),
        ),
        (
            "connections, most",
            format!(
                "{} of {} ({} active, {} idle in a transaction)",
                connections.total_max,
                server.connections_allowed,
                connections.active_max,
                connections.idle_in_transaction_max
            ),
        ),
        (
            "cost of looking",
            format!(
                "p50 {}, max {} a look; {} of one backend's time",
                ms_or_none(looks.query_ms_p50),
                ms_or_none(looks.query_ms_max),
                percent(looks.busy_share)
            ),
        ),
        (
            "looks",
            format!("{} taken, {} without an answer", looks.taken, looks.failed),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// `12 % [9 to 15 %]`.
fn share(share: Option<Share>) -> String {
    match share {
        Some(share) => format!(
            "{} [{} to {}]",
            percent(share.estimate),
            percent(share.low),
            percent(share.high)
        ),
        None => percent_or_none(None),
    }
}

/// Of [`wait_row`].
pub const WAIT_HEADS: [&str; 4] = ["active backends waited for", "of", "statement", "share"];

/// A row of the waits.
pub fn wait_row(wait: &WaitShare) -> Vec<String> {
    let what = match wait.event.as_str() {
        "" => "nothing (CPU)".to_owned(),
        event => format!("{} · {event}", wait.wait_type),
    };
    let statement = if wait.names_table { "names the table" } else { "another" };
    vec![
        what,
        wait.relation.clone().unwrap_or_default(),
        statement.to_owned(),
        percent(wait.share),
    ]
}

/// Of [`statement_row`].
pub const STATEMENT_HEADS: [&str; 6] = ["statement", "calls", "mean", "backends", "rows a call", "blocks a row"];

/// A row of the statements.
pub fn statement_row(statement: &StatementTime) -> Vec<String> {
    vec![
        statement.text.clone(),
        rate(statement.calls_per_s),
        ms(statement.mean_ms),
        number(statement.backends_mean),
        number(statement.rows_per_call),
        statement.blocks_per_row.map_or_else(|| NONE.to_owned(), number),
    ]
}

/// A finding's name.
pub fn finding_name(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::RowLockWaits => "row-lock waits",
        FindingKind::TableLockWaits => "waits for the whole table",
        FindingKind::HeldHorizon => "vacuum is held back",
        FindingKind::DeadRows => "dead rows",
        FindingKind::IdleInTransaction => "idle in a transaction",
        FindingKind::Connections => "connections run out",
        FindingKind::LightweightLocks => "lightweight locks",
        FindingKind::SequentialScans => "sequential scans",
    }
}
