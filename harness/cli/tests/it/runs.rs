//! Whole runs with real servers: what they write, what they say, and that a run whose evidence was tampered with is found
//! out.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossover_proto::history::{Event, FRAME_BYTES, read_file};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::servers::wants_containers;
use crate::support::{
    Finished, Place, SHORT, TINY, alive, assert_checks_pass, assert_otherwise_valid, check, copy, descendants, number,
    read, read_json, said, tiny, wait_until,
};

/// Exit code of an invalid run, which a run of a debug build always is.
const INVALID: Option<i32> = Some(6);

/// DESIGN.md, "Contract of `result.json`": every key that must be there.
const CONTRACT: &str = "
    schema_version
    run/id run/scenario run/mode run/seed run/command run/git_commit run/started_at run/duration_s run/valid
    run/invalid_reasons
    testbed/provider testbed/postgres/version testbed/postgres/settings testbed/broker testbed/acknowledgement
    testbed/fsync_us_p50 testbed/cpus testbed/memory_mb
    topology/replicas topology/relays topology/workers topology/partitions
    load/intended load/sent load/accepted load/rejected load/unknown load/achieved_ratio load/send_delay_ms/p50
    load/send_delay_ms/p99 load/send_delay_ms/max
    phases/0/name phases/0/load phases/0/latency_ms phases/0/throughput phases/0/waits
    latency_ms/dispatch/count latency_ms/dispatch/p50 latency_ms/dispatch/p90 latency_ms/dispatch/p99
    latency_ms/dispatch/p999 latency_ms/dispatch/max latency_ms/dispatch/mean latency_ms/dispatch/censored
    latency_ms/dispatch_from_send/p50 latency_ms/completion/p50 latency_ms/hops
    throughput/completed_per_s throughput/capacity_per_s
    postgres/waits postgres/lock_wait_share postgres/dead_tuples_max postgres/connections_max
    outbox lag faults
    ledger/accepted ledger/completed ledger/dead_lettered ledger/lost ledger/unknown ledger/duplicate_records
    ledger/duplicate_executions ledger/double_effects ledger/order_violations ledger/fifo_inversions
    ledger/stale_completions
    checks/0/name checks/0/verdict checks/0/detail
";

#[test]
fn a_run_writes_every_key_of_the_contract() {
    let result = tiny().result();
    for key in CONTRACT.split_whitespace() {
        assert!(result.pointer(&format!("/{key}")).is_some(), "no {key} in result.json");
    }
    assert_eq!(result["schema_version"], 1);
    assert_eq!(result["run"]["mode"], "polling");
    assert_eq!(result["run"]["seed"], 7);
}

#[test]
fn a_run_in_which_nothing_is_broken_passes_every_check() {
    let finished = tiny();
    assert_eq!(finished.said.code, INVALID, "{}", finished.said.errors);
    let result = finished.result();
    assert_otherwise_valid(&result);
    assert_checks_pass(&result);
    assert_eq!(number(&result, "/load/intended"), 80);
    assert_eq!(number(&result, "/load/accepted"), 80);
    assert_eq!(number(&result, "/ledger/lost"), 0);
    assert!(
        number(&result, "/ledger/dead_lettered") > 0,
        "the planned permanent failures did not happen"
    );
    let audit = finished.text("database/audit.tsv");
    assert!(
        audit.contains("job_retried") || audit.contains("retry"),
        "the planned transient failures did not happen"
    );
}

#[test]
fn every_job_and_every_finished_instance_has_a_latency() {
    let finished = tiny();
    let result = finished.result();
    let phases = result["phases"].as_array().unwrap();
    let sum = |pointer: &str| phases.iter().map(|phase| number(phase, pointer)).sum::<u64>();
    assert_eq!(sum("/latency_ms/dispatch/count"), number(&result, "/ledger/accepted"));
    assert_eq!(
        number(&result, "/ledger/accepted"),
        finished.text("database/job.tsv").lines().count() as u64
    );
    let completed = finished
        .text("database/instance.tsv")
        .lines()
        .filter(|row| row.contains("\tcompleted\t"))
        .count();
    assert_eq!(sum("/latency_ms/completion/count"), completed as u64);
    // The whole run's figures leave out the warm-up.
    assert_eq!(phases[0]["warmup"], true);
    assert_eq!(
        result["latency_ms"]["dispatch"]["count"],
        phases[1]["latency_ms"]["dispatch"]["count"]
    );
    assert!(number(&phases[0], "/latency_ms/dispatch/count") > 0);
}

