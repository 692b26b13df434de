//! Whole runs in which something dies or freezes: the harness, a worker, a replica, PostgreSQL, or the set-up.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use crossover_testbed::owned::OwnedDirectory;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::servers::wants_containers;
use crate::support::{
    Place, TINY, Turn, alive, assert_checks_pass, assert_otherwise_valid, check, descendants, number, read, read_json,
    said, wait_until,
};

/// PostgreSQL's; with containers, there is one more for small files of theirs.
const DATA_DIRECTORIES: usize = 1;

/// What the design promises ("within seconds") for processes after SIGKILL of the harness.
const GONE_WITHIN: Duration = Duration::from_secs(5);
/// A thousand files, on a disk that other tests use too.
const DATA_GONE_WITHIN: Duration = Duration::from_secs(10);

/// Orders of four jobs each, on two replicas and two workers that both are needed, with a lease of a second.
fn crashing(load: &str, rate_per_s: u32, service: &str, faults: &str) -> String {
    format!(
        r#"title = "crashes"
seed = 11

[topology]
replicas = 2
workers = 2
worker_concurrency = 12

[engine]
lease = "1s"

[polling]
interval = "50ms"
batch = 20

[[load]]
name = "steady"
arrivals = "poisson"
rate_per_s = {rate_per_s}
duration = "{load}"

[[workload.definitions]]
handler = {{ service = "constant", mean = "{service}", transient_failure_rate = 0.02, permanent_failure_rate = 0.002 }}
[workload.definitions.definition]
name = "order"
[[workload.definitions.definition.steps]]
name = "reserve"
jobs = [{{ job_type = "work", retry = {{ max_attempts = 20 }} }}]
[[workload.definitions.definition.steps]]
name = "charge-and-notify"
jobs = [
  {{ job_type = "charge", retry = {{ max_attempts = 20 }} }},
  {{ job_type = "notify", count = 2, retry = {{ max_attempts = 20 }} }},
]
{faults}"#
    )
}

fn fault(kind: &str, target: &str, at: &str, lasts: &str) -> String {
    format!("\n[[faults]]\nkind = \"{kind}\"\ntarget = \"{target}\"\nat = \"{at}\"\nfor = \"{lasts}\"\n")
}

fn assert_nothing_lost_and_nothing_twice(result: &Value) {
    assert_otherwise_valid(result);
    assert_checks_pass(result);
    for key in ["lost", "unknown", "double_effects", "unfinished"] {
        assert_eq!(
            number(result, &format!("/ledger/{key}")),
            0,
            "{key}: {:#}",
            result["ledger"]
        );
    }
    for fault in result["faults"].as_array().unwrap() {
        assert_eq!(fault["took_effect"], true, "{fault:#}");
        assert!(fault["healed_s"].is_number(), "{fault:#}");
    }
}

#[test]
fn sigkill_of_the_harness_leaves_nothing_but_a_run_to_report_on() {
    let place = Place::new();
    let under_way = place.run_until_sent("killed", &TINY.replace("1500ms", "60s"), &[], 30);
    let processes = descendants(under_way.pid());
    let names = alive(&processes).join(", ");
    // A container's processes descend from its engine.
    assert!(
        (names.contains("postgres") || wants_containers()) && names.matches("crossover").count() >= 3,
        "{names}"
    );
    assert_eq!(place.data().len(), DATA_DIRECTORIES + usize::from(wants_containers()));
    kill(Pid::from_raw(under_way.pid()), Signal::SIGKILL).unwrap();
    under_way.wait();
    wait_until(format!("all are gone: {names}"), GONE_WITHIN, || {
        alive(&processes).is_empty()
    });
    wait_until("the data is gone", DATA_GONE_WITHIN, || place.data().is_empty());

    let run = place.only_run();
    let reported = said(place.crossover(["report"]).arg(&run));
    assert_eq!(reported.code, Some(0), "{}", reported.errors);
    let result = read_json(&run.join("result.json"));
    assert!(number(&result, "/load/sent") >= 30);
    assert!(
        number(&result, "/latency_ms/dispatch/count") > 0,
        "{:#}",
        result["latency_ms"]["dispatch"]
    );
    assert_eq!(result["run"]["interrupted"], true);
    let checks = result["checks"].as_array().unwrap();
    assert!(
        !checks.is_empty() && checks.iter().all(|check| check["verdict"] == "unknown"),
        "{checks:#?}"
    );
    assert_eq!(
        (&result["ledger"]["lost"], &result["ledger"]["double_effects"]),
        (&Value::Null, &Value::Null)
    );
    assert!(read(&run.join("report.html")).contains("<svg"));
}

