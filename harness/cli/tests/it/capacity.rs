//! Capacity searches with real servers: workers of a known service rate are found, a search that was broken off goes on,
//! and a scenario that has no one rate is refused.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Place, Turn, read_json, said};

/// One worker, 100 slots, a second each: 100 jobs a second, but for the milliseconds from a job to the next.
const KNOWN: &str = r#"title = "workers of a known service rate"
seed = 7

[topology]
workers = 1
worker_concurrency = 100

[polling]
interval = "20ms"

[drain]
timeout = "10s"

[[load]]
name = "warm"
arrivals = "constant"
rate_per_s = 60
duration = "1s"
warmup = true

[[load]]
name = "step"
arrivals = "constant"
rate_per_s = 60
duration = "5s"

[[workload.definitions]]
handler = { service = "constant", mean = "1s" }
definition = { name = "single", steps = [{ name = "work", jobs = [{ job_type = "work" }] }] }
"#;

/// Exit code of a debug build's numbers.
const INVALID: Option<i32> = Some(6);

#[test]
fn workers_of_a_known_service_rate_are_found_within_five_per_cent_and_a_search_goes_on_where_it_was() {
    let place = Place::new();
    let _turn = Turn::take();
    let file = place.write("known.toml", KNOWN);
    let searched = |output: &Path| {
        let mut command = place.crossover(["capacity", "polling"]);
        command.arg(&file).args(["--tolerance", "0.05", "--output"]).arg(output);
        let told = said(&mut command);
        assert_eq!(told.code, INVALID, "{}\n{}", told.output, told.errors);
        let directory = fs::read_dir(output).unwrap().next().unwrap().unwrap().path();
        (read_json(&directory.join("capacity.json")), directory, told)
    };
    // Where the other tests leave it no processor, it finds what is left of the rate: then it may try once more.
    let first = searched(&place.path("runs"));
    let (capacity, directory, told) = match disturbed(&first.0) {
        true => searched(&place.path("again")),
        false => first,
    };
    let (low, high) = bounds(&capacity);
    assert!((95.0..=105.0).contains(&low), "{low} to {high}: {capacity:#}");
    assert!((95.0..=106.0).contains(&high), "{low} to {high}: {capacity:#}");
    assert!(capacity["ended"].as_str().unwrap().contains("narrow"), "{capacity:#}");
    assert!(told.output.contains("jobs/s holds"), "{}", told.output);
    for step in capacity["steps"].as_array().unwrap() {
        let run = directory.join(step["run"].as_str().unwrap());
        assert!(run.join("report.html").is_file() && run.join("database/job.tsv").is_file());
    }
    let page = fs::read_to_string(directory.join("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("workers of a known service rate"));

    // As if it had been broken off before its last step.
    let mut broken_off = capacity.clone();
    let steps = broken_off["steps"].as_array_mut().unwrap();
    let (last, count) = (steps.pop().unwrap(), steps.len());
    broken_off["ended"] = Value::Null;
    fs::write(directory.join("capacity.json"), broken_off.to_string()).unwrap();
    let told = said(place.crossover(["capacity", "--resume"]).arg(&directory));
    assert_eq!(told.code, INVALID, "{}\n{}", told.output, told.errors);
    let resumed = read_json(&directory.join("capacity.json"));
    let steps = resumed["steps"].as_array().unwrap();
    assert_eq!(steps[..count], broken_off["steps"].as_array().unwrap()[..]);
    assert_eq!(steps[count]["rate_per_s"], last["rate_per_s"]);
    assert_ne!(steps[count]["run"], last["run"]);
    assert!(resumed["ended"].is_string());
}

/// Was the machine too busy for the generator to keep its times?
fn disturbed(capacity: &Value) -> bool {
    let said = capacity["steps"].to_string();
    said.contains("the generator was late")
}

fn bounds(capacity: &Value) -> (f64, f64) {
    let end = |name: &str| capacity["holds"][name].as_f64();
    let (Some(low), Some(high)) = (end("low"), end("high")) else {
        panic!("an open end: {capacity:#}");
    };
    (low, high)
}

#[test]
fn a_load_without_one_rate_is_refused_before_anything_starts() {
    let place = Place::new();
    for (arguments, expected) in [
        (
            vec!["capacity", "polling", "default"],
            "load[2].arrivals: found \"burst\"; allowed are constant, poisson and idle",
        ),
        (
            vec!["capacity", "polling", "--tolerance", "7"],
            "--tolerance: found 7; allowed is 0.005 to 1",
        ),
        (
            vec!["capacity", "polling", "--replicas", "1,65"],
            "--replicas: found 65; allowed are 1 to 64",
        ),
        (
            vec!["capacity", "polling", "--keep"],
            "--keep: the servers of one step would disturb the next",
        ),
        (vec!["capacity", "--resume", "nowhere"], "no run nowhere"),
        (vec!["capacity"], "required arguments were not provided"),
    ] {
        let told = said(place.crossover(&arguments).arg("--output").arg(place.path("runs")));
        assert_eq!(told.code, Some(2), "{arguments:?}: {}", told.errors);
        assert!(told.errors.contains(expected), "{arguments:?}: {}", told.errors);
        assert!(place.runs().is_empty());
    }
}

/// Short enough for a grid: single jobs that take no time.
const QUICK: &str = r#"title = "a grid of short runs"
seed = 7

[polling]
interval = "20ms"

[[load]]
name = "step"
arrivals = "constant"
rate_per_s = 50
duration = "3s"
tick = "10ms"

[[workload.definitions]]
definition = { name = "single", steps = [{ name = "work", jobs = [{ job_type = "work" }] }] }
"#;

#[test]
fn a_sweep_over_keys_of_the_command_line_keeps_what_is_finished() {
    let place = Place::new();
    let _turn = Turn::take();
    let file = place.write("quick.toml", QUICK);
    let mut command = place.crossover(["sweep"]);
    command
        .arg(file)
        .args(["polling", "topology.workers=1,2", "--repeat", "2", "--output"])
        .arg(place.path("runs"));
    let told = said(&mut command);
    assert_eq!(told.code, INVALID, "{}\n{}", told.output, told.errors);
    let directory = place.only_run();
    let plan = read_json(&directory.join("points.json"));
    assert_eq!(plan["points"], serde_json::json!([["1"], ["2"], ["1"], ["2"]]));
    assert!(read_json(&directory.join("02/result.json"))["topology"]["workers"] == 2);
    assert!(
        fs::read_to_string(directory.join("report.html"))
            .unwrap()
            .contains("Intervals")
    );
    // Backlogs are told for every run, not only for steps of a search.
    let backlog = &read_json(&directory.join("01/result.json"))["phases"][0]["backlog"];
    assert_eq!(backlog["jobs_per_s"], 50.0);

    // As if the third had died, and the fourth never begun.
    let kept = fs::metadata(directory.join("01/result.json"))
        .unwrap()
        .modified()
        .unwrap();
    fs::remove_file(directory.join("03/result.json")).unwrap();
    fs::remove_dir_all(directory.join("04")).unwrap();
    let told = said(place.crossover(["sweep", "--resume"]).arg(&directory));
    assert_eq!(told.code, INVALID, "{}\n{}", told.output, told.errors);
    assert_eq!(told.errors.matches("point ").count(), 2, "{}", told.errors);
    assert_eq!(
        fs::metadata(directory.join("01/result.json"))
            .unwrap()
            .modified()
            .unwrap(),
        kept
    );
    assert!(directory.join("03/report.html").is_file() && directory.join("04/report.html").is_file());
}

#[test]
fn a_map_runs_every_variant_at_every_place_and_goes_on_with_those_that_are_missing() {
    let place = Place::new();
    let _turn = Turn::take();
    let file = place.write("quick.toml", QUICK);
    let mut command = place.crossover(["map"]);
    command
        .arg(file)
        .args(["--rates", "20", "--replicas", "1", "--output"])
        .arg(place.path("runs"));
    let told = said(&mut command);
    assert_eq!(told.code, INVALID, "{}\n{}", told.output, told.errors);
    let directory = place.only_run();
    let mut map = read_json(&directory.join("map.json"));
    let points = map["points"].as_array_mut().unwrap();
    let variants: Vec<&str> = points.iter().map(|point| point["variant"].as_str().unwrap()).collect();
    assert_eq!(variants, ["polling-default", "polling-tuned", "event-driven"]);
    let settings = |run: &str| read_json(&directory.join(run).join("result.json"))["topology"]["settings"].to_string();
    assert!(settings("polling-tuned-replicas-1-rate-20").contains("notify"));
    assert!(!settings("polling-replicas-1-rate-20").contains("notify"));
    assert!(
        fs::read_to_string(directory.join("report.html"))
            .unwrap()
            .contains("Who leads")
    );

    points.remove(1);
    fs::write(directory.join("map.json"), map.to_string()).unwrap();
    let told = said(place.crossover(["map", "--resume"]).arg(&directory));
    assert_eq!(told.code, INVALID, "{}\n{}", told.output, told.errors);
    assert_eq!(told.errors.matches("point ").count(), 1, "{}", told.errors);
    assert_eq!(
        read_json(&directory.join("map.json"))["points"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}
