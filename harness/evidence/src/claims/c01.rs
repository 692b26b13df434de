//! C01: infrastructure needed: PostgreSQL alone, or PostgreSQL and a broker.

use super::{Finding, Pair, Question, holds, not_settled, rounded};
use crate::result::RunResult;

pub(super) const QUESTION: Question = Question {
    id: "C01",
    text: "polling needs PostgreSQL alone, event-driven a broker as well",
    judge,
};

fn judge(pair: &Pair<'_>) -> Finding {
    let (Some(polling), Some(event)) = (needs(pair.polling), needs(pair.event)) else {
        return not_settled("the parts or their start-up times were not recorded; run `bench compare`");
    };
    let broker = |result: &RunResult| result.testbed.broker.is_some();
    holds(
        !broker(pair.polling) && broker(pair.event),
        format!("polling: {polling}; event-driven: {event}"),
    )
}

/// Servers, processes and time to start of a run.
fn needs(result: &RunResult) -> Option<String> {
    let parts = result.processes.iter().filter(|part| !part.is_instrument()).count();
    let seconds = result.testbed.startup_s()?;
    let broker = match &result.testbed.broker {
        Some(broker) => format!(" and {} {}", broker.kind, broker.version),
        None => " and no broker".to_owned(),
    };
    (parts > 0).then(|| {
        let postgres = &result.testbed.postgres.version;
        format!(
            "PostgreSQL {postgres}{broker}, {parts} parts in all, started in {} s",
            rounded(seconds)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::fixture::Runs;
    use crate::result::ClaimVerdict::{NotSettled, Refuted, Supported};

    #[test]
    fn a_broker_in_one_mode_only_supports_it() {
        let runs = Runs::new();
        let (verdict, evidence) = judge(&runs.pair());
        assert_eq!(verdict, Supported);
        assert_eq!(
            evidence,
            "polling: PostgreSQL 15.18 and no broker, 4 parts in all, started in 2.10 s; event-driven: PostgreSQL 15.18 and \
             kafka 4.3.0, 7 parts in all, started in 7.30 s"
        );
    }

    #[test]
    fn a_broker_in_both_refutes_it_and_without_numbers_nothing_is_settled() {
        let mut runs = Runs::new();
        runs.polling.testbed.broker = runs.event.testbed.broker.clone();
        assert_eq!(judge(&runs.pair()).0, Refuted);
        runs.polling.testbed.startup_ms.clear();
        assert_eq!(judge(&runs.pair()).0, NotSettled);
    }
}
