//! A run of 1,000,000 jobs, written as a run would write it, reported on by the program itself: in time, and in the memory that a
//! laptop has to spare. `./just million` does it with a release build and prints the figures.

use std::env;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::{Event, HistoryWriter, JobKey, Outcome, Record};
use crossover_proto::{InstanceId, JobId};
use nix::sys::resource::{UsageWho, getrusage};
use uuid::Uuid;

use crate::servers::CROSSOVER;
use crate::support::{Place, copy, read, read_json, said, tiny};

/// Names the release build that the limits are for; without it, this one reports, and only its result is looked at.
const PROGRAM: &str = "CROSSOVER_MILLION_PROGRAM";
const JOBS: u64 = 1_000_000;
const PER_S: u64 = 10_000;
const ORIGIN_NS: u64 = 1_000_000_000_000;
const BATCH: u64 = 500;
const US: u64 = 1_000;

const SCENARIO: &str = r#"title = "a million jobs"
seed = 7

[topology]
workers = 2

[[load]]
name = "steady"
arrivals = "constant"
rate_per_s = 10000
duration = "100s"

[[workload.definitions]]
definition = { name = "single", steps = [{ name = "work", jobs = [{ job_type = "work" }] }] }
"#;

fn instance(number: u64) -> InstanceId {
    // A UUIDv7 of that moment, as the load draws them.
    InstanceId(Uuid::from_u128(
        u128::from(number) << 80 | 0x7 << 76 | 0x8 << 60 | u128::from(number),
    ))
}

/// When a job was intended: half a spacing after the one before.
fn intended(number: u64) -> u64 {
    ORIGIN_NS + (2 * number + 1) * 1_000_000_000 / PER_S / 2
}

/// How long it waited for a poll: a sawtooth of 50 ms, and now and then a slow one.
fn waited(number: u64) -> u64 {
    let slow = if number.is_multiple_of(997) { 120_000 } else { 0 };
    (1_500 + number * 7 % 50_000 + slow) * US
}

/// Dispatched how: the event-driven mode has a relay's records, outbox rows and records of the broker besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dispatch {
    Polling,
    EventDriven,
}

impl Dispatch {
    fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::EventDriven => "event-driven",
        }
    }
}

fn write_history(directory: &Path, dispatch: Dispatch) {
    let writers = ["load", "replica-1", "worker-1", "worker-2", "relay-1"]
        .map(|name| HistoryWriter::create(directory, name).unwrap());
    for batch in (0..JOBS).step_by(usize::try_from(BATCH).unwrap()) {
        let mut files: [Vec<Record>; 5] = Default::default();
        for number in batch..batch + BATCH {
            let (begun, taken) = (intended(number), intended(number) + waited(number));
            let key = JobKey {
                instance: instance(number),
                job: JobId(i64::try_from(number + 1).unwrap()),
                attempt: 1,
                step: 0,
                ordinal: 0,
            };
            let sent = Event::Sent {
                instance: key.instance,
                intended: MonotonicNs(begun),
                arrival: number,
            };
            let answered = Event::Answered {
                instance: key.instance,
                outcome: Outcome::Done,
            };
            let created = Event::Created {
                instance: key.instance,
                step: 0,
                before: MonotonicNs(begun + 100 * US),
            };
            // A poll finds the job; from the broker, a worker receives it and asks whether it may begin.
            let (asked, claimed_at) = match dispatch {
                Dispatch::Polling => (taken - 300 * US, taken),
                Dispatch::EventDriven => (taken + 220 * US, taken + 280 * US),
            };
            let claimed = Event::Claimed {
                key,
                before: MonotonicNs(asked),
            };
            let worker = 2 + usize::try_from(number % 2).unwrap();
            for (file, at, event) in [
                (0, begun + 50 * US, sent),
                (0, begun + 900 * US, answered),
                (1, begun + 700 * US, created),
                (1, claimed_at, claimed),
                (worker, taken + 200 * US, Event::Received(key)),
                (worker, taken + 300 * US, Event::Started(key)),
                (worker, taken + 400 * US, Event::Finished(key, Outcome::Done)),
                (worker, taken + 1_400 * US, Event::Reported(key, Outcome::Done)),
            ] {
                files[file].push(Record {
                    at: MonotonicNs(at),
                    event,
                });
            }
            if dispatch == Dispatch::EventDriven {
                let outbox = key.job.0;
                for (at, event) in [
                    (taken - 200 * US, Event::Picked { key, outbox }),
                    (taken - 100 * US, Event::Acked { key, outbox }),
                ] {
                    files[4].push(Record {
                        at: MonotonicNs(at),
                        event,
                    });
                }
            }
        }
        for (writer, records) in writers.iter().zip(files) {
            writer.append(records).unwrap();
        }
    }
}

fn table(directory: &Path, name: &str) -> BufWriter<File> {
    BufWriter::new(File::create(directory.join(format!("{name}.tsv"))).unwrap())
}

