//! Whole runs in event-driven mode, and in both: what they write, what they survive, and that nothing stays behind.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::servers::wants_containers;
use crate::support::{
    Finished, Place, SHORT, alive, assert_checks_pass, assert_otherwise_valid, check, descendants, number, read_json,
    said, wait_until,
};

/// A JVM takes its time; what the supervisor kills is gone at once.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// Single jobs, and orders whose second step puts order to the test: eight jobs of one type.
const WIDE: &str = r#"title = "wide orders"
seed = 5

[topology]
workers = 2
relays = 2
worker_concurrency = 20

[engine]
lease = "2s"

[event_driven]
redispatch_after = "5s"

[polling]
interval = "50ms"

[[load]]
name = "steady"
arrivals = "constant"
rate_per_s = 20
duration = "3s"

[[workload.definitions]]
handler = { service = "constant", mean = "1ms", transient_failure_rate = 0.02 }
[workload.definitions.definition]
name = "order"
[[workload.definitions.definition.steps]]
name = "reserve"
jobs = [{ job_type = "work", retry = { initial_backoff = "20ms" } }]
[[workload.definitions.definition.steps]]
name = "charge"
jobs = [{ job_type = "charge", count = 8, retry = { initial_backoff = "20ms" } }]
"#;

fn with_fault(kind: &str, target: &str, at: &str, lasts: &str) -> String {
    let longer = WIDE.replace("duration = \"3s\"", "duration = \"9s\"");
    format!("{longer}\n[[faults]]\nkind = \"{kind}\"\ntarget = \"{target}\"\nat = \"{at}\"\nfor = \"{lasts}\"\n")
}

