//! What limits a run: each cause is planted, and named. A run that keeps up has none.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Place, SHORT, read_json, tiny};

/// Single jobs that do nothing.
const SINGLE: &str = r#"
[[workload.definitions]]
handler = { service = "constant", mean = "1ms" }
definition = { name = "single", steps = [{ name = "work", jobs = [{ job_type = "work" }] }] }
"#;

/// A backlog, claimed so that claimers queue for the same rows.
const BLOCKING: &str = r#"title = "blocking claims"
seed = 6
topology = { workers = 8, worker_concurrency = 200, replica_connections = 24 }
polling = { interval = "5ms", batch = 2, claim = "blocking" }

[[load]]
name = "backlog"
arrivals = "prefill"
count = 8000
"#;

/// One connection, each of whose statements takes a while on the way: processors and PostgreSQL have nothing to do.
const ONE_CONNECTION: &str = r#"title = "a pool of one"
seed = 6
topology = { workers = 4, replica_connections = 1, proxied = true }
polling = { interval = "20ms", batch = 2 }
drain = { timeout = "5s" }

[[load]]
name = "steady"
arrivals = "constant"
rate_per_s = 120
duration = "8s"

[[faults]]
kind = "latency"
target = "link:postgres-replicas"
latency = "15ms"
at = "0s"
for = "8s"
"#;

/// Each start makes jobs that are due much later, and each change of a page goes into the log whole and compressed: work for
/// PostgreSQL, and hardly any for the engine.
const ONE_PROCESSOR: &str = r#"title = "PostgreSQL on one processor"
seed = 6
topology = { replicas = 3, workers = 1, postgres_processors = 1 }
polling = { interval = "50ms" }
drain = { timeout = "2s" }

[[load]]
name = "steady"
arrivals = "constant"
rate_per_s = 200
duration = "6s"

[postgres]
wal_consistency_checking = "all"
wal_compression = "on"

[[workload.definitions]]
[workload.definitions.definition]
name = "wide"
[[workload.definitions.definition.steps]]
name = "now-and-later"
jobs = [{ job_type = "now" }, { job_type = "later", count = 20, delay = "2h" }]
"#;

/// A backlog whose finished jobs stay in the index as long as the transaction lasts: each claim walks past them.
const HELD: &str = r#"title = "a held horizon"
seed = 6
topology = { workers = 2 }
polling = { interval = "5ms", batch = 20 }

[[load]]
name = "backlog"
arrivals = "prefill"
count = 40000

[[load]]
name = "beside"
arrivals = "constant"
rate_per_s = 5
duration = "16s"

[[faults]]
kind = "hold-transaction"
target = "postgres"
at = "0s"
for = "15s"

[[workload.definitions]]
payload_bytes = 1200
definition = { name = "single", steps = [{ name = "work", jobs = [{ job_type = "work" }] }] }
"#;

const STEADY: &str = r#"title = "steady"
seed = 6
polling = { interval = "20ms" }
drain = { timeout = "10s" }

[[load]]
name = "steady"
arrivals = "constant"
rate_per_s = 500
duration = "6s"
"#;

/// Runs of a scenario whose machine was kept busy by others: what they say is right, and not what is asked here.
const TRIES: usize = 3;

/// The plateau of a run of a scenario.
fn plateau_of(name: &str, scenario: &str) -> Value {
    let mut plateau = Value::Null;
    for _ in 0..TRIES {
        let place = Place::new();
        let finished = place.run(name, scenario, &[]);
        let result = finished.result();
        let faults = result["faults"].as_array().unwrap();
        assert!(faults.iter().all(|fault| fault["took_effect"] == true), "{faults:#?}");
        plateau = result["plateau"].clone();
        // Busy with other tests, it may even leave too little of the workers' slots filled for any cause to stand out.
        let unjudged = plateau["dominant"].is_null() || plateau["dominant"] == "host-cpu";
        if plateau.is_null() || !unjudged {
            break;
        }
    }
    plateau
}

fn assert_named(plateau: &Value, cause: &str) {
    assert_eq!(plateau["dominant"], cause, "{plateau:#}");
    // The dominant one leads.
    let first = &plateau["findings"][0];
    assert_eq!(first["cause"], cause, "{plateau:#}");
    assert!(first["share"].as_f64().is_some_and(|share| share > 0.2), "{plateau:#}");
    assert!(!first["lift"].as_str().unwrap().is_empty());
}

fn evidence_of<'a>(plateau: &'a Value, cause: &str) -> &'a str {
    let findings = plateau["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["cause"] == cause);
    finding.unwrap()["evidence"].as_str().unwrap()
}

#[test]
fn claims_that_queue_for_rows_are_named() {
    assert_named(
        &plateau_of("blocking", &(BLOCKING.to_owned() + SINGLE)),
        "job-row-locks",
    );
}

#[test]
fn a_pool_of_one_connection_is_named() {
    assert_named(&plateau_of("pool", &(ONE_CONNECTION.to_owned() + SINGLE)), "pool");
}

#[test]
fn a_postgres_with_too_few_processors_is_named() {
    assert_named(&plateau_of("processor", ONE_PROCESSOR), "postgres-cpu");
}

#[test]
fn a_transaction_that_holds_the_horizon_is_named() {
    let plateau = plateau_of("held", HELD);
    assert_named(&plateau, "held-horizon");
    let evidence = evidence_of(&plateau, "held-horizon");
    assert!(evidence.contains("blocks"), "{evidence}");
}

#[test]
fn a_generator_that_hardly_runs_is_named() {
    // It catches up whenever it runs: if that is just before the phase ends, the phase has kept up.
    let plateau = (0..TRIES)
        .map(|_| plateau_of_throttled())
        .find(|plateau| !plateau.is_null());
    assert_named(&plateau.unwrap_or_default(), "harness");
}

/// The plateau of a run whose harness has less than a hundredth of a processor: it runs for a moment and stands still for long.
fn plateau_of_throttled() -> Value {
    let place = Place::new();
    // Not so many that the calls which come together after a pause queue for the pool.
    let few = STEADY.replace("500", "300");
    let under_way = place.run_until_sent("throttled", &(few + SINGLE), &[], 20);
    let harness = Pid::from_raw(under_way.pid());
    let until = Instant::now() + Duration::from_secs(12);
    while Instant::now() < until {
        kill(harness, Signal::SIGSTOP).unwrap();
        std::thread::sleep(Duration::from_millis(397));
        kill(harness, Signal::SIGCONT).unwrap();
        std::thread::sleep(Duration::from_millis(3));
    }
    under_way.wait();
    read_json(&place.only_run().join("result.json"))["plateau"].clone()
}

#[test]
fn full_workers_are_named() {
    let slow = SINGLE.replace("1ms", "50ms");
    let few = STEADY.replace("seed = 6", "seed = 6\ntopology = { worker_concurrency = 4 }");
    assert_named(&plateau_of("workers", &(few.replace("500", "120") + &slow)), "workers");
}

#[test]
fn a_run_that_keeps_up_has_no_plateau() {
    assert_eq!(plateau_of("calm", &(STEADY.replace("500", "50") + SINGLE)), Value::Null);
    assert_eq!(tiny().result()["plateau"], Value::Null);
    assert_eq!(plateau_of("short", SHORT), Value::Null, "too short to tell");
}
