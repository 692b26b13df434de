//! One run of each mode on the same plan, held against each other: what both together say of the seed's claims.
//!
//! Pure. Runs that are not of the same plan, the same build and the same size, or that are not valid, settle nothing:
//! then every claim says so. A claim whose number is missing is not settled, and says what to run.

use serde::{Deserialize, Serialize};

use crate::claims::{self, Pair};
use crate::result::{Claim, ClaimVerdict, PhaseResult, RunResult};
use crate::series::Series;

/// Raised when a reader of the last version would misread this one.
pub const SCHEMA_VERSION: u32 = 1;

/// `compare.json`: which runs were compared, and what they say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// Directory name: `<scenario>-compare-<utc>`.
    pub id: String,
    /// Scenario name.
    pub scenario: String,
    /// The scenario's title, for people.
    pub title: String,
    /// Fixes the plan of both.
    pub seed: u64,
    /// The command that repeats it.
    pub command: String,
    /// Commit of this tool, with `-dirty` where it applies; `null` outside a checkout.
    pub git_commit: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Directory of the polling run, relative to the comparison's.
    pub polling: String,
    /// Directory of the event-driven run, relative to the comparison's.
    pub event_driven: String,
    /// What both say of the claims, in the order of their ids.
    pub claims: Vec<Claim>,
}

/// Judges every claim that one run of each mode touches, in the order of their ids.
#[must_use]
pub fn claims(polling: &RunResult, event: &RunResult, polling_series: &Series, event_series: &Series) -> Vec<Claim> {
    let pair = Pair {
        polling,
        event,
        polling_series,
        event_series,
    };
    let incomparable = why_not(polling, event);
    let judge = |question: &claims::Question| {
        let (verdict, evidence) = match &incomparable {
            Some(reason) => (
                ClaimVerdict::NotSettled,
                format!("the runs can't be compared: {reason}; run `bench compare` again"),
            ),
            None => (question.judge)(&pair),
        };
        Claim {
            id: question.id.to_owned(),
            text: question.text.to_owned(),
            verdict,
            evidence,
        }
    };
    claims::QUESTIONS.iter().map(judge).collect()
}

/// Why two runs can't be held against each other.
fn why_not(polling: &RunResult, event: &RunResult) -> Option<String> {
    let modes = (polling.run.mode.as_str(), event.run.mode.as_str());
    if modes != ("polling", "event-driven") {
        return Some(format!("their modes are {} and {}", modes.0, modes.1));
    }
    for result in [polling, event] {
        let run = &result.run;
        if !run.valid {
            return Some(format!(
                "the {} run is not valid: {}",
                run.mode,
                run.invalid_reasons.join("; ")
            ));
        }
        if run.interrupted {
            return Some(format!("the {} run was broken off", run.mode));
        }
        // Without a history and the database at its end, the counts of the ledger are zeros that nobody counted.
        if result.ledger.lost.is_none() {
            return Some(format!(
                "the {} run has no history, or no database at its end",
                run.mode
            ));
        }
    }
    let size = |result: &RunResult| (result.topology.replicas, result.topology.workers);
    let same = [
        ("scenarios", polling.run.scenario == event.run.scenario),
        ("seeds", polling.run.seed == event.run.seed),
        ("plans", same_plan(polling, event)),
        ("numbers of replicas and workers", size(polling) == size(event)),
        ("commits", polling.run.git_commit == event.run.git_commit),
    ];
    let differs = same.iter().find(|(_, same)| !same);
    differs.map(|(what, _)| format!("their {what} differ"))
}

