//! Looks → evidence.

use std::collections::{BTreeMap, HashMap};

use super::evidence::{
    Connections, LiveEvidence, Looks, Sampled, ServerFacts, StatementTime, TableSummary, Thresholds, WaitShare,
};
use super::sample::{Holder, LiveSample, StatementCounts, TableCounts};
use super::window::{WINDOWS, lock_waits, windows};
use super::{SCHEMA_VERSION, condition, finding};

/// What no look at a live system can say, however long.
const LIMITS: [&str; 4] = [
    "It is one stretch of one day: hours that it did not see may be busier.",
    "How much more the table could take (capacity), and when the load will get there (forecast), only a bench says.",
    "Looks are moments: waits that are shorter than the time between two are seen in proportion to their length, not each.",
    "The other conditions of the rubric (a plateau that replicas do not lift; a team that knows Kafka) are not looked at here.",
];

/// What the samples of an assessment say. `statements` are what `pg_stat_statements` counted, at the beginning and at the end;
/// `None` where it is not there.
#[must_use]
pub fn summarise(
    sampled: Sampled,
    server: ServerFacts,
    samples: &[LiveSample],
    statements: Option<(&[StatementCounts], &[StatementCounts])>,
    thresholds: Thresholds,
) -> LiveEvidence {
    let window_s = sampled.intended_s / f64::from(WINDOWS);
    let lock_waits = lock_waits(&windows(samples, window_s * 1_000.0), &thresholds);
    let looks = looks(samples, window_s, sampled.duration_s);
    let table = table(samples);
    let waits = waits(samples);
    let connections = connections(samples);
    let condition = condition::judge(&condition::Given {
        sampled: &sampled,
        looks: &looks,
        waits: &lock_waits,
        table: &table,
        thresholds: &thresholds,
    });
    let findings = finding::findings(&finding::Given {
        server: &server,
        thresholds: &thresholds,
        condition: &condition,
        lock_waits: &lock_waits,
        waits: &waits,
        table_lock_waiters_max: table_lock_waiters_max(samples),
        table: &table,
        connections: &connections,
        holders: &holders(samples),
    });
    LiveEvidence {
        schema_version: SCHEMA_VERSION,
        statements: statements.map(|(before, after)| statement_times(before, after, sampled.duration_s)),
        sampled,
        server,
        thresholds,
        looks,
        condition,
        lock_waits,
        waits,
        table,
        connections,
        findings,
        limits: LIMITS.map(str::to_owned).to_vec(),
    }
}

fn looks(samples: &[LiveSample], window_s: f64, duration_s: f64) -> Looks {
    let mut looks = Looks {
        window_s,
        ..Looks::default()
    };
    let (mut times_us, mut all_us) = (Vec::new(), 0);
    for sample in samples {
        match sample {
            LiveSample::Activity { query_us, hidden, .. } => {
                looks.taken += 1;
                looks.hidden_max = looks.hidden_max.max(*hidden);
                times_us.push(*query_us);
                all_us += query_us;
            }
            LiveSample::State { query_us, .. } => all_us += query_us,
            LiveSample::Failed { .. } => looks.failed += 1,
        }
    }
    times_us.sort_unstable();
    let ms = |micros: &u64| *micros as f64 / 1_000.0;
    looks.query_ms_p50 = times_us.get(times_us.len() / 2).map(ms);
    looks.query_ms_max = times_us.last().map(ms);
    looks.busy_share = all_us as f64 / 1e6 / duration_s.max(0.001);
    looks
}

/// Shares of all active backends of the database, most first.
fn waits(samples: &[LiveSample]) -> Vec<WaitShare> {
    let mut counts: BTreeMap<(&str, &str, Option<&str>, bool), u64> = BTreeMap::new();
    for sample in samples {
        let LiveSample::Activity { active, .. } = sample else {
            continue;
        };
        for group in active {
            let key = (
                group.wait_type.as_str(),
                group.event.as_str(),
                group.relation.as_deref(),
                group.names_table,
            );
            *counts.entry(key).or_default() += u64::from(group.count);
        }
    }
    let all: u64 = counts.values().sum();
    let mut waits: Vec<WaitShare> = counts
        .into_iter()
        .map(|((wait_type, event, relation, names_table), count)| WaitShare {
            wait_type: wait_type.to_owned(),
            event: event.to_owned(),
            relation: relation.map(str::to_owned),
            names_table,
            share: count as f64 / all as f64,
        })
        .collect();
    waits.sort_by(|a, b| b.share.total_cmp(&a.share));
    waits
}

fn table_lock_waiters_max(samples: &[LiveSample]) -> u32 {
    let waiters = |sample: &LiveSample| match sample {
        LiveSample::Activity { active, .. } => active
            .iter()
            .filter(|group| group.waits_for_table())
            .map(|group| group.count)
            .sum(),
        _ => 0,
    };
    samples.iter().map(waiters).max().unwrap_or(0)
}

fn table(samples: &[LiveSample]) -> TableSummary {
    let states: Vec<(u64, &TableCounts)> = samples
        .iter()
        .filter_map(|sample| match sample {
            LiveSample::State { at_ms, table, .. } => Some((*at_ms, table)),
            _ => None,
        })
        .collect();
    let (Some((from, _)), Some((to, last))) = (states.first(), states.last()) else {
        return TableSummary::default();
    };
    let elapsed_s = (to - from) as f64 / 1_000.0;
    let gained = |of: fn(&TableCounts) -> u64| -> u64 {
        // Counters that were reset meanwhile count from zero.
        let between = |pair: &[(u64, &TableCounts)]| {
            let (before, after) = (of(pair[0].1), of(pair[1].1));
            after.checked_sub(before).unwrap_or(after)
        };
        states.windows(2).map(between).sum()
    };
    let per_s = |of: fn(&TableCounts) -> u64| gained(of) as f64 / elapsed_s.max(0.001);
    TableSummary {
        inserted_per_s: per_s(|table| table.inserted),
        updated_per_s: per_s(|table| table.updated),
        deleted_per_s: per_s(|table| table.deleted),
        live_rows: last.live,
        dead_rows: last.dead,
        dead_rows_max: states.iter().map(|(_, table)| table.dead).max().unwrap_or(0),
        autovacuums: gained(|table| table.autovacuums),
        last_autovacuum_s: last.last_autovacuum_s,
        seq_rows_read_per_s: per_s(|table| table.seq_rows_read),
    }
}

