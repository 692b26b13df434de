//! `regress`: a planted difference is found, none is no alarm, bad input is refused, and no worktree is left behind. Most of it with
//! programs that answer at once ([`fake`]), once with real runs.

mod fake;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use self::fake::{Fake, SETTINGS, commit, git, verdict};
use crate::support::{CROSSOVER, Place, SHORT, Said, Turn, read, read_json, said, wait_until};

/// The project: where scenarios are.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Two programs held against each other.
fn held_against(fake: &Fake, base: &Path, head: &Path) -> (Said, Value) {
    let settings = fake.place.write("settings.toml", SETTINGS);
    let flags = ["--base-program", "--head-program", "--settings"];
    let mut command = fake.regress(Path::new(ROOT), &[]);
    for (flag, path) in flags.iter().zip([base, head, &settings]) {
        command.arg(flag).arg(path);
    }
    let told = said(&mut command);
    let directory = fake
        .place
        .runs()
        .pop()
        .unwrap_or_else(|| panic!("no run: {}", told.errors));
    (told, read_json(&directory.join("regress.json")))
}

#[test]
fn a_build_that_costs_a_fifth_more_is_worse_and_its_pairs_turn_round() {
    let fake = Fake::new();
    let (base, head) = (fake.program("base", "1.0"), fake.program("head", "1.2"));
    let (told, regression) = held_against(&fake, &base, &head);
    assert_eq!(told.code, Some(5), "{}\n{}", told.output, told.errors);
    assert_eq!(verdict(&regression), "worse");
    assert!(
        told.output.contains("polling: WORSE. CPU per job +20"),
        "{}",
        told.output
    );
    let report = fake.place.only_run().join("report.html");
    assert_eq!(told.output.trim_end().lines().last(), report.to_str());
    assert!(read(&report).contains("WORSE") && read(&report.with_extension("md")).contains("| CPU per job"));
    // Two that warm up, then base, head, head, base and so on.
    let names: Vec<String> = fake.calls().into_iter().map(|[name, ..]| name).collect();
    assert_eq!(names.len(), 18);
    assert_eq!(names[2..6], ["base", "head", "head", "base"]);
    // One lock for all, which is not the machine's: that is the command's.
    let locks: Vec<String> = fake.calls().into_iter().map(|[_, _, lock]| lock).collect();
    assert!(
        locks.iter().all(|lock| *lock == locks[0] && lock.ends_with("/lock")),
        "{locks:?}"
    );

    // The report again, from the pairs alone.
    let told = said(fake.place.crossover(["report"]).arg(fake.place.only_run()));
    assert_eq!(told.code, Some(0), "{}", told.errors);
    assert!(told.output.contains("WORSE"), "{}", told.output);
}

#[test]
fn a_build_against_itself_is_the_same_and_one_that_costs_less_is_better() {
    let fake = Fake::new();
    let (one, cheap) = (fake.program("one", "1.0"), fake.program("cheap", "0.8"));
    let (told, regression) = held_against(&fake, &one, &one);
    assert_eq!((told.code, verdict(&regression)), (Some(0), "same"), "{}", told.output);
    fs::remove_dir_all(fake.place.path("runs")).unwrap();
    let (told, regression) = held_against(&fake, &one, &cheap);
    assert_eq!(
        (told.code, verdict(&regression)),
        (Some(0), "better"),
        "{}",
        told.output
    );
}

#[test]
fn a_pair_with_an_invalid_run_is_run_again_and_a_failed_check_of_head_is_not_forgotten() {
    let fake = Fake::new();
    let (base, head) = (fake.program("base", "1.0"), fake.program("head", "1.0"));
    // The third call is base's in the first pair, behind the two that warm up.
    fake.plant("late", 2);
    let (told, regression) = held_against(&fake, &base, &head);
    assert_eq!(told.code, Some(0), "{}\n{}", told.output, told.errors);
    let first = &regression["modes"][0]["pairs"][0];
    assert_eq!(
        (&first["tries"], first["measured"].is_object()),
        (&Value::from(2), true),
        "{first:#}"
    );
    let why = first["unusable"][0].as_str().unwrap();
    assert_eq!(why, "base: it is not valid: the generator was late");

    fs::remove_dir_all(fake.place.path("runs")).unwrap();
    let again = Fake::new();
    let (base, head) = (again.program("base", "1.0"), again.program("head", "1.0"));
    again.plant("failed", 3);
    let (told, regression) = held_against(&again, &base, &head);
    assert_eq!(told.code, Some(4), "{}\n{}", told.output, told.errors);
    assert_eq!(verdict(&regression), "same");
    assert!(
        told.output.contains("Head broke: polling, pair 1: failed: "),
        "{}",
        told.output
    );
}

#[test]
fn commits_are_built_in_worktrees_that_are_gone_at_the_end_and_built_only_once() {
    let fake = Fake::new();
    let checkout = fake.checkout(&["1.0", "1.2"]);
    let told = said(&mut fake.regress(&checkout, &[]));
    assert_eq!(told.code, Some(5), "{}\n{}", told.output, told.errors);
    assert!(told.errors.contains("(merge base with main)"), "{}", told.errors);
    let regression = read_json(&fake.place.only_run().join("regress.json"));
    let commit_of = |name: &str| git(&checkout, &["rev-parse", name]);
    assert_eq!(regression["base"]["commit"], commit_of("main"));
    assert_eq!(regression["head"]["commit"], commit_of("work"));
    // Each in its own checkout, which a run asks for its commit.
    let directories: Vec<String> = fake.calls().into_iter().map(|[_, directory, _]| directory).collect();
    assert!(directories[2].ends_with("regress/trees/base") && directories[3].ends_with("regress/trees/head"));
    assert_no_worktree(&fake, &checkout);
    assert_eq!(fake.builds(), 2);

    // On main there is no merge base but HEAD: the commit before it, which was built before.
    git(&checkout, &["checkout", "--quiet", "main"]);
    git(&checkout, &["merge", "--quiet", "--ff-only", "work"]);
    fs::remove_dir_all(fake.place.path("runs")).unwrap();
    let told = said(&mut fake.regress(&checkout, &["--pairs", "8"]));
    assert_eq!(told.code, Some(5), "{}\n{}", told.output, told.errors);
    assert!(told.errors.contains("(HEAD~1, as HEAD is on main)"), "{}", told.errors);
    assert_eq!(fake.builds(), 2);
}

