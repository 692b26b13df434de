//! What a scenario may break when the servers are the user's.

use crossover_testbed::{Result, TestbedError};

/// What a fault does to its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It signals the process: kill, stop, terminate.
    Signal,
    /// It speaks to the server, or acts on a link to it.
    Client,
}

/// Refuses faults on the user's servers: always without `--allow-faults`, and with it those that take a process of ours.
/// Engine processes (`worker:…`, `replica:…`, `relay:…`) and the `downstream` service are ours wherever the servers are.
///
/// # Errors
/// `BadInput` that names the fault.
pub fn check_faults<'a>(faults: impl IntoIterator<Item = (&'a str, Act)>, allow: bool) -> Result<()> {
    for (index, (target, act)) in faults.into_iter().enumerate() {
        let problem = match act {
            _ if is_ours(target) => continue,
            _ if !allow => "faults on it need --allow-faults; pass that, or take the fault out",
            Act::Signal => "its process can't be signalled from here; take the fault out, or use --testbed local",
            Act::Client => continue,
        };
        return Err(TestbedError::BadInput(format!(
            "faults[{index}].target: found {target:?}, which is a server of yours with --testbed external: {problem}"
        )));
    }
    Ok(())
}

fn is_ours(target: &str) -> bool {
    let role = target.split(':').next().unwrap_or(target);
    ["worker", "replica", "relay", "downstream"].contains(&role)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_servers_are_not_touched_unless_it_is_allowed_and_can_be_done() {
        let refused = |target, act, allow| check_faults([("worker:1", Act::Signal), (target, act)], allow).unwrap_err();
        let error = refused("postgres", Act::Signal, false).to_string();
        assert!(
            error.contains("faults[1].target: found \"postgres\"") && error.contains("--allow-faults"),
            "{error}"
        );
        assert!(
            refused("broker:1", Act::Client, false)
                .to_string()
                .contains("--allow-faults")
        );
        let error = refused("broker:1", Act::Signal, true).to_string();
        assert!(error.contains("can't be signalled"), "{error}");
        assert!(check_faults([("relay:leader", Act::Signal), ("postgres", Act::Client)], true).is_ok());
    }
}