/// Seed and phases make the plan; its arrivals are counted in the results.
fn same_plan(polling: &RunResult, event: &RunResult) -> bool {
    let same = |(left, right): (&PhaseResult, &PhaseResult)| {
        let shape = |phase: &PhaseResult| (phase.start_s.to_bits(), phase.duration_s.to_bits(), phase.load.intended);
        left.name == right.name && left.arrivals == right.arrivals && shape(left) == shape(right)
    };
    polling.phases.len() == event.phases.len() && polling.phases.iter().zip(&event.phases).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::fixture::Runs;

    type Change = fn(&mut Runs);

    fn of(runs: &Runs) -> Vec<Claim> {
        claims(&runs.polling, &runs.event, &runs.polling_series, &runs.event_series)
    }

    #[test]
    fn every_claim_of_the_comparison_is_judged_once_and_in_order() {
        let claims = of(&Runs::new());
        let ids: Vec<&str> = claims.iter().map(|claim| claim.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "C01", "C02", "C03", "C04", "C07", "C08", "C13", "C15", "C16", "C18", "C19"
            ]
        );
        let told: Vec<String> = claims
            .iter()
            .map(|claim| format!("{} {:?}: {}", claim.id, claim.verdict, claim.evidence))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        C01 Supported: polling: PostgreSQL 15.18 and no broker, 4 parts in all, started in 2.10 s; event-driven: PostgreSQL 15.18 and kafka 4.3.0, 7 parts in all, started in 7.30 s
        C02 Supported: reconciled after the event-driven run: 9,000 jobs accounted for; jobs stand as the tables say; 9,000 outbox rows, all settled; 36 partitions with records, all committed to the end; 9,003 records and 9,000 sent outbox rows agree
        C03 Supported: polling: 0 of 9,000 jobs completed handled to success again, double effects: 0; event-driven: 0 of 9,000 jobs completed handled to success again, 3 duplicate records, double effects: 0
        C04 Supported: under steady load, polling's p50 is 240 ms, 0.960 × half its interval of 500 ms (wake-up: none); event-driven's is 3.20 ms
        C07 Supported: per instance (first receipts): event-driven 0 jobs, polling 0 jobs out of order; per job type (starts): polling 40 overtaken (0.444 %), by 12.0 ms at most, event-driven 2,000 overtaken (22.2 %), by 310.0 ms at most
        C08 Supported: event-driven: the lag of workers.work showed the overload after 2 s; polling, with 4,000 jobs unfinished: not even lock waits showed it
        C13 Supported: polling: 0.0120 cores, 120 MiB of memory, 48 MiB of disk; event-driven: 0.102 cores, 570 MiB of memory, 70 MiB of disk; of PostgreSQL's, the sampler's looks at its backends are at most 0.0160 and 0.0160 cores
        C15 Supported: without the broker 499 of 500 starts were accepted and completions fell to 0 % of before; without PostgreSQL 3 of 200 starts were accepted in event-driven, 4 of 200 starts were accepted in polling
        C16 Supported: ready to test after 2.10 s in polling, 7.30 s in event-driven (3.48 ×); the run went through 1 fault and 2 faults
        C18 Supported: best of 50 and 50 jobs: polling 1.10 ms, event-driven 2.40 ms; p50: polling 245 ms, event-driven 3.10 ms
        C19 NotSettled: by construction workers of both modes speak gRPC to a replica: 0 connections of workers to PostgreSQL in either (of the engine at most 18 in polling, 26 in event-driven), so no run of well-behaved workers can tell; run a hot-looping fleet in each mode
        ");
    }

    #[test]
    fn runs_of_different_plans_builds_or_sizes_settle_nothing() {
        let cases: [(Change, &str); 9] = [
            (|runs| runs.event.run.seed = 8, "their seeds differ"),
            (
                |runs| runs.event.run.scenario = "other".to_owned(),
                "their scenarios differ",
            ),
            (|runs| runs.event.phases[2].load.intended += 1, "their plans differ"),
            (|runs| drop(runs.event.phases.pop()), "their plans differ"),
            (
                |runs| runs.event.topology.workers += 1,
                "their numbers of replicas and workers differ",
            ),
            (|runs| runs.event.run.git_commit = None, "their commits differ"),
            (|runs| runs.polling.run.valid = false, "the polling run is not valid"),
            (
                |runs| runs.polling.ledger.lost = None,
                "the polling run has no history, or no database at its end",
            ),
            (
                |runs| runs.event.run.interrupted = true,
                "the event-driven run was broken off",
            ),
        ];
        for (change, expected) in cases {
            let mut runs = Runs::new();
            change(&mut runs);
            for claim in of(&runs) {
                assert_eq!(claim.verdict, ClaimVerdict::NotSettled, "{claim:?}");
                assert!(claim.evidence.contains(expected), "{}", claim.evidence);
            }
        }
        let mut swapped = Runs::new();
        std::mem::swap(&mut swapped.polling, &mut swapped.event);
        assert!(
            of(&swapped)[0]
                .evidence
                .contains("their modes are event-driven and polling")
        );
    }

    #[test]
    fn a_comparison_is_read_back_as_it_was_written() {
        let comparison = Comparison {
            schema_version: SCHEMA_VERSION,
            id: "compare-compare-20261122T080000Z".to_owned(),
            scenario: "compare".to_owned(),
            title: "Both".to_owned(),
            seed: 7,
            command: "./just bench compare".to_owned(),
            git_commit: None,
            started_at: "2026-11-22T08:00:00Z".to_owned(),
            polling: "polling".to_owned(),
            event_driven: "event-driven".to_owned(),
            claims: of(&Runs::new()),
        };
        let text = serde_json::to_string(&comparison).unwrap();
        assert_eq!(serde_json::from_str::<Comparison>(&text).unwrap(), comparison);
    }
}
