//! C13: cost when idle: near zero, or not trivial. CPU, memory and disk of every part at rest.
//!
//! PostgreSQL's share includes what it does for the sampler, whose looks don't rest. At most that is the time that the
//! looks took; it is told, and where the verdict hangs on it, nothing is settled.

use super::{Finding, Pair, Question, holds, not_settled, rounded};
use crate::result::{IdlePart, RunResult, is_instrument};

pub(super) const QUESTION: Question = Question {
    id: "C13",
    text: "cost at rest: near zero in polling, not trivial in event-driven",
    judge,
};

/// "Near zero": a twentieth of a processor, all parts together.
const NEAR_ZERO_CORES: f64 = 0.05;
/// "Not trivial": what event-driven takes beyond polling, of one of them.
const EXTRA_CORES: f64 = 0.05;
const EXTRA_MEMORY_MB: f64 = 100.0;

/// All parts of a run at rest.
struct Cost {
    cpu_cores: f64,
    memory_mb: f64,
    /// `None` if no part's files were looked at.
    disk_mb: Option<f64>,
}

fn judge(pair: &Pair<'_>) -> Finding {
    let (Some(polling), Some(event)) = (cost(pair.polling), cost(pair.event)) else {
        return not_settled("no part was looked at during an idle phase in both modes; run the scenario `compare`");
    };
    if let Some(why) = unseen(pair) {
        return not_settled(format!(
            "{why}: polling: {}; event-driven: {}",
            polling.told(),
            event.told()
        ));
    }
    let extra =
        event.cpu_cores - polling.cpu_cores >= EXTRA_CORES || event.memory_mb - polling.memory_mb >= EXTRA_MEMORY_MB;
    let looks = [sampler_cores(pair.polling), sampler_cores(pair.event)];
    let told = match looks {
        [Some(polling), Some(event)] => format!(
            "of PostgreSQL's, the sampler's looks at its backends are at most {} and {} cores",
            rounded(polling),
            rounded(event)
        ),
        _ => "what PostgreSQL does for the sampler is in it, and not known".to_owned(),
    };
    let evidence = format!("polling: {}; event-driven: {}; {told}", polling.told(), event.told());
    let without_looks = polling.cpu_cores - looks[0].unwrap_or_default();
    if polling.cpu_cores > NEAR_ZERO_CORES && without_looks <= NEAR_ZERO_CORES && extra {
        return not_settled(format!(
            "the sampler's looks decide it: {evidence}; run with fewer, by samplers.activity_hz"
        ));
    }
    holds(polling.cpu_cores <= NEAR_ZERO_CORES && extra, evidence)
}

/// A server that was not looked at, such as one that is not ours, would cost nothing.
fn unseen(pair: &Pair<'_>) -> Option<&'static str> {
    let seen = |result: &RunResult, is: fn(&str) -> bool| {
        let idle = result.idle.as_ref();
        idle.is_some_and(|idle| idle.parts.iter().any(|part| is(&part.name)))
    };
    let is_postgres = |name: &str| name.starts_with("postgres");
    let is_broker = |name: &str| ["kafka", "redpanda"].iter().any(|kind| name.starts_with(kind));
    if !seen(pair.polling, is_postgres) || !seen(pair.event, is_postgres) {
        return Some("PostgreSQL was not looked at in both modes");
    }
    (!seen(pair.event, is_broker)).then_some("the broker was not looked at")
}

/// What the sampler's looks take of PostgreSQL at most: their time, waiting included.
fn sampler_cores(result: &RunResult) -> Option<f64> {
    let own = &result.instrument;
    Some(own.sampler_query_ms_p50? / 1_000.0 * own.sampler_hz?)
}

fn cost(result: &RunResult) -> Option<Cost> {
    let idle = result.idle.as_ref()?;
    let parts: Vec<&IdlePart> = idle.parts.iter().filter(|part| !is_instrument(&part.name)).collect();
    let sum = |of: fn(&IdlePart) -> f64| parts.iter().map(|part| of(part)).sum::<f64>();
    (!parts.is_empty()).then(|| Cost {
        cpu_cores: sum(|part| part.cpu_cores),
        memory_mb: sum(|part| part.memory_mb),
        disk_mb: parts
            .iter()
            .filter_map(|part| part.disk_mb)
            .reduce(|sum, one| sum + one),
    })
}

impl Cost {
    fn told(&self) -> String {
        let disk = self
            .disk_mb
            .map_or_else(|| "disk not measured".to_owned(), |mb| format!("{mb:.0} MiB of disk"));
        let (cores, memory_mb) = (rounded(self.cpu_cores), self.memory_mb);
        format!("{cores} cores, {memory_mb:.0} MiB of memory, {disk}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::fixture::Runs;
    use crate::result::ClaimVerdict::{NotSettled, Refuted, Supported};

    #[test]
    fn little_in_polling_and_much_more_in_event_mode_support_it() {
        let (verdict, evidence) = judge(&Runs::new().pair());
        assert_eq!(verdict, Supported);
        assert_eq!(
            evidence,
            "polling: 0.0120 cores, 120 MiB of memory, 48 MiB of disk; event-driven: 0.102 cores, 570 MiB of memory, 70 MiB of \
             disk; of PostgreSQL's, the sampler's looks at its backends are at most 0.0160 and 0.0160 cores"
        );
    }

    #[test]
    fn a_verdict_that_hangs_on_the_samplers_looks_is_not_settled() {
        let mut runs = Runs::new();
        runs.polling.idle.as_mut().unwrap().parts[0].cpu_cores = 0.06;
        let (verdict, evidence) = judge(&runs.pair());
        assert_eq!(verdict, NotSettled);
        assert!(evidence.starts_with("the sampler's looks decide it"), "{evidence}");
        runs.polling.idle.as_mut().unwrap().parts[0].cpu_cores = 0.07;
        assert_eq!(judge(&runs.pair()).0, Refuted);
    }

    #[test]
    fn a_busy_idle_in_polling_or_no_more_in_event_mode_refutes_it() {
        let mut runs = Runs::new();
        runs.polling.idle.as_mut().unwrap().parts[0].cpu_cores = 0.5;
        assert_eq!(judge(&runs.pair()).0, Refuted);
        let mut runs = Runs::new();
        let parts = &mut runs.event.idle.as_mut().unwrap().parts;
        (parts[1].cpu_cores, parts[1].memory_mb) = (0.001, 5.0);
        assert_eq!(judge(&runs.pair()).0, Refuted);
    }

    #[test]
    fn a_server_that_was_not_looked_at_does_not_cost_nothing() {
        for (of_event, server) in [(false, "postgres"), (true, "postgres"), (true, "kafka-1")] {
            let mut runs = Runs::new();
            let run = if of_event { &mut runs.event } else { &mut runs.polling };
            let parts = &mut run.idle.as_mut().unwrap().parts;
            parts.retain(|part| part.name != server);
            parts.push(IdlePart {
                name: "replica-1".to_owned(),
                cpu_cores: 0.001,
                memory_mb: 30.0,
                disk_mb: None,
            });
            let (verdict, evidence) = judge(&runs.pair());
            assert_eq!(verdict, NotSettled, "{evidence}");
        }
    }

    #[test]
    fn without_an_idle_phase_nothing_is_settled_and_the_instrument_is_no_part_of_the_system() {
        let mut runs = Runs::new();
        runs.event
            .idle
            .as_mut()
            .unwrap()
            .parts
            .retain(|part| part.name == "harness");
        assert_eq!(judge(&runs.pair()).0, NotSettled);
        runs.event.idle = None;
        assert_eq!(judge(&runs.pair()).0, NotSettled);
    }
}
