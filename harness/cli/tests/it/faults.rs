//! Faults of every kind in whole runs: each is seen to take effect, nothing is lost, and all is mended, however the run ends.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Place, alive, assert_otherwise_valid, check, descendants, number, wait_until};

/// A JVM takes its time; what the supervisor kills is gone at once.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// Single jobs in both modes, and time enough for a few faults.
const STEADY: &str = r#"title = "steady"
seed = 5

[topology]
workers = 2
relays = 2
replicas = 2

[engine]
lease = "2s"

[event_driven]
redispatch_after = "2s"

[polling]
interval = "50ms"

[[load]]
name = "steady"
arrivals = "constant"
rate_per_s = 20
duration = "12s"

[[workload.definitions]]
payload_bytes = 200
handler = { service = "constant", mean = "1ms" }
definition = { name = "single", steps = [{ name = "work", jobs = [{ job_type = "work" }] }] }
"#;

fn fault(kind: &str, target: &str, at: &str, rest: &str) -> String {
    format!("\n[[faults]]\nkind = \"{kind}\"\ntarget = \"{target}\"\nat = \"{at}\"\n{rest}\n")
}

fn proxied(faults: &[String]) -> String {
    STEADY.replace("[topology]", "[topology]\nproxied = true") + &faults.concat()
}

/// Runs it; every fault took effect, and every job came through.
fn run(mode: &str, name: &str, scenario: &str) -> Value {
    let place = Place::new();
    let finished = place.run_in(mode, name, scenario, &[]);
    let result = finished.result();
    for fault in result["faults"].as_array().unwrap() {
        assert_eq!(
            fault["took_effect"],
            true,
            "{fault:#}\n{}",
            finished.text("series.json")
        );
        assert!(fault["healed_s"].is_number(), "{fault:#}");
    }
    assert_otherwise_valid(&result);
    for key in ["lost", "unknown", "double_effects", "unfinished"] {
        assert_eq!(number(&result, &format!("/ledger/{key}")), 0, "{key}: {result:#}");
    }
    assert_eq!(place.data(), [] as [PathBuf; 0]);
    result
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn every_fault_of_a_link_is_seen_by_a_probe_and_mended() {
    let faults = [
        fault(
            "latency",
            "link:kafka",
            "1s",
            "latency = \"80ms\"\nlatency_jitter = \"10ms\"",
        ),
        fault("down", "link:kafka-relay", "3s", ""),
        fault("timeout", "link:kafka-worker", "5s", "direction = \"downstream\""),
        fault("reset", "link:kafka-1-relay", "7s", ""),
        fault("bandwidth", "link:kafka-1-worker", "9s", "kb_per_s = 100"),
        // Beside the others.
        fault(
            "latency",
            "link:postgres-replicas",
            "2s",
            "latency = \"50ms\"\nfor = \"2s\"",
        ),
        fault("down", "link:postgres-relay-lock", "6s", ""),
    ];
    let result = run("event-driven", "links", &proxied(&faults));
    assert_eq!(result["faults"].as_array().unwrap().len(), 7);
    // The lock session was cut: another relay leads, or the same one again.
    assert_eq!(check(&result, "outbox-empty")["verdict"], "pass");
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn what_was_acknowledged_and_not_marked_by_a_relay_that_is_killed_is_sent_twice() {
    let scenario = proxied(&[
        // So that some are on their way when the link falls silent.
        fault("latency", "link:kafka-relay", "3s", "latency = \"150ms\"\nfor = \"2s\""),
        fault(
            "timeout",
            "link:postgres-relay-work",
            "4s",
            "direction = \"upstream\"\nfor = \"1500ms\"",
        ),
        fault("kill", "relay:leader", "5400ms", "for = \"3s\""),
    ]);
    let scenario = scenario.replace("rate_per_s = 20", "rate_per_s = 100");
    let result = run("event-driven", "between", &scenario);
    // Those that were read and sent before the link fell silent, and whose mark never came.
    let records = number(&result, "/ledger/duplicate_records");
    assert!((1..=20_000).contains(&records), "{:#}", result["ledger"]);
    assert_eq!(check(&result, "duplicate-records")["verdict"], "pass");
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn faults_inside_postgres_and_of_topics_are_seen_and_mended() {
    let scenario = STEADY.to_owned()
        + "\n[postgres]\nmax_connections = \"80\"\n"
        + &fault("hold-transaction", "postgres", "1s", "for = \"3s\"")
        + &fault("exhaust-connections", "postgres", "2s", "for = \"1s\"")
        + &fault("terminate-backends", "postgres", "5s", "for = \"100ms\"")
        + &fault("delete-topic", "topic:work", "7s", "")
        + &fault("limit-message-size", "topic:work", "10s", "bytes = 100000");
    run("event-driven", "inside", &scenario);
}

#[test]
fn a_fault_comes_again_and_any_is_one_that_runs() {
    let scenario = STEADY.to_owned()
        + &fault(
            "kill",
            "worker:any",
            "1s",
            "for = \"500ms\"\nevery = \"3s\"\njitter = \"500ms\"",
        )
        + &fault("restart", "replica:any", "2s", "")
        + &fault("terminate-backends", "postgres", "6s", "for = \"100ms\"");
    let result = run("polling", "again", &scenario);
    let kinds: Vec<&str> = result["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "kill").count(), 4, "{kinds:?}");
    let times: Vec<f64> = result["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["injected_s"].as_f64().unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn ctrl_c_in_the_middle_of_faults_mends_all_and_leaves_nothing() {
    let scenario = proxied(&[
        fault("down", "link:kafka", "500ms", "for = \"11s\""),
        fault("stop", "worker:1", "500ms", "for = \"11s\""),
        fault("exhaust-connections", "postgres", "600ms", "for = \"11s\""),
        fault("kill", "relay:leader", "500ms", "for = \"11s\""),
    ]);
    let place = Place::new();
    let run = place.run_in_until_sent("event-driven", "broken-off", &scenario, &[], 80);
    let processes = descendants(run.pid());
    kill(Pid::from_raw(run.pid()), Signal::SIGINT).unwrap();
    let said = run.wait();
    assert_eq!(said.code, Some(130), "{}", said.errors);
    wait_until("all processes are gone", GONE_WITHIN, || alive(&processes).is_empty());
    assert_eq!(place.data(), [] as [PathBuf; 0]);
    let result: Value =
        serde_json::from_str(&fs::read_to_string(place.only_run().join("result.json")).unwrap()).unwrap();
    assert_eq!(result["run"]["interrupted"], true);
    let faults = result["faults"].as_array().unwrap();
    for fault in faults {
        assert_eq!(fault["took_effect"], true, "{faults:#?}");
        assert!(fault["healed_s"].is_number(), "not mended: {fault:#}");
    }
    assert!(!said.errors.contains("could not be mended"), "{}", said.errors);
    assert_eq!(number(&result, "/ledger/lost"), 0, "{:#}", result["ledger"]);
}