/// The rows of one partition, which holds them in their order.
fn write_dispatches(run: &Path) {
    let topics = run.join("topics");
    fs::create_dir(&topics).unwrap();
    writeln!(
        table(&topics, "partitions"),
        "workers.work\tjobs.work\t0\t0\t{JOBS}\t{JOBS}"
    )
    .unwrap();
    let (mut rows, mut records) = (table(&run.join("database"), "outbox"), table(&topics, "records"));
    for offset in 0..JOBS {
        let id = offset + 1;
        writeln!(rows, "{id}\t{id}\t1\t1\t0\t{offset}").unwrap();
        writeln!(records, "0\t{offset}\t{id}\t1\t{id}\t1").unwrap();
    }
}

fn write_database(directory: &Path) {
    let table = |name: &str| table(directory, name);
    writeln!(table("definition"), "1\tsingle\t1").unwrap();
    table("outbox").flush().unwrap();
    let (mut instances, mut jobs, mut audit) = (table("instance"), table("job"), table("audit"));
    for number in 0..JOBS {
        let (id, job) = (instance(number).0, number + 1);
        writeln!(instances, "{id}\t1\tcompleted\t0\t0").unwrap();
        writeln!(jobs, "{job}\t{id}\twork\t0\t0\tcompleted\t1").unwrap();
        writeln!(audit, "{id}\t\\N\t0\tinstance_started").unwrap();
        for event in ["job_queued", "job_claimed", "job_completed"] {
            writeln!(audit, "{id}\t{job}\t1\t{event}").unwrap();
        }
        writeln!(audit, "{id}\t\\N\t0\tinstance_completed").unwrap();
    }
}

/// What a finished run left, with the history and the database of this one.
fn write_run(run: &Path, dispatch: Dispatch) {
    copy(&tiny().directory, run);
    for folder in ["history", "database"] {
        fs::remove_dir_all(run.join(folder)).unwrap();
        fs::create_dir(run.join(folder)).unwrap();
    }
    fs::write(run.join("scenario.toml"), SCENARIO).unwrap();
    let mut meta = read_json(&run.join("run.json"));
    let end = intended(JOBS) + 1_000_000_000;
    for (key, at) in [
        ("origin_ns", ORIGIN_NS),
        ("load_end_ns", ORIGIN_NS + JOBS / PER_S * 1_000_000_000),
        ("end_ns", end),
        ("snapshot_ns", end),
    ] {
        meta[key] = at.into();
    }
    meta["events"] = serde_json::json!([]);
    meta["mode"] = dispatch.name().into();
    fs::write(run.join("run.json"), meta.to_string()).unwrap();
    // Looks of another run have no moment in this one.
    fs::write(run.join("samples.jsonl"), "").unwrap();
    write_history(&run.join("history"), dispatch);
    write_database(&run.join("database"));
    if dispatch == Dispatch::EventDriven {
        write_dispatches(run);
    }
}

#[test]
#[ignore = "a minute and 1 GB of disk; ./just million runs it with a release build, which its limits are for"]
fn a_million_jobs_are_reported_on_in_ten_seconds_and_a_gibibyte() {
    report_on(Dispatch::Polling);
}

#[test]
#[ignore = "as above"]
fn a_million_jobs_of_the_event_driven_mode_are_reported_on_in_ten_seconds_and_a_gibibyte() {
    report_on(Dispatch::EventDriven);
}

fn report_on(dispatch: Dispatch) {
    let released = env::var(PROGRAM).ok();
    let program = released.clone().unwrap_or_else(|| CROSSOVER.to_owned());
    let place = Place::new();
    let run = place.path("million");
    write_run(&run, dispatch);
    let begun = Instant::now();
    let said = said(Command::new(&program).arg("report").arg(&run));
    let took = begun.elapsed();
    assert_eq!(said.code, Some(0), "{}", said.errors);
    // The largest of all children that ended, in KiB: the report, unless what ran before it was larger still.
    let peak_kib = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    let page = fs::metadata(run.join("report.html")).unwrap().len();
    println!(
        "{JOBS} jobs, {}: {took:.1?}, {} MiB, a page of {} KiB",
        dispatch.name(),
        peak_kib / 1_024,
        page / 1_024
    );
    let result = read_json(&run.join("result.json"));
    assert_eq!(result["ledger"]["completed"], JOBS, "{}", result["ledger"]);
    for check in result["checks"].as_array().unwrap() {
        assert_ne!(check["verdict"], "fail", "{check}");
    }
    assert!(read(&run.join("report.html")).contains("1,000,000"));
    assert!(page < 3 << 20, "the page has {page} bytes");
    if released.is_some() {
        assert!(took <= Duration::from_secs(10), "it took {took:?}");
        assert!(peak_kib <= 1 << 20, "it took {peak_kib} KiB");
    }
}