fn connections(samples: &[LiveSample]) -> Connections {
    let mut most = Connections::default();
    for sample in samples {
        if let LiveSample::State { connections, .. } = sample {
            most.total_max = most.total_max.max(connections.total);
            most.active_max = most.active_max.max(connections.active);
            most.idle_in_transaction_max = most.idle_in_transaction_max.max(connections.idle_in_transaction);
        }
    }
    most
}

/// Each holder as it was seen last, which is when it was oldest.
fn holders(samples: &[LiveSample]) -> Vec<Holder> {
    let mut oldest: Vec<Holder> = Vec::new();
    for sample in samples {
        let LiveSample::State { holders, .. } = sample else {
            continue;
        };
        for holder in holders {
            let same =
                |known: &&mut Holder| known.kind == holder.kind && known.pid == holder.pid && known.name == holder.name;
            match oldest.iter_mut().find(same) {
                // A session's next transaction is a younger one.
                Some(known) if holder.age_s < known.age_s => {}
                Some(known) => known.clone_from(holder),
                None => oldest.push(holder.clone()),
            }
        }
    }
    oldest
}

/// Most statements that are told.
const STATEMENTS_MAX: usize = 8;

fn statement_times(before: &[StatementCounts], after: &[StatementCounts], duration_s: f64) -> Vec<StatementTime> {
    let known: HashMap<i64, &StatementCounts> = before.iter().map(|each| (each.id, each)).collect();
    let mut times: Vec<(f64, StatementTime)> = after
        .iter()
        .filter_map(|now| {
            let then = known.get(&now.id).filter(|then| then.calls <= now.calls);
            let (calls, rows, blocks, ms) = match then {
                Some(then) => (
                    now.calls - then.calls,
                    now.rows.saturating_sub(then.rows),
                    now.blocks.saturating_sub(then.blocks),
                    now.total_ms - then.total_ms,
                ),
                None => (now.calls, now.rows, now.blocks, now.total_ms),
            };
            (calls > 0).then(|| {
                let time = StatementTime {
                    text: now.text.clone(),
                    calls_per_s: calls as f64 / duration_s.max(0.001),
                    mean_ms: ms / calls as f64,
                    backends_mean: ms / 1_000.0 / duration_s.max(0.001),
                    rows_per_call: rows as f64 / calls as f64,
                    blocks_per_row: (rows > 0).then(|| blocks as f64 / rows as f64),
                };
                (ms, time)
            })
        })
        .collect();
    times.sort_by(|a, b| b.0.total_cmp(&a.0));
    times.into_iter().take(STATEMENTS_MAX).map(|(_, time)| time).collect()
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;
    use super::*;

    #[test]
    fn rates_are_what_was_counted_over_the_time_between_the_looks() {
        let evidence = Scene::busy().evidence();
        assert_eq!(evidence.table.updated_per_s, 100.0);
        assert_eq!(evidence.looks.taken, 120);
        assert_eq!(evidence.looks.query_ms_p50, Some(0.4));
        assert!(evidence.looks.busy_share < 0.01, "{}", evidence.looks.busy_share);
    }

    #[test]
    fn waits_by_a_function_of_the_queue_are_among_the_backends_of_the_table() {
        // The statement does not name the table; once it was seen to wait for its rows, all its backends count.
        let evidence = Scene::busy()
            .by_function()
            .waiting(|look| u32::from(look % 4 == 0))
            .evidence();
        let share = evidence.lock_waits.lock_wait_share.unwrap().estimate;
        assert!((0.05..0.15).contains(&share), "{share}");
    }

    #[test]
    fn statements_count_what_came_meanwhile() {
        let counts = |calls, total_ms| StatementCounts {
            id: 1,
            text: "UPDATE job".to_owned(),
            calls,
            total_ms,
            rows: calls * 10,
            blocks: calls * 50,
        };
        let times = statement_times(&[counts(100, 1_000.0)], &[counts(160, 1_300.0)], 60.0);
        assert_eq!((times[0].calls_per_s, times[0].mean_ms), (1.0, 5.0));
        assert_eq!((times[0].rows_per_call, times[0].blocks_per_row), (10.0, Some(5.0)));
        // Reset meanwhile: what there is now came since.
        assert_eq!(
            statement_times(&[counts(100, 1_000.0)], &[counts(60, 300.0)], 60.0)[0].mean_ms,
            5.0
        );
    }

    #[test]
    fn the_contract_survives_a_round_trip() {
        let evidence = Scene::busy().waiting(|_| 3).evidence();
        let text = serde_json::to_string(&evidence).unwrap();
        let read: LiveEvidence = serde_json::from_str(&text).unwrap();
        assert_eq!((read.condition, read.findings), (evidence.condition, evidence.findings));
        for key in [
            "\"answer\":\"yes\"",
            "\"duration_s\"",
            "\"lock_wait_share\"",
            "\"dead_rows_max\"",
        ] {
            assert!(text.contains(key), "no {key} in {text}");
        }
    }
}
