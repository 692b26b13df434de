//! The supervisor's promises to a harness that lives.

use std::time::Duration;

use crossover_testbed::owned::OwnedDirectory;
use crossover_testbed::supervisor::kept::end_kept;
use crossover_testbed::{ProcessSpec, Signal};

use crate::support::{GONE_WITHIN, count_with, local_supervisor, sleeping, unique_sleep, wait_until};

const SOON: Duration = Duration::from_secs(5);

fn shell(name: &str, logs: &std::path::Path, script: &str) -> ProcessSpec {
    ProcessSpec::new(name, "/bin/sh", logs.join(format!("{name}.log"))).args(["-c", script])
}

fn sleeper(name: &str, logs: &std::path::Path, mark: &str) -> ProcessSpec {
    ProcessSpec::new(name, "/bin/sleep", logs.join(format!("{name}.log"))).args([mark])
}

#[tokio::test]
async fn an_exit_is_reported_with_code_and_log() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = local_supervisor(logs.path()).await;
    let mut exits = supervisor.exits();
    let spec = shell("greeter", logs.path(), "echo $GREETING; echo to stderr >&2; exit 7").env("GREETING", "hello");
    let pid = supervisor.spawn(spec).await.unwrap();
    let exit = supervisor.wait_exit("greeter", SOON).await.unwrap();
    assert_eq!((exit.pid, exit.code, exit.signal), (pid, Some(7), None));
    assert_eq!(exits.recv().await.unwrap(), exit);
    assert_eq!(
        std::fs::read_to_string(logs.path().join("greeter.log")).unwrap(),
        "hello\nto stderr\n"
    );
    assert!(!supervisor.is_alive("greeter"));
}

#[tokio::test]
async fn a_name_is_taken_while_its_process_lives_and_free_after() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = local_supervisor(logs.path()).await;
    let mark = unique_sleep();
    let first = supervisor.spawn(sleeper("a", logs.path(), &mark)).await.unwrap();
    let error = supervisor.spawn(sleeper("a", logs.path(), &mark)).await.unwrap_err();
    assert!(error.to_string().contains("named a runs already"), "{error}");
    supervisor.signal("a", Signal::Kill).await.unwrap();
    assert_eq!(supervisor.wait_exit("a", SOON).await.unwrap().signal, Some(9));
    let second = supervisor.spawn(sleeper("a", logs.path(), &mark)).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(supervisor.pids(), [("a".to_owned(), second)]);
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_an_error_that_names_it() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = local_supervisor(logs.path()).await;
    let error = supervisor
        .spawn(ProcessSpec::new("x", "/nonexistent/program", logs.path().join("x.log")))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("/nonexistent/program"), "{error}");
    assert!(supervisor.signal("x", Signal::Term).await.is_err());
}

#[tokio::test]
async fn children_inherit_no_blocked_or_ignored_signals() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = local_supervisor(logs.path()).await;
    // Not by way of a shell, which may set its own mask.
    let grep = ProcessSpec::new("mask", "/bin/grep", logs.path().join("mask.log"));
    let grep = grep.args(["-E", "SigBlk|SigIgn", "/proc/self/status"]);
    supervisor.spawn(grep).await.unwrap();
    supervisor.wait_exit("mask", SOON).await.unwrap();
    let text = std::fs::read_to_string(logs.path().join("mask.log")).unwrap();
    let masks = text
        .lines()
        .filter_map(|line| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok());
    // Signals from 32 on are the C library's, and whoever started this test may ignore them.
    let ordinary: Vec<u64> = masks.map(|mask| mask & 0x7fff_ffff).collect();
    assert_eq!(ordinary, [0, 0], "{text}");
}

#[tokio::test]
async fn stop_ends_a_frozen_process_and_kills_a_deaf_one() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = local_supervisor(logs.path()).await;
    supervisor
        .spawn(sleeper("frozen", logs.path(), &unique_sleep()))
        .await
        .unwrap();
    supervisor.signal("frozen", Signal::Stop).await.unwrap();
    assert_eq!(supervisor.stop("frozen").await.unwrap().signal, Some(15));

    let deaf = shell(
        "deaf",
        logs.path(),
        "trap '' TERM; echo deaf; while :; do sleep 1; done",
    );
    supervisor
        .spawn(deaf.stop(Signal::Term, Duration::from_millis(200)))
        .await
        .unwrap();
    wait_until("the trap is set", SOON, || {
        std::fs::read_to_string(logs.path().join("deaf.log"))
            .unwrap()
            .contains("deaf")
    });
    assert_eq!(supervisor.stop("deaf").await.unwrap().signal, Some(9));
}

#[tokio::test]
async fn a_signal_to_a_tree_reaches_other_sessions() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = local_supervisor(logs.path()).await;
    let mark = unique_sleep();
    supervisor
        .spawn(shell(
            "tree",
            logs.path(),
            &format!("setsid sleep {mark} & exec sleep {mark}"),
        ))
        .await
        .unwrap();
    wait_until("both sleep", SOON, || sleeping(&mark).len() == 2);
    supervisor.signal_tree("tree", Signal::Kill).await.unwrap();
    wait_until("both are gone", SOON, || count_with(&mark) == 0);
}

#[tokio::test]
async fn children_and_directories_go_when_the_last_handle_is_dropped() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = local_supervisor(logs.path()).await;
    let mark = unique_sleep();
    supervisor.spawn(sleeper("a", logs.path(), &mark)).await.unwrap();
    let directory = OwnedDirectory::create(logs.path(), "run", "part").unwrap();
    supervisor.remove_at_end(directory.path()).await.unwrap();
    let clone = supervisor.clone();
    drop(supervisor);
    assert!(clone.is_alive("a"));
    drop(clone);
    wait_until("the sleep is gone", GONE_WITHIN, || count_with(&mark) == 0);
    wait_until("the directory is gone", GONE_WITHIN, || !directory.path().exists());
}

