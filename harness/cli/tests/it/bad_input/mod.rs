//! What can't be used is refused at once, by name, with what is allowed; nothing is started for it.

mod scenarios;
mod testbed;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crossover_testbed::RunLock;

use crate::support::{Place, SHORT, Said, said};

/// Bad input.
const BAD: Option<i32> = Some(2);
/// The testbed can't be had.
const UNAVAILABLE: Option<i32> = Some(3);
/// Nothing of this kind takes longer, even while other tests keep the machine busy.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Runs a command that must be refused with this code, each of these words, and nothing started.
fn refused(place: &Place, command: &mut Command, code: Option<i32>, words: &[&str]) -> Said {
    let begun = Instant::now();
    let said = said(command);
    let took = begun.elapsed();
    assert_eq!(said.code, code, "{}\n{}", said.output, said.errors);
    for word in words {
        assert!(said.errors.contains(word), "no {word:?} in:\n{}", said.errors);
    }
    assert!(said.errors.contains("error: "), "{}", said.errors);
    assert!(!said.errors.contains("panicked"), "{}", said.errors);
    assert!(took < AT_ONCE, "it took {took:?}");
    assert_eq!(place.data(), [] as [PathBuf; 0]);
    said
}

/// A scenario that must be refused before there is even a directory for its run.
fn refused_scenario(scenario: &str, flags: &[&str], words: &[&str]) {
    let place = Place::new();
    refused(&place, &mut place.bench("bad", scenario, flags), BAD, words);
    assert_eq!(place.runs(), [] as [PathBuf; 0]);
}

#[test]
fn an_unknown_scenario_is_answered_with_those_that_there_are() {
    let place = Place::new();
    let words = [
        "unknown scenario \"defualt\"",
        "did you mean \"default\"?",
        "contention",
        "drain",
    ];
    refused(
        &place,
        &mut place.crossover(["bench", "polling", "defualt"]),
        BAD,
        &words,
    );
    let missing = place.path("missing.toml");
    let words = ["can't read the scenario", missing.to_str().unwrap(), "No such file"];
    refused(&place, place.crossover(["bench", "polling"]).arg(&missing), BAD, &words);
    // A directory is no file.
    fs::create_dir(&missing).unwrap();
    refused(
        &place,
        place.crossover(["bench", "polling"]).arg(&missing),
        BAD,
        &words[..2],
    );
}

#[test]
fn an_unknown_mode_or_command_is_answered_with_those_that_there_are() {
    let place = Place::new();
    refused(
        &place,
        &mut place.crossover(["bench", "poling"]),
        BAD,
        &["invalid value 'poling'", "[possible values: polling"],
    );
    refused(
        &place,
        &mut place.crossover(["bnech", "polling"]),
        BAD,
        &["unrecognized subcommand 'bnech'", "'bench'"],
    );
    refused(
        &place,
        &mut place.crossover(["bench", "polling", "--keeep"]),
        BAD,
        &["'--keeep'", "'--keep'"],
    );
}

#[test]
fn outside_the_project_it_says_so() {
    let place = Place::new();
    let mut command = place.crossover(["bench", "polling"]);
    command.current_dir(place.path("data"));
    refused(
        &place,
        &mut command,
        BAD,
        &["no scenarios/ in", "run this inside the project"],
    );
}

#[test]
fn a_second_run_is_refused_by_the_name_of_the_first() {
    let place = Place::new();
    let first = RunLock::acquire_in(&place.path("lock"), "first-polling").unwrap();
    let words = [
        &format!("pid {}, first-polling", std::process::id()),
        "is under way",
        "wait for it",
    ];
    refused(&place, &mut place.bench("second", SHORT, &[]), BAD, &words);
    assert_eq!(place.runs(), [] as [PathBuf; 0]);
    drop(first);
}

#[test]
fn a_report_on_what_is_no_run_is_refused() {
    let place = Place::new();
    refused(
        &place,
        place.crossover(["report"]).arg(place.path("data")),
        BAD,
        &["no run", "data"],
    );
    refused(
        &place,
        &mut place.crossover(["report", "no-such-run"]),
        BAD,
        &["no run no-such-run; there "],
    );
    let damaged = place.path("damaged");
    fs::create_dir(&damaged).unwrap();
    fs::write(damaged.join("run.json"), "{ \"id\":").unwrap();
    refused(
        &place,
        place.crossover(["report"]).arg(&damaged),
        BAD,
        &["run.json is damaged", "EOF while parsing"],
    );
}

#[test]
fn a_password_is_never_printed() {
    let place = Place::new();
    let secret = "hunter2";
    for (url, code, words) in [
        ("postgres://u:hunter2@127.0.0.1:1/x", UNAVAILABLE, "127.0.0.1:1"),
        (
            "postgres://u:hunter2@127.0.0.1:port/x",
            BAD,
            "expected postgres://user:password@host:port/database",
        ),
        (
            "postgres://u:hun/ter2:hunter2@127.0.0.1/x",
            BAD,
            "expected postgres://user:password@host:port/database",
        ),
    ] {
        let with_flag = &mut place.crossover(["engine", "migrate", "--database-url", url]);
        let said = self::said(with_flag);
        assert_eq!(said.code, code, "{}", said.errors);
        assert!(said.errors.contains(words), "no {words:?} in:\n{}", said.errors);
        assert!(
            !said.errors.contains(secret) && !said.output.contains(secret),
            "{}",
            said.errors
        );
        let with_variable = &mut place.crossover(["engine", "migrate"]);
        let said = self::said(with_variable.env("CROSSOVER_DATABASE_URL", url));
        assert_eq!(said.code, code, "{}", said.errors);
        assert!(
            !said.errors.contains(secret) && !said.output.contains(secret),
            "{}",
            said.errors
        );
    }
    // In the wrong place, too.
    let said = said(&mut place.crossover(["engine", "migrate", "postgres://u:hunter2@127.0.0.1:1/x"]));
    assert_eq!(said.code, BAD);
    assert!(!said.errors.contains(secret), "{}", said.errors);
}

#[test]
fn help_and_version_are_no_failure() {
    let place = Place::new();
    for flag in ["--help", "--version"] {
        assert_eq!(said(&mut place.crossover([flag])).code, Some(0));
    }
    assert_eq!(said(&mut place.crossover(["bench", "--help"])).code, Some(0));
}