#[test]
fn crashes_of_worker_replica_and_postgres_lose_nothing_and_do_nothing_twice() {
    let faults = [
        fault("kill", "worker:1", "1s", "1s"),
        fault("kill", "replica:1", "3s", "1s"),
        fault("terminate", "postgres", "5s", "1s"),
    ];
    let place = Place::new();
    let finished = place.run("crashes", &crashing("8s", 40, "80ms", &faults.concat()), &[]);
    let result = finished.result();
    assert_nothing_lost_and_nothing_twice(&result);
    assert_eq!(result["faults"].as_array().unwrap().len(), 3);
    assert!(
        number(&result, "/ledger/instances_accepted") > 200,
        "{:#}",
        result["ledger"]
    );
    // Jobs of the killed worker came back only because their lease ran out.
    let audit = finished.text("database/audit.tsv");
    assert!(audit.contains("\tjob_lease_expired"), "no lease ran out");
    // A dead letter is a permanent failure of the plan, never attempts used up by crashes.
    let letters: Vec<&str> = audit
        .lines()
        .filter(|row| row.ends_with("\tjob_dead_lettered"))
        .collect();
    let attempts = letters
        .iter()
        .filter_map(|row| row.split('\t').nth(2)?.parse::<u32>().ok());
    assert!(attempts.clone().all(|attempt| attempt < 20), "{letters:?}");
    assert_eq!(letters.len() as u64, number(&result, "/ledger/dead_lettered"));
    assert_eq!(place.data(), [] as [PathBuf; 0]);
}

#[test]
fn sigkill_of_postgres_under_load_loses_nothing() {
    let place = Place::new();
    let faults = fault("kill", "postgres", "1s", "500ms");
    let finished = place.run("power-cut", &crashing("3s", 40, "5ms", &faults), &[]);
    assert_nothing_lost_and_nothing_twice(&finished.result());
    assert!(
        finished
            .text("logs/postgres.log")
            .contains("automatic recovery in progress")
    );
}

#[test]
fn a_worker_frozen_past_its_lease_reports_late_and_is_refused() {
    let place = Place::new();
    // Long enough that the lease is lost, short enough that some of its jobs are not done by another yet.
    let faults = fault("stop", "worker:1", "1s", "1500ms");
    let finished = place.run("zombie", &crashing("4s", 10, "700ms", &faults), &[]);
    let result = finished.result();
    assert_nothing_lost_and_nothing_twice(&result);
    assert!(
        finished.text("database/audit.tsv").contains("\tjob_lease_expired"),
        "no lease ran out"
    );
    assert!(
        number(&result, "/ledger/stale_completions") > 0,
        "{:#}",
        result["ledger"]
    );
    let stale = check(&result, "stale-completions")["detail"].as_str().unwrap();
    assert!(
        stale.ends_with("refused as stale, each after its lease was lost"),
        "{stale}"
    );
}

#[test]
fn a_worker_that_dies_by_itself_makes_the_run_invalid_and_loses_nothing() {
    let place = Place::new();
    let scenario = crashing("2s", 40, "5ms", "");
    let under_way = place.run_until_sent("died", &scenario, &[], 10);
    let (pid, _) = descendants(under_way.pid())
        .into_iter()
        .find(|(pid, _)| is_named(*pid, "worker-2"))
        .unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    let said = under_way.wait();
    assert_eq!(said.code, Some(6), "{}", said.errors);
    let result = read_json(&place.only_run().join("result.json"));
    let reasons = result["run"]["invalid_reasons"].to_string();
    assert!(reasons.contains("worker-2 ended by itself"), "{reasons}");
    assert_checks_pass(&result);
}

fn is_named(pid: i32, name: &str) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0)
        .any(|argument| argument == name.as_bytes())
}

