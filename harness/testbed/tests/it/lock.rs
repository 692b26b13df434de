//! The run lock between processes.

use std::time::Duration;

use crossover_testbed::{RunLock, TestbedError};

use crate::support::{Victim, wait_until};

#[test]
fn the_lock_of_another_process_is_refused_until_that_process_dies() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lock");
    let mut holder = Victim::start(&["lock", path.to_str().unwrap()]);
    let error = RunLock::acquire_in(&path, "second").unwrap_err();
    assert!(
        matches!(&error, TestbedError::BadInput(message) if message.contains(", held) is under way")),
        "{error}"
    );
    holder.kill();
    wait_until("the kernel released it", Duration::from_secs(1), || {
        RunLock::acquire_in(&path, "second").is_ok()
    });
}