fn assert_nothing_lost_and_nothing_twice(finished: &Finished) -> Value {
    let result = finished.result();
    assert_otherwise_valid(&result);
    assert_checks_pass(&result);
    for key in ["lost", "unknown", "double_effects", "unfinished"] {
        assert_eq!(
            number(&result, &format!("/ledger/{key}")),
            0,
            "{key}: {:#}",
            result["ledger"]
        );
    }
    result
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn a_run_in_which_nothing_is_broken_passes_every_check_order_included() {
    let place = Place::new();
    let finished = place.run_in("event-driven", "wide", WIDE, &[]);
    let result = assert_nothing_lost_and_nothing_twice(&finished);
    assert_eq!(result["run"]["mode"], "event-driven");
    assert_eq!(
        check(&result, "order")["verdict"],
        "pass",
        "{:#}",
        check(&result, "order")
    );
    assert_eq!(number(&result, "/ledger/duplicate_records"), 0);
    assert_eq!(result["testbed"]["broker"]["kind"], "kafka");
    assert_eq!(number(&result, "/topology/relays"), 2);
    assert_eq!(number(&result, "/outbox/backlog_end"), 0);
    let lag = result["lag"].as_array().unwrap();
    assert_eq!(lag.len(), 24, "two topics of twelve partitions: {lag:?}");
    assert!(lag.iter().all(|partition| partition["end"] == 0), "{lag:?}");
    let hops = result["latency_ms"]["hops"].as_array().unwrap();
    let names: Vec<&str> = hops.iter().map(|hop| hop["name"].as_str().unwrap()).collect();
    for point in ["picked", "received", "begun", "started"] {
        assert!(names.iter().any(|name| name.contains(point)), "no {point} in {names:?}");
    }
    for hop in hops {
        assert!(hop["latency_ms"]["p50"].is_number(), "{hop:#}");
    }
    assert_eq!(place.data(), [] as [PathBuf; 0]);
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn a_record_that_is_twice_in_a_topic_is_found_and_counted() {
    let place = Place::new();
    let finished = place.run_in("event-driven", "short", SHORT, &[]);
    let file = finished.directory.join("topics/records.tsv");
    let mut records = fs::read_to_string(&file).unwrap();
    let first = records.lines().next().unwrap().split('\t').collect::<Vec<_>>();
    let again = [first[0], "999", first[2], first[3], first[4], first[5]].join("\t");
    records.push_str(&format!("{again}\n"));
    fs::write(&file, records).unwrap();
    let said = said(&mut place.crossover([std::ffi::OsStr::new("report"), finished.directory.as_os_str()]));
    assert_eq!(said.code, Some(0), "{}", said.errors);
    assert_eq!(number(&finished.result(), "/ledger/duplicate_records"), 1);
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn while_the_broker_is_away_starts_are_accepted_and_nothing_is_lost() {
    let place = Place::new();
    let scenario = with_fault("terminate", "broker:1", "2s", "3s");
    let finished = place.run_in("event-driven", "outage", &scenario, &[]);
    let result = assert_nothing_lost_and_nothing_twice(&finished);
    let fault = &result["faults"][0];
    assert_eq!(fault["took_effect"], true, "{fault:#}");
    let (intended, accepted) = (number(fault, "/starts_intended"), number(fault, "/starts_accepted"));
    assert!(intended >= 50, "{fault:#}");
    // A debug build on a busy machine may answer one or two late.
    assert!(accepted * 100 >= intended * 90, "{fault:#}");
    assert!(number(&result, "/outbox/backlog_max") >= 20, "{:#}", result["outbox"]);
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn a_leading_relay_that_is_killed_loses_nothing() {
    let place = Place::new();
    let scenario = with_fault("kill", "relay:leader", "3s", "4s");
    let finished = place.run_in("event-driven", "relay-kill", &scenario, &[]);
    let result = assert_nothing_lost_and_nothing_twice(&finished);
    assert_eq!(result["faults"][0]["took_effect"], true, "{:#}", result["faults"]);
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn a_fault_that_finds_no_leader_is_told_and_the_run_goes_on() {
    let place = Place::new();
    // The only relay is away: the second fault finds nobody that leads.
    let second = "\n[[faults]]\nkind = \"kill\"\ntarget = \"relay:leader\"\nat = \"4s\"\nfor = \"1s\"\n";
    let scenario = with_fault("kill", "relay:leader", "3s", "3s") + second;
    let finished = place.run_in("event-driven", "no-leader", &scenario, &["--set", "topology.relays=1"]);
    let result = finished.result();
    assert_checks_pass(&result);
    assert_eq!(result["faults"][0]["took_effect"], true, "{:#}", result["faults"]);
    assert_eq!(result["faults"][1]["took_effect"], false, "{:#}", result["faults"]);
    assert_eq!(result["run"]["valid"], false);
    let series = finished.text("series.json");
    assert!(
        series.contains("no kill on relay:leader: relay-1 does not run"),
        "{series}"
    );
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn a_worker_that_is_killed_loses_nothing() {
    let place = Place::new();
    let scenario = with_fault("kill", "worker:1", "3s", "2s");
    let finished = place.run_in("event-driven", "worker-kill", &scenario, &[]);
    assert_nothing_lost_and_nothing_twice(&finished);
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn a_replica_and_postgres_that_are_killed_lose_nothing() {
    let place = Place::new();
    let second = "\n[[faults]]\nkind = \"kill\"\ntarget = \"postgres\"\nat = \"5s\"\nfor = \"1s\"\n";
    let scenario = with_fault("kill", "replica:1", "2s", "1s") + second;
    let finished = place.run_in(
        "event-driven",
        "replica-kill",
        &scenario,
        &["--set", "topology.replicas=2"],
    );
    assert_nothing_lost_and_nothing_twice(&finished);
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn a_run_whose_links_all_go_through_proxies_passes_every_check() {
    let place = Place::new();
    let finished = place.run_in("event-driven", "proxied", WIDE, &["--set", "topology.proxied=true"]);
    assert_nothing_lost_and_nothing_twice(&finished);
}

#[test]
fn a_polling_run_goes_on_without_faults_on_the_broker() {
    let place = Place::new();
    let scenario = format!(
        "{}\n[[faults]]\nkind = \"kill\"\ntarget = \"broker:1\"\nat = \"100ms\"\nfor = \"100ms\"\n",
        SHORT
    );
    let finished = place.run("no-broker", &scenario, &[]);
    let result = finished.result();
    assert_otherwise_valid(&result);
    assert_eq!(result["faults"], serde_json::json!([]));
    let series = finished.text("series.json");
    assert!(
        series.contains("no kill on broker:1: polling mode has none"),
        "{series}"
    );
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn both_modes_are_compared_on_one_plan_in_one_report() {
    let place = Place::new();
    let finished = place.run_in("compare", "both", WIDE, &[]);
    let comparison = read_json(&finished.directory.join("compare.json"));
    let claims = comparison["claims"].as_array().unwrap();
    let ids: Vec<&str> = claims.iter().map(|claim| claim["id"].as_str().unwrap()).collect();
    for id in [
        "C01", "C02", "C03", "C04", "C07", "C08", "C13", "C15", "C16", "C18", "C19",
    ] {
        assert!(ids.contains(&id), "no {id} in {ids:?}");
    }
    for mode in ["polling", "event-driven"] {
        let run = finished.directory.join(mode);
        assert_checks_pass(&read_json(&run.join("result.json")));
        assert!(run.join("report.html").is_file());
    }
    let digest = |mode: &str| {
        let plan = finished.text(&format!("{mode}/plan.txt"));
        plan.lines().find(|line| line.contains("digest")).map(str::to_owned)
    };
    assert_eq!(digest("polling"), digest("event-driven"));
    let html = finished.text("report.html");
    assert!(html.contains("polling/report.html") && html.contains("event-driven/report.html"));
    // The report is a function of the files.
    let said = said(&mut place.crossover([std::ffi::OsStr::new("report"), finished.directory.as_os_str()]));
    assert_eq!(said.code, Some(0), "{}", said.errors);
    assert_eq!(read_json(&finished.directory.join("compare.json")), comparison);
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn sigkill_of_the_harness_leaves_no_broker_behind() {
    let place = Place::new();
    let scenario = WIDE.replace("duration = \"3s\"", "duration = \"60s\"");
    let under_way = place.run_in_until_sent("event-driven", "killed", &scenario, &[], 20);
    let processes = descendants(under_way.pid());
    let names = alive(&processes).join(", ");
    // A container's processes descend from its engine.
    assert!(names.contains("java") || wants_containers(), "{names}");
    kill(Pid::from_raw(under_way.pid()), Signal::SIGKILL).unwrap();
    drop(under_way);
    wait_until("every process is gone", GONE_WITHIN, || alive(&processes).is_empty());
    wait_until("every directory is gone", Duration::from_secs(10), || {
        place.data().is_empty()
    });
}

#[test]
fn a_comparison_can_neither_be_kept_nor_swept() {
    let place = Place::new();
    let kept = said(&mut place.bench_in("compare", "kept", SHORT, &["--keep"]));
    assert_eq!(kept.code, Some(2), "{}", kept.errors);
    assert!(kept.errors.contains("--keep"), "{}", kept.errors);
    let sweep = format!("{SHORT}\n[[sweep]]\nkey = \"topology.workers\"\nvalues = [1, 2]\n");
    let swept = said(&mut place.bench_in("compare", "swept", &sweep, &[]));
    assert_eq!(swept.code, Some(2), "{}", swept.errors);
    assert!(swept.errors.contains("is a sweep"), "{}", swept.errors);
    assert!(place.runs().is_empty());
}
