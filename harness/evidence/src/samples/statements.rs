//! What the engine's statements cost over a span, by their tags.

use std::collections::{BTreeMap, HashMap};

use crossover_proto::clock::MonotonicNs;

use super::usage::added;
use super::{Sample, StatementUse, within};
use crate::plateau::is_claim;

/// Fewer claimed rows between two looks say nothing of a claim's cost.
const ROWS_MIN: u64 = 20;

/// What was added between the first and the last look of `from..to`, the costliest first; empty if nobody looked twice.
#[must_use]
pub fn statements(samples: &[Sample], from: MonotonicNs, to: MonotonicNs) -> Vec<StatementUse> {
    let mut all = added_up(&looks(samples, from, to));
    all.sort_by(|a, b| b.exec_ms.total_cmp(&a.exec_ms));
    all
}

/// Blocks that claims touched for each row that they claimed: over the whole of `from..to`, and at its cheapest between any
/// two looks of the whole run. `None` if too few rows were claimed.
#[must_use]
pub fn claim_blocks_per_row(samples: &[Sample], from: MonotonicNs, to: MonotonicNs) -> Option<(f64, f64)> {
    let now = per_row(&added_up(&looks(samples, from, to)))?;
    let all = looks(samples, MonotonicNs(0), MonotonicNs(u64::MAX));
    let spans = all.windows(2).filter_map(|pair| per_row(&added_up(pair)));
    Some((now, spans.fold(now, f64::min)))
}

fn added_up(looks: &[&[StatementUse]]) -> Vec<StatementUse> {
    let mut total: BTreeMap<&str, StatementUse> = BTreeMap::new();
    for pair in looks.windows(2) {
        let before: HashMap<&str, &StatementUse> = pair[0].iter().map(|one| (&one.statement[..], one)).collect();
        for now in pair[1] {
            let since = match before.get(&now.statement[..]) {
                // A server that crashed begins again at zero.
                Some(before) if before.calls <= now.calls => difference(before, now),
                _ => now.clone(),
            };
            let sum = total.entry(&now.statement).or_default();
            sum.statement = since.statement;
            sum.calls += since.calls;
            sum.rows += since.rows;
            sum.exec_ms += since.exec_ms;
            sum.blocks += since.blocks;
            sum.blocks_read += since.blocks_read;
        }
    }
    total.into_values().filter(|one| one.calls > 0).collect()
}

fn per_row(statements: &[StatementUse]) -> Option<f64> {
    let claims = || statements.iter().filter(|one| is_claim(&one.statement));
    let rows: u64 = claims().map(|one| one.rows).sum();
    let blocks: u64 = claims().map(|one| one.blocks).sum();
    (rows >= ROWS_MIN).then(|| blocks as f64 / rows as f64)
}

fn looks(samples: &[Sample], from: MonotonicNs, to: MonotonicNs) -> Vec<&[StatementUse]> {
    let counted = within(samples, from, to).filter_map(|sample| match sample {
        Sample::Statements { statements, .. } => Some(&statements[..]),
        _ => None,
    });
    counted.collect()
}

fn difference(before: &StatementUse, now: &StatementUse) -> StatementUse {
    StatementUse {
        statement: now.statement.clone(),
        calls: now.calls - before.calls,
        rows: now.rows.saturating_sub(before.rows),
        exec_ms: added(before.exec_ms, now.exec_ms),
        blocks: now.blocks.saturating_sub(before.blocks),
        blocks_read: now.blocks_read.saturating_sub(before.blocks_read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(at: u64, calls: u64, rows: u64, blocks: u64) -> Sample {
        let claim = StatementUse {
            statement: "claim".to_owned(),
            calls,
            rows,
            exec_ms: calls as f64,
            blocks,
            blocks_read: 0,
        };
        Sample::Statements {
            at,
            query_us: 500,
            statements: vec![claim],
        }
    }

    const ALL: (MonotonicNs, MonotonicNs) = (MonotonicNs(0), MonotonicNs(u64::MAX));

    #[test]
    fn only_what_was_added_counts_and_a_server_that_crashed_begins_at_zero() {
        let samples = [look(1, 100, 100, 1_000), look(2, 110, 150, 3_000), look(3, 5, 7, 70)];
        let sum = &statements(&samples, ALL.0, ALL.1)[0];
        assert_eq!((sum.calls, sum.rows, sum.blocks), (15, 57, 2_070));
        assert!(
            statements(&samples[..1], ALL.0, ALL.1).is_empty(),
            "one look tells of no span"
        );
    }

    #[test]
    fn blocks_per_claimed_row_are_held_against_the_cheapest_span_of_the_run() {
        let samples = [look(1, 0, 0, 0), look(2, 10, 100, 3_000), look(3, 20, 200, 103_000)];
        let (now, cheapest) = claim_blocks_per_row(&samples, MonotonicNs(2), MonotonicNs(4)).unwrap();
        assert_eq!((now, cheapest), (1_000.0, 30.0));
        let few = [look(1, 0, 0, 0), look(2, 10, 19, 3_000)];
        assert_eq!(claim_blocks_per_row(&few, ALL.0, ALL.1), None);
    }
}