#[test]
fn a_second_ctrl_c_ends_the_run_at_once_and_leaves_nothing() {
    let place = Place::new();
    // Handlers that outlast the drain after the first Ctrl-C.
    let under_way = place.run_until_sent("impatient", &crashing("60s", 40, "30s", ""), &[], 10);
    let processes = descendants(under_way.pid());
    let harness = Pid::from_raw(under_way.pid());
    kill(harness, Signal::SIGINT).unwrap();
    // Two signals of one kind that come together are one.
    std::thread::sleep(Duration::from_millis(300));
    kill(harness, Signal::SIGINT).unwrap();
    let begun = Instant::now();
    assert_eq!(under_way.wait().code, Some(130));
    assert!(begun.elapsed() < Duration::from_millis(1_500), "{:?}", begun.elapsed());
    wait_until("all are gone", GONE_WITHIN, || alive(&processes).is_empty());
    wait_until("the data is gone", DATA_GONE_WITHIN, || place.data().is_empty());
}

#[test]
fn clean_removes_what_a_killed_supervisor_left_behind() {
    let place = Place::new();
    let left = OwnedDirectory::create(&place.path("data"), "killed", "postgres").unwrap();
    let marker = File::options()
        .write(true)
        .open(left.path().join(".crossover-owned"))
        .unwrap();
    // A younger one may belong to a run that is just starting.
    marker.set_modified(SystemTime::now() - Duration::from_mins(2)).unwrap();
    fs::create_dir(place.path("data/not-ours")).unwrap();
    let cleaned = said(place.crossover(["clean", "--output"]).arg(place.path("runs")));
    assert_eq!(cleaned.code, Some(0), "{}", cleaned.errors);
    assert_eq!(place.data(), [place.path("data/not-ours")]);
}

#[test]
fn a_kept_system_runs_on_until_clean_ends_it() {
    let place = Place::new();
    let scenario = TINY.replace("1500ms", "300ms");
    let finished = place.run("kept", &scenario, &["--keep"]);
    let kept = read_json(&finished.directory.join("logs/kept.json"));
    let processes: Vec<(i32, u64)> = kept["processes"]
        .as_array()
        .unwrap()
        .iter()
        .map(named_process)
        .collect();
    let names = alive(&processes).join(", ");
    assert!(
        names.contains("postgres") && names.matches("crossover").count() >= 2,
        "{names}"
    );
    TcpStream::connect(finished.text("ready/replica-1").trim()).unwrap();
    assert_eq!(place.data().len(), DATA_DIRECTORIES + usize::from(wants_containers()));
    assert!(
        finished.said.errors.contains("left running"),
        "{}",
        finished.said.errors
    );

    let cleaned = said(place.crossover(["clean", "--output"]).arg(place.path("runs")));
    assert_eq!(cleaned.code, Some(0), "{}", cleaned.errors);
    assert_eq!(alive(&processes), [] as [String; 0]);
    assert_eq!(place.data(), [] as [PathBuf; 0]);
    assert!(
        finished.directory.join("result.json").is_file(),
        "clean took the run's report"
    );
    let removed = said(place.crossover(["clean", "--runs", "--output"]).arg(place.path("runs")));
    assert_eq!(removed.code, Some(0), "{}", removed.errors);
    assert_eq!(place.runs(), [] as [PathBuf; 0]);
}

/// `["postgres", 123]` with the start time that tells it from a later process of its number.
fn named_process(entry: &Value) -> (i32, u64) {
    let pid = i32::try_from(entry[1].as_i64().unwrap()).unwrap();
    (
        pid,
        procfs::process::Process::new(pid).unwrap().stat().unwrap().starttime,
    )
}

#[test]
fn a_setting_that_postgres_refuses_leaves_nothing_and_is_named() {
    let place = Place::new();
    let _turn = Turn::take();
    let scenario = format!("{TINY}\n[postgres]\nwork_mem = \"plenty\"\n");
    let said = said(&mut place.bench("refused", &scenario, &[]));
    assert_eq!(said.code, Some(2), "{}", said.errors);
    assert!(
        said.errors.contains("work_mem") && said.errors.contains("plenty"),
        "{}",
        said.errors
    );
    assert_eq!(place.data(), [] as [PathBuf; 0]);
    let run = place.only_run();
    let pids = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let name = run.to_str().unwrap().as_bytes();
    assert!(
        !pids
            .into_iter()
            .any(|line| line.windows(name.len()).any(|part| part == name)),
        "a process is left"
    );
    // The reason is in the report of what was measured, too: nothing.
    assert!(read(&run.join("report.md")).contains("broke off"));
}
