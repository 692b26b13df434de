//! What has to be there before a build starts, so that none ends half-way for want of a program.

use std::path::Path;

use super::names::StandIn;
use crate::disk;
use crate::docker::Host;
use crate::error::{Result, TestbedError};
use crate::kafka::{find_libs, require_maven};
use crate::toxiproxy::{find_toxiproxy, require_go};

/// For the tree of the base, and a tar of it: 320 MB here.
const SCRATCH_BYTES: u64 = 1 << 30;

/// Checks for the programs that these builds run.
///
/// # Errors
/// `Unavailable`, with the remedy, for the first that is not there.
pub(super) fn require(stand_ins: &[StandIn], needs_base: bool, scratch: &Path) -> Result<()> {
    let host = Host::this();
    require_program(
        &host,
        "docker",
        "apt-get install docker-cli (part of docker.io up to Debian 12)",
    )?;
    if needs_base {
        require_root()?;
        require_program(&host, "debootstrap", "apt-get install debootstrap")?;
        require_program(&host, "unshare", "apt-get install util-linux")?;
        disk::ensure_free(scratch, SCRATCH_BYTES)?;
    }
    if stand_ins.contains(&StandIn::Kafka) && find_libs()?.is_none() {
        require_maven()?;
    }
    if stand_ins.contains(&StandIn::Toxiproxy) && find_toxiproxy()?.is_none() {
        require_go()?;
    }
    Ok(())
}

fn require_program(host: &Host, program: &str, remedy: &str) -> Result<()> {
    match host.find(program) {
        Some(_) => Ok(()),
        None => Err(TestbedError::unavailable(
            format!("no {program}, which builds stand-in images"),
            remedy,
        )),
    }
}

/// debootstrap makes device nodes and changes its root.
fn require_root() -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let program = std::env::current_exe().map_or_else(|_| "crossover".to_owned(), |path| path.display().to_string());
    Err(TestbedError::unavailable(
        "debootstrap, which makes the Debian below the stand-ins, needs root",
        format!("sudo {program} images"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_names_its_package() {
        let host = Host {
            programs: Vec::new(),
            has_systemd: false,
        };
        let error = require_program(&host, "debootstrap", "apt-get install debootstrap").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no debootstrap, which builds stand-in images; apt-get install debootstrap"
        );
    }
}