#[test]
fn the_report_needs_nothing_but_itself() {
    let finished = tiny();
    let html = finished.text("report.html");
    for outside in [
        "src=\"http",
        "href=\"http",
        "src='http",
        "href='http",
        "@import",
        "<link",
        "<script src",
    ] {
        assert!(!html.contains(outside), "{outside} in report.html");
    }
    assert!(html.contains("<svg") && html.contains("a tiny run"));
    let last = finished.said.output.lines().last().unwrap();
    assert!(last.ends_with("/report.html"), "{last}");
    assert!(finished.text("report.md").contains("320 jobs accepted"));
}

#[test]
fn the_series_cover_the_run_second_by_second() {
    let finished = tiny();
    let series = read_json(&finished.directory.join("series.json"));
    let seconds = number(&series, "/seconds");
    let duration_s = finished.result()["run"]["duration_s"].as_f64().unwrap();
    assert_eq!(seconds, duration_s.ceil() as u64, "a run of {duration_s} s");
    let series = series.as_object().unwrap();
    let lists = series
        .iter()
        .filter(|(name, _)| *name != "events")
        .filter_map(|(name, list)| Some((name, list.as_array()?)));
    for (name, list) in lists {
        let named = list.first().is_some_and(|first| first.get("values").is_some());
        let lengths: Vec<usize> = match named {
            true => list
                .iter()
                .map(|series| series["values"].as_array().unwrap().len())
                .collect(),
            false => vec![list.len()],
        };
        // No broker here, and no service that handlers call; and a look may have found nobody active in so short a run.
        let empty = list.is_empty() && ["lag", "downstream", "waits"].contains(&name.as_str());
        assert!(
            empty || lengths.iter().all(|length| *length as u64 == seconds),
            "{name}: {lengths:?}, not {seconds}"
        );
    }
}

#[test]
fn a_report_written_again_from_disk_says_the_same() {
    let copied = Copied::new();
    let before = read(&copied.run.join("result.json"));
    let html = read(&copied.run.join("report.html"));
    for written in ["result.json", "series.json", "report.html", "report.md"] {
        fs::remove_file(copied.run.join(written)).unwrap();
    }
    copied.report();
    assert_eq!(read(&copied.run.join("result.json")), before);
    assert_eq!(read(&copied.run.join("report.html")), html);
}

/// A copy of the tiny run, to be tampered with.
struct Copied {
    place: Place,
    run: PathBuf,
}

impl Copied {
    fn new() -> Self {
        let place = Place::new();
        let run = place.path("copy");
        copy(&tiny().directory, &run);
        Self { place, run }
    }

    /// Changes a table of the database as it was at the end; each line is a row.
    fn edit(&self, table: &str, edit: impl FnOnce(&mut Vec<String>)) {
        let path = self.run.join(format!("database/{table}.tsv"));
        let mut rows: Vec<String> = read(&path).lines().map(str::to_owned).collect();
        edit(&mut rows);
        fs::write(&path, rows.join("\n") + "\n").unwrap();
    }

    fn history(&self, process: &str) -> PathBuf {
        let entries = fs::read_dir(self.run.join("history"))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut found = entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(process));
        found.next().unwrap()
    }

    /// `crossover report` of it: the exit code speaks of the report, not of what it finds.
    fn report(&self) -> Value {
        let said = said(self.place.crossover(["report"]).arg(&self.run));
        assert_eq!(said.code, Some(0), "{}", said.errors);
        read_json(&self.run.join("result.json"))
    }
}

