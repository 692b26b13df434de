//! C19: isolation of workers: a bad worker fleet can hurt PostgreSQL, or talks to the broker alone.
//!
//! By construction, workers of *both* modes speak gRPC to a replica and never open a connection to PostgreSQL: the difference
//! that the claim is about does not exist here. And event-driven workers still begin and complete their jobs over a replica,
//! which costs PostgreSQL a transaction. What a fleet gone wild does to PostgreSQL in each mode is a run of its own.

use super::{Finding, Pair, Question, not_settled};

pub(super) const QUESTION: Question = Question {
    id: "C19",
    text: "workers are isolated from PostgreSQL in event-driven, and not in polling",
    judge,
};

fn judge(pair: &Pair<'_>) -> Finding {
    let connections = |result: &crate::result::RunResult| result.postgres.connections_max;
    not_settled(format!(
        "by construction workers of both modes speak gRPC to a replica: 0 connections of workers to PostgreSQL in either (of the \
         engine at most {} in polling, {} in event-driven), so no run of well-behaved workers can tell; run a hot-looping fleet \
         in each mode",
        connections(pair.polling),
        connections(pair.event)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::fixture::Runs;
    use crate::result::ClaimVerdict::NotSettled;

    #[test]
    fn what_is_so_by_construction_is_said_and_not_counted_as_measured() {
        let (verdict, evidence) = judge(&Runs::new().pair());
        assert_eq!(verdict, NotSettled);
        assert!(
            evidence.contains("at most 18 in polling, 26 in event-driven"),
            "{evidence}"
        );
    }
}