fn assert_no_worktree(fake: &Fake, checkout: &Path) {
    assert_eq!(git(checkout, &["worktree", "list"]).lines().count(), 1);
    let trees = fs::read_dir(fake.place.path("cache/crossover/regress/trees")).unwrap();
    assert_eq!(trees.count(), 0);
}

#[test]
fn what_can_not_be_built_or_is_not_there_is_refused_with_its_name() {
    let fake = Fake::new();
    let checkout = fake.checkout(&["1.0", "1.0"]);
    let refused = |flags: &[&str], expected: &str| {
        let told = said(&mut fake.regress(&checkout, flags));
        assert_eq!(told.code, Some(2), "{flags:?}: {}", told.errors);
        assert!(told.errors.contains(expected), "{flags:?}: {}", told.errors);
    };
    refused(&["nowhere"], "BASE: found \"nowhere\", which is no commit here");
    refused(
        &["--pairs", "7"],
        "--pairs: found 7; allowed are even numbers from 8 to 200",
    );
    refused(
        &["--head-program", "regress.toml"],
        "--head-program: found regress.toml, which is no program",
    );
    refused(&["--resume", "nowhere"], "no run nowhere");
    refused(&["main", "--base-program", "x"], "cannot be used with");
    let bad = |line: &str| {
        fake.place
            .write("bad.toml", &SETTINGS.replace("tolerance = 0.05", line))
    };
    let path = bad("tolerance = 5");
    refused(
        &["--settings", path.to_str().unwrap()],
        "bad.toml: line 8, primary.tolerance: found 5; allowed is more than 0, up to 1",
    );
    let path = bad("tolerence = 0.05");
    refused(&["--settings", path.to_str().unwrap()], "did you mean \"tolerance\"?");
    fs::write(checkout.join("program"), "another").unwrap();
    refused(&[], "the work tree differs from HEAD (M program)");
    assert!(fake.place.runs().is_empty(), "nothing was begun");

    fs::write(checkout.join("broken"), "").unwrap();
    commit(&checkout, "does not build");
    refused(&[], "does not build: ");
    assert_no_worktree(&fake, &checkout);
}

#[test]
fn broken_off_it_leaves_no_worktree_and_goes_on_with_the_pairs_that_are_missing() {
    let fake = Fake::new();
    let checkout = fake.checkout(&["1.0", "1.2"]);
    fake.plant("slow", 5);
    let child = fake.regress(&checkout, &[]).spawn().unwrap();
    wait_until("a run is under way", Duration::from_secs(60), || fake.has("under-way"));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    let told = Said::of(child.wait_with_output().unwrap());
    assert_eq!(told.code, Some(130), "{}\n{}", told.output, told.errors);
    assert_no_worktree(&fake, &checkout);
    let directory = fake.place.only_run();
    let kept = read_json(&directory.join("regress.json"))["modes"][0]["pairs"].clone();
    assert_eq!(kept.as_array().unwrap().len(), 1);

    fake.lift("slow");
    let told = said(&mut fake.regress(&checkout, &["--resume", directory.to_str().unwrap()]));
    assert_eq!(told.code, Some(5), "{}\n{}", told.output, told.errors);
    let pairs = read_json(&directory.join("regress.json"))["modes"][0]["pairs"].clone();
    assert_eq!((pairs.as_array().unwrap().len(), &pairs[0]), (8, &kept[0]));
    assert_no_worktree(&fake, &checkout);
}

#[test]
fn in_real_runs_a_slower_setting_of_one_side_is_found_and_nothing_is_left_behind() {
    let place = Place::new();
    let _turn = Turn::take();
    let scenario = place.write("real.toml", SHORT);
    let settings = SETTINGS
        .replace("\"regress\"", &format!("{:?}", scenario.display().to_string()))
        .replace("cpu_ms_per_job", "dispatch_ms_p50");
    let settings = place.write("settings.toml", &settings);
    let slower = place.write(
        "slower",
        &format!("#!/bin/sh\nexec {CROSSOVER} \"$@\" --set polling.interval=150ms\n"),
    );
    fs::set_permissions(&slower, Permissions::from_mode(0o755)).unwrap();
    let mut command = place.crossover(["regress", "--base-program", CROSSOVER, "--head-program"]);
    command.arg(slower).arg("--settings").arg(settings);
    let told = said(command.arg("--output").arg(place.path("runs")));
    // Debug builds: their numbers are no one's.
    assert_eq!(told.code, Some(6), "{}\n{}", told.output, told.errors);
    let regression = read_json(&place.only_run().join("regress.json"));
    assert_eq!(verdict(&regression), "worse", "{}", told.output);
    assert_eq!(
        regression["invalid_reasons"].as_array().unwrap().len(),
        2,
        "{regression:#}"
    );
    let run = regression["modes"][0]["pairs"][7]["measured"]["head"]["run"]
        .as_str()
        .unwrap();
    assert!(place.only_run().join(run).join("report.html").is_file(), "{run}");
    assert_eq!(place.data(), [] as [PathBuf; 0]);
}