fn is_completed(row: &str) -> bool {
    row.contains("\tcompleted\t")
}

fn assert_fails(result: &Value, name: &str, told: &str) {
    let check = check(result, name);
    assert_eq!(check["verdict"], "fail", "{check:#}");
    assert!(check["detail"].as_str().unwrap().contains(told), "{check:#}");
    assert!(!check["story"].as_array().unwrap().is_empty(), "{check:#}");
}

#[test]
fn a_job_that_vanished_from_the_database_is_found_lost() {
    let copied = Copied::new();
    copied.edit("job", |rows| {
        let victim = rows.iter().position(|row| is_completed(row)).unwrap();
        rows.remove(victim);
    });
    let result = copied.report();
    assert_fails(
        &result,
        "nothing-lost",
        "job handled by a worker but unknown to the database",
    );
    assert!(number(&result, "/ledger/lost") > 0);
}

#[test]
fn a_job_that_nothing_moves_any_more_is_found_stuck_but_not_before_leases_have_run_out() {
    let copied = Copied::new();
    copied.edit("job", |rows| {
        let row = rows.iter_mut().find(|row| is_completed(row)).unwrap();
        *row = row.replace("\tcompleted\t", "\tqueued\t");
    });
    let path = copied.run.join("run.json");
    let give_up_after = |seconds: u64| {
        let mut run = read_json(&path);
        run["drained"] = json!(false);
        run["end_ns"] = json!(run["load_end_ns"].as_u64().unwrap() + seconds * 1_000_000_000);
        fs::write(&path, run.to_string()).unwrap();
        copied.report()
    };
    assert_eq!(check(&give_up_after(20), "drained")["verdict"], "unknown");
    assert_fails(&give_up_after(60), "drained", "stuck: 1 job queued");
}

#[test]
fn a_second_completion_in_the_audit_log_is_found_as_a_double_effect() {
    let copied = Copied::new();
    copied.edit("audit", |rows| {
        let completion = rows
            .iter()
            .find(|row| row.ends_with("\tjob_completed"))
            .unwrap()
            .clone();
        rows.push(completion);
    });
    let result = copied.report();
    assert_fails(&result, "no-double-effect", "1 × job completed again");
    assert_eq!(number(&result, "/ledger/double_effects"), 1);
}

#[test]
fn a_state_that_the_audit_log_does_not_tell_is_found() {
    let copied = Copied::new();
    copied.edit("job", |rows| {
        let row = rows.iter_mut().find(|row| is_completed(row)).unwrap();
        *row = row.replace("\tcompleted\t", "\tcancelled\t");
    });
    assert_fails(&copied.report(), "audit-replayed-equals-tables", "1 job and ");
}

#[test]
fn an_instance_that_vanished_from_the_database_is_found_lost() {
    let copied = Copied::new();
    copied.edit("instance", |rows| {
        rows.remove(0);
    });
    assert_fails(
        &copied.report(),
        "nothing-lost",
        "accepted instance unknown to the database",
    );
}

#[test]
fn a_torn_history_is_counted_and_not_guessed_at() {
    let copied = Copied::new();
    let path = copied.history("worker-1");
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 10).unwrap();
    let result = copied.report();
    assert_eq!(number(&result, "/instrument/dropped_bytes"), FRAME_BYTES as u64 - 10);
    assert_eq!(check(&result, "history-whole")["verdict"], "unknown");
}

#[test]
fn damage_in_the_middle_of_a_history_fails() {
    let copied = Copied::new();
    let path = copied.history("worker-1");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&path, bytes).unwrap();
    assert_fails(&copied.report(), "history-whole", "damaged, not torn by a kill");
}

#[test]
fn completed_jobs_that_no_worker_started_are_found() {
    let copied = Copied::new();
    fs::remove_file(copied.history("worker-1")).unwrap();
    assert_fails(&copied.report(), "nothing-lost", "completed job that no worker started");
}