#[tokio::test]
async fn a_directory_without_our_marker_is_refused() {
    let logs = tempfile::tempdir().unwrap();
    let foreign = tempfile::tempdir().unwrap();
    let supervisor = local_supervisor(logs.path()).await;
    let error = supervisor.remove_at_end(foreign.path()).await.unwrap_err();
    assert!(error.to_string().contains("no marker file"), "{error}");
    supervisor.shutdown().await.unwrap();
    assert!(foreign.path().exists());
}

#[tokio::test]
async fn shutdown_stops_the_newest_first_and_leaves_nothing() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = local_supervisor(logs.path()).await;
    let ends = logs.path().join("ends");
    for name in ["first", "second"] {
        let script = format!(
            "trap 'echo {name} >> {}; exit' TERM; echo up; while :; do sleep 0.01; done",
            ends.display()
        );
        supervisor.spawn(shell(name, logs.path(), &script)).await.unwrap();
        let log = logs.path().join(format!("{name}.log"));
        wait_until("it is up", SOON, || {
            std::fs::read_to_string(&log).unwrap().contains("up")
        });
    }
    let pid = supervisor.pid();
    supervisor.shutdown().await.unwrap();
    assert_eq!(std::fs::read_to_string(ends).unwrap(), "second\nfirst\n");
    assert!(
        !std::path::Path::new(&format!("/proc/{pid}")).exists(),
        "the supervisor was reaped"
    );
}

#[tokio::test]
async fn a_kept_system_outlives_its_harness_until_it_is_ended() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = local_supervisor(logs.path()).await;
    let mark = unique_sleep();
    let pid = supervisor.spawn(sleeper("kept", logs.path(), &mark)).await.unwrap();
    let directory = OwnedDirectory::create(logs.path(), "run", "part").unwrap();
    supervisor.remove_at_end(directory.path()).await.unwrap();
    let file = supervisor.keep().await.unwrap();
    drop(supervisor);
    // Longer than the removal takes in the tests above.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(count_with(&mark), 1);
    let kept = end_kept(&file).await.unwrap();
    assert_eq!(kept.processes, [("kept".to_owned(), pid)]);
    assert_eq!(
        (count_with(&mark), directory.path().exists(), file.exists()),
        (0, false, false)
    );
}

#[tokio::test]
async fn the_death_of_the_supervisor_is_an_error_for_those_who_wait() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = local_supervisor(logs.path()).await;
    let mark = unique_sleep();
    supervisor.spawn(sleeper("a", logs.path(), &mark)).await.unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(supervisor.pid()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let error = supervisor.wait_exit("a", SOON).await.unwrap_err();
    assert!(error.to_string().contains("is gone"), "{error}");
    assert!(!supervisor.is_alive("a"));
    wait_until("the backstop took the child", GONE_WITHIN, || count_with(&mark) == 0);
}

#[tokio::test]
async fn a_program_that_is_no_supervisor_is_an_error() {
    let logs = tempfile::tempdir().unwrap();
    let started = crossover_testbed::Supervisor::start_with("/bin/true".as_ref(), &[], logs.path()).await;
    assert!(started.unwrap_err().to_string().contains("is gone"));
}

#[tokio::test]
async fn a_command_at_the_end_runs_when_processes_are_gone_and_directories_are_not() {
    for is_dropped in [false, true] {
        let logs = tempfile::tempdir().unwrap();
        let supervisor = local_supervisor(logs.path()).await;
        let mark = unique_sleep();
        let pid = supervisor.spawn(sleeper("a", logs.path(), &mark)).await.unwrap();
        let directory = OwnedDirectory::create(logs.path(), "run", "part").unwrap();
        supervisor.remove_at_end(directory.path()).await.unwrap();
        let saw = logs.path().join("saw");
        let script = format!(
            "[ ! -e /proc/{pid} ] && [ -d {} ] && echo $SECRET > {}",
            directory.path().display(),
            saw.display()
        );
        let command = shell("cleanup", logs.path(), &script).env("SECRET", "hunter2");
        supervisor.run_at_end(command).await.unwrap();
        if is_dropped {
            drop(supervisor);
        } else {
            supervisor.shutdown().await.unwrap();
        }
        wait_until("the directory is gone", GONE_WITHIN, || !directory.path().exists());
        assert_eq!(std::fs::read_to_string(saw).unwrap(), "hunter2\n");
    }
}

#[tokio::test]
async fn a_command_at_the_end_that_fails_is_the_failure_of_the_end_and_directories_go_all_the_same() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = local_supervisor(logs.path()).await;
    let directory = OwnedDirectory::create(logs.path(), "run", "part").unwrap();
    supervisor.remove_at_end(directory.path()).await.unwrap();
    let command = shell("cleanup", logs.path(), "echo no such server; exit 3");
    supervisor.run_at_end(command).await.unwrap();
    let error = supervisor.shutdown().await.unwrap_err().to_string();
    assert!(error.contains("exited with code 3: no such server"), "{error}");
    assert!(!directory.path().exists());
}

#[tokio::test]
async fn a_command_at_the_end_runs_though_its_log_has_nowhere_to_go() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = local_supervisor(logs.path()).await;
    let saw = logs.path().join("saw");
    let gone = logs.path().join("gone");
    let command = shell("cleanup", &gone, &format!("echo ran > {}", saw.display()));
    supervisor.run_at_end(command).await.unwrap();
    supervisor.shutdown().await.unwrap();
    assert_eq!(std::fs::read_to_string(saw).unwrap(), "ran\n");
}
