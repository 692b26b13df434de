//! SIGKILL of the harness leaves nothing: the promise that all else rests on.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{GONE_WITHIN, Victim, count_with, data_directory, sleeping, unique_run, unique_sleep, wait_until};

/// A thousand files: 60 ms on an idle disk, two seconds were seen on a busy one, and the disk is shared with other tests.
const DATA_GONE_WITHIN: Duration = Duration::from_secs(10);

/// Kills a harness whose child runs `script`, in which `MARK` stands for a unique length of sleep, after `before` was done
/// to the processes that sleep.
fn leaves_nothing(script: &str, sleeps: usize, before: impl Fn(&[u32])) {
    let base = tempfile::tempdir().unwrap();
    let mark = unique_sleep();
    let mut harness = Victim::start(&["harness", base.path().to_str().unwrap(), &script.replace("MARK", &mark)]);
    wait_until("all sleep", Duration::from_secs(5), || sleeping(&mark).len() == sleeps);
    before(&sleeping(&mark));
    let directory = base.path().join("crossover-killed-part");
    assert!(directory.exists());
    let killed = harness.kill();
    let supervisor = harness.said[0].clone();
    wait_until("all processes are gone", GONE_WITHIN, || count_with(&mark) == 0);
    wait_until("the directory is gone", GONE_WITHIN, || !directory.exists());
    wait_until("the supervisor is gone", GONE_WITHIN, || {
        !Path::new(&format!("/proc/{supervisor}/exe")).exists()
    });
    println!("everything was gone {:?} after SIGKILL", killed.elapsed());
    assert!(killed.elapsed() < GONE_WITHIN);
}

fn freeze(pids: &[u32]) {
    for &pid in pids {
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGSTOP).unwrap();
    }
}

#[test]
fn a_child_is_gone_after_sigkill_of_the_harness() {
    leaves_nothing("exec sleep MARK", 1, |_| ());
}

#[test]
fn a_frozen_child_is_gone_after_sigkill_of_the_harness() {
    leaves_nothing("exec sleep MARK", 1, freeze);
}

#[test]
fn grandchildren_in_other_sessions_are_gone_after_sigkill_of_the_harness() {
    let script = "setsid sleep MARK & (setsid sh -c 'sleep MARK; :' &) ; exec sleep MARK";
    leaves_nothing(script, 3, |_| ());
    leaves_nothing(script, 3, freeze);
}

#[test]
fn a_child_that_ignores_its_stop_signal_is_gone_after_sigkill_of_the_harness() {
    leaves_nothing("trap '' TERM; sleep MARK; :", 1, |_| ());
}

/// Kills a harness that holds a server with its data, played by the helper in the role `server`.
fn leaves_no_server(server: &str, part: &str) {
    let base = data_directory();
    let run = unique_run();
    let mut harness = Victim::start(&[server, base.path().to_str().unwrap(), &run]);
    let data = base.path().join(format!("crossover-{run}-{part}"));
    assert!(count_with(data.to_str().unwrap()) >= 1 && data.exists());
    let killed = harness.kill();
    let pid = harness.said[1].clone();
    wait_until("the server is gone", GONE_WITHIN, || {
        !Path::new(&format!("/proc/{pid}/exe")).exists()
    });
    println!("{server} was gone {:?} after SIGKILL", killed.elapsed());
    wait_until("its data is gone", DATA_GONE_WITHIN, || !data.exists());
    println!("its data was gone {:?} after SIGKILL", killed.elapsed());
}

#[test]
fn a_postgres_is_gone_with_its_data_after_sigkill_of_the_harness() {
    leaves_no_server("postgres", "postgres");
}

#[test]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
fn a_kafka_is_gone_with_its_data_after_sigkill_of_the_harness() {
    // Fetched before, or the harness of this test may be killed while it fetches.
    crate::kafka::fetched();
    leaves_no_server("kafka", "kafka-1");
}