/// First word after "plan" in `plan.txt`.
fn digest(finished: &Finished) -> String {
    finished.text("plan.txt").split([' ', ',']).nth(1).unwrap().to_owned()
}

#[test]
fn the_seed_fixes_the_plan() {
    let plan = |flags: &[&str]| {
        let place = Place::new();
        let finished = place.run("seeded", SHORT, flags);
        (digest(&finished), number(&finished.result(), "/run/seed"))
    };
    let (first, again, other) = (plan(&[]), plan(&["--seed", "7"]), plan(&["--seed", "8"]));
    assert_eq!(first, again);
    assert_eq!((first.1, other.1), (7, 8));
    assert_ne!(first.0, other.0);
}

#[test]
fn a_backlog_measures_capacity() {
    let scenario = SHORT
        .replace("arrivals = \"poisson\"", "arrivals = \"prefill\"")
        .replace("rate_per_s = 50", "count = 300")
        .replace("duration = \"300ms\"\n", "");
    let place = Place::new();
    let finished = place.run("backlog", &scenario, &[]);
    let result = finished.result();
    assert_otherwise_valid(&result);
    assert_checks_pass(&result);
    assert_eq!(number(&result, "/ledger/completed"), 300);
    let capacity = result["throughput"]["capacity_per_s"].as_f64().unwrap();
    assert!(capacity > 0.0, "{capacity}");
}

/// A burst of 40, then three arrivals of a trace, which is written into the place.
fn bursting_and_traced(place: &Place) -> String {
    place.write(
        "arrivals.csv",
        "offset_ms,definition,service_ms,payload_bytes\n0,single,1,10\n12.5,single,0,0\n250,single,3,2000\n",
    );
    let load = "[[load]]\nname = \"burst\"\narrivals = \"burst\"\ncount = 40\nduration = \"400ms\"\n\n\
                [[load]]\nname = \"trace\"\narrivals = \"trace\"\nfile = \"arrivals.csv\"\n\n[[workload";
    let (before, rest) = SHORT.split_once("[[load]]").unwrap();
    let (_, after) = rest.split_once("[[workload").unwrap();
    format!("{before}{load}{after}")
}

#[test]
fn a_burst_and_a_trace_arrive_as_they_are_written() {
    let place = Place::new();
    let finished = place.run("mixed", &bursting_and_traced(&place), &[]);
    let result = finished.result();
    assert_otherwise_valid(&result);
    assert_checks_pass(&result);
    // The copy is what a later report reads, wherever the original went.
    fs::remove_file(place.path("arrivals.csv")).unwrap();
    let again = said(place.crossover(["report"]).arg(&finished.directory));
    assert_eq!(again.code, Some(0), "{}", again.errors);
    let offsets = intended_us(&finished);
    assert_eq!(offsets[..40], [0; 40]);
    assert_eq!(offsets[40..], [400_000, 412_500, 650_000]);
    let counts: Vec<u64> = result["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phase| number(phase, "/load/accepted"))
        .collect();
    assert_eq!(counts, [40, 3]);
}

/// Intended moments of all arrivals from the start of the load (µs), as the load's history has them.
fn intended_us(finished: &Finished) -> Vec<u64> {
    let origin_ns = read_json(&finished.directory.join("run.json"))["origin_ns"]
        .as_u64()
        .unwrap();
    let files = fs::read_dir(finished.directory.join("history"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let load = files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("load-"));
    let records = load.flat_map(|path| read_file(&path).unwrap().records().collect::<Vec<_>>());
    let mut offsets: Vec<u64> = records
        .filter_map(|record| match record.event {
            Event::Sent { intended, .. } => Some((intended.0 - origin_ns) / 1_000),
            _ => None,
        })
        .collect();
    offsets.sort_unstable();
    offsets
}

#[test]
fn a_sweep_writes_a_run_per_point_and_a_report_over_them() {
    let sweep = "\n[[sweep]]\nkey = \"polling.interval\"\nvalues = [\"10ms\", \"40ms\"]\n";
    let place = Place::new();
    let scenario = format!("{}{sweep}", bursting_and_traced(&place));
    let finished = place.run("swept", &scenario, &[]);
    assert_eq!(finished.said.code, INVALID, "{}", finished.said.errors);
    let sweep = read_json(&finished.directory.join("sweep.json"));
    assert_eq!(sweep["keys"], json!(["polling.interval"]));
    let values: Vec<&Value> = sweep["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| &point["values"][0])
        .collect();
    assert_eq!(values, ["10ms", "40ms"]);
    for (point, interval) in [("01", "10ms"), ("02", "40ms")] {
        let result = read_json(&finished.directory.join(point).join("result.json"));
        assert_otherwise_valid(&result);
        assert_checks_pass(&result);
        assert!(
            has_setting(&result, "poll interval", interval),
            "{:#}",
            result["topology"]
        );
    }
    let html = finished.text("report.html");
    assert!(html.contains("01/report.html") && html.contains("40ms"));
    assert_eq!(
        finished.said.output.lines().last().unwrap(),
        finished.directory.join("report.html").to_str().unwrap()
    );
    assert_eq!(place.data(), [] as [PathBuf; 0]);

    for original in ["arrivals.csv", "swept.toml"] {
        fs::remove_file(place.path(original)).unwrap();
    }
    fs::remove_file(finished.directory.join("report.html")).unwrap();
    let again = said(place.crossover(["report"]).arg(&finished.directory));
    assert_eq!(again.code, Some(0), "{}", again.errors);
    assert_eq!(
        finished.text("report.html"),
        html,
        "a report written again says something else"
    );
    let removed = said(place.crossover(["clean", "--runs", "--output"]).arg(place.path("runs")));
    assert_eq!(removed.code, Some(0), "{}", removed.errors);
    assert_eq!(place.runs(), [] as [PathBuf; 0], "a sweep is removed with its runs");
}

fn has_setting(result: &Value, name: &str, value: &str) -> bool {
    result["topology"]["settings"][name] == value
}

#[test]
fn keys_of_the_scenario_are_overridden_and_the_command_repeats_it() {
    let flags = [
        "--set",
        "topology.workers=2",
        "--set",
        "polling.interval=30ms",
        "--set",
        "load.0.rate_per_s=20",
    ];
    let place = Place::new();
    let finished = place.run("overridden", SHORT, &flags);
    let result = finished.result();
    assert_checks_pass(&result);
    assert_eq!(number(&result, "/topology/workers"), 2);
    assert!(
        has_setting(&result, "poll interval", "30ms"),
        "{:#}",
        result["topology"]
    );
    assert!(
        finished.text("plan.txt").contains("Poisson 20/s"),
        "{}",
        finished.text("plan.txt")
    );
    let command = result["run"]["command"].as_str().unwrap();
    assert!(
        command.contains("--set topology.workers=2 --set polling.interval=30ms"),
        "{command}"
    );
    // Beside the runs, `latest` leads to the newest.
    assert_eq!(
        fs::canonicalize(place.path("latest")).unwrap(),
        fs::canonicalize(&finished.directory).unwrap()
    );
}

#[test]
fn a_run_without_a_history_says_that_it_was_not_checked() {
    let place = Place::new();
    let finished = place.run("unrecorded", SHORT, &["--no-history"]);
    let result = finished.result();
    let check = check(&result, "nothing-lost");
    assert_eq!(check["verdict"], "unknown");
    assert!(check["detail"].as_str().unwrap().contains("not checked"), "{check:#}");
    assert_eq!(result["checks"].as_array().unwrap().len(), 1);
    // What was not looked for was not found to be 0.
    assert_eq!(
        (&result["ledger"]["lost"], &result["ledger"]["double_effects"]),
        (&Value::Null, &Value::Null)
    );
    assert!(
        result["instrument"]["not_measured"]
            .to_string()
            .contains("--no-history"),
        "{:#}",
        result["instrument"]
    );
    assert_eq!(fs::read_dir(finished.directory.join("history")).unwrap().count(), 0);
}

#[test]
fn hypotheses_are_judged_each_by_its_number() {
    let hypothesis = |text: &str, metric: &str, most: f64| {
        format!("\n[[hypotheses]]\ntext = \"{text}\"\nmetric = \"{metric}\"\nat_most = {most:?}\n")
    };
    let scenario = [
        SHORT.to_owned(),
        hypothesis("nothing is lost", "ledger.lost", 0.0),
        hypothesis("dispatch takes no time", "latency_ms.dispatch.p50", 0.000_001),
        hypothesis("no backlog stays", "outbox.backlog_end", 0.0),
    ]
    .concat();
    let place = Place::new();
    let finished = place.run("supposed", &scenario, &[]);
    let result = finished.result();
    let claims: Vec<(&str, &str)> = result["claims"]
        .as_array()
        .unwrap()
        .iter()
        .map(|claim| (claim["text"].as_str().unwrap(), claim["verdict"].as_str().unwrap()))
        .collect();
    let wanted = [
        ("nothing is lost", "supported"),
        ("dispatch takes no time", "refuted"),
        ("no backlog stays", "not-settled"),
    ];
    assert_eq!(claims, wanted);
    // In a release build this is 4: a hypothesis failed. An invalid run has nothing to say about one.
    assert_eq!(finished.said.code, INVALID);
}

#[test]
fn a_run_broken_off_by_ctrl_c_reports_what_it_measured() {
    let place = Place::new();
    let scenario = TINY.replace("1500ms", "60s");
    let under_way = place.run_until_sent("broken-off", &scenario, &[], 30);
    let processes = descendants(under_way.pid());
    // A container's processes descend from its engine.
    assert!(
        processes.len() + usize::from(wants_containers()) >= 4,
        "supervisor, PostgreSQL, replica, worker: {:?}",
        alive(&processes)
    );
    kill(Pid::from_raw(under_way.pid()), Signal::SIGINT).unwrap();
    let said = under_way.wait();
    assert_eq!(said.code, Some(130), "{}", said.errors);
    assert_eq!(alive(&processes), [] as [String; 0]);
    assert_eq!(place.data(), [] as [PathBuf; 0]);
    let result = read_json(&place.only_run().join("result.json"));
    assert_eq!(result["run"]["interrupted"], true);
    assert!(number(&result, "/ledger/completed") > 0);
    let failed: Vec<&Value> = result["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["verdict"] == "fail")
        .collect();
    assert_eq!(failed, [] as [&Value; 0]);
    assert!(
        Path::new(said.output.lines().last().unwrap()).is_file(),
        "{}",
        said.output
    );
}

#[test]
fn ctrl_c_during_the_drain_is_an_interrupt_too() {
    let place = Place::new();
    let _turn = crate::support::Turn::take();
    let slow = "[[workload.definitions]]\nhandler = { service = \"constant\", mean = \"20s\" }";
    let scenario = SHORT.replace("[[workload.definitions]]", slow);
    let child = place.bench("drain", &scenario, &[]).spawn().unwrap();
    wait_until("the load has ended", Duration::from_secs(30), || {
        let run = place.runs().first().map(|run| run.join("run.json"));
        run.is_some_and(|file| file.is_file() && !read_json(&file)["load_end_ns"].is_null())
    });
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let result = read_json(&place.only_run().join("result.json"));
    assert_eq!(result["run"]["interrupted"], true);
    assert!(number(&result, "/ledger/unfinished") > 0);
}

#[test]
fn ctrl_c_while_the_servers_start_leaves_nothing() {
    let place = Place::new();
    let _turn = crate::support::Turn::take();
    let child = place.bench("early", TINY, &[]).spawn().unwrap();
    let pid = child.id().cast_signed();
    wait_until("the data directory is made", Duration::from_secs(20), || {
        !place.data().is_empty()
    });
    let processes = descendants(pid);
    kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(130),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(alive(&processes), [] as [String; 0]);
    assert_eq!(place.data(), [] as [PathBuf; 0]);
    assert!(place.only_run().join("report.html").is_file());
}
